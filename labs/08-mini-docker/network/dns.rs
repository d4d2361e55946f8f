//! The embedded name server: 127.0.0.11 in each container on a user-defined network.
//!
//! It knows the containers that share a network with this one, by name, alias, id
//! and hostname, and asks the machine's own resolvers for all else. Who is where it
//! reads in the leases, at each question: a container that comes, goes, or comes
//! back under another address is known as soon as it has its lease.
//!
//! Its sockets are in the container's network, where 127.0.0.11 is a loopback
//! address as any; the process is the machine's, so that it can ask resolvers that
//! only the machine reaches. They are on ports of the kernel's choice, to which
//! port 53 is led: the container's own programs may want `0.0.0.0:53`.
//!
//! Read: RFC 1035, RFC 2308 (no data), RFC 7766 (TCP)

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::Duration;

use anyhow::Context;
use labs::explain::Explain;
use labs::network::inside;
use simple_dns::rdata::{A, PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::etc::{NAME_SERVER, Resolver};
use super::lease::{Lease, Leases};
use super::nft::{Batch, Hook};
use super::ports::bind_socket;
use super::rule::Rule;
use crate::container::record::Container;
use crate::engine::Engine;

/// What the server of one container needs.
#[derive(Debug)]
pub struct Names {
    engine: Engine,
    /// Whose questions these are.
    id: String,
    /// `--dns`; else the machine's, read when they are asked.
    servers: Vec<String>,
    udp: OwnedFd,
    tcp: OwnedFd,
}

/// How long a resolver may take; the C library gives up after 5 s.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Questions that are passed on at one time.
const MOST: usize = 256;
/// docker's: for how many seconds an answer holds.
const TTL: u32 = 600;
const STACK: usize = 256 << 10;

impl Names {
    /// Opens the sockets in the container's network, and leads port 53 to them.
    ///
    /// # Errors
    /// The namespace is gone.
    pub fn open(
        engine: &Engine,
        container: &Container,
        namespace: &OwnedFd,
    ) -> anyhow::Result<Self> {
        let sockets = inside(Explain::new(false), namespace, || -> anyhow::Result<_> {
            let any = SocketAddr::from((NAME_SERVER, 0));
            let (udp_port, udp) = bind_socket(any, "udp")?;
            let (tcp_port, tcp) = bind_socket(any, "tcp")?;
            if redirect(udp_port, tcp_port).is_ok() {
                return Ok((udp, tcp));
            }
            // A kernel without nftables: the port itself.
            let own = SocketAddr::from((NAME_SERVER, 53));
            Ok((bind_socket(own, "udp")?.1, bind_socket(own, "tcp")?.1))
        });
        let (udp, tcp) = sockets?.context("the embedded name server")?;
        Ok(Self {
            engine: engine.clone(),
            id: container.id.clone(),
            servers: container.host_config.dns.clone(),
            udp,
            tcp,
        })
    }

    /// The sockets' numbers.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        [self.udp.as_raw_fd(), self.tcp.as_raw_fd()].into_iter()
    }
}

/// In the container: what is for port 53 of the server goes to these ports.
fn redirect(udp: u16, tcp: u16) -> io::Result<()> {
    let mut batch = Batch::new("mini-docker-names");
    batch.add_table("the embedded name server");
    batch.delete_table();
    batch.add_table("the embedded name server");
    let hook = Hook {
        kind: "nat",
        number: libc::NF_INET_LOCAL_OUT,
        priority: libc::NF_IP_PRI_NAT_DST,
        drop: false,
    };
    batch.add_chain("output", Some(hook));
    for (protocol, port) in [("udp", udp), ("tcp", tcp)] {
        let rule = Rule::new().to(NAME_SERVER).to_port(protocol, 53);
        batch.add_rule("output", rule.send_to(NAME_SERVER, port));
    }
    batch.send()
}

/// Answers until the process ends.
///
/// # Errors
/// No thread can be made.
pub fn serve(names: Names) -> io::Result<()> {
    let udp = UdpSocket::from(names.udp.try_clone()?);
    let tcp = TcpListener::from(names.tcp.try_clone()?);
    let names = Arc::new(names);
    let for_tcp = Arc::clone(&names);
    Builder::new().spawn(move || serve_udp(&names, &Arc::new(udp)))?;
    Builder::new().spawn(move || serve_tcp(&for_tcp, &tcp))?;
    Ok(())
}

fn serve_udp(names: &Arc<Names>, socket: &Arc<UdpSocket>) {
    let mut question = [0; 4096];
    let asking = Arc::new(());
    loop {
        let Ok((length, client)) = socket.recv_from(&mut question) else {
            continue;
        };
        let question = &question[..length];
        if let Some(answer) = names.answer(question) {
            let _ = socket.send_to(&answer, client);
            continue;
        }
        // To wait for others is a thread's work; the next question may be ours.
        if Arc::strong_count(&asking) > MOST {
            continue;
        }
        let one = Arc::clone(&asking);
        let (names, socket, question) = (Arc::clone(names), Arc::clone(socket), question.to_vec());
        let _ = Builder::new().stack_size(STACK).spawn(move || {
            let _one = one;
            let _ = socket.send_to(&names.forward(&question, ask_udp), client);
        });
    }
}

fn serve_tcp(names: &Arc<Names>, listener: &TcpListener) {
    let open = Arc::new(());
    loop {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if Arc::strong_count(&open) > MOST {
            continue;
        }
        let (names, one) = (Arc::clone(names), Arc::clone(&open));
        let _ = Builder::new().stack_size(STACK).spawn(move || {
            let _one = one;
            let _ = converse(&names, client);
        });
    }
}

/// A client may ask several times on one connection.
fn converse(names: &Names, mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    loop {
        let question = read_message(&mut client)?;
        let answer = names
            .answer(&question)
            .unwrap_or_else(|| names.forward(&question, ask_tcp));
        write_message(&mut client, &answer)?;
    }
}

/// On TCP each message has its length in front.
fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

fn ask_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected: nobody else can answer.
    socket.connect(server)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.send(question)?;
    let mut answer = vec![0; 1 << 16];
    loop {
        let length = socket.recv(&mut answer)?;
        // The first two bytes are the number of the question.
        if length >= 12 && answer.get(..2) == question.get(..2) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

fn ask_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write_message(&mut stream, question)?;
    read_message(&mut stream)
}

impl Names {
    /// Asks one resolver after the other. When none answers, that is the answer.
    fn forward(
        &self,
        question: &[u8],
        ask: fn(SocketAddr, &[u8]) -> io::Result<Vec<u8>>,
    ) -> Vec<u8> {
        let servers = match self.servers.is_empty() {
            true => Resolver::of_machine().servers,
            false => self.servers.clone(),
        };
        // Who is on internal networks only has no way out, by names neither.
        let servers = servers.iter().filter(|_| self.has_way_out());
        servers
            .filter_map(|server| server.parse::<IpAddr>().ok())
            .find_map(|server| ask(SocketAddr::new(server, 53), question).ok())
            .unwrap_or_else(|| failure(question))
    }

    fn has_way_out(&self) -> bool {
        let leases = Leases::read(&self.engine).unwrap_or_default();
        let own = leases.containers.get(&self.id);
        own.is_none_or(|own| {
            own.endpoints
                .values()
                .any(|a| !a.endpoint.gateway.is_empty())
        })
    }

    /// The answer to a question about containers; `None` for any other one.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let packet = Packet::parse(question).ok()?;
        let asked = packet.questions.first()?;
        let name = asked.qname.to_string().to_lowercase();
        let leases = Leases::read(&self.engine).ok()?;
        let mut reply = Packet::new_reply(packet.id());
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
        if packet.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        let owner = asked.qname.clone().into_owned();
        if let Some(address) = reverse(&name) {
            let found = name_of(&leases, &self.id, address)?;
            let target = Name::new(&found).ok()?.into_owned();
            let data = RData::PTR(PTR(target));
            reply
                .answers
                .push(ResourceRecord::new(owner, CLASS::IN, TTL, data));
        } else {
            let found = addresses(&leases, &self.id, &name);
            if found.is_empty() {
                return None;
            }
            // A container has no IPv6 address: the name is there, the data are not.
            if matches!(asked.qtype, QTYPE::TYPE(TYPE::A) | QTYPE::ANY) {
                for address in found {
                    let data = RData::A(A::from(address));
                    let record = ResourceRecord::new(owner.clone(), CLASS::IN, TTL, data);
                    reply.answers.push(record);
                }
            }
        }
        reply.questions.push(asked.clone());
        reply.build_bytes_vec_compressed().ok()
    }
}

/// "The server has failed", with the question's number.
fn failure(question: &[u8]) -> Vec<u8> {
    let Ok(packet) = Packet::parse(question) else {
        return Vec::new();
    };
    let mut reply = Packet::new_reply(packet.id());
    *reply.rcode_mut() = RCODE::ServerFailure;
    reply.questions = packet.questions.clone();
    reply.build_bytes_vec().unwrap_or_default()
}

/// The address in `2.0.18.172.in-addr.arpa`.
fn reverse(name: &str) -> Option<Ipv4Addr> {
    let digits = name.strip_suffix(".in-addr.arpa")?;
    let forward: Ipv4Addr = digits.parse().ok()?;
    let [a, b, c, d] = forward.octets();
    Some(Ipv4Addr::new(d, c, b, a))
}

/// The networks in which names are resolved that both are on, each with the
/// address of `other` there.
fn shared<'a>(own: &'a Lease, other: &'a Lease) -> impl Iterator<Item = (&'a String, Ipv4Addr)> {
    other.endpoints.iter().filter_map(|(network, attachment)| {
        let both = own.endpoints.contains_key(network) && attachment.named;
        let address = attachment.endpoint.ip_address.parse().ok()?;
        both.then_some((network, address))
    })
}

/// The addresses that a name has for the container `id`.
fn addresses(leases: &Leases, id: &str, name: &str) -> Vec<Ipv4Addr> {
    let Some(own) = leases.containers.get(id) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (other_id, other) in &leases.containers {
        for (network, address) in shared(own, other) {
            let attachment = &other.endpoints[network];
            let mut names = vec![
                other.name.as_str(),
                other.hostname.as_str(),
                other_id.get(..12).unwrap_or(other_id),
            ];
            names.extend(attachment.endpoint.aliases.iter().map(String::as_str));
            // `--link` gives a name that only this container uses.
            let links = own.links.iter().filter(|link| link.target == *other_id);
            names.extend(links.map(|link| link.alias.as_str()));
            // `db`, and `db.network` where two networks have one.
            let known = |known: &str| {
                !known.is_empty()
                    && name
                        .strip_prefix(&known.to_lowercase())
                        .is_some_and(|rest| {
                            rest.is_empty()
                                || rest.strip_prefix('.') == Some(&network.to_lowercase())
                        })
            };
            if names.into_iter().any(known) && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

/// `db.network`, for an address in a network of the container `id`.
fn name_of(leases: &Leases, id: &str, address: Ipv4Addr) -> Option<String> {
    let own = leases.containers.get(id)?;
    leases.containers.values().find_map(|other| {
        shared(own, other)
            .find(|(_, theirs)| *theirs == address)
            .map(|(network, _)| format!("{}.{network}", other.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::lease::Attachment;

    fn lease(name: &str, networks: &[(&str, &str)]) -> Lease {
        let mut lease = Lease {
            name: name.into(),
            ..Lease::default()
        };
        for (network, address) in networks {
            let mut attachment = Attachment {
                named: *network != "bridge",
                ..Attachment::default()
            };
            attachment.endpoint.ip_address = (*address).into();
            attachment.endpoint.aliases = vec![format!("{name}-alias")];
            lease.endpoints.insert((*network).into(), attachment);
        }
        lease
    }

    #[test]
    fn only_those_on_a_shared_network_are_known() {
        let mut leases = Leases::default();
        let mut add = |id: &str, lease| leases.containers.insert(id.into(), lease);
        add(
            "1",
            lease("web", &[("front", "10.0.0.2"), ("bridge", "10.9.0.2")]),
        );
        add(
            "2",
            lease("db", &[("front", "10.0.0.3"), ("back", "10.1.0.3")]),
        );
        add("3", lease("vault", &[("back", "10.1.0.4")]));
        add("4", lease("old", &[("bridge", "10.9.0.4")]));
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        assert_eq!(addresses(&leases, "1", "db"), [ip("10.0.0.3")]);
        assert_eq!(addresses(&leases, "1", "db.front"), [ip("10.0.0.3")]);
        assert_eq!(addresses(&leases, "1", "db-alias"), [ip("10.0.0.3")]);
        for unknown in ["vault", "old", "db.back", "d", "dbx", "", "db."] {
            assert!(addresses(&leases, "1", unknown).is_empty(), "{unknown}");
        }
        assert_eq!(
            name_of(&leases, "1", ip("10.0.0.3")).as_deref(),
            Some("db.front")
        );
        assert_eq!(name_of(&leases, "1", ip("10.1.0.4")), None);
        assert_eq!(reverse("3.0.0.10.in-addr.arpa"), Some(ip("10.0.0.3")));
    }
}
