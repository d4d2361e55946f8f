//! One key, two segments: the machine's and the payload's.

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

    // TODO: a segment of 8192 bytes with the same key, for the payload only.

    Err(Command::new(program).args(rest).exec().into())
}
