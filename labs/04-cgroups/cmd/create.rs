//! `cgroup-vfs create`: mkdir, in each hierarchy. As cgcreate(1).

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine};
use labs::explain::Explain;

/// Make cgroups, and those above them where they are missing
#[derive(Args)]
pub struct Create {
    /// Delegate them to this user: it may make cgroups below and move its processes
    #[arg(long, value_name = "UID")]
    owner: Option<u32>,

    #[arg(required = true, value_name = "[CONTROLLERS:]GROUP")]
    groups: Vec<String>,
}

impl Create {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        for name in &self.groups {
            let group = Group::find(machine, name)?;
            group.create(explain)?;
            if let Some(uid) = self.owner {
                group.delegate(explain, uid)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
