// caught by: inside.process.namespaces.net
// Joins what can be seen at the prompt, and stays on the machine's network.
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    let pid = fs::read_to_string("/run/neighbour.pid")?;
    for name in ["user", "uts", "ipc"] {
        let file = File::open(format!("/proc/{}/ns/{name}", pid.trim()))?;
        setns(file, CloneFlags::empty())?;
    }

    Err(Command::new(program).args(rest).exec().into())
}
