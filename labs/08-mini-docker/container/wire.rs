//! What a command and a container's monitor say to each other.
//!
//! The socket is of SOCK_SEQPACKET: one `send` is one `recv`, whole, so a message
//! needs no length. Its first byte says what it is, the rest is JSON for a request
//! or a reply, and plain bytes for what a program reads and writes.
//!
//! Read: unix(7), recvmsg(2), cmsg(3)

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, bind, connect, listen, recvmsg, sendmsg, socket,
};
use serde::{Deserialize, Serialize};

use super::record::{Endpoint, PortBinding};
use crate::engine::Engine;

/// The most bytes of a stream in one message. A message must fit into the socket's
/// buffer (208 KiB by default), several should.
pub const CHUNK: usize = 32 * 1024;

/// One message.
#[derive(Debug)]
pub enum Message {
    Request(Request, Vec<OwnedFd>),
    Reply(Reply, Vec<OwnedFd>),
    /// Of the program's input, output or error, by its number.
    Data(u8, Vec<u8>),
    /// The input has ended.
    End,
}

/// What a command asks.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Nothing but an answer: who gives one lives.
    Alive,
    /// Wants the output from now on, and with `stdin` may give input.
    Attach {
        stdin: bool,
    },
    /// Columns and rows of the terminal.
    Resize {
        columns: u16,
        rows: u16,
    },
    /// A signal for the container's first process; `by_hand` is `kill`, after which
    /// a restart policy does not start it again.
    Signal {
        number: i32,
        by_hand: bool,
    },
    /// The stop signal, after `timeout` seconds SIGKILL. Replied to when it has ended.
    Stop {
        signal: Option<i32>,
        timeout: Option<i64>,
        /// It is started again at once (`restart`): so `--rm` does not remove it.
        keep: bool,
    },
    Pause,
    Unpause,
    /// `container.json` has changed: read it again and set the limits.
    Reload,
    /// Replied to when the container has ended.
    Wait,
    /// A further process; with three descriptors where it has no terminal.
    Exec(Box<Exec>),
    /// What a container has on its networks has changed (`network connect`).
    Networks {
        endpoints: std::collections::BTreeMap<String, Endpoint>,
        ports: std::collections::BTreeMap<String, Option<Vec<PortBinding>>>,
    },
}

/// `exec`
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Exec {
    pub id: String,
    pub args: Vec<String>,
    /// `NAME=value`, after the container's own.
    pub env: Vec<String>,
    /// As given: a name or number, perhaps with a group. Empty: the container's.
    pub user: String,
    /// Empty: the container's.
    pub working_dir: String,
    pub privileged: bool,
    pub tty: bool,
    pub detach: bool,
    /// Of the terminal, where there is one: columns and rows.
    pub size: Option<(u16, u16)>,
}

/// What the monitor answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Done,
    /// The container's or the further process runs; of a terminal with its master.
    Started {
        pid: i32,
        /// What the user should know, a line each.
        warnings: Vec<String>,
    },
    /// One line, and the exit code that it means.
    Failed {
        message: String,
        code: u8,
    },
    Exited {
        code: i32,
    },
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Connection(pub OwnedFd);

impl Connection {
    /// Two ends, for a command and the monitor that it forks.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn pair() -> nix::Result<(Self, Self)> {
        let (one, other) = nix::sys::socket::socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Self(one), Self(other)))
    }

    /// Calls the monitor of a container.
    ///
    /// # Errors
    /// Nobody listens: the container is not running.
    pub fn to(engine: &Engine, id: &str) -> anyhow::Result<Self> {
        let this = Self(new_socket()?);
        at(&engine.monitor(id), |address| {
            loop {
                match connect(this.0.as_raw_fd(), address) {
                    // The queue of those who wait is full, or a signal came.
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    result => return result,
                }
            }
        })
        .with_context(|| format!("Container {id} is not running"))?;
        Ok(this)
    }

    /// Sends one message, waiting for room unless the descriptor is non-blocking.
    ///
    /// # Errors
    /// EPIPE when the other end is gone, EAGAIN.
    pub fn send(&self, message: &Message) -> nix::Result<()> {
        let json = |kind: u8, text: serde_json::Result<Vec<u8>>| {
            let mut bytes = vec![kind];
            bytes.extend(text.unwrap_or_default());
            bytes
        };
        let (bytes, fds): (_, &[OwnedFd]) = match message {
            Message::Request(request, fds) => (json(b'q', serde_json::to_vec(request)), fds),
            Message::Reply(reply, fds) => (json(b'r', serde_json::to_vec(reply)), fds),
            Message::Data(stream, data) => return self.send_data(*stream, data),
            Message::End => (vec![b'e'], &[]),
        };
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights: &[ControlMessage] = if fds.is_empty() { &[] } else { &rights };
        self.send_parts(&[IoSlice::new(&bytes)], rights)
    }

    /// Bytes of a stream, without a copy of them.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_data(&self, stream: u8, data: &[u8]) -> nix::Result<()> {
        let kind = [b'0' + stream];
        self.send_parts(&[IoSlice::new(&kind), IoSlice::new(data)], &[])
    }

    fn send_parts(&self, parts: &[IoSlice], rights: &[ControlMessage]) -> nix::Result<()> {
        loop {
            let fd = self.0.as_raw_fd();
            match sendmsg::<UnixAddr>(fd, parts, rights, MsgFlags::MSG_NOSIGNAL, None) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop),
            }
        }
    }

    /// The next message; `None` when the other end has closed.
    ///
    /// # Errors
    /// EAGAIN of a non-blocking descriptor; a message that is none of ours.
    pub fn receive(&self) -> anyhow::Result<Option<Message>> {
        let mut bytes = vec![0; CHUNK * 2];
        let mut space = nix::cmsg_space!([RawFd; 3]);
        let (count, fds) = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let fd = self.0.as_raw_fd();
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<UnixAddr>(fd, &mut parts, Some(&mut space), flags) {
                // ECONNRESET: the other end has closed and left something of ours unread. That
                // is told once, before what it had sent itself, its last words.
                Err(Errno::EINTR | Errno::ECONNRESET) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(message) => break (message.bytes, received(message.cmsgs()?)),
            }
        };
        bytes.truncate(count);
        let Some(kind) = bytes.first().copied() else {
            return Ok(None);
        };
        let rest = &bytes[1..];
        Ok(Some(match kind {
            b'q' => Message::Request(serde_json::from_slice(rest)?, fds),
            b'r' => Message::Reply(serde_json::from_slice(rest)?, fds),
            b'e' => Message::End,
            b'0'..=b'2' => Message::Data(kind - b'0', rest.to_vec()),
            other => bail!("a message of kind {other} is none of mini-docker's"),
        }))
    }

    /// Asks, and waits for the reply.
    ///
    /// # Errors
    /// What the monitor could not do; a monitor that has died meanwhile.
    pub fn ask(&self, request: Request) -> anyhow::Result<Reply> {
        self.send(&Message::Request(request, Vec::new()))?;
        self.reply()
    }

    /// Waits for a reply, passing over output.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn reply(&self) -> anyhow::Result<Reply> {
        loop {
            match self.receive()? {
                Some(Message::Reply(Reply::Failed { message, code }, _)) => {
                    return Err(crate::cmd::Failure { message, code }.into());
                }
                Some(Message::Reply(reply, _)) => return Ok(reply),
                Some(_) => {}
                None => return Err(Ended.into()),
            }
        }
    }
}

/// The monitor has ended, or was killed, before it could answer. The kernel closes its
/// socket a little before its lock.
#[derive(Debug)]
pub struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the container's monitor has ended")
    }
}

impl std::error::Error for Ended {}

/// Asks the monitor of a container something.
///
/// # Errors
/// It is not running; what the monitor could not do.
pub fn ask(engine: &Engine, id: &str, request: Request) -> anyhow::Result<Reply> {
    Connection::to(engine, id)?.ask(request)
}

/// The socket on which a monitor listens.
///
/// # Errors
/// The folder is not there, or full.
pub fn listener(engine: &Engine, id: &str) -> anyhow::Result<OwnedFd> {
    let listener = new_socket()?;
    // Left by a monitor that was killed. Ours is the lock, so nobody listens there.
    let _ = std::fs::remove_file(engine.monitor(id).join("socket"));
    crate::files::step("socket");
    at(&engine.monitor(id), |address| {
        bind(listener.as_raw_fd(), address)
    })
    .context("bind the monitor's socket")?;
    listen(&listener, Backlog::new(64)?)?;
    Ok(listener)
}

/// Who is there; `None` for another user than ours, who gets no answer. The folder
/// keeps them out already: this is for the day when somebody opens it.
pub fn accept(listener: &OwnedFd) -> Option<Connection> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = nix::sys::socket::accept4(listener.as_raw_fd(), flags).ok()?;
    // SAFETY: accept4 has just made it, nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let peer =
        nix::sys::socket::getsockopt(&fd, nix::sys::socket::sockopt::PeerCredentials).ok()?;
    let allowed = peer.uid() == 0 || peer.uid() == nix::unistd::geteuid().as_raw();
    allowed.then_some(Connection(fd))
}

fn new_socket() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// A socket's path has at most 107 bytes, and a store may lie anywhere: so the path
/// goes through the open folder.
fn at<T>(folder: &Path, call: impl Fn(&UnixAddr) -> nix::Result<T>) -> nix::Result<T> {
    use nix::fcntl::{OFlag, open};
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let folder = open(folder, flags, nix::sys::stat::Mode::empty())?;
    let path = format!("/proc/self/fd/{}/socket", folder.as_raw_fd());
    call(&UnixAddr::new(path.as_str())?)
}

fn received(messages: nix::sys::socket::CmsgIterator) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for message in messages {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            for number in numbers {
                // SAFETY: the kernel has just put them into our table, for us.
                fds.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    fds
}

/// Makes a descriptor give EAGAIN instead of waiting.
///
/// # Errors
/// None that happens.
pub fn nonblocking(fd: BorrowedFd) -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}
