//! Interfaces, addresses, routes, neighbours and packet filter of the network
//! namespace that the caller is in, through netlink. See rtnetlink(7).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use anyhow::{Result, anyhow};
use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
    RouteVia,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;

use super::netlink::Netlink;
use super::proc::{read_at, visible};
use super::{nftables, sockets};
use crate::state::facts::{Interface, Network, Peer};

/// Routing table `main` of ip-route(8).
const MAIN_TABLE: u32 = 254;

/// Reads the network namespace that the caller is in. `procfs` is a /proc in
/// which the caller itself shows.
pub fn read(procfs: BorrowedFd<'_>) -> Result<Network> {
    let mut netlink = Netlink::open(NETLINK_ROUTE, "NETLINK_ROUTE")?;
    let mut request = LinkMessage::default();
    request
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let (mut links, mut addresses) = (Vec::new(), Vec::new());
    let (mut routes, mut neighbours) = (Vec::new(), Vec::new());
    dump(
        &mut netlink,
        RouteNetlinkMessage::GetLink(request),
        |reply| {
            if let RouteNetlinkMessage::NewLink(link) = reply {
                links.push(link);
            }
        },
    )?;
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    dump(&mut netlink, request, |reply| {
        if let RouteNetlinkMessage::NewAddress(address) = reply {
            addresses.push(address);
        }
    })?;
    let request = RouteNetlinkMessage::GetRoute(RouteMessage::default());
    dump(&mut netlink, request, |reply| {
        if let RouteNetlinkMessage::NewRoute(route) = reply {
            routes.push(route);
        }
    })?;
    let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    dump(&mut netlink, request, |reply| {
        if let RouteNetlinkMessage::NewNeighbour(neighbour) = reply {
            neighbours.push(neighbour);
        }
    })?;

    let names: BTreeMap<u32, String> = links
        .iter()
        .filter_map(|link| Some((link.header.index, name(link)?)))
        .collect();
    let mut interfaces: BTreeMap<String, Interface> = links
        .iter()
        .filter_map(|link| Some((name(link)?, interface(link, &names))))
        .collect();
    for address in &addresses {
        let Some(interface) = names
            .get(&address.header.index)
            .and_then(|name| interfaces.get_mut(name))
        else {
            continue;
        };
        interface.addresses.extend(address_text(address));
    }
    Ok(Network {
        interfaces,
        routes: routes
            .iter()
            .flat_map(|route| route_text(route, &names))
            .collect(),
        listening: sockets::listening(procfs, &names),
        neighbours: neighbours
            .iter()
            .flat_map(|neighbour| neighbour_text(neighbour, &names))
            .collect(),
        firewall: nftables::read()?,
    })
}

/// The address families that this network namespace forwards; `procfs` is any
/// proc file system, whose `sys/net` is that of whoever opens it.
pub fn forwarding(procfs: BorrowedFd<'_>) -> BTreeSet<String> {
    [
        ("ipv4", "sys/net/ipv4/ip_forward"),
        ("ipv6", "sys/net/ipv6/conf/all/forwarding"),
    ]
    .into_iter()
    .filter(|(_, file)| read_at(procfs, file).is_ok_and(|text| text.trim() != "0"))
    .map(|(family, _)| family.to_owned())
    .collect()
}

/// `10.0.0.2 dev eth0`, of a neighbour whose link-layer address is known. How
/// long ago it was heard of is left out, as are link-local ones.
fn neighbour_text(neighbour: &NeighbourMessage, names: &BTreeMap<u32, String>) -> Option<String> {
    if matches!(
        neighbour.header.state,
        NeighbourState::None
            | NeighbourState::Incomplete
            | NeighbourState::Failed
            | NeighbourState::Noarp
    ) {
        return None;
    }
    let ip = neighbour
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
            _ => None,
        })?;
    if ip.is_multicast() || matches!(ip, IpAddr::V6(ip) if link_local(ip)) {
        return None;
    }
    let device = names.get(&neighbour.header.ifindex)?;
    Some(format!("{ip} dev {device}"))
}

/// Asks for a whole table of rtnetlink(7) and hands over each entry of it.
fn dump(
    netlink: &mut Netlink,
    request: RouteNetlinkMessage,
    mut take: impl FnMut(RouteNetlinkMessage),
) -> Result<()> {
    let mut body = vec![0; request.buffer_len()];
    request.serialize(&mut body);
    let mut unread = None;
    let answer = netlink.dump(request.message_type(), &body, |kind, body| {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        match RouteNetlinkMessage::deserialize(&header, body) {
            Ok(entry) => take(entry),
            Err(error) => unread = Some(anyhow!("recv(NETLINK_ROUTE): {error}")),
        }
    });
    match answer {
        // A family that this kernel lacks has no entries.
        Err(error) if error.downcast_ref() == Some(&Errno::EOPNOTSUPP) => Ok(()),
        answer => answer.and(unread.map_or(Ok(()), Err)),
    }
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(visible(name.clone())),
            _ => None,
        })
}

fn interface(link: &LinkMessage, names: &BTreeMap<u32, String>) -> Interface {
    let (mut kind, mut master, mut other, mut elsewhere) = (None, None, None, false);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Controller(index) => master = names.get(index).cloned(),
            LinkAttribute::Link(index) => other = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            _ => {}
        }
    }
    let kind = kind.unwrap_or_else(|| match link.header.link_layer_type {
        LinkLayerType::Loopback => "loopback".into(),
        layer => format!("{layer:?}").to_lowercase(),
    });
    let up = link.header.flags.contains(LinkFlags::Up);
    Interface {
        peer: (kind == "veth").then(|| Peer {
            interface: other
                .filter(|_| !elsewhere)
                .and_then(|index| names.get(&index).cloned()),
            place: if elsewhere { "elsewhere" } else { "here" }.into(),
        }),
        kind,
        state: if up { "up" } else { "down" }.into(),
        addresses: BTreeSet::new(),
        master,
    }
}

/// `10.0.0.2/24`; nothing for an IPv6 link-local address, which the kernel
/// makes from the MAC.
fn address_text(message: &AddressMessage) -> Option<String> {
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            _ => {}
        }
    }
    let ip = local.or(address)?;
    let told = match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => !link_local(ip),
    };
    told.then(|| format!("{ip}/{}", message.header.prefix_len))
}

fn link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// A route of the main table in the words of ip-route(8).
fn route_text(route: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<String> {
    let mut table = u32::from(route.header.table);
    let (mut destination, mut hop, mut metric) = (None, String::new(), 0);
    let (mut source, mut hops) = (String::new(), String::new());
    let name = |index: &u32| {
        names
            .get(index)
            .cloned()
            .unwrap_or_else(|| format!("if{index}"))
    };
    let (mut via, mut device) = (String::new(), String::new());
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(to) => destination = Some(address(to)?),
            RouteAttribute::Gateway(to) => via = format!(" via {}", address(to)?),
            RouteAttribute::Via(to) => via = format!(" via {}", via_address(to)?),
            RouteAttribute::Oif(index) => device = format!(" dev {}", name(index)),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::PrefSource(from) => source = format!(" src {}", address(from)?),
            RouteAttribute::MultiPath(several) => {
                for one in several {
                    hops += " nexthop";
                    for attribute in &one.attributes {
                        if let RouteAttribute::Gateway(to) = attribute {
                            hops += &format!(" via {}", address(to)?);
                        }
                    }
                    hops += &format!(
                        " dev {} weight {}",
                        name(&one.interface_index),
                        one.hops + 1
                    );
                }
            }
            _ => {}
        }
    }
    hop += &via;
    hop += &device;
    if table != MAIN_TABLE || route.header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    // Every IPv6 interface has these two; they say nothing.
    if let Some(IpAddr::V6(ip)) = destination
        && (link_local(ip) || ip.is_multicast())
    {
        return None;
    }
    let kind = match route.header.kind {
        RouteType::Unicast => String::new(),
        kind => format!("{} ", format!("{kind:?}").to_lowercase()),
    };
    let length = route.header.destination_prefix_length;
    let to = match destination {
        None => "default".into(),
        Some(ip) if length == if ip.is_ipv4() { 32 } else { 128 } => ip.to_string(),
        Some(ip) => format!("{ip}/{length}"),
    };
    let proto = match route.header.protocol {
        RouteProtocol::Boot | RouteProtocol::Unspec => String::new(),
        proto => format!(" proto {}", proto.to_string().to_lowercase()),
    };
    let scope = match route.header.scope {
        RouteScope::Universe => String::new(),
        RouteScope::NoWhere => " scope nowhere".into(),
        scope => format!(" scope {scope}"),
    };
    let metric = match metric {
        0 => String::new(),
        metric => format!(" metric {metric}"),
    };
    Some(format!(
        "{kind}{to}{hop}{proto}{scope}{source}{metric}{hops}"
    ))
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

fn via_address(via: &RouteVia) -> Option<IpAddr> {
    match via {
        RouteVia::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteVia::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}
