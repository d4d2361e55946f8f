//! A terminal, and somebody who types at it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{Pid, setsid};

use crate::support::text;

impl Drop for Typist {
    fn drop(&mut self) {
        // Of a test that failed, too, nothing stays.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `tp` on a terminal of its own, with somebody who types.
pub struct Typist {
    master: File,
    /// Kept open, so that the terminal's modes can be read after `tp` has gone.
    terminal: OwnedFd,
    child: Child,
    pub seen: String,
}

impl Typist {
    pub fn new(command: Command) -> Self {
        Self::at(command, 80, 40)
    }

    /// At a terminal of that many columns and rows.
    pub fn at(mut command: Command, columns: u16, rows: u16) -> Self {
        // Closed on exec, or the children of other tests would keep it open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits());
        let slave = options.open(ptsname_r(&master).unwrap()).unwrap();
        let size = nix::libc::winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the kernel reads the structure that is passed.
        let sized =
            unsafe { nix::libc::ioctl(slave.as_raw_fd(), nix::libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(sized, 0);
        command.env("TERM", "xterm");
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: two system calls.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                // The first terminal of a new session is its controlling one.
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        };
        let child = command.spawn().unwrap();
        Self {
            master: File::from(OwnedFd::from(master)),
            terminal: slave.into(),
            child,
            seen: String::new(),
        }
    }

    /// Reads until this is on the screen (what was seen before does not count).
    pub fn see(&mut self, wanted: &str) {
        let hang = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(wanted) {
            assert!(Instant::now() < hang, "never seen: {wanted}\n{}", self.seen);
            self.read();
        }
        let end = self.seen.find(wanted).unwrap() + wanted.len();
        self.seen.drain(..end);
    }

    /// Whether there was something to read.
    fn read(&mut self) -> bool {
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::from(100u8)).unwrap();
        let there = ready[0].any() == Some(true);
        if there {
            let mut buffer = [0; 4096];
            let length = self.master.read(&mut buffer).unwrap_or(0);
            self.seen += &text(&buffer[..length]);
        }
        there
    }

    pub fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Closes the terminal, and waits until what ran there has noticed.
    pub fn hang_up(mut self) {
        let nowhere = || OwnedFd::from(File::open("/dev/null").unwrap());
        self.master = nowhere().into();
        self.terminal = nowhere();
        let hang = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < hang, "it runs on without a terminal");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap();
        modes
            .local_flags
            .contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits for the end, reading on so that nobody waits for the screen.
    pub fn end(&mut self) -> i32 {
        let hang = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < hang, "it does not end: {}", self.seen);
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.read() {}
                return status.code().unwrap_or(-1);
            }
            self.read();
        }
    }
}
