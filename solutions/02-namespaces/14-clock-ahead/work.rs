//! Run a command whose boot-time clock is one day ahead.
//!
//! The offsets of a time namespace can be set until its first process is born.
//! That is why unshare(CLONE_NEWTIME) leaves its caller outside: between the
//! call and the fork there is an empty namespace to be set up.

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

    // SAFETY: unshare takes a number. CLONE_NEWTIME is a flag of unshare and
    // clone3 only: clone(2) uses the same bit for a signal number.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWTIME) })?;

    // The file is that of `time_for_children`. Clock, seconds, nanoseconds.
    fs::write("/proc/self/timens_offsets", "boottime 86400 0")?;

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        // Born a day later, by the clock that `uptime` reads.
        ForkResult::Child => Err(Command::new(program).args(rest).exec().into()),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
