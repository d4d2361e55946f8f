//! `--link db:alias`: variables and hosts entries, docker's way before names were
//! resolved. They are for the default network; on others the alias is a name.
//!
//! The variables are of the moment: a process' environment is its own. The hosts
//! file is kept up to date, also when the other container comes back under another
//! address.

use anyhow::bail;

use super::etc::{self, Entry};
use super::lease::{Lease, Leases, Link};
use crate::container::record::Container;
use crate::container::store;
use crate::engine::Engine;
use crate::files;

/// The links that a container wishes: the other's id, and the alias.
///
/// # Errors
/// No such container.
pub fn of(engine: &Engine, container: &Container) -> anyhow::Result<Vec<Link>> {
    let wishes = container.networks.values().flat_map(|wish| &wish.links);
    let mut found: Vec<Link> = Vec::new();
    for text in container.host_config.links.iter().chain(wishes) {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        // `/db:/web/alias` is docker's own form.
        let name = name.trim_start_matches('/');
        let alias = alias.rsplit('/').next().unwrap_or(alias);
        let target = store::find(engine, name)?;
        let link = Link {
            target: target.id,
            alias: alias.into(),
        };
        if !found.contains(&link) {
            found.push(link);
        }
    }
    Ok(found)
}

/// What a link's alias stands for, of those that are on the default network.
fn linked<'a>(leases: &'a Leases, link: &Link) -> Option<(&'a Lease, &'a str)> {
    let lease = leases.containers.get(&link.target)?;
    let attachment = lease.endpoints.get(super::definition::DEFAULT)?;
    Some((lease, &attachment.endpoint.ip_address))
}

/// The hosts entries of a container's links.
pub fn entries(leases: &Leases, links: &[Link]) -> Vec<Entry> {
    let entry = |link: &Link| {
        let (lease, address) = linked(leases, link)?;
        // docker's order: the alias, the hostname, the name.
        let mut names = vec![link.alias.as_str(), &lease.hostname, &lease.name];
        names.dedup();
        Some((address.to_owned(), names.join(" ")))
    };
    links.iter().filter_map(entry).collect()
}

/// The variables of a container's links.
///
/// # Errors
/// The other container does not run, docker's words.
pub fn variables(
    engine: &Engine,
    container: &Container,
    leases: &Leases,
    links: &[Link],
) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for link in links {
        let target: Container =
            files::read_json(&engine.container(&link.target).join("container.json"))?;
        let Some((_, address)) = linked(leases, link) else {
            bail!(
                "Cannot link to a non running container: /{} AS /{}/{}",
                target.name,
                container.name,
                link.alias
            );
        };
        all.extend(of_one(&container.name, &target, address, &link.alias));
    }
    Ok(all)
}

/// docker's variables for one link.
fn of_one(own: &str, target: &Container, address: &str, alias: &str) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut ports: Vec<(u16, &str)> = target
        .config
        .exposed_ports
        .keys()
        .chain(target.host_config.port_bindings.keys())
        .filter_map(|port| {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            Some((number.parse().ok()?, protocol))
        })
        .collect();
    // TCP first, then by number: the first one is what ALIAS_PORT names.
    ports.sort_by_key(|(number, protocol)| (*protocol != "tcp", *number));
    ports.dedup();
    let mut all = Vec::new();
    if let Some((number, protocol)) = ports.first() {
        all.push(format!("{prefix}_PORT={protocol}://{address}:{number}"));
    }
    for (number, protocol) in ports {
        let name = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
        all.push(format!("{name}={protocol}://{address}:{number}"));
        all.push(format!("{name}_ADDR={address}"));
        all.push(format!("{name}_PORT={number}"));
        all.push(format!("{name}_PROTO={protocol}"));
    }
    all.push(format!("{prefix}_NAME=/{own}/{alias}"));
    let environment = target.config.env.iter().filter(|variable| {
        let name = variable.split('=').next();
        variable.contains('=') && !matches!(name, Some("HOME" | "PATH"))
    });
    all.extend(environment.map(|variable| format!("{prefix}_ENV_{variable}")));
    all
}

/// Writes the hosts files of those that are linked to `id`: its address is new.
///
/// # Errors
/// A full disk.
pub fn update(engine: &Engine, leases: &Leases, id: &str) -> anyhow::Result<()> {
    for (parent, lease) in &leases.containers {
        if lease.links.iter().any(|link| link.target == id) {
            let record = engine.container(parent).join("container.json");
            // One that is being removed at this moment needs no file.
            let Ok(container) = files::read_json::<Container>(&record) else {
                continue;
            };
            let entries = entries(leases, &lease.links);
            etc::hosts(engine, &container, Some(lease), &entries)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_gives_the_variables_that_docker_gives() {
        let mut target = Container::default();
        let port = |text: &str| (text.to_owned(), Default::default());
        target.config.exposed_ports = [port("53/udp"), port("3306/tcp")].into();
        target.config.env = ["PATH=/bin", "ROOT_PW=a=b", "odd"]
            .map(str::to_owned)
            .into();
        let found = of_one("web", &target, "172.17.0.2", "my-db");
        let expected = [
            "MY_DB_PORT=tcp://172.17.0.2:3306",
            "MY_DB_PORT_3306_TCP=tcp://172.17.0.2:3306",
            "MY_DB_PORT_3306_TCP_ADDR=172.17.0.2",
            "MY_DB_PORT_3306_TCP_PORT=3306",
            "MY_DB_PORT_3306_TCP_PROTO=tcp",
            "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
            "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
            "MY_DB_PORT_53_UDP_PORT=53",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_NAME=/web/my-db",
            "MY_DB_ENV_ROOT_PW=a=b",
        ];
        assert_eq!(found, expected);
    }
}
