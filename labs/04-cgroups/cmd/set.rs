//! `cgroup-vfs set`: write a file. As cgset(1), with one word for v1 and v2.

use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Group, Machine, Setting, WORDS};
use labs::explain::Explain;

/// Set limits and shares of a cgroup, in the order given
#[derive(Args)]
#[command(after_help = words())]
pub struct Set {
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: String,

    /// cpu=50%, or a file of the kernel's: pids.max=20
    #[arg(required = true, value_name = "SETTING")]
    settings: Vec<String>,
}

impl Set {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        let group = Group::find(machine, &self.group)?;
        // All are read before one is written: a mistake in the last changes nothing.
        let settings: Vec<Setting> = self
            .settings
            .iter()
            .map(|text| Setting::parse(text))
            .collect::<Result<_, _>>()?;
        for setting in settings {
            setting.apply(explain, &group)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn words() -> String {
    let mut text = String::from("Words (the files that they write: --explain):\n");
    for (word, _, form, what) in WORDS {
        text.push_str(&format!("  {:<30} {what}\n", format!("{word}={form}")));
    }
    text + "  net-prio=eth0:5                priority of packets, by interface"
}
