//! Run a command that may read all of /srv/data, on /mnt, and write none of it.
//!
//! A bind shows a file system at a second place. Its flags are its own, so the
//! first place stays writable; but each mount has its own, the one below too.

use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

/// mount_setattr(2): gives the mount at `path`, and all below it, the flags of
/// `attr_set`.
fn set_flags(path: &std::ffi::CStr, attr_set: u64) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid mount_attr; the kernel reads as much of it as its
    // size says, and `path` up to its end.
    let done = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = attr_set;
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            // All or none: when one mount of the tree refuses, nothing has changed.
            // mount(2) has no such thing: there each one is remounted by itself.
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

    // MS_REC, or `deep` would be missing: a bind takes one mount, and what shows
    // below is the empty directory that it was mounted on.
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/srv/data"), "/mnt", NONE, flags, NONE)?;

    // Flags that are set here are added; those of the source, as nosuid, stay. A
    // remount would have to repeat them.
    set_flags(c"/mnt", libc::MOUNT_ATTR_RDONLY)?;

    Err(Command::new(program).args(rest).exec().into())
}
