//! Published ports: which port of the machine leads to which of a container.
//!
//! Each is *bound*, by a socket that the container's proxy then serves. Binding is
//! what makes it ours: no other program can take the port, none that has it is cut
//! off by a rule, and the kernel itself names one that is free.
//!
//! Read: ip(7), socket(7), ipv6(7) (IPV6_V6ONLY)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, getsockname, listen,
    setsockopt, socket, sockopt,
};

use super::Connected;
use super::lease::{Leases, Published};
use crate::container::record::{Container, PortBinding};

/// A published port with the socket that holds it.
#[derive(Debug)]
pub struct Bound {
    pub published: Published,
    pub socket: OwnedFd,
}

/// Binds all ports that a container wishes, for its address `to`, and notes in
/// `connected` where they are.
///
/// # Errors
/// A port that is taken, in docker's words. What was bound is free again then.
pub fn bind_all(
    container: &Container,
    connected: &mut Connected,
    leases: &Leases,
    to: Ipv4Addr,
) -> anyhow::Result<Vec<Bound>> {
    let mut all = Vec::new();
    for (inner, bindings) in wishes(container) {
        let Some(bindings) = bindings else {
            connected.ports.insert(inner, None);
            continue;
        };
        let (port, protocol) = split(&inner)?;
        let mut sides = Vec::new();
        for binding in bindings {
            for bound in publish(&binding, protocol, port, to, leases)? {
                sides.push(PortBinding {
                    host_ip: bound.published.host_ip.to_string(),
                    host_port: bound.published.host_port.to_string(),
                });
                all.push(bound);
            }
        }
        connected.ports.insert(inner, Some(sides));
    }
    Ok(all)
}

type Wish = (String, Option<Vec<PortBinding>>);

/// `80/tcp` to where it is wished: nowhere for a port that is only exposed.
fn wishes(container: &Container) -> Vec<Wish> {
    let config = &container.host_config;
    let anywhere = || Some(vec![PortBinding::default()]);
    let exposed = container.config.exposed_ports.keys();
    let exposed = exposed.filter(|port| !config.port_bindings.contains_key(*port));
    let exposed = exposed.map(|port| {
        let bindings = anywhere().filter(|_| config.publish_all_ports);
        (port.clone(), bindings)
    });
    let wished = config.port_bindings.iter();
    let wished = wished.map(|(port, bindings)| match bindings.is_empty() {
        true => (port.clone(), anywhere()),
        false => (port.clone(), Some(bindings.clone())),
    });
    wished.chain(exposed).collect()
}

/// `80/tcp`, or `80`.
fn split(text: &str) -> anyhow::Result<(u16, &'static str)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let port = port
        .parse()
        .with_context(|| format!("invalid port: {text}"))?;
    match protocol {
        "tcp" => Ok((port, "tcp")),
        "udp" => Ok((port, "udp")),
        other => bail!("{text}: a port of {other} cannot be published, only of tcp and udp"),
    }
}

/// One binding: a port for each address that is meant.
fn publish(
    binding: &PortBinding,
    protocol: &'static str,
    port: u16,
    to: Ipv4Addr,
    leases: &Leases,
) -> anyhow::Result<Vec<Bound>> {
    let addresses: Vec<IpAddr> = match binding.host_ip.as_str() {
        "" => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        text => {
            let ip = text.trim_matches(['[', ']']).parse();
            vec![ip.with_context(|| format!("invalid IP address: {text}"))?]
        }
    };
    let candidates = candidates(&binding.host_port)?;
    let mut taken = None;
    for candidate in candidates {
        match bind_one(&addresses, protocol, candidate) {
            Ok(sockets) => {
                let bound = |(host_ip, host_port, socket)| Bound {
                    published: Published {
                        protocol: protocol.into(),
                        host_ip,
                        host_port,
                        address: to,
                        port,
                    },
                    socket,
                };
                return Ok(sockets.into_iter().map(bound).collect());
            }
            Err(refused) => taken = Some(refused),
        }
    }
    let Some(Refused { ip, port, errno }) = taken else {
        bail!("invalid hostPort: {}", binding.host_port);
    };
    let at = SocketAddr::new(ip, port);
    let ours = leases.containers.values().any(|lease| {
        let same = |other: &Published| {
            other.protocol == protocol
                && other.host_port == port
                && (other.host_ip == ip || other.host_ip.is_unspecified() || ip.is_unspecified())
        };
        lease.ports.iter().any(same)
    });
    match errno {
        Errno::EADDRINUSE if ours => bail!("Bind for {at} failed: port is already allocated"),
        Errno::EADDRINUSE => {
            bail!("failed to bind host port {at}/{protocol}: address already in use")
        }
        Errno::EACCES => bail!(
            "failed to bind host port {at}/{protocol}: permission denied: ports below 1024 are \
             root's; take a higher one"
        ),
        Errno::EADDRNOTAVAIL => bail!(
            "failed to bind host port {at}/{protocol}: cannot assign requested address: this \
             machine has no such address"
        ),
        errno => bail!("failed to bind host port {at}/{protocol}: {}", errno.desc()),
    }
}

/// The ports of the machine that may be taken, in this order: one, those of
/// a range `8000-8010`, or some tries at any (0).
fn candidates(text: &str) -> anyhow::Result<Vec<u16>> {
    let invalid = || format!("invalid hostPort: {text}");
    if text.is_empty() || text == "0" {
        return Ok(vec![0; 16]);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u16 = first.parse().with_context(invalid)?;
    let last: u16 = last.parse().with_context(invalid)?;
    if first > last {
        bail!(invalid());
    }
    Ok((first..=last).collect())
}

/// What kept a port from being bound.
struct Refused {
    ip: IpAddr,
    port: u16,
    errno: Errno,
}

/// The same port on each address; with 0 the kernel chooses for the first one, and
/// the others follow. An address family that the machine has not got is left out.
fn bind_one(
    addresses: &[IpAddr],
    protocol: &str,
    port: u16,
) -> Result<Vec<(IpAddr, u16, OwnedFd)>, Refused> {
    let mut bound: Vec<(IpAddr, u16, OwnedFd)> = Vec::new();
    for ip in addresses {
        let port = bound.first().map_or(port, |(_, port, _)| *port);
        let missing = [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL];
        match bind_socket(SocketAddr::new(*ip, port), protocol) {
            Ok((port, socket)) => bound.push((*ip, port, socket)),
            Err(errno) if missing.contains(&errno) && !bound.is_empty() => {}
            Err(errno) => {
                let ip = *ip;
                return Err(Refused { ip, port, errno });
            }
        }
    }
    Ok(bound)
}

/// Binds a socket, listening where the protocol has that, and gives its port.
///
/// # Errors
/// EADDRINUSE, EACCES (below 1024), EADDRNOTAVAIL (not an address of this machine).
pub fn bind_socket(at: SocketAddr, protocol: &str) -> nix::Result<(u16, OwnedFd)> {
    let (family, address) = match at {
        SocketAddr::V4(at) => (AddressFamily::Inet, SockaddrStorage::from(at)),
        SocketAddr::V6(at) => (AddressFamily::Inet6, SockaddrStorage::from(at)),
    };
    let kind = match protocol {
        "udp" => SockType::Datagram,
        _ => SockType::Stream,
    };
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if family == AddressFamily::Inet6 {
        // Else it would be for IPv4 too, which has a socket of its own.
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    if kind == SockType::Stream {
        // Connections that have ended keep a port for a minute. It is still refused
        // while somebody listens.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    bind(fd.as_raw_fd(), &address)?;
    if kind == SockType::Stream {
        listen(&fd, Backlog::MAXCONN)?;
    }
    let own: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    let port = match (own.as_sockaddr_in(), own.as_sockaddr_in6()) {
        (Some(own), _) => SocketAddrV4::from(*own).port(),
        (_, Some(own)) => SocketAddrV6::from(*own).port(),
        _ => at.port(),
    };
    Ok((port, fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_tried_from_its_lowest_port() {
        assert_eq!(candidates("8000-8002").unwrap(), [8000, 8001, 8002]);
        assert_eq!(candidates("80").unwrap(), [80]);
        for wrong in ["2-1", "70000", "a", "-1", "1-"] {
            assert!(candidates(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_is_published_is_bound() {
        let mut container = Container::default();
        let expose = |port: &str| (port.to_owned(), Default::default());
        container.config.exposed_ports = [expose("80/tcp"), expose("53/udp")].into();
        let bindings = vec![PortBinding::default()];
        container.host_config.port_bindings = [("80/tcp".to_owned(), bindings)].into();
        let found = wishes(&container);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], ("53/udp".into(), None));
        container.host_config.publish_all_ports = true;
        assert!(wishes(&container)[1].1.is_some());
    }
}
