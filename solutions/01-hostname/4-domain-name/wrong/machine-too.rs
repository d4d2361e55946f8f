// caught by: inside.machine.domainname
// Sets the name in the machine's namespace, then takes a copy.
use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    let name = "lab.example";
    // SAFETY: pointer and length are of one live string.
    if unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    unshare(CloneFlags::CLONE_NEWUTS)?;

    Err(Command::new(program).args(rest).exec().into())
}
