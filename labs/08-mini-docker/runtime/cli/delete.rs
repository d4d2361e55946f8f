//! `mini-runtime delete`

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::store::{Record, Store};
use crate::runtime::cgroup::Cgroup;
use crate::runtime::hooks;

/// Remove what is left of a container
#[derive(Debug, Args)]
pub struct Delete {
    /// Also one that runs, by SIGKILL; and none at all is no error
    #[arg(short, long)]
    force: bool,
    id: String,
}

impl Delete {
    /// # Errors
    /// No such container; one that runs.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        match store.find(&self.id) {
            Ok(record) => destroy(store, &record, self.force)?,
            // Half made, or not at all.
            Err(_) if self.force => {
                let _ = std::fs::remove_dir_all(store.folder(&self.id)?);
            }
            Err(error) => return Err(error),
        }
        Ok(0)
    }
}

/// Ends it, if that is allowed, and removes its cgroup and its folder.
///
/// # Errors
/// It runs; a process that does not end.
pub fn destroy(store: &Store, record: &Record, force: bool) -> anyhow::Result<()> {
    let status = store.status(record);
    // One that was never started has run nothing.
    if !force && !matches!(status, "stopped" | "created") {
        bail!(
            "cannot delete container {} that is not stopped: {status}",
            record.id
        );
    }
    let cgroup = Cgroup::of(&record.cgroup);
    if status != "stopped" {
        kill(Pid::from_raw(record.pid), Signal::SIGKILL)?;
        if let Some(cgroup) = &cgroup {
            let _ = cgroup.freeze(false);
        }
        let begin = Instant::now();
        while store.status(record) != "stopped" {
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("container {} does not end", record.id);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    if let Some(cgroup) = cgroup {
        cgroup.kill()?;
        cgroup.remove()?;
    }
    std::fs::remove_dir_all(store.folder(&record.id)?)?;
    if let Some(after) = record.spec.hooks() {
        let state = hooks::state(&record.spec, &record.id, &record.bundle, "stopped", 0);
        if let Err(error) = hooks::run(after.poststop(), &state) {
            eprintln!("warning: {error:#}");
        }
    }
    Ok(())
}
