//! IPv4 networks, and which of them are free on this machine.
//!
//! A network that the machine already has a route to would take that route's
//! packets away: a company's VPN would end as soon as a container starts. So the
//! routes are asked first, and the first of docker's own pools that collides with
//! none of them is taken.
//!
//! Read: rtnetlink(7), RFC 1918

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::network::{Netlink, index_of, routed_networks};
use serde::{Deserialize, Serialize};

/// `172.18.0.0/16`: an address whose bits after the prefix are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    /// The network of `prefix` bits that `ip` is in.
    pub fn around(ip: Ipv4Addr, prefix: u8) -> Self {
        let first = ip.to_bits() & mask(prefix);
        Self { first, prefix }
    }

    /// In bits.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network's own address, which no host has.
    pub fn address(self) -> Ipv4Addr {
        self.first.into()
    }

    /// The address of all hosts, which none has either.
    pub fn broadcast(self) -> Ipv4Addr {
        (self.first | !mask(self.prefix)).into()
    }

    pub fn contains(self, ip: Ipv4Addr) -> bool {
        ip.to_bits() & mask(self.prefix) == self.first
    }

    /// Two networks share an address when one of them holds the other's first.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address()) || other.contains(self.address())
    }

    /// The addresses that hosts can have, from the lowest.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let last = self.broadcast().to_bits();
        (self.first.saturating_add(1)..last).map(Ipv4Addr::from)
    }
}

/// A number with as many ones in front as the prefix is long. A shift by all 32
/// bits is none for the processor, so that a prefix of 0 is told apart.
fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let invalid = || format!("invalid subnet {text}: ADDRESS/LENGTH, such as 10.9.0.0/24");
        let (ip, prefix) = text.split_once('/').with_context(invalid)?;
        let ip = match ip.parse().with_context(invalid)? {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => bail!("invalid subnet {text}: only IPv4 networks can be made"),
        };
        let prefix = prefix.parse().with_context(invalid)?;
        if prefix > 32 {
            bail!(invalid());
        }
        let subnet = Self::around(ip, prefix);
        // docker's own check and words.
        if subnet.address() != ip {
            bail!("invalid network config: invalid subnet {text}: it should be {subnet}");
        }
        Ok(subnet)
    }
}

impl TryFrom<String> for Subnet {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}

/// What the machine has routes to, those through the interface `except` left out:
/// a network does not collide with its own bridge.
///
/// # Errors
/// The kernel does not answer on netlink.
pub fn routed(except: &str) -> anyhow::Result<Vec<Subnet>> {
    let explain = Explain::new(false);
    let own = index_of(explain, except).ok();
    let routes = routed_networks(&mut Netlink::open(explain)?, explain)?;
    let network = |(to, device): (labs::network::Address, Option<u32>)| match to.ip {
        IpAddr::V4(ip) if device.is_none() || device != own => Some(Subnet::around(ip, to.prefix)),
        _ => None,
    };
    Ok(routes.into_iter().filter_map(network).collect())
}

/// The first of docker's default pools that overlaps with none of `taken`:
/// 172.17.0.0/16 to 172.31.0.0/16, then sixteen times 192.168.0.0/20. The very first
/// one is for the default network alone, as with docker, whichever is made first.
///
/// # Errors
/// All of them are taken; docker's words.
pub fn free(taken: &[Subnet], default: bool) -> anyhow::Result<Subnet> {
    let first = if default { 17 } else { 18 };
    let wide = (first..32).map(|second| Subnet::around(Ipv4Addr::new(172, second, 0, 0), 16));
    let narrow = (0..16).map(|n| Subnet::around(Ipv4Addr::new(192, 168, n * 16, 0), 20));
    wide.chain(narrow)
        .find(|pool| !taken.iter().any(|other| other.overlaps(*pool)))
        .context("all predefined address pools have been fully subnetted: say one with --subnet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_holds_or_is_held_by_a_route_is_not_free() {
        let subnet = |text: &str| text.parse::<Subnet>().unwrap();
        let found = free(&[subnet("172.17.5.0/24"), subnet("172.16.0.0/14")], true).unwrap();
        assert_eq!(found, subnet("172.20.0.0/16"));
        let found = free(&[subnet("172.0.0.0/8"), subnet("192.168.0.1/32")], true).unwrap();
        assert_eq!(found, subnet("192.168.16.0/20"));
        assert!(free(&[subnet("0.0.0.0/0")], true).is_err());
        assert_eq!(free(&[], true).unwrap(), subnet("172.17.0.0/16"));
        assert_eq!(free(&[], false).unwrap(), subnet("172.18.0.0/16"));
    }

    #[test]
    fn neither_the_first_nor_the_last_address_is_a_hosts() {
        let subnet: Subnet = "10.0.0.4/30".parse().unwrap();
        let hosts: Vec<_> = subnet.hosts().map(|ip| ip.to_string()).collect();
        assert_eq!(hosts, ["10.0.0.5", "10.0.0.6"]);
        assert!("10.0.0.5/30".parse::<Subnet>().is_err());
        assert!("fd00::/64".parse::<Subnet>().is_err());
    }
}
