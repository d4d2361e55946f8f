//! `cgroup-vfs get`: read a file. As cgget(1).

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine, WORDS, shown};

/// Show what is set in a cgroup
#[derive(Args)]
pub struct Get {
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: String,

    /// Words as of `set`, or the kernel's files [default: every word that has a value here]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Get {
    pub fn run(self, machine: &Machine) -> anyhow::Result<ExitCode> {
        let group = Group::find(machine, &self.group)?;
        if self.names.is_empty() {
            for (word, controller, ..) in WORDS {
                // Not every hierarchy is mounted, and not every kernel has every file.
                if group.directory(controller).is_ok()
                    && let Some(value) = shown(&group, word)?
                    && !value.is_empty()
                {
                    println!("{word}: {value}");
                }
            }
            // An error where not even the group is there.
            group.any_directory()?;
        }
        for name in &self.names {
            let value = shown(&group, name)?.unwrap_or_else(|| "not in this kernel".into());
            // Files of several lines are indented, as cgget(1) does.
            println!("{name}: {}", value.replace('\n', "\n\t"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
