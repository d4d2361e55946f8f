//! What containers have on the machine: addresses, devices, ports.
//!
//! One file, `RUN/network.json`, under one lock: whoever hands out an address sees
//! all that are handed out. It is the truth from which the rules are made, and from
//! which what a dead container left is cleared. A reboot ends all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::definition::Pool;
use crate::container::record::Endpoint;
use crate::container::store;
use crate::engine::Engine;
use crate::files::{self, Lock};

/// `RUN/network.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Leases {
    /// The boot in which it was written.
    boot_id: String,
    /// Whether the machine forwarded nothing before a container needed it: then
    /// what is not a container's is still not forwarded.
    pub was_no_router: bool,
    /// By container id.
    pub containers: BTreeMap<String, Lease>,
    /// Devices of containers that have ended, which the kernel is deleting.
    pub ending: Vec<String>,
}

/// What one container has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Lease {
    pub name: String,
    /// The process that keeps it, …
    pub owner: i32,
    /// … and when that began: a PID is used again, a PID and a beginning are not.
    pub owner_began: u64,
    /// The container's first process; 0 before it is connected.
    pub pid: i32,
    /// One of the names that others know it by.
    pub hostname: String,
    /// By network name.
    pub endpoints: BTreeMap<String, Attachment>,
    pub ports: Vec<Published>,
    pub links: Vec<Link>,
    /// The processes that serve its ports and names.
    pub servers: Vec<Server>,
}

/// A `--link`: a name for another container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Link {
    /// The other's id.
    pub target: String,
    pub alias: String,
}

/// A process that can be told from all others, also later ones of its number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Server {
    pub pid: i32,
    pub began: u64,
}

/// One container on one network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Attachment {
    pub endpoint: Endpoint,
    /// The end of the wire that is on the machine.
    pub device: String,
    /// The end that is in the container: `eth0`.
    pub interface: String,
    /// Whether names are resolved on this network.
    pub named: bool,
}

/// A port of the machine that leads into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Published {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `0.0.0.0` and `::` for every address.
    pub host_ip: std::net::IpAddr,
    pub host_port: u16,
    pub address: Ipv4Addr,
    pub port: u16,
}

/// The leases, and the lock under which they may be changed.
#[derive(Debug)]
pub struct Held {
    pub leases: Leases,
    file: PathBuf,
    _lock: Lock,
}

impl Held {
    /// Waits for the lock and reads what there is.
    ///
    /// # Errors
    /// A damaged file; a full or read-only disk.
    pub fn take(engine: &Engine) -> anyhow::Result<Self> {
        let lock = engine.lock("network")?;
        let file = engine.run.join("network.json");
        let mut leases = Leases::read(engine)?;
        let boot_id = store::boot_id();
        if leases.boot_id != boot_id {
            leases = Leases {
                boot_id,
                ..Leases::default()
            };
        }
        Ok(Self {
            leases,
            file,
            _lock: lock,
        })
    }

    /// Writes it, whole or not at all; not waiting for the disk, as a power failure
    /// ends all of it in any case.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn save(&self) -> anyhow::Result<()> {
        files::write_soon(&self.file, &serde_json::to_vec(&self.leases)?)
    }
}

impl Leases {
    /// Reads them as they are, to look only. A change is whole or not there: no
    /// lock is needed.
    ///
    /// # Errors
    /// A damaged file.
    pub fn read(engine: &Engine) -> anyhow::Result<Self> {
        let file = engine.run.join("network.json");
        match file.metadata() {
            // Empty after a power failure, where RUN is on a disk.
            Ok(metadata) if metadata.len() > 0 => files::read_json(&file),
            _ => Ok(Self::default()),
        }
    }

    /// The ids of those whose owners are gone.
    pub fn dead(&self, engine: &Engine) -> Vec<String> {
        let dead = |(id, lease): (&String, &Lease)| (!lease.alive(engine, id)).then(|| id.clone());
        self.containers.iter().filter_map(dead).collect()
    }

    /// The lowest free address of a network, or the one that is wished.
    ///
    /// # Errors
    /// None is free, or the wished one is not: docker's words.
    pub fn address(&self, network: &str, pool: &Pool, wish: &str) -> anyhow::Result<Ipv4Addr> {
        let taken: BTreeSet<Ipv4Addr> = self
            .containers
            .values()
            .filter_map(|lease| lease.endpoints.get(network))
            .filter_map(|attachment| attachment.endpoint.ip_address.parse().ok())
            .chain([pool.gateway])
            .collect();
        if wish.is_empty() {
            let range = pool.range.unwrap_or(pool.subnet);
            let free = |ip: &Ipv4Addr| !taken.contains(ip) && *ip != pool.subnet.broadcast();
            // The lowest of a range is a host's unless it is the network's own.
            let lowest = Some(range.address()).filter(|ip| *ip != pool.subnet.address());
            return match lowest.into_iter().chain(range.hosts()).find(free) {
                Some(ip) => Ok(ip),
                None => {
                    bail!("no available IPv4 addresses on this network's address pools: {network}")
                }
            };
        }
        let Ok(ip) = wish.parse() else {
            bail!("invalid IPv4 address: {wish}");
        };
        let ends = [pool.subnet.address(), pool.subnet.broadcast()];
        if !pool.subnet.contains(ip) || ends.contains(&ip) {
            bail!("no configured subnet contains IP address {wish}");
        }
        if taken.contains(&ip) {
            bail!("failed to set up container networking: Address already in use");
        }
        Ok(ip)
    }
}

impl Lease {
    /// Whether somebody keeps it: the process that made it, or the monitor, whose
    /// lock is held as long as it lives.
    fn alive(&self, engine: &Engine, id: &str) -> bool {
        if began(self.owner) == Some(self.owner_began) {
            return true;
        }
        let lock = engine.monitor(id).join("lock");
        lock.exists() && matches!(Lock::attempt(&lock), Ok(None))
    }

    /// Makes the calling process its owner.
    pub fn own(&mut self) {
        let pid = std::process::id().cast_signed();
        self.owner = pid;
        self.owner_began = began(pid).unwrap_or(0);
    }
}

/// When a process began, in clock ticks since boot; `None` for one that is gone or
/// has ended.
pub fn began(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may hold spaces and parentheses itself.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    match fields.first() {
        Some(&"Z" | &"X") | None => None,
        // The 22nd of proc_pid_stat(5), of which two are before the rest.
        Some(_) => fields.get(19)?.parse().ok(),
    }
}
