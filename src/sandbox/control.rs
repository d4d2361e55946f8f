//! The socket between the runner and the processes that make up the sandbox.
//! The student's program never has it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

/// What the sandbox's own processes tell the runner, and the one word back.
#[derive(Debug)]
pub enum Message {
    /// Go on.
    Go,
    /// PID of the sandbox's init, told by its creator.
    Init(i32),
    /// This machine cannot do it: reason and remedy.
    Unsupported(String),
    /// Setting up went wrong.
    Fault(String),
    /// The listener of the seccomp filter.
    Listener(OwnedFd),
    /// The master side of the sandbox's terminal.
    Terminal(OwnedFd),
    /// The program ended: status as wait(2) gives it.
    Ended(i32),
}

/// One end of the socket.
#[derive(Debug)]
pub struct Control(pub OwnedFd);

impl Control {
    /// Both ends, close-on-exec.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .context("socketpair")?;
        Ok((Self(one), Self(other)))
    }

    pub fn send(&self, message: &Message) -> Result<()> {
        let mut descriptor: Vec<RawFd> = Vec::new();
        let (tag, body) = match message {
            Message::Go => (b'G', Vec::new()),
            Message::Init(pid) => (b'I', pid.to_le_bytes().to_vec()),
            Message::Unsupported(why) => (b'U', why.as_bytes().to_vec()),
            Message::Fault(why) => (b'F', why.as_bytes().to_vec()),
            Message::Ended(status) => (b'E', status.to_le_bytes().to_vec()),
            Message::Listener(fd) => {
                descriptor.push(fd.as_raw_fd());
                (b'L', Vec::new())
            }
            Message::Terminal(fd) => {
                descriptor.push(fd.as_raw_fd());
                (b'T', Vec::new())
            }
        };
        let rights = [ControlMessage::ScmRights(&descriptor)];
        let rights = if descriptor.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        let bytes = [
            IoSlice::new(std::slice::from_ref(&tag)),
            IoSlice::new(&body),
        ];
        sendmsg::<()>(
            self.0.as_raw_fd(),
            &bytes,
            rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .context("sendmsg")?;
        Ok(())
    }

    /// The next message; `None` when every process at the other end has gone.
    pub fn receive(&self) -> Result<Option<Message>> {
        let mut buffer = [0; 4096];
        let mut rights = cmsg_space!(RawFd);
        let (length, fd) = loop {
            let mut bytes = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(self.0.as_raw_fd(), &mut bytes, Some(&mut rights), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(errno) => return Err(errno).context("recvmsg"),
                Ok(got) => {
                    let fd = got.cmsgs()?.find_map(|message| match message {
                        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
                        _ => None,
                    });
                    break (got.bytes, fd);
                }
            }
        };
        // SAFETY: the kernel has just installed this descriptor for us alone.
        let fd = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let Some((tag, body)) = buffer[..length].split_first() else {
            return Ok(None);
        };
        let text = || String::from_utf8_lossy(body).into_owned();
        let number = || body.try_into().map(i32::from_le_bytes).context("a number");
        Ok(Some(match (tag, fd) {
            (b'G', _) => Message::Go,
            (b'I', _) => Message::Init(number()?),
            (b'U', _) => Message::Unsupported(text()),
            (b'F', _) => Message::Fault(text()),
            (b'E', _) => Message::Ended(number()?),
            (b'L', Some(fd)) => Message::Listener(fd),
            (b'T', Some(fd)) => Message::Terminal(fd),
            _ => anyhow::bail!("a message that the sandbox does not send"),
        }))
    }
}
