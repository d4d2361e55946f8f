//! `mini-docker diff`

use anyhow::Context;
use clap::Args;
use labs::union::{Union, changes};

use crate::container::{rootfs, rootless, store};
use crate::engine::Engine;
use crate::format;

/// Inspect changes to files or directories on a container's filesystem
#[derive(Debug, Args)]
#[command(after_help = "A added, C changed, D deleted.\n\nExample: mini-docker diff web")]
pub struct Diff {
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Diff {
    /// # Errors
    /// No such container; its image is gone.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        rootless::enter(engine)?;
        let container = store::find(engine, &self.container)?;
        // Read off the layers themselves: nothing is mounted, and a container that runs
        // goes on.
        let mut layers = vec![engine.container(&container.id).join("diff")];
        layers.extend(rootfs::overlay(engine, &container)?.lower);
        let changes = changes(&Union::new(layers)).context("read the container's layers")?;
        let lines: Vec<String> = changes.iter().map(|change| format!("{change}\n")).collect();
        format::print(&lines.concat())?;
        Ok(0)
    }
}
