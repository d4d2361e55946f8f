//! `veth`, `bridge`, `set`, `route`: what is in a namespace.
//!
//! With `-n NAME` the order is for that namespace. It need not be entered as
//! `exec` does it: the socket must be opened there, no more.
//!
//! Read: ip-link(8), ip-address(8), ip-route(8), rtnetlink(7)

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::network::{
    Address, Netlink, add_address, add_bridge, add_route, add_veth, index_of, move_device, named,
    open_name, rename, set_master, set_up, setns_net,
};

/// Where the order is for.
#[derive(Args)]
struct Place {
    /// Do it in this named network namespace, not in yours
    #[arg(short = 'n', long = "in", value_name = "NAME")]
    place: Option<String>,
}

impl Place {
    /// A socket for it. From here on the whole process is there.
    fn socket(&self, explain: Explain) -> anyhow::Result<Netlink> {
        if let Some(name) = &self.place {
            setns_net(explain, &open_name(explain, &named(name)?)?)?;
        }
        Ok(Netlink::open(explain)?)
    }
}

/// Opens a namespace by name, before `-n` leads away from where it is found.
fn target(explain: Explain, name: Option<&String>) -> anyhow::Result<Option<OwnedFd>> {
    name.map(|name| Ok(open_name(explain, &named(name)?)?))
        .transpose()
}

/// Make a veth pair: what enters one end leaves the other
#[derive(Args)]
pub struct Veth {
    #[command(flatten)]
    place: Place,
    /// One end, which is made here
    name: String,
    /// The other end
    peer: String,
    /// The other end is born in this namespace
    #[arg(long, value_name = "NAME")]
    peer_netns: Option<String>,
}

impl Veth {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // As ip-link(8) has it with `peer name far netns blue`.
        let elsewhere = target(explain, self.peer_netns.as_ref())?;
        let mut netlink = self.place.socket(explain)?;
        let (name, peer) = (&self.name, &self.peer);
        add_veth(&mut netlink, explain, name, peer, elsewhere.as_ref())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Make a bridge
#[derive(Args)]
pub struct Bridge {
    #[command(flatten)]
    place: Place,
    /// A name of at most 15 bytes
    name: String,
}

impl Bridge {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let mut netlink = self.place.socket(explain)?;
        add_bridge(&mut netlink, explain, &self.name)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Change an interface: its name, bridge, addresses, state, and at last its namespace
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    place: Place,
    /// The interface, by its name there
    device: String,
    /// Another name, while it is down
    #[arg(long)]
    name: Option<String>,
    /// Make it a port of this bridge
    #[arg(long, value_name = "BRIDGE")]
    master: Option<String>,
    /// Give it an address, such as 10.0.0.1/24
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    address: Vec<Address>,
    /// Bring it up
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// Bring it down; its routes go, its IPv4 addresses stay
    #[arg(long)]
    down: bool,
    /// Move it into this namespace; addresses and state get lost
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
}

impl Set {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // Opened on this side, where names are files: a descriptor works from
        // everywhere.
        let to = target(explain, self.netns.as_ref())?;
        let netlink = &mut self.place.socket(explain)?;
        let index = index_of(explain, &self.device)?;
        // In the order in which each step still finds what it needs: the name while
        // it is down, the bridge while both are here, `up` when the addresses are
        // there, so that the routes come at once; and the move last, as it takes
        // the interface out of this socket's reach.
        if let Some(name) = &self.name {
            rename(netlink, explain, index, name)?;
        }
        if let Some(master) = &self.master {
            let master = index_of(explain, master)?;
            set_master(netlink, explain, index, master)?;
        }
        for address in self.address {
            add_address(netlink, explain, index, address)?;
        }
        if self.up || self.down {
            set_up(netlink, explain, index, self.up)?;
        }
        if let Some(to) = &to {
            move_device(netlink, explain, index, to)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Add a route
#[derive(Args)]
pub struct Route {
    #[command(flatten)]
    place: Place,
    /// `default`, or a network such as 10.1.0.0/24
    #[arg(value_parser = destination)]
    to: Destination,
    /// The router, which has to be reached directly
    #[arg(long)]
    via: IpAddr,
}

/// `None` is the default route: all that no other has.
#[derive(Clone)]
struct Destination(Option<Address>);

// 0.0.0.0/0 would be the same; the word is what everybody writes.
fn destination(text: &str) -> Result<Destination, String> {
    match text {
        "default" => Ok(Destination(None)),
        network => network.parse().map(|network| Destination(Some(network))),
    }
}

impl Route {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let mut netlink = self.place.socket(explain)?;
        add_route(&mut netlink, explain, self.to.0, self.via)?;
        Ok(ExitCode::SUCCESS)
    }
}
