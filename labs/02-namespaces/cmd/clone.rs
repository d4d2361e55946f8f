//! `namespaces clone`: a child in new namespaces, its parent outside.
//!
//! The parent is still on the host when the child exists, so it does what can
//! only be done from out there: the id maps, and keeping a namespace on a file.
//! The child waits for that at a pipe; without it the command could run before
//! it is root, or end before its namespace is kept.
//!
//! Read: clone(2), clone3(2), user_namespaces(7)

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::namespaces::{clone3, flag_names, flags, keep, map_root};
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, getgid, getuid, pipe2, read, write};

use super::new::New;

/// Run a command as a child that is born in new namespaces
#[derive(Args)]
pub struct Clone {
    #[command(flatten)]
    new: New,
}

impl Clone {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let kinds = self.new.kinds();
        // A wrong request is refused before there is a child to clean up after.
        let kept = match &self.new.keep {
            Some(file) => Some((self.new.kind_to_keep()?, file)),
            None => None,
        };

        let (go_read, go_write) = explain.call(
            "pipe2([go_read, go_write], O_CLOEXEC)",
            pipe2(OFlag::O_CLOEXEC),
        )?;

        // The kernel makes the namespaces, the user namespace first, then the child
        // in them. The caller itself stays where it was: that is the difference
        // from unshare, and no second fork is needed for a PID namespace.
        // SAFETY: this process has one thread.
        let forked = match unsafe { clone3(flags(&kinds)) } {
            // It returns twice; only the parent has something to tell.
            Ok(ForkResult::Child) => ForkResult::Child,
            forked => explain.call_returning(
                format!(
                    "clone3({{flags={}, exit_signal=SIGCHLD}})",
                    flag_names(&kinds)
                ),
                forked,
                |forked| match forked {
                    ForkResult::Parent { child } => child.as_raw().into(),
                    ForkResult::Child => 0,
                },
            )?,
        };

        match forked {
            ForkResult::Parent { child } => {
                // From out here the child has an ordinary PID, even when it is 1 to
                // itself, so its files are found in our /proc.
                let process = child.to_string();
                if self.new.map_root_user {
                    map_root(explain, &process, getuid(), getgid())?;
                }
                if let Some((kind, file)) = kept {
                    keep(explain, kind, &process, file)?;
                }
                // Told before it is done: from here on the child prints too.
                explain.announce("write(go_write, \"g\", 1)");
                write(&go_write, b"g").context("write(go_write)")?;
                command::wait(child)
            }
            ForkResult::Child => {
                let explain = explain.in_child();
                // This copy has to go: while anyone can still write, a read never
                // ends. End of file without a byte: the parent failed, and said so.
                drop(go_write);
                if read(&go_read, &mut [0])? == 0 {
                    return Ok(ExitCode::FAILURE);
                }
                self.new.prepare_mounts(explain)?;
                Err(command::exec(explain, &self.new.command))
            }
        }
    }
}
