//! `cgroup-vfs exec`: go in, and become the command. As cgexec(1).
//!
//! Into the cgroup first, exec last: a cgroup is inherited, over exec and fork.

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine};
use labs::command;
use labs::explain::Explain;

/// Run a command in a cgroup
#[derive(Args)]
pub struct Exec {
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: String,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        Group::find(machine, &self.group)?.enter(explain)?;
        Err(command::exec(explain, &self.command))
    }
}
