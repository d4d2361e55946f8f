//! `mini-docker network disconnect`

use anyhow::bail;
use clap::Args;

use crate::container::store;
use crate::engine::Engine;
use crate::files::Lock;
use crate::network::{self, definition};

/// Disconnect a container from a network
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network disconnect back web")]
pub struct Disconnect {
    /// Also where the container does not know of it
    #[arg(short, long)]
    force: bool,
    /// NETWORK
    network: String,
    /// CONTAINER
    container: String,
}

impl Disconnect {
    /// # Errors
    /// It is not on the network.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let network = definition::find(engine, &self.network)?;
        let id = store::find_id(engine, &self.container)?;
        let _lock = Lock::wait(&store::rename_lock(engine, &id))?;
        let mut container = store::load(engine, &id)?;
        let runs = super::runs(engine, &container)?;
        if runs {
            let left = network::leave(engine, &container, &network.name);
            left.or_else(|error| if self.force { Ok(()) } else { Err(error) })?;
        }
        let mode = &mut container.host_config.network_mode;
        let first =
            *mode == network.name || (mode == "default" && network.name == definition::DEFAULT);
        let wished = container.networks.remove(&network.name).is_some();
        if !wished && !first && !runs && !self.force {
            bail!(
                "container {id} is not connected to network {}",
                network.name
            );
        }
        if first {
            container.networks.remove("default");
            let next = container.networks.keys().next();
            *mode = next.cloned().unwrap_or_else(|| "none".into());
        }
        store::save(engine, &container, "container.json", &container)?;
        if runs {
            super::tell_monitor(engine, &container)?;
        }
        super::event(engine, &network, "disconnect", Some(&id));
        Ok(0)
    }
}
