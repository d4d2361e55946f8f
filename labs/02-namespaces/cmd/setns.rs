//! `namespaces setns`: the calling process joins namespaces that exist.
//!
//! All are opened before the first is joined, because /proc/PID means another
//! process, or none, after that. The user namespace goes in the middle (see
//! `labs::namespaces::join`). After a PID namespace comes a fork: only a child
//! is in it. `docker exec` does all this, and then puts the process into the
//! container's cgroup and takes capabilities away; this lab does not.
//!
//! Read: nsenter(1), setns(2), proc_pid_ns(5)

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::namespaces::{Kind, join, open_namespaces};
use nix::unistd::{ForkResult, fork};

/// Join the namespaces of a process, or kept ones, then become a command
#[derive(Args)]
pub struct Setns {
    /// The process whose namespaces to join
    #[arg(short, long, value_name = "PID")]
    target: Option<u32>,
    /// All eight, except those that we are in already
    #[arg(short, long, requires = "target")]
    all: bool,

    /// UTS namespace, of the target or kept on FILE (as for each below)
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    uts: Option<Option<PathBuf>>,
    /// IPC namespace
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    ipc: Option<Option<PathBuf>>,
    /// Network namespace
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    net: Option<Option<PathBuf>>,
    /// Mount namespace
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    mount: Option<Option<PathBuf>>,
    /// PID namespace
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pid: Option<Option<PathBuf>>,
    /// User namespace
    #[arg(short = 'U', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    user: Option<Option<PathBuf>>,
    /// Cgroup namespace
    #[arg(short = 'C', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    cgroup: Option<Option<PathBuf>>,
    /// Time namespace
    #[arg(short = 'T', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    time: Option<Option<PathBuf>>,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

impl Setns {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // Two loops, not one: see the order above.
        let files = self.files()?;
        let namespaces = open_namespaces(explain, &files)?;
        join(explain, namespaces)?;

        if !files.iter().any(|(kind, _)| *kind == Kind::Pid) {
            return Err(command::exec(explain, &self.command));
        }
        explain.announce("fork()");
        // setns has changed only where children go: this process keeps the PID under
        // which its parent knows it.
        // SAFETY: this process has one thread.
        match unsafe { fork() }.context("fork()")? {
            ForkResult::Child => Err(command::exec(explain.in_child(), &self.command)),
            ForkResult::Parent { child } => command::wait(child),
        }
    }

    /// The file of each namespace that was asked for, in the order of `Kind::ALL`.
    fn files(&self) -> anyhow::Result<Vec<(Kind, String)>> {
        let mut files = Vec::new();
        for kind in Kind::ALL {
            let asked = match kind {
                Kind::User => &self.user,
                Kind::Mnt => &self.mount,
                Kind::Pid => &self.pid,
                Kind::Net => &self.net,
                Kind::Ipc => &self.ipc,
                Kind::Uts => &self.uts,
                Kind::Cgroup => &self.cgroup,
                Kind::Time => &self.time,
            };
            let of_target = self
                .target
                .map(|pid| format!("/proc/{pid}/ns/{}", kind.file()));
            match (asked, of_target) {
                (Some(Some(file)), _) => files.push((kind, file.display().to_string())),
                (Some(None), Some(file)) => files.push((kind, file)),
                (Some(None), None) => anyhow::bail!(
                    "whose {} namespace? add --target PID, or the file on which it is kept",
                    kind.file()
                ),
                // Without the comparison -a would fail on the user namespace: the
                // kernel gives EINVAL to who joins the one that they are in.
                (None, Some(file)) if self.all => {
                    let ours = std::fs::read_link(format!("/proc/self/ns/{}", kind.file()));
                    if ours.ok() != std::fs::read_link(&file).ok() || !std::fs::exists(&file)? {
                        files.push((kind, file));
                    }
                }
                (None, _) => {}
            }
        }
        Ok(files)
    }
}
