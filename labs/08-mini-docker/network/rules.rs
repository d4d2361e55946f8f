//! The table `ip mini-docker`: what is forwarded, and under whose address.
//!
//! ```text
//! table ip mini-docker {
//!   chain prerouting   # from outside and from containers: a published port?
//!   chain output       # the same for the machine's own packets
//!   chain publish      # a rule for each published port: dnat to the container
//!   chain postrouting  # what leaves a network leaves it as the machine's
//!   chain forward      # into a network goes what is published or an answer
//! }
//! ```
//!
//! The table is the image of the leases: whenever they change, all of it is made
//! anew in one transaction. So there are no rules to take out one by one, and none
//! that a crash can leave behind for longer than until the next command. The kernel
//! remembers connections by themselves; those that are open do not notice.
//!
//! No table of others is touched. A packet has to be accepted by all tables, so
//! where another one drops what is forwarded (docker's does, by the policy of its
//! chain FORWARD), containers do not get out, and a warning says which rule the
//! administrator can give that table.
//!
//! Read: nft(8), "Netfilter hooks" there

use std::fs;
use std::net::IpAddr;

use anyhow::Context;
use labs::explain::Explain;
use labs::network::index_of;
use sha2::{Digest, Sha256};

use super::definition::{self, Network, Pool};
use super::lease::{Leases, Published};
use super::nft::{self, Batch, Hook};
use super::rule::Rule;
use crate::engine::Engine;
use crate::files;

/// The table of a store: two stores do not write over each other's rules.
pub fn table(engine: &Engine) -> String {
    if definition::own_store(engine) {
        return "mini-docker".into();
    }
    let digest = Sha256::digest(engine.root.as_os_str().as_encoded_bytes());
    let digits: String = digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("mini-docker-{digits}")
}

/// Makes the table as the leases say.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN; a kernel without nftables.
pub fn install(engine: &Engine, leases: &Leases) -> anyhow::Result<()> {
    let table = table(engine);
    let batch = written(&table, &networks(engine)?, leases);
    // The digest of the rules is the table's comment. If it is there already, so
    // are the rules: most containers publish no port and change nothing.
    let digest = Sha256::digest(batch.bytes());
    let digits: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let comment = format!("containers of {}, rules {digits}", engine.root.display());
    let refused = || format!("nftables: table ip {table}");
    if nft::comment(&table).with_context(refused)?.as_deref() == Some(&comment) {
        return Ok(());
    }
    // A table can be deleted only if it is there; it is after the first order.
    let mut whole = Batch::new(&table);
    whole.add_table(&comment);
    whole.delete_table();
    whole.add_table(&comment);
    whole.extend(&batch);
    files::step("rules");
    whole.send().with_context(refused)
}

/// A line for each table of somebody else that drops what is forwarded: all tables
/// have to accept a packet, and we do not write into theirs.
pub fn in_the_way() -> Vec<String> {
    let tables = nft::dropping("mini-docker").unwrap_or_default();
    // Another store's table drops too, but nothing of a bridge.
    let tables = tables
        .into_iter()
        .filter(|table| !table.contains("mini-docker"));
    let line = |table: String| {
        format!(
            "the table `{table}` drops what is forwarded, also a container's packets: give it a \
             rule that accepts those of mini0, such as `iptables -I FORWARD -i mini0 -j ACCEPT` \
             and `-o mini0` (beside docker: in the chain DOCKER-USER)"
        )
    };
    tables.map(line).collect()
}

/// Whether an error of [`install`] is the kernel's, which has no such thing.
pub fn unsupported(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<std::io::Error>();
    let code = code.and_then(std::io::Error::raw_os_error);
    matches!(code, Some(libc::EPROTONOSUPPORT | libc::EOPNOTSUPP))
}

/// The networks whose bridges are there, whether or not a container is on them: so
/// that one that comes and goes changes nothing.
fn networks(engine: &Engine) -> anyhow::Result<Vec<(Network, Pool, String)>> {
    let with_device = |network: Network| {
        let device = network.device(engine);
        let pool = network.pool.clone()?;
        index_of(Explain::new(false), &device).ok()?;
        Some((network, pool, device))
    };
    let all = definition::all(engine)?.into_iter();
    Ok(all.filter_map(with_device).collect())
}

/// The content of the table.
fn written(table: &str, networks: &[(Network, Pool, String)], leases: &Leases) -> Batch {
    let mut batch = Batch::new(table);
    batch.add_chain("publish", None);
    translate(&mut batch, networks);
    forward(&mut batch, networks, leases.was_no_router);
    for (lease, port) in leases
        .containers
        .values()
        .flat_map(|lease| lease.ports.iter().map(move |port| (lease, port)))
    {
        if let Some(rule) = publish(port) {
            batch.add_rule("publish", rule.comment(&lease.name));
        }
    }
    batch
}

/// Whose address a packet is under.
fn translate(batch: &mut Batch, networks: &[(Network, Pool, String)]) {
    let hook = |number, priority| Hook {
        kind: "nat",
        number,
        priority,
        drop: false,
    };
    // Destinations are changed before the machine decides where a packet goes.
    // Never that of a packet to 127.0.0.1: one that comes from outside is refused
    // by the kernel only after this, and one from inside is the proxy's.
    for (chain, number) in [
        ("prerouting", libc::NF_INET_PRE_ROUTING),
        ("output", libc::NF_INET_LOCAL_OUT),
    ] {
        batch.add_chain(chain, Some(hook(number, libc::NF_IP_PRI_NAT_DST)));
        let published = Rule::new().not_to_loopback().to_this_machine();
        batch.add_rule(chain, published.jump("publish"));
    }
    batch.add_chain(
        "postrouting",
        Some(hook(libc::NF_INET_POST_ROUTING, libc::NF_IP_PRI_NAT_SRC)),
    );
    for (network, pool, device) in networks {
        if !network.internal {
            let out = Rule::new().from(pool.subnet).leaves_not_by(device);
            batch.add_rule("postrouting", out.masquerade());
        }
        // From a container by a published port to its neighbour, or to itself.
        // The answer would go to the neighbour directly, which did not ask *it*;
        // so it has to come back here. (This is called a hairpin.)
        let back = Rule::new().from(pool.subnet).leaves_by(device).redirected();
        batch.add_rule("postrouting", back.masquerade());
    }
}

/// What goes on to another interface.
fn forward(batch: &mut Batch, networks: &[(Network, Pool, String)], was_no_router: bool) {
    let hook = Hook {
        kind: "filter",
        number: libc::NF_INET_FORWARD,
        priority: libc::NF_IP_PRI_FILTER,
        // To let containers out the engine has made a router of the machine. It
        // must not be one between its neighbours.
        drop: was_no_router,
    };
    let chain = "forward";
    batch.add_chain(chain, Some(hook));
    // Within a network all is free. (The bridge asks here too, if br_netfilter is
    // loaded, about frames that it passes from port to port.)
    for (_, _, device) in networks {
        batch.add_rule(
            chain,
            Rule::new().comes_by(device).leaves_by(device).accept(),
        );
    }
    for (network, _, device) in networks {
        if network.internal {
            batch.add_rule(chain, Rule::new().comes_by(device).drop());
            batch.add_rule(chain, Rule::new().leaves_by(device).drop());
        }
    }
    batch.add_rule(chain, Rule::new().established().accept());
    for (_, _, device) in networks {
        // What is not published is nobody's business: not the neighbours' on the
        // wire, who can route to a container's address, nor other networks'.
        batch.add_rule(chain, Rule::new().leaves_by(device).redirected().accept());
        batch.add_rule(chain, Rule::new().leaves_by(device).drop());
    }
    for (_, _, device) in networks {
        batch.add_rule(chain, Rule::new().comes_by(device).accept());
    }
    if was_no_router {
        // Other engines have bridges too (docker, libvirt, another store of ours),
        // and tables of their own that say what may pass.
        batch.add_rule(chain, Rule::new().comes_by_a_bridge().accept());
        batch.add_rule(chain, Rule::new().leaves_by_a_bridge().accept());
    }
}

/// A port that is published on an IPv4 address other than a loopback one.
fn publish(port: &Published) -> Option<Rule> {
    let IpAddr::V4(host) = port.host_ip else {
        return None;
    };
    if host.is_loopback() {
        return None;
    }
    let rule = match host.is_unspecified() {
        true => Rule::new(),
        false => Rule::new().to(host),
    };
    Some(
        rule.to_port(&port.protocol, port.host_port)
            .send_to(port.address, port.port),
    )
}

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Has the machine forward packets, where it does not yet. Gives whether that was
/// needed.
///
/// # Errors
/// /proc/sys is read-only: the machine is a container itself.
pub fn make_router() -> anyhow::Result<bool> {
    let now = fs::read_to_string(FORWARDING).with_context(|| FORWARDING.to_owned())?;
    if now.trim() != "0" {
        return Ok(false);
    }
    files::step("forwarding");
    fs::write(FORWARDING, "1").with_context(|| {
        format!("{FORWARDING}: containers have no way out until somebody writes 1 there")
    })?;
    Ok(true)
}
