//! Asks the kernel for a whole table, in the network namespace that the caller
//! is in. Interfaces, rules and sockets come by the same framing: a request
//! with `NLM_F_DUMP`, then messages up to one that says that it is done.
//! See netlink(7).

use anyhow::{Context, Result, anyhow, bail};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use super::proc::READ_LIMIT;

const DUMP_REQUEST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// A dump comes in parts of 32 KiB at most, whatever the table's size.
const BUFFER: usize = 64 << 10;

/// A socket of one netlink protocol, such as `NETLINK_ROUTE`.
pub struct Netlink {
    socket: Socket,
    name: &'static str,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// `name` is the protocol's, for errors.
    pub fn open(protocol: isize, name: &'static str) -> Result<Self> {
        let mut socket = Socket::new(protocol).with_context(|| format!("socket({name})"))?;
        socket
            .bind_auto()
            .with_context(|| format!("bind({name})"))?;
        // Port 0 is the kernel: nobody else is listened to.
        socket
            .connect(&SocketAddr::new(0, 0))
            .with_context(|| format!("connect({name})"))?;
        Ok(Self {
            socket,
            name,
            buffer: vec![0; BUFFER],
            sequence: 0,
        })
    }

    /// Asks for the table that `kind` and `body` name, and hands over each entry
    /// by its type and what follows the header, up to the read limit (a
    /// namespace can hold any number of them). What the kernel answers instead
    /// is an error that is an [`Errno`].
    pub fn dump(&mut self, kind: u16, body: &[u8], mut take: impl FnMut(u16, &[u8])) -> Result<()> {
        let name = self.name;
        self.sequence += 1;
        let request = [
            &((HEADER + body.len()) as u32).to_ne_bytes()[..],
            &kind.to_ne_bytes(),
            &DUMP_REQUEST.to_ne_bytes(),
            &self.sequence.to_ne_bytes(),
            &[0; 4],
            body,
        ]
        .concat();
        self.socket
            .send(&request, 0)
            .with_context(|| format!("send({name})"))?;

        let mut total = 0;
        loop {
            let size = self
                .socket
                .recv(&mut &mut self.buffer[..], 0)
                .with_context(|| format!("recv({name})"))?;
            total += size as u64;
            if total > READ_LIMIT {
                bail!("recv({name}): the table is too large to read");
            }
            let part = self.buffer.get(..size);
            let part = part.with_context(|| format!("recv({name}): a message that is cut off"))?;
            if entries(part, &mut take).with_context(|| format!("recv({name})"))? {
                return Ok(());
            }
        }
    }
}

/// The messages of one part; whether it was the last.
fn entries(mut rest: &[u8], take: &mut impl FnMut(u16, &[u8])) -> Result<bool> {
    while let Some(header) = rest.get(..HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let body = rest
            .get(HEADER..length)
            .ok_or_else(|| anyhow!("a message that is cut off"))?;
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => {
                let code = body
                    .first_chunk()
                    .map_or(0, |code| i32::from_ne_bytes(*code));
                match code {
                    0 => return Ok(true),
                    code => return Err(Errno::from_raw(-code).into()),
                }
            }
            // Below this they are netlink's own, and no entries.
            own if own < libc::NLMSG_MIN_TYPE => {}
            _ => take(kind, body),
        }
        // Messages are aligned to four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: i32, body: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend((kind as u16).to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn read(part: &[u8]) -> (Vec<(u16, Vec<u8>)>, Result<bool>) {
        let mut seen = Vec::new();
        let end = entries(part, &mut |kind, body| seen.push((kind, body.to_vec())));
        (seen, end)
    }

    #[test]
    fn entries_are_handed_over_until_one_says_that_it_is_done() {
        let first = [message(20, b"abcde"), message(libc::NLMSG_NOOP, &[])].concat();
        let (seen, end) = read(&[first.clone(), message(21, b"f")].concat());
        assert_eq!(seen, [(20, b"abcde".to_vec()), (21, b"f".to_vec())]);
        assert!(!end.unwrap());

        let done = message(libc::NLMSG_DONE, &[0; 4]);
        let (seen, end) = read(&[first, done, message(21, b"f")].concat());
        assert_eq!(seen.len(), 1);
        assert!(end.unwrap());
    }

    #[test]
    fn a_refusal_is_an_errno_and_a_message_cut_off_is_told() {
        let refusal = message(libc::NLMSG_ERROR, &(-libc::EPERM).to_ne_bytes());
        let error = read(&refusal).1.unwrap_err().context("recv(NETLINK_ROUTE)");
        assert_eq!(error.downcast_ref(), Some(&Errno::EPERM));

        let whole = message(20, b"abcd");
        let error = read(&whole[..whole.len() - 1]).1.unwrap_err();
        assert_eq!(error.to_string(), "a message that is cut off");
        // A length below the header's own would go round for ever.
        let mut short = whole.clone();
        short[..4].copy_from_slice(&8_u32.to_ne_bytes());
        assert!(read(&short).1.is_err());
    }
}
