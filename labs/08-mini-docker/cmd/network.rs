//! `mini-docker network`: each word of it in a file of its own.

mod connect;
mod create;
mod disconnect;
mod ls;
mod prune;
mod rm;

use clap::{Args, Subcommand};

use super::inspect::{InspectOne, Kind};
use crate::container::record::Container;
use crate::container::wire::{self, Request};
use crate::container::{events, store};
use crate::engine::Engine;
use crate::network;
use crate::network::definition::Network as Definition;

/// Manage networks
#[derive(Debug, Args)]
#[command(
    after_help = "Example:  mini-docker network create back && mini-docker run -d --net back --name db base nc -lk -p 80"
)]
pub struct Network {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Connect(connect::Connect),
    Create(create::Create),
    Disconnect(disconnect::Disconnect),
    /// Display detailed information on one or more networks
    Inspect(InspectOne),
    #[command(visible_alias = "list")]
    Ls(ls::Ls),
    Prune(prune::Prune),
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
}

impl Network {
    /// # Errors
    /// Those of the word.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self.command {
            Command::Connect(command) => command.run(engine),
            Command::Create(command) => command.run(engine),
            Command::Disconnect(command) => command.run(engine),
            Command::Inspect(command) => command.run(engine, Kind::Network),
            Command::Ls(command) => command.run(engine),
            Command::Prune(command) => command.run(engine),
            Command::Rm(command) => command.run(engine),
        }
    }
}

/// Whether a container is on its networks at this moment.
fn runs(engine: &Engine, container: &Container) -> anyhow::Result<bool> {
    Ok(store::live(store::state(engine, &container.id)?.status))
}

/// Tells the monitor, whose `state.json` is, what its container has now.
fn tell_monitor(engine: &Engine, container: &Container) -> anyhow::Result<()> {
    let now = network::current(engine, container)?;
    let changed = Request::Networks {
        endpoints: now.endpoints,
        ports: now.ports,
    };
    wire::ask(engine, &container.id, changed)?;
    Ok(())
}

/// `events`: what has happened to a network, perhaps with a container.
fn event(engine: &Engine, network: &Definition, action: &str, container: Option<&str>) {
    let mut attributes = std::collections::BTreeMap::new();
    attributes.insert("name".into(), network.name.clone());
    attributes.insert("type".into(), network.driver.clone());
    if let Some(id) = container {
        attributes.insert("container".into(), id.to_owned());
    }
    events::emit(engine, "network", action, &network.id, &attributes);
}
