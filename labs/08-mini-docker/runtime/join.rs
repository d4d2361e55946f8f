//! One more process in a running container: `exec`.
//!
//! Read: setns(2), pidfd_open(2), pid_namespaces(7)

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::linux::fs::MetadataExt;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;

use super::cgroup::Cgroup;
use super::process::Ready;
use super::sibling::clone_inside;
use super::{ExecError, Join, channel, child, process};
use crate::files::step;

/// Runs it and gives its PID, in the caller's PID namespace; its parent is the caller.
///
/// # Errors
/// An [`ExecError`] for the program; the container has ended.
pub fn join(join: Join) -> anyhow::Result<i32> {
    let program = join.process.args().iter().flatten().next();
    let program = program.cloned().unwrap_or_default();
    let target = pidfd(join.pid)?;
    let cgroup = Cgroup::of_process(join.pid)?.opened()?;
    let (ours, theirs) = channel::pair()?;
    step("clone3");
    // SAFETY: one thread, as the contract of `launch` says.
    let forked = unsafe { clone_inside(&target, CloneFlags::empty(), cgroup.v2()) };
    if let Ok(ForkResult::Child) = forked {
        drop(ours);
        run(&join, &target, &cgroup, &theirs);
    }
    drop(theirs);
    let ForkResult::Parent { child } = forked? else {
        bail!("clone3 returned twice in one process");
    };
    let outcome = channel::progress(&ours).and_then(|_| channel::outcome(&ours));
    let error = match outcome {
        Ok(None) => return Ok(child.as_raw()),
        Ok(Some(errno)) => ExecError { program, errno }.into(),
        Err(error) => error,
    };
    let _ = waitpid(child, None);
    Err(error)
}

fn run(join: &Join, target: &OwnedFd, cgroup: &Cgroup, socket: &OwnedFd) -> ! {
    let error = match set_up(join, target, cgroup) {
        Ok(ready) => {
            channel::tell(socket, channel::READY);
            ready.go(socket)
        }
        Err(error) => error,
    };
    channel::tell_error(socket, &error);
    child::end()
}

fn set_up<'a>(join: &'a Join, target: &OwnedFd, cgroup: &Cgroup) -> anyhow::Result<Ready<'a>> {
    // From the moment that it is in the PID namespace the container sees it in /proc:
    // what it is must not be open to them (CVE-2016-9962).
    nix::sys::prctl::set_dumpable(false).context("prctl(PR_SET_DUMPABLE)")?;
    if !join.detached {
        process::die_with_parent()?;
    }
    process::take_stdio(&join.stdio, join.terminal)?;
    // An ordinary user's container may have none of its own: then we are there already,
    // and may not even say so.
    let place = |process: &str| std::fs::read(format!("/proc/{process}/cgroup"));
    if place("self").context("/proc")?
        != place(&join.pid.to_string()).context("the container has ended")?
    {
        cgroup.enter()?;
    }
    setns(target.as_fd(), different(join.pid)?).context("setns: the container has ended")?;
    let Some(linux) = join.spec.linux() else {
        bail!("config.json has no `linux`");
    };
    Ready::inside(join.process, linux, join.preserve_fds, !join.detached)
}

/// The namespaces in which the two are not together yet, all to be joined at once.
/// The user namespace is named only where it is another: to join one's own is EINVAL.
fn different(pid: i32) -> anyhow::Result<CloneFlags> {
    let kinds = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mnt", CloneFlags::CLONE_NEWNS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ];
    let mut flags = CloneFlags::empty();
    for (name, flag) in kinds {
        let inode = |process: &str| {
            std::fs::metadata(format!("/proc/{process}/ns/{name}")).map(|one| one.st_ino())
        };
        let theirs = inode(&pid.to_string()).context("the container has ended")?;
        if theirs != inode("self")? {
            flags |= flag;
        }
    }
    Ok(flags)
}

/// A descriptor of the process: its number could be another's by now, this cannot.
fn pidfd(pid: i32) -> anyhow::Result<OwnedFd> {
    // SAFETY: takes numbers; a descriptor that comes back is new and ours.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        Errno::result(fd).map(|fd| OwnedFd::from_raw_fd(fd as i32))
    };
    fd.with_context(|| format!("pidfd_open({pid}): the container has ended"))
}
