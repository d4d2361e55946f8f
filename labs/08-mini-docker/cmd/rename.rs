//! `mini-docker rename`

use anyhow::bail;
use clap::Args;

use crate::container::wire::{self, Request};
use crate::container::{events, names, store};
use crate::engine::Engine;
use crate::files::{Lock, step};

/// Rename a container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker rename web old-web")]
pub struct Rename {
    /// CONTAINER
    container: String,
    /// NEW_NAME
    new_name: String,
}

impl Rename {
    /// The new name is claimed first, the old one given back last: killed in between,
    /// the container has one of them, and the other is found to be free.
    ///
    /// # Errors
    /// docker's words for a name in use, or one that cannot be.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let id = store::find_id(engine, &self.container)?;
        if self.new_name.trim_matches('/').is_empty() {
            bail!("Neither old nor new names may be empty");
        }
        let new = names::valid(&self.new_name)?;
        let _lock = Lock::wait(&store::rename_lock(engine, &id))?;
        let mut container = store::load(engine, &id)?;
        if container.name == new {
            bail!("Renaming a container with the same name as its current name");
        }
        store::claim_name(engine, new, &id)?;
        let old = std::mem::replace(&mut container.name, new.into());
        if let Err(error) = store::save(engine, &container, "container.json", &container) {
            store::unname(engine, new, &id);
            return Err(error);
        }
        step("unlink old name");
        store::unname(engine, &old, &id);
        if store::monitored(engine, &id) {
            let _ = wire::ask(engine, &id, Request::Reload);
        }
        let mut attributes = store::attributes(&container);
        attributes.insert("oldName".into(), format!("/{old}"));
        events::emit(engine, "container", "rename", &id, &attributes);
        Ok(0)
    }
}
