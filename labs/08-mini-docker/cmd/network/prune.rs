//! `mini-docker network prune`

use clap::Args;

use crate::cmd::prune::{FILTERS, agreed, networks, told};
use crate::engine::Engine;
use crate::format::filter::Filters;

/// Remove all unused networks
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network prune -f")]
pub struct Prune {
    /// Provide filter values: KEY=VALUE (label, until)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    /// # Errors
    /// A filter that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let warning = "WARNING! This will remove all custom networks not used by at least one \
            container.";
        if self.force || agreed(warning)? {
            told("Deleted Networks:", &networks(engine, &filters)?)?;
        }
        Ok(0)
    }
}
