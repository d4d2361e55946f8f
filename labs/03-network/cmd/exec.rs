//! `exec`: a command in a named network namespace.
//!
//! All the rest, its users, files and processes, stays the host's: this is no
//! container. A mount namespace comes with it, but only so that /sys and some
//! files of /etc can be other ones.
//!
//! Read: ip-netns(8), setns(2)

use std::process::ExitCode;

use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::network::{enter, named, open_name};

/// Run a command in a named network namespace
#[derive(Args)]
pub struct Exec {
    name: String,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let namespace = open_name(explain, &named(&self.name)?)?;
        enter(explain, &self.name, &namespace)?;
        Err(command::exec(explain, &self.command))
    }
}
