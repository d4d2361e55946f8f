//! `mini-runtime update`

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use oci_spec::runtime::{
    LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder,
};

use super::store::Store;
use crate::runtime::cgroup::Cgroup;

/// Change the limits of a container
#[derive(Debug, Args)]
pub struct Update {
    /// A file with the `resources` of a config.json; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// Bytes; -1 is no limit
    #[arg(long, allow_hyphen_values = true)]
    memory: Option<i64>,
    /// Memory and swap together, bytes
    #[arg(long, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Bytes
    #[arg(long, allow_hyphen_values = true)]
    memory_reservation: Option<i64>,
    /// Microseconds a period
    #[arg(long, allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Microseconds
    #[arg(long)]
    cpu_period: Option<u64>,
    #[arg(long)]
    cpu_share: Option<u64>,
    #[arg(long)]
    cpuset_cpus: Option<String>,
    #[arg(long)]
    cpuset_mems: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    #[arg(long)]
    blkio_weight: Option<u16>,
    id: String,
}

impl Update {
    /// # Errors
    /// It does not run; a value that the kernel does not take.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = store.alive(&self.id)?;
        let cgroup =
            Cgroup::of(&record.cgroup).context("the container has no cgroup of its own")?;
        cgroup.update(&self.wanted()?)?;
        Ok(0)
    }

    fn wanted(&self) -> anyhow::Result<LinuxResources> {
        if let Some(path) = &self.resources {
            let mut text = Vec::new();
            if path.as_os_str() == "-" {
                std::io::stdin().read_to_end(&mut text)?;
            } else {
                text = std::fs::read(path).with_context(|| path.display().to_string())?;
            }
            return serde_json::from_slice(&text).context("--resources");
        }
        let mut memory = LinuxMemoryBuilder::default();
        if let Some(limit) = self.memory {
            memory = memory.limit(limit);
        }
        if let Some(swap) = self.memory_swap {
            memory = memory.swap(swap);
        }
        if let Some(reservation) = self.memory_reservation {
            memory = memory.reservation(reservation);
        }
        let mut cpu = LinuxCpuBuilder::default();
        if let Some(quota) = self.cpu_quota {
            cpu = cpu.quota(quota);
        }
        if let Some(period) = self.cpu_period {
            cpu = cpu.period(period);
        }
        if let Some(shares) = self.cpu_share {
            cpu = cpu.shares(shares);
        }
        if let Some(cpus) = &self.cpuset_cpus {
            cpu = cpu.cpus(cpus.clone());
        }
        if let Some(mems) = &self.cpuset_mems {
            cpu = cpu.mems(mems.clone());
        }
        let mut all = LinuxResourcesBuilder::default()
            .memory(memory.build()?)
            .cpu(cpu.build()?);
        if let Some(limit) = self.pids_limit {
            all = all.pids(LinuxPidsBuilder::default().limit(limit).build()?);
        }
        if let Some(weight) = self.blkio_weight {
            all = all.block_io(LinuxBlockIoBuilder::default().weight(weight).build()?);
        }
        Ok(all.build()?)
    }
}
