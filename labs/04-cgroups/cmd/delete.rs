//! `cgroup-vfs delete`: rmdir, in each hierarchy. As cgdelete(1).

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine};
use labs::explain::Explain;

/// Remove cgroups; their processes go to the parent
#[derive(Args)]
pub struct Delete {
    /// Also remove the cgroups below
    #[arg(short, long)]
    recursive: bool,

    /// Kill the processes instead of moving them
    #[arg(long)]
    kill: bool,

    #[arg(required = true, value_name = "[CONTROLLERS:]GROUP")]
    groups: Vec<String>,
}

impl Delete {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        for name in &self.groups {
            let group = Group::find(machine, name)?;
            if self.kill {
                group.kill(explain)?;
            }
            group.delete(explain, self.recursive)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
