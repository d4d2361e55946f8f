//! A child in another PID namespace.
//!
//! setns(2) changes that namespace for one's *children*, and the way back is closed to
//! an ordinary user: it takes a privilege in the namespace that one came from. So a
//! process in between goes there, clones a sibling of itself (CLONE_PARENT), says which
//! number it has, and ends.
//!
//! Read: setns(2), clone(2) (CLONE_PARENT), pid_namespaces(7)

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, bail};
use labs::namespaces::clone3_into;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2, read, write};

/// Clones a child of the caller into the PID namespace of `target`: a pidfd, or the
/// namespace itself.
///
/// # Errors
/// The namespace may not be entered, or its first process has ended.
///
/// # Safety
/// The caller has one thread.
pub unsafe fn clone_inside(
    target: &OwnedFd,
    flags: CloneFlags,
    cgroup: Option<BorrowedFd>,
) -> anyhow::Result<ForkResult> {
    let (hear, say) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    // SAFETY: one thread, as the contract says.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(hear);
            let cloned = setns(target, CloneFlags::CLONE_NEWPID).and_then(|()| {
                // SAFETY: as above.
                unsafe { clone3_into(flags | CloneFlags::CLONE_PARENT, cgroup) }
            });
            let number = match cloned {
                Ok(ForkResult::Child) => return Ok(ForkResult::Child),
                Ok(ForkResult::Parent { child }) => child.as_raw(),
                Err(errno) => -(errno as i32),
            };
            let _ = write(&say, &number.to_ne_bytes());
            // SAFETY: ends the process at once; it is a copy of its parent.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child: between } => {
            drop(say);
            let mut number = [0; 4];
            let heard = read(&hear, &mut number);
            let _ = waitpid(between, None);
            match (heard, i32::from_ne_bytes(number)) {
                (Ok(4), pid @ 1..) => Ok(ForkResult::Parent {
                    child: Pid::from_raw(pid),
                }),
                (Ok(4), errno) => Err(Errno::from_raw(-errno))
                    .context("setns(CLONE_NEWPID), clone3(CLONE_PARENT): the container has ended"),
                _ => bail!("the process between ended before it could clone"),
            }
        }
    }
}
