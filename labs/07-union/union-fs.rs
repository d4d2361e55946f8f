//! Stacks directories into one file system, and takes such a stack apart.
//!
//! An image is a pile of read-only layers; a container is one more directory on
//! top, which gets every change. `mount` makes that pile one tree, by overlayfs.
//! The others need no mount and no kernel: they read the layers themselves, in
//! the way in which overlayfs does.
//!
//! ```text
//! cmd/mount.rs  cmd/which.rs  cmd/diff.rs  cmd/flatten.rs  cmd/commit.rs
//! cmd/snapshot.rs  cmd/subvolumes.rs  the other way, on btrfs
//! cmd/stack.rs  the options that name layers, or find those of a mount
//! ```
//!
//! Try:  union-fs mount --user --explain --lower base --upper u --work w m -- ls m
//! Read: mount(8) (overlay), Documentation/filesystems/overlayfs.rst

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labs::command;
use labs::explain::Explain;

mod cmd {
    pub mod commit;
    pub mod diff;
    pub mod flatten;
    pub mod mount;
    pub mod snapshot;
    pub mod stack;
    pub mod subvolumes;
    pub mod which;
}

/// Mount, look through, compare and copy the layers of an overlay.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Print each system call that makes a mount, a mark or a whiteout
    #[arg(long, global = true)]
    explain: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Mount(cmd::mount::Mount),
    Which(cmd::which::Which),
    Diff(cmd::diff::Diff),
    Flatten(cmd::flatten::Flatten),
    Commit(cmd::commit::Commit),
    Snapshot(cmd::snapshot::Snapshot),
    Subvolumes(cmd::subvolumes::Subvolumes),
}

const EXAMPLES: &str = "\
The first --lower is the topmost, as in lowerdir=A:B.

Examples:
  # union-fs mount --lower app --lower base --upper u --work w /mnt
  $ union-fs mount --user --lower base --upper u --work w m -- sh    without root
  $ union-fs which --mounted m etc/motd       which layer the file comes from
  $ union-fs diff --upper u --lower base      A added, C changed, D deleted
  $ union-fs flatten --upper u --lower base whole
  $ union-fs commit --upper u layer           then: mount --lower layer --lower base …
  $ union-fs snapshot /mnt/image /mnt/web     on btrfs, in place of all that
  $ union-fs subvolumes /mnt

Exit status: the command's own (127 if it does not exist, 126 if it cannot be
executed); 1 if a call failed, or for `which` if nothing shows; 2 for a wrong
argument.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let explain = Explain::new(arguments.explain);
    command::finish(match arguments.command {
        Command::Mount(mount) => mount.run(explain),
        Command::Which(which) => which.run(),
        Command::Diff(diff) => diff.run(),
        Command::Flatten(flatten) => flatten.run(),
        Command::Commit(commit) => commit.run(explain),
        Command::Snapshot(snapshot) => snapshot.run(explain),
        Command::Subvolumes(subvolumes) => subvolumes.run(explain),
    })
}
