//! What a network is on disk: `ROOT/networks/NAME.json`, in docker's words.
//!
//! Three are always there: `bridge` (the default), `host` and `none`. A network is
//! a record; its bridge is a device that is made when the first container needs it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::subnet::{self, Subnet};
use crate::container::store;
use crate::engine::Engine;
use crate::files;

/// One network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// RFC 3339 in UTC.
    pub created: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    /// No way out of it, and none in.
    pub internal: bool,
    /// Of a bridge: where its addresses are from.
    pub pool: Option<Pool>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// The addresses of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pool {
    pub subnet: Subnet,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// `--ip-range`: what is handed out; else all of the subnet.
    pub range: Option<Subnet>,
    /// Whether the engine has chosen it, and may choose again.
    pub chosen: bool,
}

/// The name of the default network.
pub const DEFAULT: &str = "bridge";

impl Network {
    /// The bridge's name on the machine.
    ///
    /// A store that is not the machine's own one has names of its own, so that
    /// two stores never share a device.
    pub fn device(&self, engine: &Engine) -> String {
        match self.options.get("com.docker.network.bridge.name") {
            Some(name) => name.clone(),
            None if self.name == DEFAULT && own_store(engine) => "mini0".into(),
            // An interface's name has 15 bytes at most.
            None => format!("mini-{}", self.id.get(..10).unwrap_or(&self.id)),
        }
    }

    /// Whether names are resolved in it: not in docker's default network, where
    /// links and hosts entries are from before that.
    pub fn resolves(&self) -> bool {
        self.driver == "bridge" && self.name != DEFAULT
    }

    fn file(engine: &Engine, name: &str) -> PathBuf {
        engine.root.join("networks").join(format!("{name}.json"))
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn save(&self, engine: &Engine) -> anyhow::Result<()> {
        files::write_json(&Self::file(engine, &self.name), self)
    }

    /// Takes the record away.
    ///
    /// # Errors
    /// A read-only disk.
    pub fn forget(&self, engine: &Engine) -> anyhow::Result<()> {
        files::step("network unlink");
        let file = Self::file(engine, &self.name);
        std::fs::remove_file(&file).with_context(|| format!("unlink {}", file.display()))
    }
}

/// Whether this is the machine's own store, not one that `--root` names.
pub fn own_store(engine: &Engine) -> bool {
    engine.run == Path::new("/run/mini-docker")
}

/// The names that are always there, with their drivers.
const BUILT_IN: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

/// Whether a network of this name is always there.
pub fn built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

/// All networks, by name. The built-in ones are written at first use.
///
/// # Errors
/// A damaged record, with its path.
pub fn all(engine: &Engine) -> anyhow::Result<Vec<Network>> {
    for (name, driver) in BUILT_IN {
        if !Network::file(engine, name).exists() {
            let network = Network {
                name: name.into(),
                id: store::new_id()?,
                created: crate::format::now(),
                driver: driver.into(),
                ..Network::default()
            };
            // The first of several at once makes it: link(2) replaces nothing.
            let file = Network::file(engine, name);
            let own = file.with_extension(format!("{}.new", std::process::id()));
            files::write_json(&own, &network)?;
            let made = std::fs::hard_link(&own, &file);
            let _ = std::fs::remove_file(&own);
            if !file.exists() {
                made.with_context(|| format!("link {}", file.display()))?;
            }
        }
    }
    let folder = engine.root.join("networks");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut found = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A name with a dot in front was being written when its writer died.
            name.ends_with(".json") && !name.starts_with('.')
        })
        .map(|entry| files::read_json::<Network>(&entry.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The network of a name, an id or the beginning of one, in docker's order.
///
/// # Errors
/// `network NAME not found`, docker's words; several ids with this beginning.
pub fn find(engine: &Engine, name: &str) -> anyhow::Result<Network> {
    let all = all(engine)?;
    if let Some(network) = all.iter().find(|network| network.name == name) {
        return Ok(network.clone());
    }
    let mut begin = all.iter().filter(|network| network.id.starts_with(name));
    match (begin.next(), begin.next()) {
        (Some(network), None) if !name.is_empty() => Ok(network.clone()),
        (Some(_), Some(_)) if !name.is_empty() => {
            bail!("network {name} is ambiguous (2 matches found based on ID prefix)")
        }
        _ => bail!("network {name} not found"),
    }
}

/// Sees to it that a bridge network has addresses that collide with no route of
/// the machine, and gives them. Once its bridge is there they stay as they are.
///
/// # Errors
/// All pools are taken; a subnet that the user asked for is routed elsewhere now.
pub fn settle(engine: &Engine, network: &mut Network) -> anyhow::Result<Pool> {
    let device = network.device(engine);
    if let Some(pool) = &network.pool
        && labs::network::index_of(labs::explain::Explain::new(false), &device).is_ok()
    {
        return Ok(pool.clone());
    }
    let routed = subnet::routed(&device)?;
    let clear = |subnet: Subnet| !routed.iter().any(|other| other.overlaps(subnet));
    match &network.pool {
        Some(pool) if clear(pool.subnet) => return Ok(pool.clone()),
        Some(pool) if !pool.chosen => bail!(
            "network {}: the machine has a route to a part of {} by now; remove that, or the network",
            network.name,
            pool.subnet
        ),
        _ => {}
    }
    // Also clear of networks whose bridges are not there yet.
    let others = all(engine)?.into_iter();
    let reserved = others
        .filter(|other| other.name != network.name)
        .filter_map(|other| other.pool.map(|pool| pool.subnet));
    let taken: Vec<_> = routed.iter().copied().chain(reserved).collect();
    let subnet = subnet::free(&taken, network.name == DEFAULT)?;
    let gateway = subnet.hosts().next().context("a network without hosts")?;
    let pool = Pool {
        subnet,
        gateway,
        range: None,
        chosen: true,
    };
    network.pool = Some(pool.clone());
    network.save(engine)?;
    Ok(pool)
}
