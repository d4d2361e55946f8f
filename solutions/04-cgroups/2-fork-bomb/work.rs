//! A fork bomb in a cgroup that has room for a dozen processes.
//!
//! Only a child goes in, so that the payload, which the parent becomes, is
//! counted and limited where it was.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

/// Where this machine has the cgroups of the pids controller: v1 or v2.
fn groups() -> PathBuf {
    let root = Path::new("/sys/fs/cgroup");
    match root.join("cgroup.controllers").exists() {
        true => root.to_path_buf(),
        false => root.join("pids"),
    }
}

/// Forks until the kernel refuses, and ends its children then.
fn bomb() -> nix::Result<()> {
    let mut children = Vec::new();
    loop {
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => children.push(child),
            Ok(ForkResult::Child) => loop {
                // SAFETY: takes and changes nothing; a signal ends the process.
                unsafe { libc::pause() };
            },
            Err(errno) => {
                eprintln!("fork: {errno}, after {} children", children.len());
                for child in children {
                    // SAFETY: a child that has not been waited for keeps its id.
                    unsafe { libc::kill(child.as_raw(), libc::SIGKILL) };
                    waitpid(child, None)?;
                }
                return Ok(());
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    let group = groups().join("bomb");
    // The limit before anybody is in it: there is no moment without one.
    fs::create_dir(&group)?;
    fs::write(group.join("pids.max"), "12")?;

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => {
            // `0` is the writer itself. Its children are born where it is.
            fs::write(group.join("cgroup.procs"), "0")?;
            bomb()?;
            return Ok(());
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };

    eprintln!("{} may be looked at", group.display());
    Err(Command::new(program).args(rest).exec().into())
}
