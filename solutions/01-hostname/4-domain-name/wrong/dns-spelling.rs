// caught by: inside.process.domainname
// The final dot is DNS notation; the kernel keeps the bytes that it is given.
use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWUTS)?;
    let name = "lab.example.";
    // SAFETY: pointer and length are of one live string.
    if unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }

    Err(Command::new(program).args(rest).exec().into())
}
