//! `mini-chroot escape`: the attack, to be run inside.
//!
//! It succeeds wherever it has CAP_SYS_CHROOT. What it finds is the difference.
//!
//! Read: chroot(2) (NOTES)

use std::process::ExitCode;

use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::root::escape;

/// Break out of a chroot, then become a command
#[derive(Args)]
pub struct Escape {
    /// A directory below the root, made if need be
    #[arg(long, value_name = "DIR", default_value = "/hole")]
    hole: String,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

impl Escape {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        escape(explain, &self.hole)?;
        Err(command::exec(explain, &self.command))
    }
}
