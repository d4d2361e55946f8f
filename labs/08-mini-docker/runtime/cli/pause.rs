//! `mini-runtime pause` and `resume`

use anyhow::{Context, bail};
use clap::Args;

use super::store::Store;
use crate::runtime::cgroup::Cgroup;

/// Stop all processes of a container where they are
#[derive(Debug, Args)]
pub struct Pause {
    id: String,
}

/// Let the processes of a paused container go on
#[derive(Debug, Args)]
pub struct Resume {
    id: String,
}

impl Pause {
    /// # Errors
    /// It does not run; no freezer.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        freeze(store, &self.id, "running", true)
    }
}

impl Resume {
    /// # Errors
    /// It is not paused.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        freeze(store, &self.id, "paused", false)
    }
}

fn freeze(store: &Store, id: &str, wanted: &str, freeze: bool) -> anyhow::Result<u8> {
    let record = store.find(id)?;
    let status = store.status(&record);
    if status != wanted && !(freeze && status == "created") {
        bail!("container is {status}, not {wanted}");
    }
    let cgroup = Cgroup::of(&record.cgroup).context("the container has no cgroup of its own")?;
    cgroup.freeze(freeze)?;
    Ok(0)
}
