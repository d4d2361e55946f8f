//! `mini-runtime state`

use clap::Args;
use serde_json::{Value, json};

use super::store::{Record, Store};
use crate::runtime::hooks;

/// Print what a container is, as JSON
#[derive(Debug, Args)]
pub struct State {
    id: String,
}

impl State {
    /// # Errors
    /// No such container.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = store.find(&self.id)?;
        println!("{}", serde_json::to_string_pretty(&shown(store, &record))?);
        Ok(0)
    }
}

/// The specification's fields, and those that runc has beside them.
pub fn shown(store: &Store, record: &Record) -> Value {
    let status = store.status(record);
    let pid = if status == "stopped" { 0 } else { record.pid };
    let mut state = hooks::state(&record.spec, &record.id, &record.bundle, status, pid);
    let root = record.spec.root().as_ref();
    let root = root.map(|root| record.bundle.join(root.path()));
    state["rootfs"] = json!(root);
    state["created"] = json!(record.created);
    state["owner"] = json!("");
    state
}
