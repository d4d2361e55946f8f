//! Connections that the kernel remembers, forgotten.
//!
//! The first packet of a connection is asked about by the rules of NAT; all others go
//! where it went. UDP has no end that the kernel could see. A client that goes on
//! sending therefore keeps an entry alive for ever, and its packets go to an address
//! that the container has not got any more, though the rules say otherwise by now. So
//! with an address all entries go that have changed something into it, or begin there.
//!
//! Read: conntrack(8), linux/netfilter/nfnetlink_conntrack.h

use std::io;
use std::net::Ipv4Addr;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::nft::{attribute, nested};

/// NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE.
const DELETE: u16 = 1 << 8 | 2;
/// CTA_TUPLE_ORIG and CTA_TUPLE_REPLY: as the first packet was, and as an answer is.
const BEGUN: u16 = 1;
const ANSWERED: u16 = 2;
/// CTA_FILTER, and in it: by the source of the address alone.
const FILTER: u16 = 25;
const BY_SOURCE: u32 = 1;

/// Deletes what the kernel remembers of connections from and to an address, under
/// whatever other address these were begun.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN; EOPNOTSUPP or EINVAL before Linux 5.8.
pub fn forget(address: Ipv4Addr) -> io::Result<()> {
    let socket = Socket::new(NETLINK_NETFILTER)?;
    // What leads *to* a container has its address as the source of the answer.
    for (sequence, side) in [BEGUN, ANSWERED].into_iter().enumerate() {
        let source = attribute(1, &address.octets());
        let tuple = nested(side, &nested(1, &source));
        let filter = nested(FILTER, &attribute(side, &BY_SOURCE.to_ne_bytes()));
        let length = 20 + tuple.len() + filter.len();
        let mut message = (length as u32).to_ne_bytes().to_vec();
        message.extend(DELETE.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
        message.extend((sequence as u32).to_ne_bytes());
        message.extend([0; 4]);
        // With version 1 the family counts; with 0 the kernel looks at all.
        message.extend([libc::AF_INET as u8, 1, 0, 0]);
        message.extend(tuple);
        message.extend(filter);
        socket.send_to(&message, &SocketAddr::new(0, 0), 0)?;
        let (answer, _) = socket.recv_from_full()?;
        let code = answer.get(16..20).and_then(|code| code.try_into().ok());
        match code.map_or(libc::EBADMSG, |code| -i32::from_ne_bytes(code)) {
            0 | libc::ENOENT => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
    Ok(())
}
