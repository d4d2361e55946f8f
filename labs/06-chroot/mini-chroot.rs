//! Builds a small root, furnishes it, moves in, and shows which of the two ways in
//! has a way out.
//!
//! Both ways change where `/` is. `chroot` changes it for one process and leaves the
//! old root above; `pivot_root` exchanges the root of a whole mount namespace, and
//! the old one is unmounted. Everything that the new root is to show (binds, /dev,
//! /proc, masks) is mounted before, because afterwards there is nothing left to
//! mount it from.
//!
//! ```text
//! cmd/build.rs  cmd/enter.rs  cmd/escape.rs
//! ```
//!
//! Try:  mini-chroot build /tmp/box sh ls mini-chroot
//!       mini-chroot enter -U --explain /tmp/box -- mini-chroot escape -- ls /
//! Read: chroot(2), pivot_root(2), mount_namespaces(7)

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labs::command;
use labs::explain::Explain;

mod cmd {
    pub mod build;
    pub mod enter;
    pub mod escape;
}

/// Build a root from the host's programs, enter it, and try to leave it again.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Print each system call as it is made, as strace would write it
    #[arg(long, global = true)]
    explain: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(cmd::build::Build),
    Enter(cmd::enter::Enter),
    Escape(cmd::escape::Escape),
}

const EXAMPLES: &str = "\
Examples:
  $ mini-chroot build /tmp/box sh ls cat mini-chroot     a root with four programs
  # mini-chroot enter --chroot /tmp/box -- sh            as chroot(1) does it
  $ mini-chroot enter -U /tmp/box -- sh                  by pivot_root, without root
  $ mini-chroot enter -U --chroot /tmp/box -- mini-chroot escape -- ls /    the host's
  $ mini-chroot enter -U /tmp/box -- mini-chroot escape -- ls /             the box's
  $ mini-chroot enter -U --dev --proc --mask oci --read-only oci /tmp/box -- sh
  $ mini-chroot enter -U --bind /usr:/usr:ro /tmp/box -- ls /usr
  # mini-chroot enter --bind /srv/data:/data --idmap 0:1000 /tmp/box -- ls -ln /data

Exit status: the command's own; 127 if it does not exist, 126 if it cannot be
executed; 1 if a call before it failed, 2 for a wrong argument.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let explain = Explain::new(arguments.explain);
    command::finish(match arguments.command {
        Command::Build(build) => build.run(explain),
        Command::Enter(enter) => enter.run(explain),
        Command::Escape(escape) => escape.run(explain),
    })
}
