//! The user's terminal, and the size of any.
//!
//! Read: pty(7), termios(3), ioctl_tty(2)

use std::os::fd::{AsFd, AsRawFd};

use nix::pty::Winsize;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, Winsize);
nix::ioctl_write_ptr_bad!(set_window_size, libc::TIOCSWINSZ, Winsize);

fn winsize((columns, rows): (u16, u16)) -> Winsize {
    Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Columns and rows of a terminal; `None` for what is none.
pub fn size(terminal: &impl AsFd) -> Option<(u16, u16)> {
    let mut size = winsize((0, 0));
    // SAFETY: TIOCGWINSZ fills the structure that it gets.
    unsafe { window_size(terminal.as_fd().as_raw_fd(), &mut size) }.ok()?;
    Some((size.ws_col, size.ws_row))
}

/// Gives a terminal another size; who runs in it gets SIGWINCH.
pub fn resize(terminal: &impl AsFd, size: (u16, u16)) {
    let size = winsize(size);
    // SAFETY: TIOCSWINSZ reads the structure.
    let _ = unsafe { set_window_size(terminal.as_fd().as_raw_fd(), &size) };
}

/// The user's terminal passing every key on as it is, until this is dropped.
#[derive(Debug)]
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Standard input's terminal, if it is one.
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}
