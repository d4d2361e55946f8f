//! `cgroup-vfs perf`: counts what a cgroup costs while a command runs in it.
//!
//! The counters are opened before the command starts, and for the cgroup: what
//! the command forks, and all others in the cgroup, are counted too.
//!
//! Read: perf_event_open(2), perf-stat(1)

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine, perf};
use labs::command;
use labs::explain::Explain;
use nix::unistd::{ForkResult, fork};

/// Run a command in a cgroup and count events of all its processes
#[derive(Args)]
pub struct Perf {
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: String,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Perf {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        let group = Group::find(machine, &self.group)?;
        let counters = perf::count(explain, group.directory("perf_event")?)?;
        // SAFETY: this process has one thread.
        let status = match unsafe { fork() }? {
            ForkResult::Child => {
                group.enter(explain.in_child())?;
                return Err(command::exec(explain.in_child(), &self.command));
            }
            ForkResult::Parent { child } => command::wait(child)?,
        };
        for counter in counters {
            match (counter.name, counter.total()) {
                (name, None) => eprintln!("{:>16}  {name}", "not counted here"),
                // Nanoseconds; people think in milliseconds.
                (name @ "cpu-clock", Some(total)) => {
                    eprintln!("{:>13.2} ms  {name}", total as f64 / 1e6);
                }
                (name, Some(total)) => eprintln!("{total:>16}  {name}"),
            }
        }
        Ok(status)
    }
}
