//! `mini-runtime create` and `run`

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};
use oci_spec::runtime::{Process, Spec};

use super::delete::destroy;
use super::start::start;
use super::store::{Record, Store, began, console, make_gate, null, stdio, write_pid};
use crate::runtime::{Detached, Launch, channel, launch};

/// Make a container that waits for its start
#[derive(Debug, Args)]
pub struct Create {
    /// The bundle: a folder with config.json
    #[arg(short, long, default_value = ".", value_name = "DIRECTORY")]
    bundle: PathBuf,
    /// Where the first process's PID is written
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// A Unix socket that gets the master of the container's terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// chroot instead of pivot_root (refused: it is no boundary)
    #[arg(long)]
    no_pivot: bool,
    /// Let the container use the caller's keyring (refused)
    #[arg(long)]
    no_new_keyring: bool,
    /// How many descriptors after 2 the program inherits
    #[arg(long, default_value_t = 0, value_name = "N")]
    preserve_fds: u32,
    /// The new container's name
    id: String,
}

/// Make a container, start it, wait for its end and remove it
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    create: Create,
    /// Do not wait for its end
    #[arg(short, long)]
    detach: bool,
    /// Do not remove it at its end
    #[arg(long)]
    keep: bool,
}

impl Create {
    /// # Errors
    /// A name that is taken, a bundle that is none, what the kernel refuses.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        self.create(store)?;
        Ok(0)
    }

    fn create(&self, store: &Store) -> anyhow::Result<Record> {
        if self.no_pivot {
            bail!(
                "--no-pivot: a root without pivot_root can be left; put the bundle on a file system that can be pivoted into (not the initial ramfs)"
            );
        }
        if self.no_new_keyring {
            bail!("--no-new-keyring: the container would get the caller's keys");
        }
        let bundle = std::path::absolute(&self.bundle)?;
        let spec = read_spec(&bundle)?;
        let folder = store.claim(&self.id)?;
        let made = self.make(store, &folder, bundle, spec);
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        made
    }

    fn make(
        &self,
        store: &Store,
        folder: &std::path::Path,
        bundle: PathBuf,
        spec: Spec,
    ) -> anyhow::Result<Record> {
        let gate = make_gate(folder)?;
        let console = self.console(&spec)?;
        let waiting = launch(Launch {
            id: &self.id,
            spec: &spec,
            bundle: &bundle,
            // Who waits for the end of our output must not wait for the container's.
            stdio: if console.is_some() { null()? } else { stdio()? },
            terminal: console.is_some(),
            rootless: !may_make_cgroups(),
            detached: Some(Detached {
                gate: &gate,
                preserve_fds: self.preserve_fds,
            }),
        })?;
        if let (Some(console), Some(master)) = (&console, &waiting.terminal) {
            channel::send_descriptor(console, master)?;
        }
        let record = Record {
            id: self.id.clone(),
            bundle,
            pid: waiting.pid,
            began: began(waiting.pid).unwrap_or(0),
            cgroup: waiting.cgroup.clone(),
            created: jiff::Timestamp::now().to_string(),
            spec,
        };
        let kept = store
            .save(&record)
            .and_then(|()| write_pid(&self.pid_file, record.pid));
        if let Err(error) = kept {
            let _ = destroy(store, &record, true);
            return Err(error);
        }
        Ok(record)
    }

    fn console(&self, spec: &Spec) -> anyhow::Result<Option<OwnedFd>> {
        let process = spec.process().as_ref();
        let terminal = process.and_then(Process::terminal) == Some(true);
        match (&self.console_socket, terminal) {
            (Some(path), true) => Ok(Some(console(path)?)),
            (None, false) => Ok(None),
            (None, true) => bail!(
                "cannot allocate tty: config.json says terminal, so say --console-socket SOCKET"
            ),
            (Some(_), false) => bail!("--console-socket: config.json says no terminal"),
        }
    }
}

impl Run {
    /// # Errors
    /// As `create` and `start`.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = self.create.create(store)?;
        if let Err(error) = start(store, &record) {
            let _ = destroy(store, &record, true);
            return Err(error);
        }
        if self.detach {
            return Ok(0);
        }
        let status = waitpid(Pid::from_raw(record.pid), None).context("waitpid")?;
        if !self.keep {
            destroy(store, &record, true)?;
        }
        Ok(match status {
            WaitStatus::Exited(_, code) => code as u8,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as u8,
            _ => 255,
        })
    }
}

/// # Errors
/// No config.json; one that is none, with the place.
pub fn read_spec(bundle: &std::path::Path) -> anyhow::Result<Spec> {
    let path = bundle.join("config.json");
    let text = std::fs::read(&path).with_context(|| {
        format!(
            "{}: a bundle has a config.json; `mini-runtime spec` makes one",
            path.display()
        )
    })?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Root of the machine, and not just of a user namespace (podman's, say).
fn may_make_cgroups() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    geteuid().is_root() && whole
}
