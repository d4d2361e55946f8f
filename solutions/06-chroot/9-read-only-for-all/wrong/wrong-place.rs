// caught by: inside.process.mounts./mnt
// Makes the data read-only where it is, and not where it is shown.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn set_flags(path: &std::ffi::CStr, attr_set: u64) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid mount_attr; the kernel reads as much of it as its
    let done = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = attr_set;
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    Errno::result(done).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/srv/data"), "/mnt", NONE, flags, NONE)?;

    set_flags(c"/srv/data", libc::MOUNT_ATTR_RDONLY)?;

    Err(Command::new(program).args(rest).exec().into())
}
