//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container.
//!
//! They are files in the container's folder that the monitor bind-mounts. A bind
//! mount is of a file, not of a name: a running container's files are therefore
//! written in place, not replaced.
//!
//! Read: hosts(5), hostname(5), resolv.conf(5)

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Context;

use super::lease::Lease;
use crate::container::record::Container;
use crate::engine::Engine;

/// Where the embedded name server listens, in each container that has one.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// What begins each hosts file, docker's own lines.
const LOOPBACK: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// A line of a hosts file: an address and its names.
pub type Entry = (String, String);

/// Writes `hosts`: the loopback, `--add-host`, links, and the container itself.
///
/// # Errors
/// A full disk; an `--add-host` that is no `name:address`.
pub fn hosts(
    engine: &Engine,
    container: &Container,
    lease: Option<&Lease>,
    links: &[Entry],
) -> anyhow::Result<()> {
    let mut text = match container.host_config.network_mode.as_str() {
        "host" => fs::read_to_string("/etc/hosts").unwrap_or_else(|_| LOOPBACK.into()),
        _ => LOOPBACK.to_owned(),
    };
    for (address, names) in extra(container, lease)?.iter().chain(links) {
        text += &format!("{address}\t{names}\n");
    }
    for attachment in lease.iter().flat_map(|lease| lease.endpoints.values()) {
        let name = match container.config.domainname.as_str() {
            "" => container.config.hostname.clone(),
            domain => format!("{0}.{domain} {0}", container.config.hostname),
        };
        text += &format!("{}\t{name}\n", attachment.endpoint.ip_address);
    }
    in_place(&engine.container(&container.id).join("hosts"), &text)
}

/// `--add-host name:address`, where `host-gateway` is the machine.
fn extra(container: &Container, lease: Option<&Lease>) -> anyhow::Result<Vec<Entry>> {
    let gateway = || {
        let mut attachments = lease.iter().flat_map(|lease| lease.endpoints.values());
        let gateway = attachments
            .next()
            .map(|first| first.endpoint.gateway.clone());
        gateway.unwrap_or_else(|| "127.0.0.1".into())
    };
    let entry = |text: &String| {
        let invalid = || format!("bad format for add-host: \"{text}\"");
        // docker takes both `name:address` and `name=address`; IPv6 has colons.
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .with_context(invalid)?;
        let address = match address.trim_matches(['[', ']']) {
            "host-gateway" => gateway(),
            address => {
                let parsed: Result<IpAddr, _> = address.parse();
                parsed.with_context(|| format!("invalid IP address in add-host: \"{address}\""))?;
                address.into()
            }
        };
        Ok((address, name.to_owned()))
    };
    container
        .host_config
        .extra_hosts
        .iter()
        .map(entry)
        .collect()
}

/// Writes `hostname`; with `--net host` the machine's own.
///
/// # Errors
/// A full disk.
pub fn hostname(engine: &Engine, container: &Container) -> anyhow::Result<()> {
    let name = &container.config.hostname;
    in_place(
        &engine.container(&container.id).join("hostname"),
        &format!("{name}\n"),
    )
}

/// `--net container:OTHER`: the other one's files are this one's, not copies.
///
/// # Errors
/// There is no such container.
pub fn share(engine: &Engine, container: &Container, other: &str) -> anyhow::Result<()> {
    let other = crate::container::store::find(engine, other)?;
    for file in ["hosts", "hostname", "resolv.conf"] {
        let own = engine.container(&container.id).join(file);
        let theirs = engine.container(&other.id).join(file);
        // Of an earlier start, possibly of another container's.
        let _ = fs::remove_file(&own);
        crate::files::step("network file");
        fs::hard_link(&theirs, &own)
            .with_context(|| format!("link {} to {}", theirs.display(), own.display()))?;
    }
    Ok(())
}

/// What a resolver is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    pub servers: Vec<String>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

impl Resolver {
    /// What the machine's own file says. Where systemd-resolved answers, the file
    /// that names the real servers is the other one.
    pub fn of_machine() -> Self {
        let first = Self::parse(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
        if first.servers == ["127.0.0.53"]
            && let Ok(text) = fs::read_to_string("/run/systemd/resolve/resolv.conf")
        {
            return Self::parse(&text);
        }
        first
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let keyword = words.next();
            let rest = words.map(str::to_owned);
            match keyword {
                Some("nameserver") => resolver.servers.extend(rest.take(1)),
                // The last of these lines counts.
                Some("search" | "domain") => resolver.search = rest.collect(),
                Some("options") => resolver.options.extend(rest),
                _ => {}
            }
        }
        resolver
    }

    /// The machine's, with what `--dns`, `--dns-search`, `--dns-option` replace.
    pub fn of(container: &Container) -> Self {
        let mut resolver = Self::of_machine();
        let wishes = &container.host_config;
        for (own, wish) in [
            (&mut resolver.servers, &wishes.dns),
            (&mut resolver.search, &wishes.dns_search),
            (&mut resolver.options, &wishes.dns_options),
        ] {
            if !wish.is_empty() {
                own.clone_from(wish);
            }
        }
        // `--dns-search .` is how one says: none.
        resolver.search.retain(|domain| domain != ".");
        resolver
    }

    /// Drops servers on a loopback: in the container that is another one. Where
    /// none is left docker takes Google's, and so do we.
    pub fn reachable(mut self) -> Self {
        let loopback = |server: &String| {
            let address = server.split('%').next().unwrap_or_default();
            matches!(address.parse::<IpAddr>(), Ok(ip) if ip.is_loopback())
        };
        self.servers.retain(|server| !loopback(server));
        if self.servers.is_empty() {
            self.servers = vec!["8.8.8.8".into(), "8.8.4.4".into()];
        }
        self
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            text += &format!("nameserver {server}\n");
        }
        if !self.search.is_empty() {
            text += &format!("search {}\n", self.search.join(" "));
        }
        if !self.options.is_empty() {
            text += &format!("options {}\n", self.options.join(" "));
        }
        text
    }
}

/// Writes `resolv.conf`. `embedded`: the container asks our own server, which
/// asks the others.
///
/// # Errors
/// A full disk.
pub fn resolv(engine: &Engine, container: &Container, embedded: bool) -> anyhow::Result<()> {
    let mut resolver = Resolver::of(container);
    if embedded {
        resolver.servers = vec![NAME_SERVER.to_string()];
        // docker's: a name without a dot is a container's first of all.
        if !resolver
            .options
            .iter()
            .any(|option| option.starts_with("ndots:"))
        {
            resolver.options.push("ndots:0".into());
        }
    } else if container.host_config.network_mode != "host" {
        resolver = resolver.reachable();
    }
    in_place(
        &engine.container(&container.id).join("resolv.conf"),
        &resolver.text(),
    )
}

/// Writes a file that may be mounted in a container.
///
/// It is short enough to be written by one call: a reader sees the old text, none
/// or the new one.
fn in_place(path: &Path, text: &str) -> anyhow::Result<()> {
    crate::files::step("network file");
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_on_a_loopback_are_no_use_in_a_container() {
        let text = "# mine\nnameserver 127.0.0.1\nnameserver 9.9.9.9 \nsearch a b\n\
                    nameserver ::1\noptions ndots:2\ndomain c\n";
        let resolver = Resolver::parse(text).reachable();
        assert_eq!(
            resolver.text(),
            "nameserver 9.9.9.9\nsearch c\noptions ndots:2\n"
        );
        let none = Resolver::parse("nameserver 127.0.0.53").reachable();
        assert_eq!(none.servers, ["8.8.8.8", "8.8.4.4"]);
    }
}
