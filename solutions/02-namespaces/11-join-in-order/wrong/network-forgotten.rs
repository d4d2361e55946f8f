// caught by: inside.process.namespaces.net
// Joins what can be seen at the prompt, and stays on the machine's network.
use std::env;
use std::error::Error;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    for name in ["user", "uts", "ipc"] {
        let file = File::open(format!("/run/neighbour/{name}"))?;
        setns(file, CloneFlags::empty())?;
    }

    Err(Command::new(program).args(rest).exec().into())
}
