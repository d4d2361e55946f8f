//! Shows `clone`, `unshare` and `setns` for every namespace type, and can be
//! used as unshare(1) and nsenter(1) are.
//!
//! Three calls, three starting points. `clone` makes a *child* in new
//! namespaces and leaves the caller outside; `unshare` moves the *caller* into
//! new ones; `setns` moves the caller into those that exist. One file each, all
//! of one shape (struct, then `run` from top to bottom):
//!
//! ```text
//! cmd/clone.rs  cmd/unshare.rs  cmd/setns.rs  cmd/list.rs
//! cmd/new.rs    the flags that clone and unshare share
//! ```
//!
//! Try:  namespaces unshare -U -r -p -f --mount-proc --explain ps -e
//! Read: namespaces(7), clone(2), unshare(2), setns(2)

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labs::command;
use labs::explain::Explain;

mod cmd {
    pub mod clone;
    pub mod list;
    pub mod new;
    pub mod setns;
    pub mod unshare;
}

/// Make, join and look at namespaces of all eight types.
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
    Clone(cmd::clone::Clone),
    Unshare(cmd::unshare::Unshare),
    Setns(cmd::setns::Setns),
    List(cmd::list::List),
}

const EXAMPLES: &str = "\
Examples:
  $ namespaces unshare -U -r -u bash                     a name of your own, without root
  $ namespaces unshare -U -r -p -f --mount-proc ps -e    a process table of your own
  $ namespaces clone -U -r -n ip link                    the same three letters with clone
  # touch /run/kept && namespaces unshare -u --keep /run/kept hostname box
  # namespaces setns --uts=/run/kept hostname            box: it outlived its process
  $ namespaces setns -t PID -a bash                      like docker exec
  $ namespaces list PID

Exit status: the command's own; 127 if it does not exist, 126 if it cannot be
executed; 1 if a call before it failed, 2 for a wrong argument.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let explain = Explain::new(arguments.explain);
    command::finish(match arguments.command {
        Command::Clone(clone) => clone.run(explain),
        Command::Unshare(unshare) => unshare.run(explain),
        Command::Setns(setns) => setns.run(explain),
        Command::List(list) => list.run(explain),
    })
}
