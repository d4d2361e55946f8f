//! `mini-docker network create`

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, bail};
use clap::Args;

use crate::container::store;
use crate::engine::Engine;
use crate::format::print;
use crate::network::definition::{self, Network, Pool};
use crate::network::lease::Held;
use crate::network::subnet::{self, Subnet};

/// Create a network
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network create --subnet 10.9.0.0/24 --internal back")]
pub struct Create {
    /// Driver to manage the network: only `bridge` is there
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long)]
    subnet: Option<String>,
    /// IPv4 gateway for the subnet: the bridge's own address
    #[arg(long)]
    gateway: Option<Ipv4Addr>,
    /// Allocate container addresses from a sub-range
    #[arg(long, value_name = "RANGE")]
    ip_range: Option<String>,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Containers may always be connected by hand; for docker's sake
    #[arg(long)]
    attachable: bool,
    /// NETWORK
    network: String,
}

impl Create {
    /// Its bridge is made when the first container needs it.
    ///
    /// # Errors
    /// A name or a subnet that is taken or cannot be, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let name = &self.network;
        check_name(name)?;
        if self.driver != "bridge" {
            bail!(
                "plugin \"{}\" not found: only bridge networks can be made",
                self.driver
            );
        }
        // The lock of the addresses: two do not choose one subnet.
        let _held = Held::take(engine)?;
        let all = definition::all(engine)?;
        if all.iter().any(|network| network.name == *name) {
            bail!("network with name {name} already exists");
        }
        let mut network = Network {
            name: name.clone(),
            id: store::new_id()?,
            created: crate::format::now(),
            driver: self.driver.clone(),
            internal: self.internal,
            labels: pairs(&self.label),
            options: pairs(&self.opt),
            ..Network::default()
        };
        network.pool = self.pool(&network.device(engine), &all)?;
        definition::settle(engine, &mut network)?;
        network.save(engine)?;
        super::event(engine, &network, "create", None);
        print(&format!("{}\n", network.id))?;
        Ok(0)
    }

    /// The addresses that are asked for; `None` leaves them to the engine.
    fn pool(&self, device: &str, all: &[Network]) -> anyhow::Result<Option<Pool>> {
        if device.len() >= libc::IFNAMSIZ || device.contains(['/', ' ']) || device.is_empty() {
            bail!("invalid bridge name {device:?}: an interface's name has 1 to 15 bytes");
        }
        let Some(subnet) = &self.subnet else {
            if self.gateway.is_some() || self.ip_range.is_some() {
                bail!("every ip-range or gateway must have a corresponding subnet");
            }
            return Ok(None);
        };
        let subnet: Subnet = subnet.parse()?;
        let first = subnet.hosts().next();
        let gateway = match self.gateway {
            Some(gateway) if !subnet.contains(gateway) => {
                bail!("no matching subnet for gateway {gateway}")
            }
            Some(gateway) => gateway,
            None => first.with_context(|| format!("{subnet} has no address for a gateway"))?,
        };
        let range: Option<Subnet> = self.ip_range.as_deref().map(str::parse).transpose()?;
        if let Some(range) = range
            && (!subnet.contains(range.address()) || range.prefix() < subnet.prefix())
        {
            bail!("no matching subnet for range {range}");
        }
        let taken = all.iter().filter_map(|other| other.pool.as_ref());
        let mut taken = taken.map(|pool| pool.subnet).chain(subnet::routed(device)?);
        if taken.any(|other| other.overlaps(subnet)) {
            bail!("invalid pool request: Pool overlaps with other one on this address space");
        }
        Ok(Some(Pool {
            subnet,
            gateway,
            range,
            chosen: false,
        }))
    }
}

/// A name becomes a file, and a word in a container's names.
fn check_name(name: &str) -> anyhow::Result<()> {
    if definition::built_in(name) || name == "default" || name == "container" {
        bail!("operation is not permitted on predefined {name} network");
    }
    let other = |byte: u8| !byte.is_ascii_alphanumeric() && !b"_.-".contains(&byte);
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !first || name.bytes().any(other) || name.len() > 128 {
        bail!(
            "invalid network name {name:?}: only letters, digits, `_`, `.` and `-`, the first a \
             letter or digit"
        );
    }
    Ok(())
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    list.iter().map(pair).collect()
}
