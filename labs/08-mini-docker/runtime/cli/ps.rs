//! `mini-runtime ps`

use anyhow::Context;
use clap::Args;

use super::list::Format;
use super::store::Store;
use crate::runtime::cgroup::Cgroup;

/// List the processes of a container
#[derive(Debug, Args)]
pub struct Ps {
    #[arg(short, long, value_enum, default_value = "table")]
    format: Format,
    id: String,
    /// What `ps` gets, `-ef` when nothing is said
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Ps {
    /// # Errors
    /// No such container; it has no cgroup; no ps on this machine.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = store.find(&self.id)?;
        let pids = match Cgroup::of(&record.cgroup) {
            Some(cgroup) => cgroup.processes(),
            None => vec![record.pid],
        };
        if self.format == Format::Json {
            println!("{}", serde_json::to_string(&pids)?);
            return Ok(0);
        }
        let options = match self.options.is_empty() {
            true => vec!["-ef".to_string()],
            false => self.options,
        };
        let output = std::process::Command::new("ps")
            .args(options)
            .output()
            .context("ps")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let column = header.split_whitespace().position(|name| name == "PID");
        let column = column.context("ps prints no column PID")?;
        println!("{header}");
        for line in lines {
            let pid = line
                .split_whitespace()
                .nth(column)
                .and_then(|word| word.parse().ok());
            if pid.is_some_and(|pid: i32| pids.contains(&pid)) {
                println!("{line}");
            }
        }
        Ok(0)
    }
}
