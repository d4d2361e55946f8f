// caught by: inside.process.propagation
// Mounts /proc without cutting the ties: the machine gets it too.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    let mut stack = vec![0; 64 * 1024];
    let child = || {
        let (proc, none) = (Some("proc"), None::<&str>);
        if let Err(error) = mount(proc, "/proc", proc, MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none) {
            eprintln!("error: {error}");
        }
        eprintln!("error: {}", Command::new(program).args(rest).exec());
        1
    };
    // SAFETY: one thread, and a copy of the memory for the child.
    let pid = unsafe { clone(Box::new(child), &mut stack, flags, Some(Signal::SIGCHLD as i32))? };
    waitpid(pid, None)?;
    Ok(())
}
