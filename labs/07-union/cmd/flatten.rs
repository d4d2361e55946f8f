//! `union-fs flatten`: what all layers show, as one ordinary directory.
//!
//! What `docker export` gives. It needs no layer below it, and takes the room
//! of a whole image: nothing is shared any more.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use labs::union::flatten;

use super::stack::Stack;

/// Copy what the layers show together into one new directory
#[derive(Args)]
pub struct Flatten {
    #[command(flatten)]
    stack: Stack,

    /// The directory to make
    directory: PathBuf,
}

impl Flatten {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (union, _) = self.stack.layers()?;
        flatten(&union, &self.directory)?;
        Ok(ExitCode::SUCCESS)
    }
}
