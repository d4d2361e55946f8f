//! `mini-runtime kill`

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::store::Store;
use crate::runtime::cgroup::Cgroup;

/// Send a signal to a container's first process
#[derive(Debug, Args)]
pub struct Kill {
    /// To all of its processes
    #[arg(short, long)]
    all: bool,
    id: String,
    /// A name or a number
    #[arg(default_value = "TERM")]
    signal: String,
}

impl Kill {
    /// # Errors
    /// `container not running`; a signal that is none.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let number = signal(&self.signal)?;
        let record = store.find(&self.id)?;
        let cgroup = Cgroup::of(&record.cgroup);
        if self.all {
            // Also when the first one has ended: those that share a PID namespace of
            // others go on without it.
            for pid in cgroup.iter().flat_map(Cgroup::processes) {
                let _ = send(pid, number);
            }
            return Ok(0);
        }
        if store.status(&record) == "stopped" {
            bail!("container not running");
        }
        send(record.pid, number).context("kill")?;
        // On v1 a process that stands still does not even die.
        if number == Signal::SIGKILL as i32
            && let Some(cgroup) = cgroup
            && cgroup.is_frozen()
        {
            cgroup.freeze(false)?;
        }
        Ok(0)
    }
}

fn send(pid: i32, number: i32) -> nix::Result<()> {
    match Signal::try_from(number) {
        Ok(signal) => kill(Pid::from_raw(pid), signal),
        // A real-time one has no name, 0 asks only.
        Err(_) => {
            // SAFETY: takes two numbers.
            nix::errno::Errno::result(unsafe { libc::kill(pid, number) }).map(drop)
        }
    }
}

/// `9`, `KILL`, `SIGKILL`, `kill`.
fn signal(text: &str) -> anyhow::Result<i32> {
    if let Ok(number @ 0..=64) = text.parse() {
        return Ok(number);
    }
    let name = text.to_uppercase();
    let name = format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name));
    match name.parse::<Signal>() {
        Ok(signal) => Ok(signal as i32),
        Err(_) => bail!("unknown signal {text:?}"),
    }
}
