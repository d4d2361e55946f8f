//! Interfaces, their addresses and routes: one message each.
//!
//! The order for a connection between two namespaces: make the pair, move an
//! end, give addresses, bring both up. Each step undoes what a later one may
//! not have done yet: a move takes the addresses away and the device down, and
//! a device that is down has no routes.
//!
//! Read: rtnetlink(7), veth(4), ip-link(8), ip-address(8), ip-route(8)

use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::str::FromStr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::net::if_::if_nametoindex;

use super::Netlink;
use crate::explain::{CallError, Explain};

/// An address with the length of its network: `10.0.0.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host's own address, all of its bits.
    pub ip: IpAddr,
    /// In bits; how much of it all hosts of the network have alike.
    pub prefix: u8,
}

impl FromStr for Address {
    type Err = String;

    // ip(8) takes an address without a length and makes it one of all bits, a
    // network of one host. That is hardly ever meant, and costs an hour; so here
    // the length has to be said.
    fn from_str(text: &str) -> Result<Self, String> {
        let (ip, prefix) = text.split_once('/').ok_or_else(|| {
            format!("`{text}` has no length: ADDRESS/LENGTH, such as 10.0.0.1/24")
        })?;
        let ip: IpAddr = ip.parse().map_err(|_| format!("`{ip}` is no address"))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        match prefix.parse() {
            Ok(prefix) if prefix <= most => Ok(Self { ip, prefix }),
            _ => Err(format!("/{prefix} is no length: 0 to {most} for {ip}")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// The number of an interface in the caller's network namespace. Numbers, not
/// names, are what the kernel's messages speak of: a name can be changed by
/// somebody else between two messages.
///
/// Each namespace counts for itself, from 1, which is always `lo`. ENODEV when
/// there is none of that name *here*.
pub fn index_of(explain: Explain, name: &str) -> Result<u32, CallError> {
    explain.call_returning(
        format!("if_nametoindex({name:?})"),
        if_nametoindex(name),
        |index| (*index).into(),
    )
}

/// The beginning of an order for a new interface. Each kind has a driver in the
/// kernel, possibly as a module, which the kernel loads for this message.
fn new_link(name: &str, kind: InfoKind) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(name.into()),
        // Attributes nest: what only this kind understands goes in here.
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
    ];
    link
}

/// Makes a pair: what enters one end leaves the other. With `elsewhere` the
/// other end is born in that network namespace.
///
/// To be born there is better than to be moved there: it needs no name that is
/// free *here* in between, and no moment passes in which programs of this side
/// (a network manager) see a new interface and begin to care for it.
///
/// EEXIST when one of the names is taken, EPERM without CAP_NET_ADMIN in both
/// namespaces.
pub fn add_veth(
    netlink: &mut Netlink,
    explain: Explain,
    name: &str,
    peer: &str,
    elsewhere: Option<&OwnedFd>,
) -> Result<(), CallError> {
    let pair = Pair {
        name,
        peer,
        elsewhere,
        ..Pair::default()
    };
    add_pair(netlink, explain, &pair)
}

/// A veth pair with all that its ends can be born with.
#[derive(Debug, Default)]
pub struct Pair<'a> {
    /// The end in the socket's namespace.
    pub name: &'a str,
    /// The other end.
    pub peer: &'a str,
    /// The namespace in which the other end is born; else this one.
    pub elsewhere: Option<&'a OwnedFd>,
    /// The other end's link-layer address; else a random one.
    pub peer_address: Option<[u8; 6]>,
    /// The number of the bridge whose port this end becomes.
    pub master: Option<u32>,
    /// This end is up from the beginning. (The other one cannot be: the kernel
    /// makes it first, and a veth without its other end does not come up.)
    pub up: bool,
}

/// [`add_veth`], [`set_master`] and [`set_up`] in one message: an engine that
/// starts many containers saves an answer each. The kernel undoes all of
/// it where a part is refused.
pub fn add_pair(netlink: &mut Netlink, explain: Explain, pair: &Pair) -> Result<(), CallError> {
    // The other end is a whole message inside the message, with its own header.
    let Pair { name, peer, .. } = pair;
    let mut other = LinkMessage::default();
    other.attributes = vec![LinkAttribute::IfName((*peer).into())];
    let mut told = format!("IFLA_IFNAME={peer:?}");
    if let Some(address) = pair.peer_address {
        other
            .attributes
            .push(LinkAttribute::Address(address.into()));
        told += &format!(", IFLA_ADDRESS={}", link_layer(address));
    }
    if let Some(namespace) = pair.elsewhere {
        other
            .attributes
            .push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        told += &format!(", IFLA_NET_NS_FD={}", namespace.as_raw_fd());
    }
    let mut link = new_link(name, InfoKind::Veth);
    link.attributes[1] = LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
    ]);
    let mut own = format!("IFLA_IFNAME={name:?}");
    if let Some(master) = pair.master {
        link.attributes.push(LinkAttribute::Controller(master));
        own += &format!(", IFLA_MASTER={master}");
    }
    if pair.up {
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        own += ", IFF_UP";
    }
    // CREATE: without it a "new link" is a change of one that is there. EXCL: and
    // with it alone an interface of that name would be changed instead.
    netlink.order(
        explain,
        &format!("{{RTM_NEWLINK, {own}, \"veth\", VETH_INFO_PEER={{{told}}}}}"),
        RouteNetlinkMessage::NewLink(link),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Makes a bridge: a switch, to whose ports other interfaces are made by
/// [`set_master`]. It is an interface too: the machine's own port.
///
/// It takes its link-layer address from its ports, and learns from each frame
/// which address is behind which of them. With the spanning tree protocol off,
/// as it is at first, a port passes frames on as soon as it is up; and a loop of
/// two bridges is a storm.
pub fn add_bridge(netlink: &mut Netlink, explain: Explain, name: &str) -> Result<(), CallError> {
    netlink.order(
        explain,
        &format!("{{RTM_NEWLINK, IFLA_IFNAME={name:?}, \"bridge\"}}"),
        RouteNetlinkMessage::NewLink(new_link(name, InfoKind::Bridge)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Deletes an interface; of a veth pair both ends. ENODEV when it is gone already.
///
/// EOPNOTSUPP for one that belongs to hardware, or to its namespace as `lo`.
pub fn delete_device(netlink: &mut Netlink, explain: Explain, name: &str) -> Result<(), CallError> {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.into())];
    netlink.order(
        explain,
        &format!("{{RTM_DELLINK, IFLA_IFNAME={name:?}}}"),
        RouteNetlinkMessage::DelLink(link),
        0,
    )
}

/// Six bytes as they are written: `02:42:ac:11:00:02`.
pub fn link_layer(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// Changes one thing of the interface with this number.
///
/// The same message as for a new one, without NLM_F_CREATE: the kernel finds
/// the interface by its number and applies the attributes that are there. (Why
/// not RTM_SETLINK? ip(8) uses this one, and both end in the same place.)
fn change(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    told: &str,
    attribute: LinkAttribute,
) -> Result<(), CallError> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.attributes = vec![attribute];
    netlink.order(
        explain,
        &format!("{{RTM_NEWLINK, ifi_index={index}, {told}}}"),
        RouteNetlinkMessage::NewLink(link),
        0,
    )
}

/// Moves an interface into another network namespace.
///
/// It loses its addresses, its bridge and its state on the way, as if it had
/// been pulled out here and plugged in there. EINVAL for an interface that is
/// part of its namespace, above all `lo`; EEXIST when its name is taken there.
///
/// The descriptor has to be open until the answer has come: the kernel looks it
/// up among the files of the process that sent the message.
pub fn move_device(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    to: &OwnedFd,
) -> Result<(), CallError> {
    let fd = to.as_raw_fd();
    let told = format!("IFLA_NET_NS_FD={fd}");
    change(netlink, explain, index, &told, LinkAttribute::NetNsFd(fd))
}

/// Gives an interface another name, of at most 15 bytes. EBUSY while it is up:
/// rules and programs that know it by its name must not lose it in mid-work.
pub fn rename(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    name: &str,
) -> Result<(), CallError> {
    let told = format!("IFLA_IFNAME={name:?}");
    let attribute = LinkAttribute::IfName(name.into());
    change(netlink, explain, index, &told, attribute)
}

/// Gives an interface a link-layer address.
///
/// A bridge that was given one keeps it. Else it has the lowest of its ports', and
/// with each port that comes or goes its neighbours have to learn it anew.
pub fn set_link_layer(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    address: [u8; 6],
) -> Result<(), CallError> {
    let told = format!("IFLA_ADDRESS={}", link_layer(address));
    let attribute = LinkAttribute::Address(address.into());
    change(netlink, explain, index, &told, attribute)
}

/// Makes an interface a port of the bridge with the number `master`.
///
/// From then on what it receives goes to the bridge and not to the host's own
/// stack, so an address on a port is of no use. The bridge has to be in the same
/// namespace; a port that is moved away is no port any more.
pub fn set_master(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    master: u32,
) -> Result<(), CallError> {
    let told = format!("IFLA_MASTER={master}");
    let attribute = LinkAttribute::Controller(master);
    change(netlink, explain, index, &told, attribute)
}

/// Lets a bridge send a frame out by the port that it came in by: "hairpin mode".
///
/// A bridge does not do so, as whoever is behind that port has seen the frame. But
/// where a destination is changed on the way (NAT) while the frame is bridged, as
/// br_netfilter does, the new one may well be its sender.
pub fn set_hairpin(netlink: &mut Netlink, explain: Explain, index: u32) -> Result<(), CallError> {
    let data = InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)]);
    let kind = InfoPortKind::Bridge;
    let attribute =
        LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(kind), LinkInfo::PortData(data)]);
    let told = "IFLA_INFO_SLAVE_KIND=\"bridge\", IFLA_BRPORT_MODE=1";
    change(netlink, explain, index, told, attribute)
}

/// Brings an interface up or down: the administrator's will, IFF_UP.
///
/// Whether it really carries packets is another thing, and the kernel's to say:
/// a veth has a carrier only when its other end is up too.
pub fn set_up(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    up: bool,
) -> Result<(), CallError> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    // Flags, and which of them are meant: the others stay as they are.
    link.header.change_mask = LinkFlags::Up;
    let told = match up {
        true => {
            link.header.flags = LinkFlags::Up;
            "IFF_UP"
        }
        false => "0",
    };
    netlink.order(
        explain,
        &format!("{{RTM_NEWLINK, ifi_index={index}, ifi_flags={told}, ifi_change=IFF_UP}}"),
        RouteNetlinkMessage::NewLink(link),
        0,
    )
}

/// Gives an interface an address. The route to its network comes with it, as
/// soon as the interface is up: who is in 10.0.0.0/24 can be reached directly.
///
/// An IPv6 address is *tentative* for a second or two, until nobody else in the
/// network has claimed it, and cannot be used before.
pub fn add_address(
    netlink: &mut Netlink,
    explain: Explain,
    index: u32,
    address: Address,
) -> Result<(), CallError> {
    let mut message = AddressMessage::default();
    // One message serves all protocols that have addresses.
    message.header.family = family(address.ip);
    message.header.prefix_len = address.prefix;
    message.header.index = index;
    // On a point-to-point line these two differ: this end, and the other.
    message.attributes = vec![
        AddressAttribute::Local(address.ip),
        AddressAttribute::Address(address.ip),
    ];
    netlink.order(
        explain,
        &format!("{{RTM_NEWADDR, ifa_index={index}, IFA_LOCAL={address}}}"),
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Adds a route to the main table: packets for `to` (`None`: for all that no
/// other route has) go to the router `via`.
///
/// ENETUNREACH when the router itself is not in a network that is reached
/// directly: address and `up` come first. The kernel finds the interface by
/// that network. EINVAL for a destination with bits after its length.
pub fn add_route(
    netlink: &mut Netlink,
    explain: Explain,
    to: Option<Address>,
    via: IpAddr,
) -> Result<(), CallError> {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(via),
        destination_prefix_length: to.map_or(0, |to| to.prefix),
        // The one that everybody looks into; `ip rule` shows which others.
        table: RouteHeader::RT_TABLE_MAIN,
        // Who made it: "boot" is by hand, as for ip-route(8).
        protocol: RouteProtocol::Boot,
        // By a router, so as far as it goes; "link" would be: directly.
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    // Without a destination all are meant: 0.0.0.0/0, the default route.
    if let Some(to) = to {
        let destination = RouteAttribute::Destination(route_address(to.ip));
        message.attributes.push(destination);
    }
    let gateway = RouteAttribute::Gateway(route_address(via));
    message.attributes.push(gateway);
    let told = to.map_or("0/0".into(), |to| to.to_string());
    netlink.order(
        explain,
        &format!("{{RTM_NEWROUTE, RTA_DST={told}, RTA_GATEWAY={via}}}"),
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// The networks that this namespace has IPv4 routes to, in all its tables, each
/// with the number of the interface that leads there; the default route left out: whoever chooses an address for a network of their own
/// has to keep clear of these.
pub fn routed_networks(
    netlink: &mut Netlink,
    explain: Explain,
) -> Result<Vec<(Address, Option<u32>)>, CallError> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    let routes = netlink.dump(
        explain,
        "{RTM_GETROUTE, AF_INET, NLM_F_DUMP}",
        RouteNetlinkMessage::GetRoute(question),
    )?;
    let network = |message: RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewRoute(route) = message else {
            return None;
        };
        let prefix = route.header.destination_prefix_length;
        let mut ip = None;
        let mut device = None;
        for attribute in route.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(to)) => ip = Some(to),
                RouteAttribute::Oif(index) => device = Some(index),
                _ => {}
            }
        }
        let ip = IpAddr::V4(ip?);
        Some((Address { ip, prefix }, device))
    };
    Ok(routes.into_iter().filter_map(network).collect())
}

fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn route_address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}
