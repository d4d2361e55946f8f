//! What a container is going to have: addresses, names, three files.
//!
//! All that can be refused for a reason of the user's is refused here, before there
//! is a process.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use super::connection::clear_held;
use super::definition::{self, Network};
use super::lease::{Attachment, Held, Lease, Leases};
use super::{Connected, etc, links, wire};
use crate::container::record::{Container, Endpoint, EndpointWish};
use crate::container::store;
use crate::engine::Engine;

/// Gives each wish an address and writes `hosts`, `hostname` and `resolv.conf`
/// into the container's folder (`Engine::container`), before its process exists.
/// The monitor bind-mounts the three files.
///
/// # Errors
/// No free address; an address that is taken; no such network.
pub fn reserve(engine: &Engine, container: &Container) -> anyhow::Result<Connected> {
    if let Some(other) = container
        .host_config
        .network_mode
        .strip_prefix("container:")
    {
        etc::share(engine, container, other)?;
        return Ok(Connected::default());
    }
    let mut held = Held::take(engine)?;
    clear_held(engine, &mut held)?;
    let mut lease = Lease {
        name: container.name.clone(),
        hostname: container.config.hostname.clone(),
        links: links::of(engine, container)?,
        ..Lease::default()
    };
    lease.own();
    for (network, wish) in wishes(engine, container)? {
        let attachment = endpoint(engine, &held.leases, &lease, network.clone(), &wish)?;
        lease.endpoints.insert(network.name, attachment);
    }
    let named = lease.endpoints.values().any(|attachment| attachment.named);
    // Variables are the default network's; others have names.
    let link_variables = match lease.endpoints.contains_key(definition::DEFAULT) {
        true => links::variables(engine, container, &held.leases, &lease.links)?,
        false => Vec::new(),
    };
    let entries = links::entries(&held.leases, &lease.links);
    held.leases
        .containers
        .insert(container.id.clone(), lease.clone());
    held.save()?;
    etc::hosts(engine, container, Some(&lease), &entries)?;
    etc::hostname(engine, container)?;
    etc::resolv(engine, container, named)?;
    Ok(Connected {
        endpoints: endpoints(&lease),
        link_variables,
        ..Connected::default()
    })
}

pub(super) fn endpoints(lease: &Lease) -> BTreeMap<String, Endpoint> {
    let endpoints = lease.endpoints.iter();
    endpoints
        .map(|(name, attachment)| (name.clone(), attachment.endpoint.clone()))
        .collect()
}

/// Whether a container has a network namespace with something to connect: not one
/// that uses the machine's or another container's.
pub(super) fn has_own_network(container: &Container) -> bool {
    let mode = container.host_config.network_mode.as_str();
    mode != "host" && !mode.starts_with("container:")
}

/// The networks that a container is meant to be on.
fn wishes(engine: &Engine, container: &Container) -> anyhow::Result<Vec<(Network, EndpointWish)>> {
    let mode = match container.host_config.network_mode.as_str() {
        "" | "default" => definition::DEFAULT,
        mode => mode,
    };
    if mode == "none" || !has_own_network(container) || engine.rootless {
        return Ok(Vec::new());
    }
    let first = definition::find(engine, mode)?;
    let wish = container
        .networks
        .get(&first.name)
        .or_else(|| container.networks.get(mode));
    let mut found = vec![(first, wish.cloned().unwrap_or_default())];
    for (name, wish) in &container.networks {
        if name == mode || name == "default" {
            continue;
        }
        let network = definition::find(engine, name)?;
        if found.iter().all(|(other, _)| other.name != network.name) {
            found.push((network, wish.clone()));
        }
    }
    Ok(found)
}

/// One wish fulfilled: an address, and the names of the wire's ends.
pub(super) fn endpoint(
    engine: &Engine,
    leases: &Leases,
    lease: &Lease,
    mut network: Network,
    wish: &EndpointWish,
) -> anyhow::Result<Attachment> {
    if network.driver != "bridge" {
        bail!(
            "container cannot be connected to network {}: it is no bridge",
            network.name
        );
    }
    if !wish.address.is_empty() && !network.resolves() {
        bail!("user specified IP address is supported on user defined networks only");
    }
    let pool = definition::settle(engine, &mut network)?;
    let address = leases.address(&network.name, &pool, &wish.address)?;
    let mac_address = match wish.mac_address.as_str() {
        "" => labs::network::link_layer(wire::link_layer(address)),
        mac => {
            let valid = wire::parse_link_layer(mac);
            valid.with_context(|| format!("invalid MAC address: {mac}"))?;
            mac.to_lowercase()
        }
    };
    let used = |name: &String| {
        lease
            .endpoints
            .values()
            .any(|other| other.interface == *name)
    };
    let interface = (0..).map(|number: u32| format!("eth{number}"));
    let endpoint_id = store::new_id()?;
    Ok(Attachment {
        device: format!("veth{}", endpoint_id.get(..7).unwrap_or_default()),
        interface: interface
            .into_iter()
            .find(|name| !used(name))
            .unwrap_or_default(),
        named: network.resolves(),
        endpoint: Endpoint {
            network_id: network.id.clone(),
            endpoint_id,
            gateway: match network.internal {
                true => String::new(),
                false => pool.gateway.to_string(),
            },
            ip_address: address.to_string(),
            ip_prefix_len: pool.subnet.prefix(),
            mac_address,
            aliases: wish.aliases.clone(),
        },
    })
}
