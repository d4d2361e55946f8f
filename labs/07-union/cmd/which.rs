//! `union-fs which`: from which layer a file comes, and what it covers.
//!
//! Every layer that has the name is listed, topmost first. `=>` is what shows:
//! one file, or each of the directories that are merged. What is below a
//! whiteout, an opaque directory or another file is there, and does not show.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use labs::union::{is_whiteout, mark};

use super::stack::Stack;

/// Show which layers have a file, and which of them shows
#[derive(Args)]
pub struct Which {
    #[command(flatten)]
    stack: Stack,

    /// The file, from the root of the layers: etc/motd
    file: PathBuf,
}

impl Which {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (union, _) = self.stack.layers()?;
        let file = self.file.strip_prefix("/").unwrap_or(&self.file);
        // What shows, as an overlay would find it…
        let entry = union.lookup(file)?;
        let shown: Vec<PathBuf> = entry
            .iter()
            .flat_map(|entry| &entry.parts)
            .map(|part| union.place(part))
            .collect();
        // A redirect leads to another name: those that show count first.
        let named = union.layers.iter().map(|layer| layer.join(file));
        let places = named.filter(|place| !shown.contains(place));
        // … and beside it all that has the name, in the order of the layers.
        let mut lines: Vec<(usize, PathBuf)> = shown
            .iter()
            .cloned()
            .chain(places)
            .filter_map(|place| {
                let layer = union
                    .layers
                    .iter()
                    .position(|layer| place.starts_with(layer))?;
                Some((layer, place))
            })
            .collect();
        lines.sort();
        for (_, place) in &lines {
            if let Some(kind) = kind(place) {
                let arrow = if shown.contains(place) { "=>" } else { "  " };
                println!("{arrow} {kind:<10} {}", place.display());
            }
        }
        // As which(1): nothing found is a failure, so that a script can ask.
        Ok(match entry {
            Some(_) => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        })
    }
}

/// What a layer has there, in a word, with its marks.
fn kind(place: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(place).ok()?;
    let file_type = metadata.file_type();
    // Whiteouts first: they are files or devices, too.
    let kind = match () {
        _ if is_whiteout(place, &metadata, true) => "whiteout",
        _ if file_type.is_dir() && mark(place, "opaque").is_some_and(|v| v == b"y") => "opaque",
        _ if file_type.is_dir() => "directory",
        _ if file_type.is_symlink() => "symlink",
        _ if file_type.is_file() && mark(place, "metacopy").is_some() => "metacopy",
        _ if file_type.is_file() => "file",
        _ if file_type.is_fifo() => "fifo",
        _ if file_type.is_socket() => "socket",
        _ => "device",
    };
    Some(kind.into())
}
