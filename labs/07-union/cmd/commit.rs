//! `union-fs commit`: an upper directory, kept as a layer of an image.
//!
//! What `docker commit` does. The new layer goes on top of those that the
//! container was on; without them its whiteouts hide nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::union::{Class, commit, in_user_namespace};
use nix::unistd::geteuid;

/// Copy an upper directory into a new layer, whiteouts and marks with it
#[derive(Args)]
pub struct Commit {
    /// The upper directory; best of an overlay that is no longer mounted
    #[arg(long, value_name = "DIRECTORY")]
    upper: PathBuf,

    /// Write the marks as user.overlay.*, for a mount with userxattr
    #[arg(long)]
    userxattr: bool,

    /// The layer to make
    layer: PathBuf,
}

impl Commit {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let trusted = geteuid().is_root() && !in_user_namespace() && !self.userxattr;
        let class = if trusted { Class::Trusted } else { Class::User };
        commit(explain, &self.upper, class, &self.layer)?;
        Ok(ExitCode::SUCCESS)
    }
}
