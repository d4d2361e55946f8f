//! Sockets that wait for whoever comes, in the network namespace that the
//! caller is in: listening TCP, UDP without a partner, packet sockets.
//! See sock_diag(7), proc_pid_net(5), packet(7).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::netlink::Netlink;
use super::proc::read_at;

/// States of the kernel's `tcp_states.h`; UDP borrows them.
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// One table of the kernel: its file below `/proc/PID/net`, and how
/// sock_diag(7) calls it.
struct Table {
    file: &'static str,
    protocol: &'static str,
    number: i32,
    family: i32,
    state: u8,
}

const TABLES: [Table; 4] = [
    Table {
        file: "tcp",
        protocol: "tcp",
        number: libc::IPPROTO_TCP,
        family: libc::AF_INET,
        state: LISTEN,
    },
    Table {
        file: "tcp6",
        protocol: "tcp",
        number: libc::IPPROTO_TCP,
        family: libc::AF_INET6,
        state: LISTEN,
    },
    Table {
        file: "udp",
        protocol: "udp",
        number: libc::IPPROTO_UDP,
        family: libc::AF_INET,
        state: CLOSE,
    },
    Table {
        file: "udp6",
        protocol: "udp",
        number: libc::IPPROTO_UDP,
        family: libc::AF_INET6,
        state: CLOSE,
    },
];

/// `tcp 0.0.0.0:80`, `udp [::]:53`, `packet eth0`, `packet *` for one on every
/// interface. `procfs` is a /proc in which the caller itself shows.
pub fn listening(procfs: BorrowedFd<'_>, names: &BTreeMap<u32, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in &TABLES {
        // The kernel picks the few that listen out of a table of any size; the
        // text files are its whole. But its module may not be there to load.
        let sockets = ask(table).or_else(|| {
            let text = read_at(procfs, &format!("self/net/{}", table.file)).ok()?;
            Some(parse(&text, table.state))
        });
        for (ip, port) in sockets.unwrap_or_default() {
            found.insert(match ip {
                IpAddr::V4(ip) => format!("{} {ip}:{port}", table.protocol),
                IpAddr::V6(ip) => format!("{} [{ip}]:{port}", table.protocol),
            });
        }
    }
    let packet = read_at(procfs, "self/net/packet").unwrap_or_default();
    found.extend(packet_sockets(&packet, names));
    found
}

/// The table by netlink; `None` when this kernel does not tell it so.
fn ask(table: &Table) -> Option<Vec<(IpAddr, u16)>> {
    let mut netlink = Netlink::open(NETLINK_SOCK_DIAG, "NETLINK_SOCK_DIAG").ok()?;
    // struct inet_diag_req_v2 with an empty id.
    let mut request = [0; 56];
    request[0] = table.family as u8;
    request[1] = table.number as u8;
    request[4..8].copy_from_slice(&(1_u32 << table.state).to_ne_bytes());
    let mut found = Vec::new();
    let answer = netlink.dump(SOCK_DIAG_BY_FAMILY, &request, |_, body| {
        found.extend(message(body));
    });
    answer.ok().map(|()| found)
}

/// Local address and port of a struct inet_diag_msg.
fn message(message: &[u8]) -> Option<(IpAddr, u16)> {
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let ip = match i32::from(*message.first()?) {
        libc::AF_INET => {
            let octets: [u8; 4] = message.get(8..12)?.try_into().ok()?;
            IpAddr::from(octets)
        }
        _ => {
            let octets: [u8; 16] = message.get(8..24)?.try_into().ok()?;
            IpAddr::from(octets)
        }
    };
    Some((ip, port))
}

/// The sockets in that state of `/proc/net/tcp` and its like: the address is
/// written as the machine's own 32-bit words, in hexadecimal.
fn parse(text: &str, state: u8) -> Vec<(IpAddr, u16)> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (ip, port) = words.next()?.split_once(':')?;
            if u8::from_str_radix(words.nth(1)?, 16).ok()? != state {
                return None;
            }
            let word =
                |index: usize| u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok();
            let ip = if ip.len() == 8 {
                Ipv4Addr::from(word(0)?.to_ne_bytes()).into()
            } else {
                let mut octets = [0; 16];
                for (index, four) in octets.chunks_mut(4).enumerate() {
                    four.copy_from_slice(&word(index)?.to_ne_bytes());
                }
                Ipv6Addr::from(octets).into()
            };
            Some((ip, u16::from_str_radix(port, 16).ok()?))
        })
        .collect()
}

/// `/proc/net/packet`: the fifth word is the interface's index, 0 for all.
fn packet_sockets(text: &str, names: &BTreeMap<u32, String>) -> Vec<String> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let index = line.split_whitespace().nth(4)?.parse().ok()?;
            Some(match (index, names.get(&index)) {
                (0, _) => "packet *".to_owned(),
                (_, Some(name)) => format!("packet {name}"),
                (_, None) => format!("packet if{index}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_files_tell_who_listens_and_who_does_not() {
        let word = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let text = format!(
            "  sl  local_address rem_address   st\n   0: {}:0050 00000000:0000 0A 0\n   1: \
             {}:0050 {}:D431 01 0\n",
            word([127, 0, 0, 1]),
            word([10, 0, 0, 1]),
            word([10, 0, 0, 2]),
        );
        assert_eq!(
            parse(&text, LISTEN),
            [(IpAddr::V4(Ipv4Addr::LOCALHOST), 80)]
        );
        let text = format!(
            "head\n   0: {}{}{}{}:0035 {}:0000 07 0\n",
            word([0; 4]),
            word([0; 4]),
            word([0; 4]),
            word([0, 0, 0, 1]),
            "0".repeat(32),
        );
        assert_eq!(parse(&text, CLOSE), [(IpAddr::V6(Ipv6Addr::LOCALHOST), 53)]);
    }

    #[test]
    fn packet_sockets_are_told_by_their_interface() {
        let text = "sk RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                    0 3      3    0003   0     1 0      0      12\n\
                    0 3      3    0003   2     1 0      0      13\n\
                    0 3      3    0003   9     1 0      0      14\n";
        let names = [(2, "eth0".to_owned())].into();
        assert_eq!(
            packet_sockets(text, &names),
            ["packet *", "packet eth0", "packet if9"]
        );
    }

    #[test]
    fn netlink_and_the_text_files_tell_the_same() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let bound = [tcp.local_addr().unwrap(), udp.local_addr().unwrap()];
        for (table, bound) in [&TABLES[0], &TABLES[2]].into_iter().zip(bound) {
            let here = (bound.ip(), bound.port());
            let text = std::fs::read_to_string(format!("/proc/self/net/{}", table.file)).unwrap();
            assert!(parse(&text, table.state).contains(&here), "{text}");
            // A kernel may lack the module; then the text files serve.
            if let Some(asked) = ask(table) {
                assert!(asked.contains(&here), "{asked:?}");
            }
        }
    }
}
