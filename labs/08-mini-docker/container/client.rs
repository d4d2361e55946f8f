//! A command that is connected to a monitor.

use std::collections::VecDeque;

use nix::errno::Errno;

use super::wire::{Connection, Message};

/// A command that is connected.
#[derive(Debug)]
pub struct Client {
    pub number: u64,
    pub connection: Connection,
    /// Whether it gets the output.
    pub attached: bool,
    pub stdin: bool,
    /// Whether it wants to know when the container ends.
    pub waits: bool,
    /// `stop` wants no exit code.
    pub stops: bool,
    pub queue: VecDeque<Message>,
    pub gone: bool,
}

impl Client {
    pub fn new(number: u64, connection: Connection) -> Self {
        Self {
            number,
            connection,
            attached: false,
            stdin: false,
            waits: false,
            stops: false,
            queue: VecDeque::new(),
            gone: false,
        }
    }

    /// Sends, or keeps it for later.
    pub fn say(&mut self, message: Message) {
        self.queue.push_back(message);
        self.flush();
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        while let Some(message) = self.queue.front() {
            match self.connection.send(message) {
                Ok(()) => drop(self.queue.pop_front()),
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    self.queue.clear();
                }
            }
        }
    }
}

/// A slow client may take its time, but not for ever: the send times out.
///
/// # Errors
/// None that happens.
pub fn blocking(client: &Client) -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::sys::socket::{setsockopt, sockopt::SendTimeout};
    use nix::sys::time::{TimeVal, TimeValLike};
    let fd = &client.connection.0;
    setsockopt(fd, SendTimeout, &TimeVal::seconds(10))?;
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags & !OFlag::O_NONBLOCK)).map(drop)
}
