//! `mini-docker network connect`

use anyhow::bail;
use clap::Args;

use crate::container::record::EndpointWish;
use crate::container::store;
use crate::engine::Engine;
use crate::files::Lock;
use crate::network::{self, definition};

/// Connect a container to a network
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network connect --alias db back web")]
pub struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long)]
    alias: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    ip: String,
    /// Add link to another container
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// NETWORK
    network: String,
    /// CONTAINER
    container: String,
}

impl Connect {
    /// A running container gets one more interface at once; any container has it
    /// from its next start on.
    ///
    /// # Errors
    /// It is on the network already; it has no network of its own.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let network = definition::find(engine, &self.network)?;
        let id = store::find_id(engine, &self.container)?;
        // The lock of whoever changes a container's record.
        let _lock = Lock::wait(&store::rename_lock(engine, &id))?;
        let mut container = store::load(engine, &id)?;
        let mode = container.host_config.network_mode.as_str();
        if mode == "host" || mode.starts_with("container:") || network.driver == "host" {
            bail!(
                "container sharing network namespace with another container or host cannot be \
                 connected to any other network"
            );
        }
        let wish = EndpointWish {
            address: self.ip,
            aliases: self.alias,
            links: self.link,
            ..EndpointWish::default()
        };
        let runs = super::runs(engine, &container)?;
        if runs {
            network::join(engine, &container, &network, &wish)?;
        }
        container.networks.insert(network.name.clone(), wish);
        // From `none` it comes to its first network.
        if container.host_config.network_mode == "none" {
            container.networks.remove("none");
            container.host_config.network_mode.clone_from(&network.name);
        }
        store::save(engine, &container, "container.json", &container)?;
        if runs {
            super::tell_monitor(engine, &container)?;
        }
        super::event(engine, &network, "connect", Some(&id));
        Ok(0)
    }
}
