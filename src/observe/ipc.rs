//! System V IPC objects and POSIX message queues of the IPC namespace that the
//! caller is in. See proc_sysvipc(5) and mq_overview(7).

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::{Result, anyhow};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};

use super::proc::{read_at, visible};
use crate::state::facts::{Ipc, IpcObject};

/// The most queues that are told of one namespace.
const MOST_QUEUES: usize = 1024;

/// Reads the namespace that the caller is in, through a `/proc` opened before.
pub fn read(procfs: BorrowedFd<'_>) -> Result<Ipc> {
    let table = |name: &str, size: &str| match read_at(procfs, &format!("sysvipc/{name}")) {
        Ok(text) => Ok(objects(&text, size)),
        // A kernel without System V IPC.
        Err(Errno::ENOENT) => Ok(BTreeMap::new()),
        Err(errno) => Err(anyhow!("open(\"/proc/sysvipc/{name}\"): {errno}")),
    };
    Ok(Ipc {
        shared_memory: table("shm", "size")?,
        semaphores: table("sem", "nsems")?,
        message_queues: table("msg", "qnum")?,
        // The mount is refused to who has no capabilities over the namespace,
        // and unknown to a kernel without queues.
        posix_queues: posix_queues().unwrap_or_default(),
    })
}

/// A table of `/proc/sysvipc`, whose first line names the columns.
fn objects(text: &str, size: &str) -> BTreeMap<String, IpcObject> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let mut found = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |name: &str| column(name).and_then(|index| words.get(index).copied());
        let Some(key) = word("key").and_then(|key| key.parse::<i64>().ok()) else {
            continue;
        };
        let mode = word("perms").and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let object = IpcObject {
            size: word(size).and_then(|size| size.parse().ok()).unwrap_or(0),
            // Above the permissions stand flags of the kernel's own.
            mode: format!("0{:03o}", mode.unwrap_or_default() & 0o777),
        };
        // Keys are told as signed decimals.
        found.push((key as u32, object));
    }
    // Identifiers are handed out anew each time: those without a key are
    // counted in an order that does not depend on them.
    found.sort_by(|a, b| (a.0, a.1.size, &a.1.mode).cmp(&(b.0, b.1.size, &b.1.mode)));
    let mut private = 0;
    found
        .into_iter()
        .map(|(key, object)| match key {
            0 => {
                private += 1;
                let name = match private {
                    1 => "private".into(),
                    count => format!("private ({count})"),
                };
                (name, object)
            }
            key => (format!("{key:#010x}"), object),
        })
        .collect()
}

/// Lists the queues through a mount that is attached nowhere and goes with
/// its descriptor.
fn posix_queues() -> Result<BTreeMap<String, IpcObject>, Errno> {
    let root = detached(c"mqueue")?;
    let dir = openat(
        &root,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut queues = BTreeMap::new();
    for entry in Dir::from_fd(dir)?.iter().take(MOST_QUEUES) {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if let Ok(queue) = posix_queue(root.as_fd(), name) {
            queues.insert(visible(format!("/{}", name.to_string_lossy())), queue);
        }
    }
    Ok(queues)
}

fn posix_queue(root: BorrowedFd<'_>, name: &CStr) -> Result<IpcObject, Errno> {
    let fd = openat(
        root,
        name,
        OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    // SAFETY: mq_attr is plain numbers, for which zero is a value.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and the address is that of an mq_attr.
    Errno::result(unsafe { libc::mq_getattr(fd.as_raw_fd(), &raw mut attributes) })?;
    Ok(IpcObject {
        size: u64::try_from(attributes.mq_curmsgs).unwrap_or_default(),
        mode: format!("0{:03o}", fstat(&fd)?.st_mode & 0o777),
    })
}

/// A mount of a file system that is attached nowhere. fsopen(2), fsmount(2).
fn detached(fs_type: &CStr) -> Result<OwnedFd, Errno> {
    let fd = |result: libc::c_long| -> Result<OwnedFd, Errno> {
        let fd = Errno::result(result)? as i32;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    // SAFETY: fsopen reads the name and makes a descriptor.
    let context = fd(unsafe { libc::syscall(libc::SYS_fsopen, fs_type.as_ptr(), 1) })?;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    // SAFETY: this command takes no key, no value and no number.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_void>(),
            0,
        )
    })?;
    // SAFETY: fsmount takes a descriptor and two numbers (close-on-exec; no attributes).
    fd(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_by_key_and_those_without_are_counted() {
        let text = "       key      shmid perms                  size  cpid  lpid nattch\n\
                    \x20        0          3  1600                  8192     1     1      0\n\
                    \x20     4660          4   644                  4096     1     1      0\n\
                    \x20       -1          5   600                     1     1     1      0\n\
                    \x20        0          6   600                  4096     1     1      0\n";
        let objects = objects(text, "size");
        assert_eq!(
            objects.keys().collect::<Vec<_>>(),
            ["0x00001234", "0xffffffff", "private", "private (2)"]
        );
        assert_eq!(objects["0x00001234"].mode, "0644");
        assert_eq!(objects["private"].size, 4096);
        assert_eq!(objects["private (2)"].mode, "0600");
    }
}
