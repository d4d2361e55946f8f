// caught by: inside.process.namespaces.uts
// The name is right, but it is the machine's.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::sethostname;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    sethostname("tp-rust")?;

    Err(Command::new(program).args(rest).exec().into())
}
