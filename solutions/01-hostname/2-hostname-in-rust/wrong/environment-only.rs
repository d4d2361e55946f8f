// caught by: inside.process.hostname
// HOSTNAME in the environment is a shell's habit; the kernel knows nothing of it.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWUTS)?;

    let failure = Command::new(program)
        .args(rest)
        .env("HOSTNAME", "tp-rust")
        .exec();
    Err(failure.into())
}
