//! The command's side of `exec`: pipes or a terminal straight to the new process.
//!
//! The monitor makes the process and then has no part in its data: with a terminal it
//! sends its master, else it gets the far ends of three pipes. Not our own standard
//! streams: a program in a container that has the user's terminal open could type
//! into it (TIOCSTI), and write to a file that was only opened to be read from.
//!
//! Read: unix(7) (SCM_RIGHTS), pty(7), poll(2)

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{pipe2, read, write};

use super::attach::{DetachKeys, catch_signals, write_all};
use super::terminal::{self, Raw};
use super::wire::{CHUNK, Connection, Exec, Message, Reply, Request, nonblocking};
use crate::engine::Engine;

/// How to be connected to the process.
#[derive(Debug)]
pub struct Relay {
    /// Whether our input goes to it.
    pub stdin: bool,
    /// The keys that leave it alone, on a terminal.
    pub detach_keys: Vec<u8>,
}

/// Our ends.
struct Ends {
    input: Option<OwnedFd>,
    /// 1 or 2, and where it comes from.
    outputs: Vec<(u8, OwnedFd)>,
    pending: Vec<u8>,
}

/// Runs a process in a container; gives its exit code.
///
/// # Errors
/// It cannot be executed; the container has ended.
pub fn exec(engine: &Engine, id: &str, wanted: Exec, relay: &Relay) -> anyhow::Result<i32> {
    let connection = Connection::to(engine, id)?;
    let (tty, detach) = (wanted.tty, wanted.detach);
    let mut ends = Ends {
        input: None,
        outputs: Vec::new(),
        pending: Vec::new(),
    };
    let mut theirs = Vec::new();
    if !tty && !detach {
        let (input, inside) = if relay.stdin {
            let (inside, input) = pipe2(OFlag::O_CLOEXEC)?;
            nonblocking(input.as_fd())?;
            (Some(input), inside)
        } else {
            (None, std::fs::File::open("/dev/null")?.into())
        };
        let (output, output_inside) = pipe2(OFlag::O_CLOEXEC)?;
        let (errors, errors_inside) = pipe2(OFlag::O_CLOEXEC)?;
        ends.input = input;
        ends.outputs = vec![(1, output), (2, errors)];
        theirs = vec![inside, output_inside, errors_inside];
    }
    let signals = catch_signals()?;
    let request = Request::Exec(Box::new(wanted));
    connection.send(&Message::Request(request, theirs))?;
    let master = match connection.receive()? {
        Some(Message::Reply(Reply::Started { .. }, fds)) => fds.into_iter().next(),
        Some(Message::Reply(Reply::Failed { message, code }, _)) => {
            return Err(crate::cmd::Failure { message, code }.into());
        }
        other => bail!("the monitor said {other:?}"),
    };
    if detach {
        return Ok(0);
    }
    let raw = (tty && relay.stdin).then(Raw::enter).flatten();
    if let Some(master) = master {
        nonblocking(master.as_fd())?;
        ends.input = relay.stdin.then(|| master.try_clone()).transpose()?;
        ends.outputs = vec![(1, master)];
    }
    let code = ends.pass(&connection, &signals, tty.then_some(relay));
    drop(raw);
    code
}

impl Ends {
    /// Until the process has ended and all its output is through.
    fn pass(
        mut self,
        connection: &Connection,
        signals: &SignalFd,
        terminal: Option<&Relay>,
    ) -> anyhow::Result<i32> {
        let mut keys = DetachKeys::new(terminal.map_or(&[], |relay| &relay.detach_keys));
        let mut stdin = self.input.is_some();
        let mut code = None;
        loop {
            // Whoever has ended has written all. A process of its own that lives on may
            // hold the pipes: what is there is shown, more is not waited for.
            if let (Some(code), true) = (code, self.drained(code.is_some())?) {
                return Ok(code);
            }
            let ready = self.wait(connection, signals, stdin, code.is_none())?;
            if ready.signal {
                while let Ok(Some(info)) = signals.read_signal() {
                    self.signal(info.ssi_signo)?;
                }
            }
            if ready.stdin {
                let mut buffer = [0; CHUNK];
                match read(std::io::stdin(), &mut buffer) {
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    Ok(0) | Err(_) => stdin = false,
                    Ok(count) => {
                        let mut data = buffer[..count].to_vec();
                        let detached = keys.filter(&mut data);
                        self.pending.extend(data);
                        if detached {
                            return Ok(0);
                        }
                    }
                }
            }
            self.feed(stdin, terminal.is_some());
            if ready.monitor {
                match connection.receive()? {
                    Some(Message::Reply(Reply::Exited { code: ended }, _)) => code = Some(ended),
                    Some(_) => {}
                    None => bail!("the container's monitor was killed"),
                }
            }
            self.show();
        }
    }

    fn wait(
        &self,
        connection: &Connection,
        signals: &SignalFd,
        stdin: bool,
        monitor: bool,
    ) -> anyhow::Result<Ready> {
        let input = std::io::stdin();
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let none = PollFlags::empty();
        let flags = if monitor { PollFlags::POLLIN } else { none };
        fds.push(PollFd::new(connection.0.as_fd(), flags));
        let typed = stdin && self.pending.is_empty();
        if typed {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        for (_, output) in &self.outputs {
            fds.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
        }
        if let (Some(to), false) = (&self.input, self.pending.is_empty()) {
            fds.push(PollFd::new(to.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        let ready = |index: usize| fds[index].any().unwrap_or(false);
        Ok(Ready {
            signal: ready(0),
            monitor: monitor && ready(1),
            stdin: typed && ready(2),
        })
    }

    fn feed(&mut self, more: bool, terminal: bool) {
        if let Some(input) = &self.input {
            match write(input, &self.pending) {
                _ if self.pending.is_empty() => {}
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(_) => self.pending.clear(),
            }
        }
        if !more && !terminal && self.pending.is_empty() {
            self.input = None;
        }
    }

    /// Shows what is there, without waiting.
    fn show(&mut self) -> bool {
        let mut any = false;
        self.outputs.retain(|(stream, output)| {
            let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
                return true;
            }
            let mut buffer = [0; CHUNK];
            match read(output, &mut buffer) {
                Err(Errno::EAGAIN | Errno::EINTR) => true,
                Ok(0) | Err(_) => false,
                Ok(count) => {
                    any = true;
                    let (out, err) = (std::io::stdout(), std::io::stderr());
                    let to = if *stream == 2 {
                        err.as_fd()
                    } else {
                        out.as_fd()
                    };
                    write_all(to, &buffer[..count]);
                    true
                }
            }
        });
        any
    }

    /// Whether all is through: after the process has ended, what is there now.
    fn drained(&mut self, ended: bool) -> anyhow::Result<bool> {
        while ended && self.show() {}
        Ok(ended)
    }

    /// Signals are ours; another size of the terminal is the process's.
    fn signal(&self, number: u32) -> anyhow::Result<()> {
        match i32::try_from(number)? {
            libc::SIGWINCH => {
                let master = self.outputs.first().map(|(_, output)| output);
                let size = terminal::size(&std::io::stdin());
                if let (Some(master), Some(size)) = (master, size) {
                    terminal::resize(master, size);
                }
                Ok(())
            }
            libc::SIGCONT | libc::SIGTSTP => Ok(()),
            number => {
                let code = u8::try_from(128 + number).unwrap_or(255);
                let message = format!("ended by signal {number}; the process goes on");
                Err(crate::cmd::Failure { message, code }.into())
            }
        }
    }
}

/// What a `poll` found.
struct Ready {
    signal: bool,
    monitor: bool,
    stdin: bool,
}
