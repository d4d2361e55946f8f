//! Run a command whose boot-time clock is one day ahead.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: a new time namespace: libc::unshare(libc::CLONE_NEWTIME), unsafe.
    // It returns -1 on failure, with the reason in errno; Errno::result(...)
    // makes a Result of that.

    // TODO: its offsets, in /proc/self/timens_offsets.

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => Err(Command::new(program).args(rest).exec().into()),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
