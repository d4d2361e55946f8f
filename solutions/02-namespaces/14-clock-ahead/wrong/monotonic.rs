// caught by: inside.process.time_offsets
// The other clock: `uptime` does not read that one.
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

    // SAFETY: unshare takes a number.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWTIME) })?;
    fs::write("/proc/self/timens_offsets", "monotonic 86400 0")?;

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => Err(Command::new(program).args(rest).exec().into()),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
