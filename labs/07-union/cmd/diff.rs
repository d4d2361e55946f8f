//! `union-fs diff`: what the upper directory changes, as `docker diff` tells it.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use labs::union::changes;

use super::stack::Stack;

/// Tell what was added (A), changed (C) and deleted (D)
#[derive(Args)]
pub struct Diff {
    #[command(flatten)]
    stack: Stack,
}

impl Diff {
    // No mount, so no privilege: but what it may not read it cannot compare.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (union, has_upper) = self.stack.layers()?;
        // The topmost of read-only layers could be compared too; but whoever forgot
        // --upper would read a difference that is not his.
        if !has_upper {
            bail!("there is no upper directory to compare; name it with --upper");
        }
        for change in changes(&union)? {
            println!("{change}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
