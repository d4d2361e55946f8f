//! Run a command as user 1000 of a new user namespace.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: a new user namespace.

    // Without this a process could drop a group that is there to keep it out
    // of something; gid_map may be written only when that is ruled out.
    fs::write("/proc/self/setgroups", "deny")?;

    // TODO: write the two maps, /proc/self/uid_map and /proc/self/gid_map.

    Err(Command::new(program).args(rest).exec().into())
}
