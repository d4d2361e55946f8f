//! `mini-docker update`

use anyhow::bail;
use clap::Args;

use super::for_each;
use super::options::bytes;
use super::{limits, parse};
use crate::container::record::HostConfig;
use crate::container::store;
use crate::container::wire::{self, Request};
use crate::engine::Engine;
use crate::files::Lock;

/// Update configuration of one or more containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker update --memory 256m --restart always web")]
pub struct Update {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long)]
    blkio_weight: Option<u16>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long)]
    cpu_period: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long)]
    cpu_quota: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long)]
    cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long)]
    cpus: Option<String>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long)]
    memory: Option<String>,
    /// Memory soft limit
    #[arg(long)]
    memory_reservation: Option<String>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long)]
    restart: Option<String>,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Update {
    /// Prints the names.
    ///
    /// # Errors
    /// A value that cannot be, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let (mut before, mut after) = (HostConfig::default(), HostConfig::default());
        self.apply(&mut before)?;
        std::mem::swap(&mut before, &mut after);
        if serde_json::to_value(&before)? == serde_json::to_value(&after)? {
            bail!("you must provide one or more flags when using this command");
        }
        for_each(&self.containers, |name| self.update(engine, name))
    }

    /// The record first. Where the kernel refuses a limit, the record is as before.
    fn update(&self, engine: &Engine, name: &str) -> anyhow::Result<()> {
        let id = store::find_id(engine, name)?;
        let _lock = Lock::wait(&store::rename_lock(engine, &id))?;
        let before = store::load(engine, &id)?;
        let mut container = before.clone();
        self.apply(&mut container.host_config)?;
        limits::check(&container.host_config)?;
        if self.restart.is_some() && before.host_config.auto_remove {
            anyhow::bail!(
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
            );
        }
        store::save(engine, &container, "container.json", &container)?;
        if store::live(store::state(engine, &id)?.status)
            && let Err(error) = wire::ask(engine, &id, Request::Reload)
        {
            store::save(engine, &before, "container.json", &before)?;
            return Err(error.context(format!("Cannot update container {id}")));
        }
        let attributes = store::attributes(&container);
        crate::container::events::emit(engine, "container", "update", &id, &attributes);
        Ok(())
    }

    fn apply(&self, host: &mut HostConfig) -> anyhow::Result<()> {
        let number = |own: &mut i64, new: Option<i64>| *own = new.unwrap_or(*own);
        let size = |own: &mut i64, new: &Option<String>| -> anyhow::Result<()> {
            match new.as_deref() {
                Some("-1") => *own = -1,
                Some(text) => *own = bytes(text)?,
                None => {}
            }
            Ok(())
        };
        number(&mut host.cpu_period, self.cpu_period);
        number(&mut host.cpu_quota, self.cpu_quota);
        number(&mut host.cpu_shares, self.cpu_shares);
        host.blkio_weight = self.blkio_weight.unwrap_or(host.blkio_weight);
        host.pids_limit = self.pids_limit.or(host.pids_limit);
        if let Some(cpus) = &self.cpus {
            host.nano_cpus = parse::cpus(cpus)?;
        }
        if let Some(list) = &self.cpuset_cpus {
            host.cpuset_cpus = parse::cpu_list(list, "cpus")?;
        }
        if let Some(list) = &self.cpuset_mems {
            host.cpuset_mems = parse::cpu_list(list, "mems")?;
        }
        size(&mut host.memory, &self.memory)?;
        size(&mut host.memory_reservation, &self.memory_reservation)?;
        size(&mut host.memory_swap, &self.memory_swap)?;
        if host.memory_swap > 0 && host.memory > host.memory_swap {
            anyhow::bail!(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
            );
        }
        if let Some(policy) = &self.restart {
            host.restart_policy = parse::restart(policy)?;
        }
        Ok(())
    }
}
