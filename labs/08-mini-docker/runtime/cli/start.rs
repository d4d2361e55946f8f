//! `mini-runtime start`

use clap::Args;

use super::store::{Record, Store, knock};
use crate::runtime::{hooks, launch};

/// Let a created container go on to its program
#[derive(Debug, Args)]
pub struct Start {
    id: String,
}

impl Start {
    /// # Errors
    /// It is started already; the program cannot be run.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = store.find(&self.id)?;
        start(store, &record)?;
        Ok(0)
    }
}

/// # Errors
/// As above.
pub fn start(store: &Store, record: &Record) -> anyhow::Result<()> {
    let folder = store.folder(&record.id)?;
    let socket = knock(&folder)?;
    let program = record
        .spec
        .process()
        .as_ref()
        .and_then(|process| process.args().as_ref());
    let program = program.and_then(|arguments| arguments.first());
    let outcome = launch::open_gate(&socket, program.map_or("", String::as_str));
    // Whatever came of it: it waits no more. By this file it is known as created.
    let _ = std::fs::remove_file(folder.join("gate"));
    outcome?;
    if let Some(after) = record.spec.hooks() {
        let state = hooks::state(
            &record.spec,
            &record.id,
            &record.bundle,
            "running",
            record.pid,
        );
        // The program runs: it is too late to refuse.
        if let Err(error) = hooks::run(after.poststart(), &state) {
            eprintln!("warning: {error:#}");
        }
    }
    Ok(())
}
