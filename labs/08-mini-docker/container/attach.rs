//! The command's side of a running container: the user's terminal or pipes here, the
//! monitor there.
//!
//! Nothing waits for one direction alone: a container that echoes its input would
//! otherwise fill both sockets, and everybody would wait for everybody.
//!
//! Read: poll(2), signalfd(2), termios(3)

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{read, write};

use super::terminal::{self, Raw};
use super::wire::{CHUNK, Connection, Message, Reply, Request, nonblocking};

/// How to be attached.
#[derive(Clone, Debug, Default)]
pub struct How {
    /// Whether our input goes to the container.
    pub stdin: bool,
    /// Whether the container has a terminal.
    pub tty: bool,
    /// Whether signals that we get go to the container.
    pub proxy: bool,
    /// The keys that leave it alone again.
    pub detach_keys: Vec<u8>,
}

/// Signals that are passed on, and SIGWINCH, which says that our terminal has
/// another size.
const PASSED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// Holds signals back from now on, for [`follow`] to read. Before the monitor is
/// forked: none may be lost that comes in between. The monitor lets them through.
///
/// # Errors
/// No descriptors left.
pub fn catch_signals() -> anyhow::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in PASSED {
        set.add(signal);
    }
    set.add(Signal::SIGWINCH);
    set.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    SignalFd::with_flags(&set, flags).context("signalfd")
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The container has, with this code.
    Exited(i32),
    /// By the detach keys; the container goes on.
    Detached,
}

/// Passes everything on, both ways, until the container ends or the user detaches.
///
/// # Errors
/// The monitor is gone.
pub fn follow(connection: &Connection, signals: &SignalFd, how: &How) -> anyhow::Result<Ended> {
    let raw = (how.tty && how.stdin).then(Raw::enter).flatten();
    let mut session = Session {
        connection,
        how,
        stdin: how.stdin,
        pending: None,
        keys: DetachKeys::new(&how.detach_keys),
        detached: false,
    };
    nonblocking(connection.0.as_fd())?;
    if how.tty {
        session.resize();
    }
    let ended = session.run(signals);
    drop(raw);
    ended
}

struct Session<'a> {
    connection: &'a Connection,
    how: &'a How,
    /// Whether there may be more input.
    stdin: bool,
    /// A message that the socket had no room for.
    pending: Option<Message>,
    keys: DetachKeys,
    detached: bool,
}

impl Session<'_> {
    fn run(&mut self, signals: &SignalFd) -> anyhow::Result<Ended> {
        loop {
            let (answered, signalled, typed) = self.wait(signals)?;
            if signalled {
                while let Ok(Some(info)) = signals.read_signal() {
                    self.signal(info.ssi_signo)?;
                }
            }
            if self.pending.is_some() {
                self.flush();
            }
            if typed {
                self.input();
            }
            if self.detached && self.pending.is_none() {
                return Ok(Ended::Detached);
            }
            if answered && let Some(ended) = self.messages()? {
                return Ok(ended);
            }
        }
    }

    /// All that the monitor has sent so far.
    fn messages(&mut self) -> anyhow::Result<Option<Ended>> {
        loop {
            match self.connection.receive() {
                Ok(Some(Message::Data(stream, data))) => show(stream, &data),
                Ok(Some(Message::Reply(Reply::Exited { code }, _))) => {
                    return Ok(Some(Ended::Exited(code)));
                }
                Ok(Some(_)) => {}
                Ok(None) => bail!("the container's monitor was killed"),
                Err(error) if error.downcast_ref() == Some(&Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there is something from the monitor, a signal, input.
    fn wait(&self, signals: &SignalFd) -> anyhow::Result<(bool, bool, bool)> {
        let mut flags = PollFlags::POLLIN;
        if self.pending.is_some() {
            flags |= PollFlags::POLLOUT;
        }
        let mut fds = vec![
            PollFd::new(self.connection.0.as_fd(), flags),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        let stdin = std::io::stdin();
        if self.stdin && self.pending.is_none() {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        let ready = |index: usize| {
            let events = fds.get(index).and_then(PollFd::revents);
            events.is_some_and(|events| events.intersects(!PollFlags::POLLOUT))
        };
        Ok((ready(0), ready(1), ready(2)))
    }

    fn input(&mut self) {
        let mut buffer = [0; CHUNK];
        match read(std::io::stdin(), &mut buffer) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Ok(0) | Err(_) => {
                self.stdin = false;
                self.say(Message::End);
            }
            Ok(count) => {
                let mut data = buffer[..count].to_vec();
                if self.how.tty {
                    self.detached = self.keys.filter(&mut data);
                }
                if !data.is_empty() {
                    self.say(Message::Data(0, data));
                }
            }
        }
    }

    fn say(&mut self, message: Message) {
        self.pending = Some(message);
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(message) = &self.pending {
            match self.connection.send(message) {
                Err(Errno::EAGAIN) => {}
                // Sent; or nobody is there, which the next receive tells.
                _ => self.pending = None,
            }
        }
    }

    fn signal(&mut self, number: u32) -> anyhow::Result<()> {
        let number = i32::try_from(number)?;
        if number == Signal::SIGWINCH as i32 {
            self.resize();
        } else if self.how.proxy && !self.how.tty {
            let request = Request::Signal {
                number,
                by_hand: true,
            };
            let _ = self.connection.send(&Message::Request(request, Vec::new()));
        } else if !matches!(number, libc::SIGTSTP | libc::SIGCONT) {
            let code = u8::try_from(128 + number).unwrap_or(255);
            let message = format!("ended by signal {number}; the container goes on");
            return Err(crate::cmd::Failure { message, code }.into());
        }
        Ok(())
    }

    fn resize(&self) {
        if let (true, Some((columns, rows))) = (self.how.tty, terminal::size(&std::io::stdin())) {
            let request = Request::Resize { columns, rows };
            let _ = self.connection.send(&Message::Request(request, Vec::new()));
        }
    }
}

/// Writes to our own output or errors. Whoever has closed it misses it; the
/// container must not notice.
fn show(stream: u8, data: &[u8]) {
    let (out, err) = (std::io::stdout(), std::io::stderr());
    write_all(
        if stream == 2 {
            err.as_fd()
        } else {
            out.as_fd()
        },
        data,
    );
}

/// All of it, as far as anybody takes it.
pub(crate) fn write_all(fd: BorrowedFd, mut data: &[u8]) {
    while !data.is_empty() {
        match write(fd, data) {
            Ok(count) => data = &data[count..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(_) => return,
        }
    }
}

/// Keys that are looked for in what is typed, also when they come one by one.
#[derive(Debug)]
pub struct DetachKeys {
    keys: Vec<u8>,
    found: usize,
}

impl DetachKeys {
    pub fn new(keys: &[u8]) -> Self {
        Self {
            keys: keys.to_vec(),
            found: 0,
        }
    }

    /// Takes the keys out of `data`; whether they were all there. What may be their
    /// beginning is held back until the next key says that it is not.
    pub fn filter(&mut self, data: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            return false;
        }
        let mut passed = Vec::with_capacity(data.len());
        for byte in data.iter().copied() {
            if byte != self.keys[self.found] {
                passed.extend_from_slice(&self.keys[..self.found]);
                self.found = 0;
            }
            if byte == self.keys[self.found] {
                self.found += 1;
                if self.found == self.keys.len() {
                    self.found = 0;
                    *data = passed;
                    return true;
                }
            } else {
                passed.push(byte);
            }
        }
        *data = passed;
        false
    }
}

/// `ctrl-p,ctrl-q`, `a,b`: the bytes.
///
/// # Errors
/// docker's words for a key that is none.
pub fn detach_keys(text: &str) -> anyhow::Result<Vec<u8>> {
    let key = |word: &str| match word.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([key @ (b'a'..=b'z')]) => Ok(key - b'a' + 1),
        Some([key @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => Ok(key & 0x1f),
        None if word.len() == 1 => Ok(word.as_bytes()[0]),
        _ => bail!("invalid detach keys provided: Unknown character: '{word}'"),
    };
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(key)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &mut DetachKeys, text: &[u8]) -> (Vec<u8>, bool) {
        let mut data = text.to_vec();
        let found = keys.filter(&mut data);
        (data, found)
    }

    #[test]
    fn detach_keys_are_found_one_by_one_and_given_back_when_they_are_not() {
        let mut keys = DetachKeys::new(&detach_keys("ctrl-p,ctrl-q").unwrap());
        assert_eq!(typed(&mut keys, b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(typed(&mut keys, b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(typed(&mut keys, b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(typed(&mut keys, b"\x11"), (b"".to_vec(), true));
    }

    #[test]
    fn detach_keys_are_read_as_docker_reads_them() {
        assert_eq!(detach_keys("ctrl-a,x,ctrl-@").unwrap(), [1, b'x', 0]);
        assert!(detach_keys("ctrl-aa").is_err());
        assert!(detach_keys("").unwrap().is_empty());
    }
}
