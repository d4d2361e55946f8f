//! `mini-runtime events`

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use labs::cgroups::{cpu, memory, pids};
use serde_json::{Value, json};

use super::store::Store;
use crate::runtime::cgroup::Cgroup;

/// Print what a container uses, a JSON object a line
#[derive(Debug, Args)]
pub struct Events {
    /// Once
    #[arg(long)]
    stats: bool,
    /// How often, in seconds
    #[arg(long, default_value = "5s")]
    interval: String,
    id: String,
}

impl Events {
    /// # Errors
    /// It does not run, or has no cgroup.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let seconds = self.interval.trim_end_matches('s').parse::<f64>();
        let seconds = seconds.ok().filter(|seconds| *seconds > 0.0);
        let pause = Duration::from_secs_f64(seconds.context("--interval wants seconds, as 5s")?);
        loop {
            let record = store.find(&self.id)?;
            if store.status(&record) == "stopped" {
                return match self.stats {
                    true => Err(anyhow::anyhow!(
                        "container with id {} is not running",
                        self.id
                    )),
                    false => Ok(0),
                };
            }
            let cgroup =
                Cgroup::of(&record.cgroup).context("the container has no cgroup of its own")?;
            let line = json!({ "type": "stats", "id": self.id, "data": usage(&cgroup) });
            println!("{line}");
            if self.stats {
                return Ok(0);
            }
            std::thread::sleep(pause);
        }
    }
}

/// In runc's units: bytes and nanoseconds.
fn usage(cgroup: &Cgroup) -> Value {
    let time = cgroup.directory("cpuacct").and_then(cpu::usage);
    let memory_now = cgroup.directory("memory").and_then(memory::usage);
    let memory_max = cgroup.directory("memory").and_then(memory::max);
    let tasks = cgroup.directory("pids").and_then(pids::usage);
    let tasks_max = cgroup.directory("pids").and_then(pids::max);
    json!({
        "cpu": { "usage": { "total": time.map(|time| time.as_nanos() as u64) } },
        "memory": { "usage": { "usage": memory_now, "limit": memory_max } },
        "pids": { "current": tasks, "limit": tasks_max },
    })
}
