//! Where an archive is written: a file that takes its name when it is whole, or
//! standard output.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::layout::temporary;
use crate::files::step;

/// What an archive is written to.
#[derive(Debug)]
pub struct Output {
    pub file: File,
    /// The file under its first name, and the name that it is to have.
    rename: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// `-o FILE`, else standard output; `verb` is what would be done to a terminal.
    ///
    /// # Errors
    /// A terminal; a folder that is not there.
    pub fn open(path: Option<&Path>, verb: &str) -> anyhow::Result<Self> {
        let Some(path) = path else {
            if io::stdout().is_terminal() {
                bail!("cowardly refusing to {verb} to a terminal. Use the -o flag or redirect");
            }
            let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            return Ok(Self { file, rename: None });
        };
        let told = || format!("failed to {verb} to {}", path.display());
        // A pipe or a device is written to, not replaced.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(path).with_context(told)?;
            return Ok(Self { file, rename: None });
        }
        let new = path.with_file_name(temporary());
        step("write");
        let file = File::create_new(&new).with_context(told)?;
        let rename = Some((new, path.to_owned()));
        Ok(Self { file, rename })
    }

    /// It is whole.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush()?;
        if let Some((new, path)) = self.rename.take() {
            step("rename");
            fs::rename(&new, &path).with_context(|| format!("rename {}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((new, _)) = &self.rename {
            let _ = fs::remove_file(new);
        }
    }
}
