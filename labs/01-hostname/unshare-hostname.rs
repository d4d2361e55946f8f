//! Runs a command on a "machine" with another name; the host keeps its own.
//!
//! Three calls, and their order is the lesson. `unshare` gives the process a
//! UTS namespace of its own; `sethostname` then changes the name *there*; exec
//! comes last because the command inherits the namespaces of the process that
//! becomes it. Nothing is undone at the end: with its last process the
//! namespace is gone.
//!
//! Try:  unshare-hostname --user --explain newhostname hostname
//! Read: uts_namespaces(7), unshare(1), unshare(2), sethostname(2), hostname(1)

use std::process::ExitCode;

use clap::Parser;
use labs::command;
use labs::explain::Explain;
use labs::hostname::{unshare_hostname, unshare_hostname_as_user};

/// Run a command under another host name; the host keeps its own.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Do it without root, through a user namespace in which you are root
    #[arg(short = 'U', long)]
    user: bool,

    /// Print each system call as it is made, as strace would write it
    #[arg(long)]
    explain: bool,

    /// The host name that the command sees, at most 64 bytes
    name: String,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  # unshare-hostname newhostname /bin/bash         as root, the slide in one line
  $ unshare-hostname --user newhostname hostname   without root
  $ unshare-hostname --user --explain newhostname hostname

Exit status: the command's own; 127 if it does not exist, 126 if it cannot be
executed; 1 if the namespace could not be made, 2 for a wrong argument.";

fn main() -> ExitCode {
    command::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let explain = Explain::new(arguments.explain);
    if arguments.user {
        unshare_hostname_as_user(explain, &arguments.name)?;
    } else {
        unshare_hostname(explain, &arguments.name)?;
    }
    Err(command::exec(explain, &arguments.command))
}
