//! Run a command as process 1 of a new PID namespace, by clone(2).

use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

/// What the child does: it prepares its namespaces and becomes the payload.
fn become_payload(program: &str, rest: &[String]) -> Result<(), Box<dyn Error>> {
    // TODO: make all mounts private (the copy is as shared as the original).

    // TODO: mount a proc file system, source "proc", on /proc, with the flags
    // MS_NOSUID, MS_NODEV and MS_NOEXEC.

    Err(Command::new(program).args(rest).exec().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: which namespaces?
    let flags = CloneFlags::empty();

    // A child of clone(2) needs a stack; this one holds it until it executes.
    let mut stack = vec![0; 64 * 1024];
    let child = || match become_payload(program, rest) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    };
    // SAFETY: this process has one thread, and without CLONE_VM the child runs
    // on a copy of its memory.
    let pid = unsafe {
        clone(
            Box::new(child),
            &mut stack,
            flags,
            Some(Signal::SIGCHLD as i32),
        )?
    };
    waitpid(pid, None)?;
    Ok(())
}
