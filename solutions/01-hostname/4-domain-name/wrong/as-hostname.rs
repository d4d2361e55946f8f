// caught by: inside.process.domainname
// A full name in the hostname is not a domain name.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname("machine.lab.example")?;

    Err(Command::new(program).args(rest).exec().into())
}
