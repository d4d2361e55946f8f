//! The process that serves a container's published ports and its names.
//!
//! It is forked for a container that has some, and lives as long as the container's
//! first process: it holds a descriptor of it (pidfd), which becomes readable when
//! that process ends, in whatever way. So nobody has to end it, and after a crash
//! there is none left over.
//!
//! Read: pidfd_open(2), fork(2), close_range(2)

use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use super::dns::{self, Names};
use super::lease::{Server, began};
use super::ports::Bound;
use super::proxy;

/// What the process serves.
#[derive(Debug, Default)]
pub struct Sockets {
    pub ports: Vec<Bound>,
    pub names: Option<Names>,
    /// The network in which the ports' addresses are; else the machine's.
    pub namespace: Option<OwnedFd>,
}

/// Forks the process, for the container whose first process is `pid`. Gives what
/// [`stop`] takes. The caller must have one thread only.
///
/// # Errors
/// `pid` is gone; no more processes.
pub fn start(sockets: Sockets, pid: i32) -> anyhow::Result<Option<Server>> {
    if sockets.ports.is_empty() && sockets.names.is_none() {
        return Ok(None);
    }
    let container = pidfd(pid).with_context(|| format!("pidfd_open({pid}, 0)"))?;
    // SAFETY: the caller has one thread, so that no lock is held by another one
    // that the child would not have.
    match unsafe { fork() }.context("fork()")? {
        ForkResult::Parent { child } => Ok(Some(Server {
            pid: child.as_raw(),
            began: began(child.as_raw()).unwrap_or(0),
        })),
        ForkResult::Child => {
            let _ = serve(sockets, &container);
            // SAFETY: ends the process at once, without the parent's destructors.
            unsafe { libc::_exit(1) }
        }
    }
}

/// Waits for the container's end, while threads serve.
fn serve(sockets: Sockets, container: &OwnedFd) -> anyhow::Result<Infallible> {
    leave_parent(&sockets, container)?;
    let namespace = sockets.namespace.map(Arc::new);
    for bound in sockets.ports {
        proxy::serve(bound, namespace.clone())?;
    }
    if let Some(names) = sockets.names {
        dns::serve(names)?;
    }
    loop {
        if ended(container, PollTimeout::NONE) {
            // SAFETY: as above; the threads end with it.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Lets go of what belongs to the parent: its terminal, its session, and above all
/// its descriptors. Its lock would live on with us, and the other end of its pipes
/// would never see their end.
fn leave_parent(sockets: &Sockets, container: &OwnedFd) -> anyhow::Result<()> {
    let _ = setsid();
    let null = open("/dev/null", OFlag::O_RDWR, Mode::empty()).context("open /dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    drop(null);
    let mut kept: Vec<RawFd> = sockets
        .ports
        .iter()
        .map(|bound| bound.socket.as_raw_fd())
        .chain(sockets.names.iter().flat_map(Names::descriptors))
        .chain(sockets.namespace.iter().map(OwnedFd::as_raw_fd))
        .chain([container.as_raw_fd()])
        .collect();
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept {
        close_range(from, fd - 1);
        from = fd + 1;
    }
    close_range(from, RawFd::MAX);
    // SAFETY: sets this process' own name, at most 15 bytes and a zero.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"mini-network".as_ptr()) };
    Ok(())
}

fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: descriptors that nobody in this process uses from here on: the
        // parent's values are never dropped, as the process ends by _exit.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

fn pidfd(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: takes two numbers and makes a descriptor.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether the process of a pidfd ends within that time.
fn ended(pidfd: &OwnedFd, within: PollTimeout) -> bool {
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut fds, within), Ok(1..))
}

/// Ends a server and waits until its ports are free.
pub fn stop(server: &Server) {
    // First the descriptor, then the question whether it is still the one that is
    // meant: after that the number cannot become another's.
    let Ok(fd) = pidfd(server.pid) else {
        return;
    };
    if began(server.pid) == Some(server.began) && kill(fd.as_fd()).is_ok() {
        ended(&fd, PollTimeout::from(5_000_u16));
    }
    // The monitor's own child: nothing stays of it. Another's: not ours to wait for.
    let _ = waitpid(Pid::from_raw(server.pid), Some(WaitPidFlag::WNOHANG));
}

fn kill(pidfd: BorrowedFd) -> nix::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a descriptor that is open, a signal, no further information.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            Signal::SIGKILL as i32,
            none,
            0,
        )
    };
    Errno::result(result).map(drop)
}
