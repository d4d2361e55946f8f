//! `mini-docker restart`

use clap::Args;

use super::for_each;
use crate::container::{events, rootless, signals, store};
use crate::engine::Engine;

/// Restart one or more containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker restart -t 2 web")]
pub struct Restart {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "timeout", allow_hyphen_values = true)]
    time: Option<i64>,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Restart {
    /// Prints the names, each when it runs again.
    ///
    /// # Errors
    /// A signal that is none.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let signal = self.signal.as_deref().map(signals::parse).transpose()?;
        rootless::enter(engine)?;
        for_each(&self.containers, |name| {
            super::stop::stop(engine, name, signal, self.time, true)?;
            super::start::start(engine, name)?;
            let container = store::find(engine, name)?;
            let attributes = store::attributes(&container);
            events::emit(engine, "container", "restart", &container.id, &attributes);
            Ok(())
        })
    }
}
