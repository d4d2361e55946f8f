//! What the two sides of a clone tell each other, over a pair of sockets.
//!
//! Messages and not a stream (SOCK_SEQPACKET): each send is one receive, and the
//! end of the other side is a receive of nothing.
//!
//! Read: unix(7), socketpair(2)

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    accept4, recv, recvmsg, send, sendmsg, socketpair,
};

use super::error::ExecError;

/// An error is told in one message; what is longer is cut.
const LONGEST: usize = 4096;

/// Both ends, closed on exec.
pub fn pair() -> anyhow::Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .context("socketpair")
}

/// Waits at a listening socket for the one who comes.
pub fn accept(gate: &OwnedFd) -> anyhow::Result<OwnedFd> {
    let fd = accept4(gate.as_raw_fd(), SockFlag::SOCK_CLOEXEC).context("accept4")?;
    // SAFETY: new, and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// One word that needs no answer. Who is not there any more does not hear it.
pub fn tell(socket: &OwnedFd, word: u8) {
    let _ = send(socket.as_raw_fd(), &[word], MsgFlags::MSG_NOSIGNAL);
}

/// Waits for a word; `None` when the other side has gone.
pub fn heard(socket: &OwnedFd) -> Option<u8> {
    let mut word = [0];
    match receive(socket, &mut word) {
        Ok(1) => Some(word[0]),
        _ => None,
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> nix::Result<usize> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Sends a descriptor.
///
/// # Errors
/// The other side has gone.
pub fn send_descriptor(socket: &OwnedFd, fd: &OwnedFd) -> anyhow::Result<()> {
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    let parts = [IoSlice::new(b"t")];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &parts, &rights, flags, None).context("sendmsg")?;
    Ok(())
}

/// Receives one.
///
/// # Errors
/// There came none.
pub fn receive_descriptor(socket: &OwnedFd) -> anyhow::Result<OwnedFd> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)
        .context("recvmsg")?;
    for one in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = one
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just put it into our table, for us.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    bail!("the container's first process has sent no terminal")
}

/// The child is ready, and waits at its gate.
pub const READY: u8 = b'r';
/// The child has new ids to be mapped, which only its parent may do.
pub const MAP: u8 = b'm';
/// The namespaces are there: the hooks of the outside can run.
pub const HOOKS: u8 = b'h';
/// The answer to any of them.
pub const GO: u8 = b'g';
const FAILED: u8 = b'e';
const NOT_RUN: u8 = b'x';

/// Tells why the set-up has failed, with the errno of a program that cannot be run.
pub fn tell_error(socket: &OwnedFd, error: &anyhow::Error) {
    let mut message = Vec::new();
    match error.downcast_ref::<ExecError>() {
        Some(exec) => {
            message.push(NOT_RUN);
            message.extend((exec.errno as i32).to_ne_bytes());
            message.extend(exec.program.as_bytes());
        }
        None => {
            message.push(FAILED);
            message.extend(format!("{error:#}").bytes());
        }
    }
    message.truncate(LONGEST);
    let _ = send(socket.as_raw_fd(), &message, MsgFlags::MSG_NOSIGNAL);
}

/// The next word of a child, or the error that it has told.
pub fn progress(socket: &OwnedFd) -> anyhow::Result<u8> {
    let mut buffer = [0; LONGEST];
    let length = receive(socket, &mut buffer).context("recv from the container")?;
    match &buffer[..length] {
        [] => bail!("the container's first process ended before it was set up"),
        message => word(message),
    }
}

fn word(message: &[u8]) -> anyhow::Result<u8> {
    match message {
        [FAILED, text @ ..] => Err(anyhow!("{}", String::from_utf8_lossy(text))),
        [NOT_RUN, rest @ ..] => {
            let (errno, program) = rest.split_at(rest.len().min(4));
            let errno = errno.try_into().map_or(libc::EIO, i32::from_ne_bytes);
            Err(anyhow!(ExecError {
                program: String::from_utf8_lossy(program).into_owned(),
                errno: Errno::from_raw(errno),
            }))
        }
        [word, ..] => Ok(*word),
        [] => bail!("an empty message"),
    }
}

/// After the go: nothing when the program runs (its exec has closed the socket), or
/// the errno of the exec, which the springboard sends as the kernel gives it: a
/// small negative number in 64 bits, whose last byte no word has.
pub fn outcome(socket: &OwnedFd) -> anyhow::Result<Option<Errno>> {
    let mut buffer = [0; LONGEST];
    let length = receive(socket, &mut buffer).context("recv from the container")?;
    let message = &buffer[..length];
    match <[u8; 8]>::try_from(message).map(i64::from_ne_bytes) {
        Ok(negative @ -4095..=-1) => Ok(Some(Errno::from_raw(-negative as i32))),
        _ if length == 0 => Ok(None),
        _ => {
            let word = word(message)?;
            bail!("the container's first process says {word}")
        }
    }
}
