//! `mini-docker kill`

use anyhow::{Context, bail};
use clap::Args;

use super::for_each;
use crate::container::wire::{self, Request};
use crate::container::{signals, store};
use crate::engine::Engine;

/// Kill one or more running containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker kill -s HUP web")]
pub struct Kill {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Kill {
    /// Prints the names.
    ///
    /// # Errors
    /// A signal that is none.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let number = signals::parse(&self.signal)?;
        for_each(&self.containers, |name| {
            kill(engine, name, number).with_context(|| format!("cannot kill container: {name}"))
        })
    }
}

/// Sends one a signal; after SIGKILL waits until it has ended.
///
/// # Errors
/// It is not running.
pub fn kill(engine: &Engine, name: &str, number: i32) -> anyhow::Result<()> {
    let id = store::find_id(engine, name)?;
    if !store::live(store::state(engine, &id)?.status) {
        bail!("container {id} is not running");
    }
    let request = Request::Signal {
        number,
        by_hand: true,
    };
    wire::ask(engine, &id, request)?;
    if number == libc::SIGKILL {
        store::wait_for_monitor(engine, &id);
    }
    Ok(())
}
