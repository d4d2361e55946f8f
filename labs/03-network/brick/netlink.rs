//! The socket on which the kernel takes orders for the network.
//!
//! There is no system call "make an interface". One sends a message to the
//! kernel as to another machine, and the answer is a message too: its number is
//! 0 or an errno. `--explain` shows an order and its answer as one call.
//!
//! Which namespace an order is for is not in the message: a socket belongs for
//! ever to the network namespace in which it was *made*. So: first `setns`,
//! then `socket`.
//!
//! Read: netlink(7), rtnetlink(7)

use std::io;
use std::os::fd::AsRawFd;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

use crate::explain::{CallError, Explain};

/// A netlink socket of the namespace that the caller was in when it opened it.
pub struct Netlink {
    /// Not connected: every message says where it goes.
    socket: Socket,
    /// Counted up, so that each answer can be told to belong to its question.
    sequence: u32,
}

impl Netlink {
    pub fn open(explain: Explain) -> Result<Self, CallError> {
        let socket = explain.call_returning(
            "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)",
            Socket::new(NETLINK_ROUTE).map_err(errno),
            |socket| socket.as_raw_fd().into(),
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one order and waits for the answer; `told` is the order in words.
    ///
    /// `flags` are those of the verb: NLM_F_CREATE, NLM_F_EXCL. EPERM without
    /// CAP_NET_ADMIN in the user namespace that owns the socket's network.
    pub fn order(
        &mut self,
        explain: Explain,
        told: &str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), CallError> {
        // Told as the one call that it is for whoever asks: order and answer.
        let call = format!("sendto({}, {told})", self.socket.as_raw_fd());
        let answer = self.exchange(message, flags).map_err(errno);
        explain.call(call, answer)
    }

    /// Asks for all objects of a kind and gives them; `told` is the question in
    /// words.
    ///
    /// The answer comes in many messages, many of them in one datagram, and ends
    /// with one that says so.
    pub fn dump(
        &mut self,
        explain: Explain,
        told: &str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, CallError> {
        let call = format!("sendto({}, {told})", self.socket.as_raw_fd());
        let answer = self
            .send(message, NLM_F_DUMP)
            .and_then(|()| self.collect())
            .map_err(errno);
        explain.call(call, answer)
    }

    fn collect(&mut self) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut found = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|_| io::Error::from(Errno::EBADMSG))?;
                // Each message begins at a multiple of four.
                let length = (answer.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                match answer.payload {
                    _ if answer.header.sequence_number != self.sequence => {}
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) => {
                        return Err(io::Error::from_raw_os_error(-error.raw_code()));
                    }
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        // Port 0 is the kernel.
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        Ok(())
    }

    fn exchange(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        // ACK: answer also when all went well. Otherwise silence would have to
        // be told from success.
        self.send(message, NLM_F_ACK | flags)?;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
                .map_err(|_| io::Error::from(Errno::EBADMSG))?;
            // Late answers to earlier questions, and news that nobody asked for.
            if answer.header.sequence_number != self.sequence {
                continue;
            }
            // An acknowledgement is an error message with the number 0.
            if let NetlinkPayload::Error(error) = answer.payload {
                return match error.raw_code() {
                    0 => Ok(()),
                    code => Err(io::Error::from_raw_os_error(-code)),
                };
            }
        }
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
