//! The bridge on the machine, and the wires from it into containers.
//!
//! A wire is a veth pair. Its inner end is born in the container's namespace, and
//! goes with it: when the last process there is gone, the kernel deletes both ends.
//! So a container that dies in whatever way leaves no device.
//!
//! Read: veth(4), rtnetlink(7), bridge(8)

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;

use anyhow::Context;
use labs::explain::{CallError, Explain};
use labs::network::{
    Address, Netlink, Pair, add_address, add_bridge, add_pair, add_route, delete_device, index_of,
    inside, set_hairpin, set_link_layer, set_up,
};
use nix::errno::Errno;

use super::definition::{Network, Pool};
use super::lease::Attachment;
use crate::engine::Engine;
use crate::files;

/// What is refused because it is there already is as good as done.
fn there(result: Result<(), CallError>) -> Result<(), CallError> {
    match result {
        Err(error) if error.errno == Errno::EEXIST => Ok(()),
        other => other,
    }
}

/// Makes a network's bridge, where it is not there, and gives its number.
///
/// Each step is tried whether or not the one before was needed: whoever made the
/// bridge may have died before it had an address.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN; EOPNOTSUPP in a kernel without bridges.
pub fn bridge(engine: &Engine, network: &Network, pool: &Pool) -> anyhow::Result<u32> {
    let explain = Explain::new(false);
    let device = network.device(engine);
    let mut netlink = Netlink::open(explain)?;
    if index_of(explain, &device).is_err() {
        files::step("bridge");
        there(add_bridge(&mut netlink, explain, &device))?;
    }
    let index = index_of(explain, &device)?;
    let gateway = Address {
        ip: IpAddr::V4(pool.gateway),
        prefix: pool.subnet.prefix(),
    };
    files::step("bridge address");
    match there(add_address(&mut netlink, explain, index, gateway)) {
        Ok(()) => {}
        Err(error) => return Err(error).with_context(|| format!("bridge {device}")),
    }
    set_link_layer(&mut netlink, explain, index, link_layer(pool.gateway))?;
    set_up(&mut netlink, explain, index, true)?;
    Ok(index)
}

/// Deletes a device; one that is not there is no error.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN.
pub fn remove(device: &str) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    if index_of(explain, device).is_err() {
        return Ok(());
    }
    files::step("device");
    match delete_device(&mut Netlink::open(explain)?, explain, device) {
        Err(error) if error.errno != Errno::ENODEV => Err(error.into()),
        _ => Ok(()),
    }
}

/// The network namespace of a process.
///
/// # Errors
/// The process is gone.
pub fn namespace(pid: i32) -> anyhow::Result<OwnedFd> {
    let path = format!("/proc/{pid}/ns/net");
    let file = File::open(&path).with_context(|| format!("open {path}"))?;
    Ok(file.into())
}

/// Lays the wire of one container to one bridge.
///
/// The first bridge that is a gateway becomes the container's default router.
///
/// # Errors
/// What the kernel refuses; the wire is gone then.
pub fn attach(attachment: &Attachment, bridge: u32, namespace: &OwnedFd) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let endpoint = &attachment.endpoint;
    let pair = Pair {
        name: &attachment.device,
        peer: &attachment.interface,
        elsewhere: Some(namespace),
        peer_address: parse_link_layer(&endpoint.mac_address),
        master: Some(bridge),
        up: true,
    };
    files::step("veth");
    let mut netlink = Netlink::open(explain)?;
    add_pair(&mut netlink, explain, &pair)?;
    let outer = index_of(explain, &attachment.device)?;
    // For a container that comes back to itself by its own published port.
    if let Err(error) = set_hairpin(&mut netlink, explain, outer) {
        let _ = remove(&attachment.device);
        return Err(error.into());
    }
    let own = Address {
        ip: endpoint.ip_address.parse()?,
        prefix: endpoint.ip_prefix_len,
    };
    let gateway: Option<IpAddr> = endpoint.gateway.parse().ok();
    let inner = inside(explain, namespace, || {
        let mut netlink = Netlink::open(explain)?;
        let index = index_of(explain, &attachment.interface)?;
        add_address(&mut netlink, explain, index, own)?;
        set_up(&mut netlink, explain, index, true)?;
        match gateway {
            Some(gateway) => there(add_route(&mut netlink, explain, None, gateway)),
            None => Ok(()),
        }
    })?;
    if inner.is_err() {
        let _ = remove(&attachment.device);
    }
    Ok(inner?)
}

/// Gives a container a default router, unless it has one.
///
/// # Errors
/// The router is in no network of the container.
pub fn default_route(namespace: &OwnedFd, gateway: &str) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let Ok(gateway) = gateway.parse() else {
        return Ok(());
    };
    inside(explain, namespace, || {
        there(add_route(
            &mut Netlink::open(explain)?,
            explain,
            None,
            gateway,
        ))
    })??;
    Ok(())
}

/// The link-layer address that docker makes of an address: locally administered
/// (the 2), so that it is no manufacturer's, and as unique as the address is.
pub fn link_layer(ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    [0x02, 0x42, a, b, c, d]
}

/// Six bytes of `02:42:ac:11:00:02`.
pub fn parse_link_layer(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    // An odd first byte is an address of many: no interface can have it.
    (parts.next().is_none() && bytes[0] & 1 == 0).then_some(bytes)
}
