//! `mini-runtime exec`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use oci_spec::runtime::{Process, User};

use super::store::{Store, console, stdio, write_pid};
use crate::runtime::{ExecError, Join, channel, join, terminal_of};

/// Run a further process in a container
#[derive(Debug, Args)]
pub struct Exec {
    /// Do not wait for its end
    #[arg(short, long)]
    detach: bool,
    /// A file with the `process` of a config.json
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// With a terminal (and --console-socket)
    #[arg(short, long)]
    tty: bool,
    /// UID[:GID]
    #[arg(short, long)]
    user: Option<String>,
    #[arg(long, value_name = "DIRECTORY")]
    cwd: Option<PathBuf>,
    /// NAME=VALUE
    #[arg(short, long)]
    env: Vec<String>,
    #[arg(long, default_value_t = 0, value_name = "N")]
    preserve_fds: u32,
    id: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    /// # Errors
    /// `container not running`; a program that cannot be run.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let record = store.alive(&self.id)?;
        if store.status(&record) == "paused" {
            bail!("cannot exec in a paused container");
        }
        let process = self.wanted(record.spec.process())?;
        let console = match (&self.console_socket, process.terminal()) {
            (Some(path), Some(true)) => Some(console(path)?),
            (None, Some(true)) => bail!("cannot allocate tty: say --console-socket SOCKET"),
            _ => None,
        };
        let (stdio, terminal) = match console {
            None => (stdio()?, false),
            Some(console) => {
                let (master, slave) = terminal_of(record.pid)?;
                channel::send_descriptor(&console, &master)?;
                ([slave.try_clone()?, slave.try_clone()?, slave], true)
            }
        };
        let pid = join(Join {
            pid: record.pid,
            process: &process,
            spec: &record.spec,
            stdio,
            terminal,
            rootless: false,
            detached: self.detach,
            preserve_fds: self.preserve_fds,
        });
        let pid = match pid {
            Ok(pid) => pid,
            // Its own exit code, as a shell has it.
            Err(error) => match error.downcast_ref::<ExecError>() {
                Some(exec) if !self.detach => {
                    eprintln!("error: {exec}");
                    return Ok(exec.exit_code());
                }
                _ => return Err(error),
            },
        };
        write_pid(&self.pid_file, pid)?;
        if self.detach {
            return Ok(0);
        }
        Ok(
            match waitpid(Pid::from_raw(pid), None).context("waitpid")? {
                WaitStatus::Exited(_, code) => code as u8,
                WaitStatus::Signaled(_, signal, _) => 128 + signal as u8,
                _ => 255,
            },
        )
    }

    /// The file's, or the container's own with other words.
    fn wanted(&self, own: &Option<Process>) -> anyhow::Result<Process> {
        if let Some(path) = &self.process {
            let text = std::fs::read(path).with_context(|| path.display().to_string())?;
            return serde_json::from_slice(&text).with_context(|| path.display().to_string());
        }
        let mut process = own.clone().context("config.json has no `process`")?;
        if self.command.is_empty() {
            bail!("exec: a command, or --process FILE");
        }
        process.set_args(Some(self.command.clone()));
        process.set_terminal(Some(self.tty));
        if let Some(cwd) = &self.cwd {
            process.set_cwd(cwd.clone());
        }
        if let Some(text) = &self.user {
            let (uid, gid) = text.split_once(':').unwrap_or((text, "0"));
            let mut user = User::default();
            user.set_uid(
                uid.parse()
                    .with_context(|| format!("--user {text}: wants numbers"))?,
            );
            user.set_gid(
                gid.parse()
                    .with_context(|| format!("--user {text}: wants numbers"))?,
            );
            process.set_user(user);
        }
        let mut environment = process.env().clone().unwrap_or_default();
        environment.extend(self.env.iter().cloned());
        process.set_env(Some(environment));
        Ok(process)
    }
}
