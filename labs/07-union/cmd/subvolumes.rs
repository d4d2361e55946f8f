//! `union-fs subvolumes`: the trees of a btrfs, and what each is a snapshot of.
//!
//! A snapshot remembers its origin by UUID, because the origin may be renamed,
//! or deleted: the blocks stay as long as one tree has them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::union::{Subvolume, subvolumes};

/// List the btrfs subvolumes below one, and what they are snapshots of
#[derive(Args)]
pub struct Subvolumes {
    /// A subvolume, by its root; that of a mounted btrfs is one
    top: PathBuf,
}

impl Subvolumes {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let all = subvolumes(explain, &self.top)?;
        let origins: Vec<String> = all.iter().map(|one| origin(one, &all)).collect();
        let width = origins.iter().map(String::len).max().unwrap_or(0).max(11);
        println!("{:<5} READ-ONLY  {:<width$}  PATH", "ID", "SNAPSHOT OF");
        for (one, origin) in all.iter().zip(&origins) {
            let read_only = if one.read_only { "yes" } else { "no" };
            let path = shown(&one.path);
            println!("{:<5} {read_only:<9}  {origin:<width$}  {path}", one.id);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The path of the origin, where it is one of those listed.
fn origin(one: &Subvolume, all: &[Subvolume]) -> String {
    let Some(uuid) = one.origin else {
        return "-".into();
    };
    match all.iter().find(|other| other.uuid == uuid) {
        Some(other) => shown(&other.path),
        None => "(not here)".into(),
    }
}

fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => ".".into(),
        false => path.display().to_string(),
    }
}
