//! Networks: the bridge, addresses, NAT, published ports, names.
//!
//! | file | what |
//! |---|---|
//! | [`reserve`](mod@reserve), [`connection`] | a container and its networks, from the reservation to the end |
//! | [`live`] | what changes while it runs |
//! | [`definition`] | what a network is on disk |
//! | [`subnet`] | IPv4 networks, and which of them are free here |
//! | [`lease`] | who has which address, device, port |
//! | [`wire`] | the bridge, and the wires into containers |
//! | [`rules`] | the table of nftables: NAT, published ports, what is forwarded |
//! | [`nft`], [`rule`] | how such a table is told to the kernel |
//! | [`ports`], [`proxy`] | which ports are published; those that no rule can lead |
//! | [`uplink`] | an ordinary user's way out |
//! | [`dns`] | names of containers, and all others |
//! | [`links`] | `--link` |
//! | [`servers`] | the process in which both of these run |
//! | [`conntrack`] | connections that the kernel has to forget |
//! | [`etc`] | hosts, hostname, resolv.conf |
//!
//! The engine [`reserve`]s before a container's process exists, [`connect`]s while
//! it waits, and [`disconnect`]s when it has ended. What none of them could take
//! back, because their process was killed, [`clear`] finds.
//!
//! Read: docker-network(1), veth(4), nft(8)

pub mod connection;
pub mod conntrack;
pub mod definition;
pub mod dns;
pub mod etc;
pub mod lease;
pub mod links;
pub mod live;
pub mod nft;
pub mod ports;
pub mod proxy;
pub mod reserve;
pub mod rule;
pub mod rules;
pub mod servers;
pub mod subnet;
pub mod uplink;
pub mod wire;

use std::collections::BTreeMap;

pub use connection::{clear, connect, disconnect};
pub use live::{current, join, leave, remove, warnings};
pub use reserve::reserve;

use crate::container::record::{Endpoint, PortBinding};

/// What a container has got when it is on its networks.
#[derive(Clone, Debug, Default)]
pub struct Connected {
    /// Network name to endpoint.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// `80/tcp` to where it is published on the host.
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    /// Variables of `--link`, `NAME=value`.
    pub link_variables: Vec<String>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}
