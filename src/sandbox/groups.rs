//! Trees of cgroups, walked by descriptors: what a student makes may be deeper
//! than any path is long. cgroups(7)

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

/// Calls `visit` for the cgroup and each one below it, parents first.
pub fn each(top: &Path, visit: impl FnMut(BorrowedFd)) {
    walk(top, visit, |_, _| {});
}

/// Removes it and those below it, as far as nothing runs in them. A cgroup's
/// files cannot be removed, only its directory, inmost first.
pub fn remove(top: &Path) {
    walk(
        top,
        |_| {},
        |parent, name| {
            let _ = unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir);
        },
    );
    let _ = std::fs::remove_dir(top);
}

fn walk(
    top: &Path,
    mut enter: impl FnMut(BorrowedFd),
    mut leave: impl FnMut(BorrowedFd, &CString),
) {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let Ok(mut at) = open(top, flags, Mode::empty()) else {
        return;
    };
    enter(at.as_fd());
    let mut todo = vec![children(&at)];
    let mut names: Vec<CString> = Vec::new();
    while let Some(siblings) = todo.last_mut() {
        if let Some(name) = siblings.pop() {
            // One that is gone by now needs no visit.
            let Ok(next) = openat(&at, name.as_c_str(), flags, Mode::empty()) else {
                continue;
            };
            enter(next.as_fd());
            todo.push(children(&next));
            names.push(name);
            at = next;
        } else {
            todo.pop();
            let Some(name) = names.pop() else { return };
            let Ok(parent) = openat(&at, "..", flags, Mode::empty()) else {
                return;
            };
            leave(parent.as_fd(), &name);
            at = parent;
        }
    }
}

fn children(directory: &OwnedFd) -> Vec<CString> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut listing) = Dir::openat(directory, ".", flags, Mode::empty()) else {
        return Vec::new();
    };
    listing
        .iter()
        .flatten()
        .filter(|entry| entry.file_type() == Some(Type::Directory))
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| ![c".", c".."].contains(&name.as_c_str()))
        .collect()
}

/// Sends SIGKILL to every process of this one cgroup.
pub fn kill_members(group: BorrowedFd) {
    let members = read(group, "cgroup.procs").unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        // Members whose PID has no number here are told as 0.
        if pid > 0 {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Takes away what keeps a killed process from dying at once: on v1 a frozen
/// one does not die, and on both versions dying takes processor time, and the
/// end of its reads and writes.
pub fn release(group: BorrowedFd) {
    for (file, value) in [
        ("freezer.state", "THAWED"),
        ("cgroup.freeze", "0"),
        ("cpu.cfs_quota_us", "-1"),
        ("cpu.max", "max"),
    ] {
        write(group, file, value);
    }
    for (file, unlimited) in [
        ("blkio.throttle.read_bps_device", "0"),
        ("blkio.throttle.read_iops_device", "0"),
        ("blkio.throttle.write_bps_device", "0"),
        ("blkio.throttle.write_iops_device", "0"),
        ("io.max", "rbps=max wbps=max riops=max wiops=max"),
    ] {
        for line in read(group, file).unwrap_or_default().lines() {
            let device = line.split(' ').next().unwrap_or_default();
            write(group, file, &format!("{device} {unlimited}"));
        }
    }
}

/// A file of the cgroup, where it has it.
pub fn read(group: BorrowedFd, file: &str) -> Option<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut text = String::new();
    File::from(openat(group, file, flags, Mode::empty()).ok()?)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// Where there is no such file, nothing is to be done.
fn write(group: BorrowedFd, file: &str, value: &str) {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    if let Ok(file) = openat(group, file, flags, Mode::empty()) {
        let _ = File::from(file).write_all(value.as_bytes());
    }
}
