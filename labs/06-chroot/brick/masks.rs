//! What of /proc and /sys a container is not to see, or not to write.
//!
//! These file systems show the kernel, and there is one kernel: root in a container
//! reads the host's memory in kcore and presses SysRq by a write to sysrq-trigger.
//! A mount over a path hides it, and in a mount namespace of a user namespace it
//! cannot be taken away from inside.
//!
//! Read: `maskedPaths` and `readonlyPaths` in config-linux.md of the OCI runtime
//! specification; mount_namespaces(7)

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{SFlag, fstat};

use super::binds::{Attributes, set_attributes};
use super::inside::{Make, Root, path_of};
use crate::explain::{CallError, Explain};

const NONE: Option<&str> = None;

/// What Docker, containerd and podman mask when nobody says otherwise. No list is
/// complete: a new kernel has new files, and a new release adds one here.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What they make read-only.
pub const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Hides a path of the new root: /dev/null over a file, an empty read-only tmpfs
/// over a directory. What this kernel does not have needs no mask.
pub fn mask(explain: Explain, root: &Root, path: &Path) -> Result<(), CallError> {
    let Some(fd) = there(root.inside(explain, path, Make::Nothing))? else {
        return Ok(());
    };
    // Asked of what is open, not of a path that could be another thing by now.
    let target = path_of(&fd);
    if is_directory(&fd) {
        // Read-only, or a program could leave files there for others to take for the
        // kernel's. It takes no memory as long as it is empty.
        explain.call(
            format!("mount(\"tmpfs\", {target:?}, \"tmpfs\", MS_RDONLY, NULL)"),
            mount(
                Some("tmpfs"),
                target.as_str(),
                Some("tmpfs"),
                MsFlags::MS_RDONLY,
                NONE,
            ),
        )
    } else {
        // It has no content to leak, and swallows what is written: a program that
        // opens the file gets no error, only nothing.
        explain.call(
            format!("mount(\"/dev/null\", {target:?}, NULL, MS_BIND, NULL)"),
            mount(
                Some("/dev/null"),
                target.as_str(),
                NONE,
                MsFlags::MS_BIND,
                NONE,
            ),
        )
    }
}

/// Makes a path of the new root read-only, with all that is mounted below.
pub fn make_read_only(explain: Explain, root: &Root, path: &Path) -> Result<(), CallError> {
    let Some(fd) = there(root.inside(explain, path, Make::Nothing))? else {
        return Ok(());
    };
    // A part of a mount has no flags of its own; bound on itself, it is a mount.
    // MS_REC, or what is mounted below would be missing from the bound one, and in a
    // user namespace the call would be refused (EINVAL).
    let target = path_of(&fd);
    explain.call(
        format!("mount({target:?}, {target:?}, NULL, MS_BIND|MS_REC, NULL)"),
        mount(
            Some(target.as_str()),
            target.as_str(),
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        ),
    )?;
    // Opened anew: the first descriptor is below the new mount, this one is on it.
    let bound = root.inside(explain, path, Make::Nothing)?;
    // Adds the flag and leaves the others. MS_REMOUNT sets all anew, and dropping one
    // that is locked (nosuid, nodev, noexec) is EPERM in a user namespace.
    set_attributes(explain, &bound, Attributes::READ_ONLY, None)
}

/// Each kernel has other files, by its version and configuration, and both lists
/// name some that went years ago.
/// `None` for what is not there.
fn there(opened: Result<OwnedFd, CallError>) -> Result<Option<OwnedFd>, CallError> {
    match opened {
        Err(error) if error.errno == Errno::ENOENT => Ok(None),
        opened => opened.map(Some),
    }
}

fn is_directory(fd: &OwnedFd) -> bool {
    fstat(fd)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}
