//! A child process that a `poll` can wait for.
//!
//! Read: pidfd_open(2), pidfd_send_signal(2), waitid(2)

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

/// A child, by a descriptor that never means another process.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub fd: OwnedFd,
}

impl Child {
    /// # Errors
    /// ESRCH: it is no child, or reaped already.
    pub fn of(pid: i32) -> nix::Result<Self> {
        // SAFETY: two numbers.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        // SAFETY: the call has just made it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Self { pid, fd })
    }

    /// The exit code, 128 and the signal's number where one ended it; `None` while it
    /// runs. The child is reaped.
    pub fn ended(&self) -> Option<i32> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        match waitid(Id::PIDFd(self.fd.as_fd()), flags) {
            Ok(WaitStatus::Exited(_, code)) => Some(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => None,
            Err(_) => Some(255),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// ESRCH: it has ended.
    pub fn signal(&self, number: i32) -> nix::Result<()> {
        // SAFETY: numbers and a null pointer, which stands for the usual siginfo.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                number,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        Errno::result(sent).map(drop)
    }
}
