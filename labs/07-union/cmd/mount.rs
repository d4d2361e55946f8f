//! `union-fs mount`: an overlay of any number of layers.
//!
//! With a command it is mounted in a mount namespace of its own and is gone
//! when the command ends; without one it stays, until `umount TARGET`. Order:
//! namespaces, then private mounts, then the overlay, then exec. Without root a
//! user namespace comes first, and with it `userxattr`.
//!
//! Read: mount(8), fsopen(2), user_namespaces(7)

use std::path::{PathBuf, absolute};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::namespaces::{Propagation, map_root, set_propagation};
use labs::union::{Class, Overlay, in_user_namespace};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Mount layers as one tree; with a command, only for that command
#[derive(Args)]
pub struct Mount {
    /// A read-only layer, the topmost first
    #[arg(long, value_name = "DIRECTORY", required = true)]
    lower: Vec<PathBuf>,

    /// The directory that gets what is written; without it all is read-only
    #[arg(long, value_name = "DIRECTORY", requires = "work")]
    upper: Option<PathBuf>,

    /// An empty directory on the same file system as the upper one
    #[arg(long, value_name = "DIRECTORY", requires = "upper")]
    work: Option<PathBuf>,

    /// Do it without root, through a user namespace in which you are root
    #[arg(short = 'U', long, requires = "command")]
    user: bool,

    /// Keep overlay's marks in user.overlay.*, as in a user namespace it must
    #[arg(long)]
    userxattr: bool,

    /// Where to mount it: a directory
    target: PathBuf,

    /// The command that sees it, after `--`, and its arguments
    #[arg(last = true)]
    command: Vec<String>,
}

impl Mount {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // Asked before: in a new user namespace without a map the answer is 65534.
        let (uid, gid) = (getuid(), getgid());
        if self.user {
            explain.call(
                "unshare(CLONE_NEWUSER|CLONE_NEWNS)",
                unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS),
            )?;
            map_root(explain, "self", uid, gid)?;
        } else if !self.command.is_empty() {
            explain.call("unshare(CLONE_NEWNS)", unshare(CloneFlags::CLONE_NEWNS))?;
        }
        if !self.command.is_empty() {
            set_propagation(explain, Propagation::Private)?;
        }

        // Asked after: it is this namespace that counts for the attributes.
        let class = match self.userxattr || in_user_namespace() {
            true => Class::User,
            false => Class::Trusted,
        };
        // Relative paths would do; but the kernel tells them as they were given, and in
        // /proc/self/mountinfo nobody could know from where.
        let whole = |path: &PathBuf| {
            absolute(path).with_context(|| format!("{}: not a path", path.display()))
        };
        let overlay = Overlay {
            volatile: false,
            lower: self.lower.iter().map(whole).collect::<Result<_, _>>()?,
            upper: match self.upper.iter().zip(&self.work).next() {
                Some((upper, work)) => Some((whole(upper)?, whole(work)?)),
                None => None,
            },
            class,
        };
        overlay.mount(explain, &self.target)?;

        // Without a command the mount lives on in the namespace that we were in.
        match self.command.is_empty() {
            true => Ok(ExitCode::SUCCESS),
            false => Err(command::exec(explain, &self.command)),
        }
    }
}
