//! `mini-docker unpause`

use clap::Args;

use super::for_each;
use crate::container::store;
use crate::container::wire::{self, Request};
use crate::engine::Engine;

/// Unpause all processes within one or more containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker unpause web")]
pub struct Unpause {
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Unpause {
    /// Prints the names.
    ///
    /// # Errors
    /// None: what failed is printed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        for_each(&self.containers, |name| {
            let id = store::running(engine, name)?;
            wire::ask(engine, &id, Request::Unpause).map(drop)
        })
    }
}
