//! A container and its networks: connected, disconnected, cleared.
//!
//! The order matters for whoever is killed in between. The lease is written before
//! the thing that it names is made, and removed after the thing is gone; so what is
//! there is always found.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use anyhow::Context;

use super::definition;
use super::dns::Names;
use super::lease::{Attachment, Held, Lease, Leases};
use super::reserve::has_own_network;
use super::servers::{self, Sockets};
use super::{Connected, conntrack, links, ports, rules, uplink, wire};
use crate::container::record::{Container, State};
use crate::engine::Engine;

/// Wires the network namespace of `pid`, which has not run anything yet: a veth a
/// network, routes, rules, ports. On an error what was made is undone. The
/// caller must have one thread; where ports or names are served, it gets a child
/// process, which ends with `pid` or with [`disconnect`].
///
/// Ports that the user left to the engine are in `connected` afterwards.
///
/// # Errors
/// A port that is taken on the host, in docker's words; what the kernel refuses.
pub fn connect(
    engine: &Engine,
    container: &Container,
    connected: &mut Connected,
    pid: i32,
) -> anyhow::Result<()> {
    // Somebody else's network is as it is.
    if !has_own_network(container) {
        return Ok(());
    }
    let namespace = wire::namespace(pid)?;
    let mut held = Held::take(engine)?;
    let lease = held.leases.containers.get_mut(&container.id);
    let lease = lease.context("the container's addresses were not reserved")?;
    lease.own();
    lease.pid = pid;
    let lease = lease.clone();
    held.save()?;
    let made = match engine.rootless {
        true => without_root(engine, container, connected, &mut held, namespace),
        false => wire_all(engine, container, connected, &mut held, &namespace),
    };
    if made.is_err() {
        let _ = withdraw(engine, &mut held, &container.id);
    }
    let endpoint = lease.endpoints.values().next();
    made.with_context(|| match endpoint {
        Some(attachment) => format!(
            "failed to set up container networking: driver failed programming external \
             connectivity on endpoint {} ({})",
            container.name, attachment.endpoint.endpoint_id
        ),
        None => "failed to set up container networking".into(),
    })
}

/// Ports first: one that is taken is the usual error, and then there is nothing
/// else to undo.
fn wire_all(
    engine: &Engine,
    container: &Container,
    connected: &mut Connected,
    held: &mut Held,
    namespace: &OwnedFd,
) -> anyhow::Result<()> {
    let Some(mut lease) = held.leases.containers.get(&container.id).cloned() else {
        return Ok(());
    };
    if lease.endpoints.is_empty() {
        return Ok(());
    }
    let way_out = lease.endpoints.values().find_map(way_out_address);
    let mut sockets = Sockets::default();
    if let Some(address) = way_out {
        sockets.ports = ports::bind_all(container, connected, &held.leases, address)?;
        forwarding(connected, held);
    }
    for (name, attachment) in &lease.endpoints {
        lay(engine, name, attachment, namespace)?;
    }
    if lease.endpoints.values().any(|attachment| attachment.named) {
        sockets.names = Some(Names::open(engine, container, namespace)?);
    }
    let published = sockets.ports.iter().map(|bound| bound.published.clone());
    lease.ports = published.collect();
    lease.servers.extend(servers::start(sockets, lease.pid)?);
    held.leases.containers.insert(container.id.clone(), lease);
    held.save()?;
    match rules::install(engine, &held.leases) {
        // Without nftables there is no way out; published ports have the proxy.
        Err(error) if rules::unsupported(&error) => connected.warnings.push(format!("{error:#}")),
        installed => installed?,
    }
    links::update(engine, &held.leases, &container.id)
}

/// An ordinary user's container: a way out where there is a program for it, and
/// published ports in any case.
fn without_root(
    engine: &Engine,
    container: &Container,
    connected: &mut Connected,
    held: &mut Held,
    namespace: OwnedFd,
) -> anyhow::Result<()> {
    if container.host_config.network_mode == "none" {
        return Ok(());
    }
    let Some(mut lease) = held.leases.containers.get(&container.id).cloned() else {
        return Ok(());
    };
    // Inside, the container's own loopback leads to it.
    let bound = ports::bind_all(container, connected, &held.leases, Ipv4Addr::LOCALHOST)?;
    let published = bound.iter().map(|bound| bound.published.clone());
    lease.ports = published.collect();
    let sockets = Sockets {
        ports: bound,
        namespace: Some(namespace),
        ..Sockets::default()
    };
    lease.servers.extend(servers::start(sockets, lease.pid)?);
    match uplink::start(engine, &container.id, lease.pid) {
        Ok(program) => lease.servers.extend(program),
        Err(error) => connected.warnings.push(format!(
            "the container has no way out of its network: {error:#}"
        )),
    }
    held.leases.containers.insert(container.id.clone(), lease);
    held.save()
}

/// The address to which published ports lead: the first network's with a way out.
fn way_out_address(attachment: &Attachment) -> Option<Ipv4Addr> {
    let endpoint = &attachment.endpoint;
    let out = !endpoint.gateway.is_empty();
    endpoint.ip_address.parse().ok().filter(|_| out)
}

/// Makes the machine a router; where it may not be one, that is worth a line.
pub(super) fn forwarding(connected: &mut Connected, held: &mut Held) {
    match rules::make_router() {
        Ok(was_needed) => held.leases.was_no_router |= was_needed,
        Err(error) => connected.warnings.push(format!("{error:#}")),
    }
}

/// The bridge, and one wire to it.
pub(super) fn lay(
    engine: &Engine,
    name: &str,
    attachment: &Attachment,
    namespace: &OwnedFd,
) -> anyhow::Result<()> {
    let mut network = definition::find(engine, name)?;
    let pool = definition::settle(engine, &mut network)?;
    let bridge = wire::bridge(engine, &network, &pool)?;
    wire::attach(attachment, bridge, namespace)
}

/// Takes back whatever a container has on the host: devices, rules, ports,
/// addresses. Also after a crash, and twice: what is not there is no error.
///
/// # Errors
/// What the kernel refuses.
pub fn disconnect(engine: &Engine, container: &Container, state: &State) -> anyhow::Result<()> {
    let _ = state;
    let mut held = Held::take(engine)?;
    withdraw(engine, &mut held, &container.id)
}

fn withdraw(engine: &Engine, held: &mut Held, id: &str) -> anyhow::Result<()> {
    let Some(lease) = held.leases.containers.get(id).cloned() else {
        return Ok(());
    };
    release(&lease, &mut held.leases)?;
    held.leases.containers.remove(id);
    if !lease.endpoints.is_empty() {
        rules::install(engine, &held.leases)?;
    }
    held.save()
}

/// Finds and takes back what containers that are dead left on the machine.
///
/// # Errors
/// What the kernel refuses; a damaged file.
pub fn clear(engine: &Engine) -> anyhow::Result<()> {
    clear_held(engine, &mut Held::take(engine)?)
}

pub(super) fn clear_held(engine: &Engine, held: &mut Held) -> anyhow::Result<()> {
    let ending = std::mem::take(&mut held.leases.ending);
    let dead = held.leases.dead(engine);
    if dead.is_empty() && ending.is_empty() {
        return Ok(());
    }
    for device in ending {
        wire::remove(&device)?;
    }
    for id in &dead {
        if let Some(lease) = held.leases.containers.get(id).cloned() {
            release(&lease, &mut held.leases)?;
        }
        held.leases.containers.remove(id);
    }
    if !dead.is_empty() && !engine.rootless {
        rules::install(engine, &held.leases)?;
    }
    held.save()
}

/// What a lease names: processes, and devices.
///
/// A network namespace that has ended takes its devices with it, a little later:
/// not worth a wait. Should somebody else hold it, the next command finds them.
fn release(lease: &Lease, leases: &mut Leases) -> anyhow::Result<()> {
    lease.servers.iter().for_each(servers::stop);
    let ended = wire::namespace(lease.pid).is_err();
    for attachment in lease.endpoints.values() {
        match ended {
            true => leases.ending.push(attachment.device.clone()),
            false => wire::remove(&attachment.device)?,
        }
        if let Ok(address) = attachment.endpoint.ip_address.parse() {
            // An older kernel forgets by itself, after some minutes.
            let _ = conntrack::forget(address);
        }
    }
    Ok(())
}
