//! Orders for nftables: many messages, which the kernel takes as one.
//!
//! What nft(8) reads as text goes to the kernel as a program of small expressions:
//! load something into a register, compare it, decide. The messages between a
//! "begin" and an "end" are one transaction: other programs and all packets see the
//! tables as they were or as they will be, and an error in one message undoes all.
//!
//! Read: nft(8), netlink(7), linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h

use std::io;
use std::os::fd::AsFd;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::SndBuf};

use super::rule::Rule;

/// A chain that the kernel calls itself: where, and in which order with others.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// NF_INET_…: see the constants of libc.
    pub number: i32,
    /// Lower ones are asked earlier.
    pub priority: i32,
    /// Drop what no rule decides.
    pub drop: bool,
}

/// One transaction.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    table: String,
    sequence: u32,
    /// Where the last message begins, and its flags.
    last: usize,
    flags: u16,
}

// Values of enums of linux/netfilter/nf_tables.h that libc does not have.
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const GET_TABLE: u16 = NEW_TABLE | 1;
const DELETE_TABLE: u16 = NEW_TABLE | 2;
const NEW_CHAIN: u16 = NEW_TABLE | 3;
const GET_CHAIN: u16 = NEW_TABLE | 4;
const NEW_RULE: u16 = NEW_TABLE | 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Flags of a nested attribute, and the mask that takes them off.
const NESTED: u16 = 0x8000;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const CREATE: u16 = libc::NLM_F_CREATE as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const ACKNOWLEDGE: u16 = libc::NLM_F_ACK as u16;

impl Batch {
    /// Begins one on a table of the family `ip`.
    pub fn new(table: &str) -> Self {
        let mut batch = Self {
            bytes: Vec::new(),
            table: table.into(),
            sequence: 0,
            last: 0,
            flags: 0,
        };
        batch.message(BATCH_BEGIN, REQUEST, libc::AF_UNSPEC, SUBSYSTEM, &[]);
        batch
    }

    /// Adds one message: its header, the header of netfilter's, its attributes.
    fn message(&mut self, kind: u16, flags: u16, family: i32, resource: u16, body: &[u8]) {
        let length = 20 + body.len();
        (self.last, self.flags) = (self.bytes.len(), flags);
        self.bytes.extend((length as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend([family as u8, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(body);
        self.sequence += 1;
    }

    fn order(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.message(kind, REQUEST | flags, libc::AF_INET, 0, body);
    }

    /// Makes the table, or leaves the one that is there. `comment` is for people.
    pub fn add_table(&mut self, comment: &str) {
        let mut body = name(1, &self.table);
        body.extend(attribute(6, &comment_data(comment)));
        self.order(NEW_TABLE, CREATE, &body);
    }

    /// Deletes the table with all that is in it; ENOENT when it is not there.
    pub fn delete_table(&mut self) {
        let body = name(1, &self.table);
        self.order(DELETE_TABLE, 0, &body);
    }

    /// Adds a chain; without a hook it is one to jump to.
    pub fn add_chain(&mut self, chain: &str, hook: Option<Hook>) {
        let mut body = name(1, &self.table);
        body.extend(name(3, chain));
        if let Some(hook) = hook {
            let place = [number(1, hook.number), number(2, hook.priority)].concat();
            body.extend(nested(4, &place));
            let policy = if hook.drop {
                libc::NF_DROP
            } else {
                libc::NF_ACCEPT
            };
            body.extend(number(5, policy));
            body.extend(name(7, hook.kind));
        }
        self.order(NEW_CHAIN, CREATE, &body);
    }

    /// Adds a rule at the end of a chain.
    pub fn add_rule(&mut self, chain: &str, rule: Rule) {
        let mut body = name(1, &self.table);
        body.extend(name(2, chain));
        body.extend(nested(4, &rule.expressions));
        if let Some(comment) = rule.comment {
            body.extend(attribute(7, &comment_data(&comment)));
        }
        self.order(NEW_RULE, CREATE | APPEND, &body);
    }

    /// Adds the orders of another batch on the same table.
    pub fn extend(&mut self, other: &Self) {
        for (header, body) in messages(&other.bytes).skip(1) {
            self.message(
                header.kind,
                header.flags,
                libc::AF_INET,
                0,
                body.get(4..).unwrap_or_default(),
            );
        }
    }

    /// What has been added so far: two batches of the same bytes make the same.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Has the kernel do all of it, or nothing.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN; EOPNOTSUPP or ENOENT where the kernel has not
    /// got one of the expressions.
    pub fn send(mut self) -> io::Result<()> {
        // The last order alone is acknowledged: then all before it were taken.
        let last = self.sequence - 1;
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            flags.copy_from_slice(&(self.flags | ACKNOWLEDGE).to_ne_bytes());
        }
        self.message(BATCH_END, REQUEST, libc::AF_UNSPEC, SUBSYSTEM, &[]);
        let socket = Socket::new(NETLINK_NETFILTER)?;
        // A transaction is one datagram, however long.
        let room = (self.bytes.len() * 2).max(1 << 18);
        let _ = setsockopt(&socket.as_fd(), SndBuf, &room);
        socket.send_to(&self.bytes, &SocketAddr::new(0, 0), 0)?;
        loop {
            let (answer, _) = socket.recv_from_full()?;
            for (header, body) in messages(&answer) {
                let code = body.get(..4).and_then(|code| code.try_into().ok());
                match code.map(i32::from_ne_bytes) {
                    _ if header.kind != libc::NLMSG_ERROR as u16 => {}
                    // An error may be the only answer: without the capability the
                    // kernel does not look at the rest.
                    Some(code) if code != 0 => return Err(io::Error::from_raw_os_error(-code)),
                    _ if header.sequence == last => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

/// The comment of a table; `None` where there is no such table.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN; EPROTONOSUPPORT in a kernel without nftables.
pub fn comment(table: &str) -> io::Result<Option<String>> {
    let mut question = Batch {
        bytes: Vec::new(),
        table: table.into(),
        sequence: 1,
        last: 0,
        flags: 0,
    };
    question.order(GET_TABLE, 0, &name(1, table));
    let socket = Socket::new(NETLINK_NETFILTER)?;
    socket.send_to(&question.bytes, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let Some((header, body)) = messages(&answer).next() else {
        return Err(Errno::EBADMSG.into());
    };
    if header.kind == libc::NLMSG_ERROR as u16 {
        let code = body.get(..4).and_then(|code| code.try_into().ok());
        return match code.map_or(libc::EBADMSG, |code| -i32::from_ne_bytes(code)) {
            libc::ENOENT => Ok(None),
            code => Err(io::Error::from_raw_os_error(code)),
        };
    }
    let data = attributes(body.get(4..).unwrap_or_default())
        .find(|(kind, _)| *kind == 6)
        .map(|(_, data)| data);
    // One entry: its type, its length, its text with a zero at the end.
    let text = data.and_then(|data| data.get(2..)?.split_last().map(|(_, text)| text));
    Ok(Some(
        String::from_utf8_lossy(text.unwrap_or_default()).into(),
    ))
}

/// The tables, other than `own`, in which what no rule decides is dropped when it is
/// to be forwarded: `ip filter`, `inet filter`.
///
/// # Errors
/// As [`comment`].
pub fn dropping(own: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for (family, word) in [(libc::AF_INET, "ip"), (libc::NFPROTO_INET, "inet")] {
        let mut question = Batch {
            bytes: Vec::new(),
            table: own.into(),
            sequence: 1,
            last: 0,
            flags: 0,
        };
        question.message(GET_CHAIN, REQUEST | DUMP, family, 0, &[]);
        let socket = Socket::new(NETLINK_NETFILTER)?;
        socket.send_to(&question.bytes, &SocketAddr::new(0, 0), 0)?;
        loop {
            let (answer, _) = socket.recv_from_full()?;
            let mut done = false;
            for (header, body) in messages(&answer) {
                done |= header.kind == libc::NLMSG_DONE as u16
                    || header.kind == libc::NLMSG_ERROR as u16;
                let chain = body.get(4..).filter(|_| header.kind == NEW_CHAIN);
                if let Some(table) = chain.and_then(drops_forwarded)
                    && table != own
                {
                    found.push(format!("{word} {table}"));
                }
            }
            if done {
                break;
            }
        }
    }
    Ok(found)
}

/// The table of a chain on the hook "forward" whose policy is to drop.
fn drops_forwarded(chain: &[u8]) -> Option<String> {
    let find = |bytes, wanted| attributes(bytes).find(|(kind, _)| *kind == wanted);
    let value = |bytes: &[u8]| Some(i32::from_be_bytes(bytes.try_into().ok()?));
    let (_, hook) = find(chain, 4)?;
    let (_, number) = find(hook, 1)?;
    let (_, policy) = find(chain, 5)?;
    let (_, table) = find(chain, 1)?;
    let drops = value(number)? == libc::NF_INET_FORWARD && value(policy)? == libc::NF_DROP;
    let table = table.split_last().map_or(table, |(_, text)| text);
    drops.then(|| String::from_utf8_lossy(table).into())
}

/// The beginning of a netlink message.
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The messages of one datagram, each with what follows its header.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..16)?;
        let length = u32::from_ne_bytes(header[..4].try_into().ok()?) as usize;
        let body = bytes.get(16..length)?;
        let header = Header {
            kind: u16::from_ne_bytes(header[4..6].try_into().ok()?),
            flags: u16::from_ne_bytes(header[6..8].try_into().ok()?),
            sequence: u32::from_ne_bytes(header[8..12].try_into().ok()?),
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// The attributes in a message, or in an attribute: number and content.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !NESTED;
        let content = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

/// Length, number, content; the next one begins at a multiple of four.
pub fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = (4 + content.len()) as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that holds others.
pub fn nested(kind: u16, content: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, content)
}

pub(super) fn name(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

/// Numbers of nftables' attributes are in the network's byte order, …
pub(super) fn number(kind: u16, value: i32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// nft(8) shows the comment that it finds in these data, which the kernel only
/// keeps: at most 128 bytes.
fn comment_data(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(char::is_ascii).take(120).collect();
    [&[0, text.len() as u8 + 1], text.as_bytes(), &[0]].concat()
}
