//! `union-fs snapshot`: the other way to start a container from an image.
//!
//! What is a directory of differences and a mount with overlay is one call with
//! btrfs, and what comes of it is a directory tree like any other.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::union::snapshot;

/// Make a second tree of a btrfs subvolume, which shares its blocks
#[derive(Args)]
pub struct Snapshot {
    /// Nobody may write in it, root included: an image, not a container
    #[arg(long, short)]
    read_only: bool,

    /// A subvolume, by its root
    from: PathBuf,

    /// The snapshot, which does not exist yet, on the same file system
    to: PathBuf,
}

impl Snapshot {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        snapshot(explain, &self.from, &self.to, self.read_only)?;
        Ok(ExitCode::SUCCESS)
    }
}
