//! `cgroup-vfs classify`: move processes that run already. As cgclassify(1).

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine};
use labs::explain::Explain;

/// Move processes into a cgroup, with all their threads
#[derive(Args)]
pub struct Classify {
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: String,

    #[arg(required = true, value_name = "PID")]
    pids: Vec<u32>,
}

impl Classify {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        let group = Group::find(machine, &self.group)?;
        for pid in self.pids {
            // 0 would be this program, which is about to end.
            anyhow::ensure!(
                pid != 0,
                "classify: 0 is no process; `ps -e` lists those that there are"
            );
            group.attach(explain, pid)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
