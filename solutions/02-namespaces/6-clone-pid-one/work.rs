//! Run a command as process 1 of a new PID namespace, by clone(2).
//!
//! With clone there is no need for the second fork that unshare(CLONE_NEWPID)
//! asks for: the child is born into its namespaces.

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
    // The copied mounts are members of the machine's peer groups. Without this
    // step the next one would cover the machine's /proc as well.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    // From inside, because proc takes the PID namespace of its mounter.
    // No program is run from there, and no device is opened.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, NONE)?;

    Err(Command::new(program).args(rest).exec().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // One for the numbers, one for the mount that shows them.
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;

    // The parent stays where it is, and outlives everything that is inside.
    // A child of clone(2) needs a stack; this one holds it until it executes.
    let mut stack = vec![0; 64 * 1024];
    let child = || match become_payload(program, rest) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    };
    // SIGCHLD is what the parent gets at the child's end; waitpid needs it.
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
