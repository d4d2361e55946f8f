//! One key, two segments: the machine's and the payload's.
//!
//! System V objects have no path. Who may find one is decided by the IPC
//! namespace first, and by the object's mode only after that.

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

const KEY: libc::key_t = 0x7470;

/// Finds the segment with the key KEY, or makes it, with `size` bytes.
fn segment(size: usize) -> io::Result<()> {
    // SAFETY: shmget takes numbers only.
    match unsafe { libc::shmget(KEY, size, libc::IPC_CREAT | 0o600) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    segment(4096)?; // the machine's

    // Not a copy: a new IPC namespace is empty.
    unshare(CloneFlags::CLONE_NEWIPC)?;

    // So the key is free here. In the machine's namespace this call would find
    // the smaller segment there and fail with EINVAL.
    segment(8192)?;

    Err(Command::new(program).args(rest).exec().into())
}
