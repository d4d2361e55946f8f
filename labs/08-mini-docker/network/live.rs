//! What changes and what is told while containers run: `network connect`,
//! `disconnect`, `rm`; what a container has at this moment.

use std::net::Ipv4Addr;

use anyhow::bail;

use super::connection::{clear_held, forwarding, lay};
use super::definition::{self, Network};
use super::dns::Names;
use super::lease::{Held, Leases};
use super::reserve::{endpoint, endpoints, has_own_network};
use super::servers::{self, Sockets};
use super::{Connected, etc, links, rules, uplink, wire};
use crate::container::record::{Container, EndpointWish, PortBinding};
use crate::engine::Engine;

/// `network connect`: puts a running container on one more network.
///
/// # Errors
/// It is on it already; no free address.
pub fn join(
    engine: &Engine,
    container: &Container,
    network: &Network,
    wish: &EndpointWish,
) -> anyhow::Result<()> {
    let mut held = Held::take(engine)?;
    let Some(mut lease) = held.leases.containers.get(&container.id).cloned() else {
        return Ok(());
    };
    if lease.endpoints.contains_key(&network.name) {
        bail!(
            "endpoint with name {} already exists in network {}",
            container.name,
            network.name
        );
    }
    let attachment = endpoint(engine, &held.leases, &lease, network.clone(), wish)?;
    lease
        .endpoints
        .insert(network.name.clone(), attachment.clone());
    let namespace = wire::namespace(lease.pid)?;
    let wishing = Container {
        networks: [(network.name.clone(), wish.clone())].into(),
        ..Container::default()
    };
    for link in links::of(engine, &wishing)? {
        if !lease.links.contains(&link) {
            lease.links.push(link);
        }
    }
    held.leases
        .containers
        .insert(container.id.clone(), lease.clone());
    held.save()?;
    if !network.internal {
        forwarding(&mut Connected::default(), &mut held);
    }
    lay(engine, &network.name, &attachment, &namespace)?;
    // The first network with names: from now on the container asks our server.
    let others = lease.endpoints.values().filter(|other| other.named).count();
    if attachment.named && others == 1 {
        let sockets = Sockets {
            names: Some(Names::open(engine, container, &namespace)?),
            ..Sockets::default()
        };
        lease.servers.extend(servers::start(sockets, lease.pid)?);
        etc::resolv(engine, container, true)?;
    }
    let entries = links::entries(&held.leases, &lease.links);
    etc::hosts(engine, container, Some(&lease), &entries)?;
    held.leases.containers.insert(container.id.clone(), lease);
    held.save()?;
    rules::install(engine, &held.leases)
}

/// `network disconnect`: takes a running container off a network. A published port
/// that led to its address there is free again.
///
/// # Errors
/// It is not on it, docker's words.
pub fn leave(engine: &Engine, container: &Container, network: &str) -> anyhow::Result<()> {
    let mut held = Held::take(engine)?;
    let Some(mut lease) = held.leases.containers.get(&container.id).cloned() else {
        return Ok(());
    };
    let Some(attachment) = lease.endpoints.remove(network) else {
        bail!(
            "container {} is not connected to network {network}",
            container.id
        );
    };
    wire::remove(&attachment.device)?;
    if let Ok(address) = attachment.endpoint.ip_address.parse::<Ipv4Addr>() {
        lease.ports.retain(|port| port.address != address);
    }
    // Its default route went with the device; another network may have one.
    if let Ok(namespace) = wire::namespace(lease.pid) {
        for other in lease.endpoints.values() {
            wire::default_route(&namespace, &other.endpoint.gateway)?;
        }
    }
    let entries = links::entries(&held.leases, &lease.links);
    etc::hosts(engine, container, Some(&lease), &entries)?;
    held.leases.containers.insert(container.id.clone(), lease);
    rules::install(engine, &held.leases)?;
    held.save()
}

/// `network rm`: removes a network that no running container is on, with its bridge.
///
/// # Errors
/// It is in use, or one that is always there: docker's words.
pub fn remove(engine: &Engine, network: &Network) -> anyhow::Result<()> {
    if definition::built_in(&network.name) {
        bail!(
            "{} is a pre-defined network and cannot be removed",
            network.name
        );
    }
    let mut held = Held::take(engine)?;
    clear_held(engine, &mut held)?;
    let users = held.leases.containers.iter();
    let users: Vec<_> = users
        .filter(|(_, lease)| lease.endpoints.contains_key(&network.name))
        .map(|(id, lease)| format!("name:{:?} id:{:?}", lease.name, id.get(..12).unwrap_or(id)))
        .collect();
    if !users.is_empty() {
        bail!(
            "error while removing network: network {} has active endpoints ({})",
            network.name,
            users.join(", ")
        );
    }
    // The bridge first: without the record nobody would find it.
    if !engine.rootless {
        let device = network.device(engine);
        let there = labs::network::index_of(labs::explain::Explain::new(false), &device).is_ok();
        wire::remove(&device)?;
        network.forget(engine)?;
        if there {
            rules::install(engine, &held.leases)?;
        }
        return Ok(());
    }
    network.forget(engine)
}

/// What a container has at this moment: its endpoints, also of networks that it was
/// connected to while it ran, and its ports. Empty for one that does not run.
///
/// # Errors
/// A damaged file.
pub fn current(engine: &Engine, container: &Container) -> anyhow::Result<Connected> {
    let leases = Leases::read(engine)?;
    let Some(lease) = leases.containers.get(&container.id) else {
        return Ok(Connected::default());
    };
    let mut connected = Connected {
        endpoints: endpoints(lease),
        ..Connected::default()
    };
    let exposed = container.config.exposed_ports.keys();
    connected
        .ports
        .extend(exposed.map(|port| (port.clone(), None)));
    for port in &lease.ports {
        let inner = format!("{}/{}", port.port, port.protocol);
        let sides = connected.ports.entry(inner).or_default();
        sides.get_or_insert_default().push(PortBinding {
            host_ip: port.host_ip.to_string(),
            host_port: port.host_port.to_string(),
        });
    }
    Ok(connected)
}

/// What the user should know before a container starts, a line each.
pub fn warnings(engine: &Engine, container: &Container) -> Vec<String> {
    let mut found = Vec::new();
    if !has_own_network(container) || container.host_config.network_mode == "none" {
        return found;
    }
    if engine.rootless && uplink::program().is_none() {
        found.push(uplink::NEITHER.into());
    }
    if !engine.rootless {
        found.extend(rules::in_the_way());
    }
    found
}
