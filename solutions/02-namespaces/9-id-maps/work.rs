//! Run a command as user 1000 of a new user namespace.
//!
//! The maps are files, and each can be written once. Whoever is not privileged
//! in the parent namespace may map one id, their own.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // Every capability is ours from here on, in this namespace, until execve.
    unshare(CloneFlags::CLONE_NEWUSER)?;

    // Without this a process could drop a group that is there to keep it out
    // of something; gid_map may be written only when that is ruled out.
    fs::write("/proc/self/setgroups", "deny")?;

    // Inside, outside, count. Our ids do not change, only what they are called.
    fs::write("/proc/self/uid_map", "1000 0 1")?;
    fs::write("/proc/self/gid_map", "1000 0 1")?;

    // execve takes the capabilities away again, since 1000 is not root.
    Err(Command::new(program).args(rest).exec().into())
}
