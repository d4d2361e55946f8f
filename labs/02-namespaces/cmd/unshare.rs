//! `namespaces unshare`: the calling process itself moves into new namespaces.
//!
//! Order: the user namespace first (the kernel sees to that within one call),
//! because it owns the others; then its id maps; then, for a PID or time
//! namespace, the fork, because a process never changes its own PID and only
//! its children are in the new one; then the mounts, made private before the
//! first of them; exec last.
//!
//! Read: unshare(1), unshare(2), pid_namespaces(7), time_namespaces(7)

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::namespaces::{Kind, flag_names, flags, keep, map_root, write_file};
use nix::sched::unshare;
use nix::unistd::{ForkResult, fork, getgid, getuid};

use super::new::New;

/// Move into new namespaces, then become a command
#[derive(Args)]
pub struct Unshare {
    #[command(flatten)]
    new: New,

    /// Fork first: the command is a child (and PID 1, with --pid)
    #[arg(short, long)]
    fork: bool,

    /// Seconds that the machine seems to be up longer (implies --time)
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    boottime: Option<i64>,
}

impl Unshare {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let mut kinds = self.new.kinds();
        if self.boottime.is_some() && !kinds.contains(&Kind::Time) {
            kinds.push(Kind::Time);
        }

        // Asked before: in a new user namespace without a map the answer is 65534.
        let (uid, gid) = (getuid(), getgid());
        explain.call(
            format!("unshare({})", flag_names(&kinds)),
            unshare(flags(&kinds)),
        )?;
        if self.new.map_root_user {
            map_root(explain, "self", uid, gid)?;
        }

        if let Some(file) = &self.new.keep {
            match self.new.kind_to_keep()? {
                kind @ (Kind::Uts | Kind::Ipc | Kind::Net | Kind::Cgroup) => {
                    keep(explain, kind, "self", file)?;
                }
                // In a new mount namespace the host would not see the mount, in a
                // new user namespace we may not mount, and in a new PID or time
                // namespace nobody is yet.
                kind => anyhow::bail!(
                    "--keep: from inside, a {} namespace cannot be kept; use `namespaces clone`, \
                     whose parent stays outside",
                    kind.file()
                ),
            }
        }

        // Only until the first process is in the new time namespace.
        if let Some(seconds) = self.boottime {
            write_file(
                explain,
                "/proc/self/timens_offsets",
                &format!("boottime {seconds} 0"),
            )?;
        }

        // Without a fork a new PID namespace has no PID 1 yet: the command's first
        // child will be it, and when that ends no other can be made. See it fail:
        // `namespaces unshare -r -p sh -c 'id; id'`.
        if !self.fork {
            self.new.prepare_mounts(explain)?;
            return Err(command::exec(explain, &self.new.command));
        }
        // The child is the first process in there: PID 1, which the kernel treats as
        // an init, with orphans to reap and without default signal actions.
        explain.announce("fork()");
        // SAFETY: this process has one thread.
        match unsafe { fork() }.context("fork()")? {
            ForkResult::Child => {
                let explain = explain.in_child();
                self.new.prepare_mounts(explain)?;
                Err(command::exec(explain, &self.new.command))
            }
            ForkResult::Parent { child } => command::wait(child),
        }
    }
}
