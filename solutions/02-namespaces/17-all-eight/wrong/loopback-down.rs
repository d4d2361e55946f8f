// caught by: inside.process.interfaces.lo
// Everything but the loopback.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, sethostname};

const EIGHT: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWTIME;

fn become_payload(program: &str, rest: &[String]) -> Result<(), Box<dyn Error>> {
    let (private, none) = (MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
    mount(none, "/", none, private, none)?;
    let proc = Some("proc");
    mount(proc, "/proc", proc, MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none)?;
    Err(Command::new(program).args(rest).exec().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // SAFETY: unshare takes a number.
    Errno::result(unsafe { libc::unshare(EIGHT) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", "0 0 1")?;
    fs::write("/proc/self/gid_map", "0 0 1")?;
    fs::write("/proc/self/timens_offsets", "boottime 3600 0")?;
    sethostname("eight")?;

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => become_payload(program, rest),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
