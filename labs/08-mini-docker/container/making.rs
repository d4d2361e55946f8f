//! A container comes into being in three steps: its folder under a name with a dot,
//! locked by its maker; the claim of its name; the rename of the folder to its id,
//! from where on it exists. Whoever is killed between them leaves an unlocked folder,
//! and with it a name that is free.
//!
//! Read: rename(2), flock(2), symlink(2)

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::Context;

use super::names;
use super::record::Container;
use super::store::{claim_name, new_id, write};
use crate::engine::Engine;
use crate::files::{Lock, step};

/// A container that does not exist yet. Dropped without [`finish`](Self::finish),
/// its folder and name go.
#[derive(Debug)]
pub struct Making<'a> {
    engine: &'a Engine,
    pub id: String,
    name: Option<PathBuf>,
    folder: PathBuf,
    _lock: Lock,
    finished: bool,
}

impl<'a> Making<'a> {
    /// A new id and its folder.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn begin(engine: &'a Engine) -> anyhow::Result<Self> {
        let id = new_id()?;
        let containers = engine.root.join("containers");
        // Locked before it has the name under which others look for it: a folder
        // `.ID` without a lock is dead, at any moment.
        let new = containers.join(format!(".new-{id}"));
        let folder = containers.join(format!(".{id}"));
        let making = || -> std::io::Result<Lock> {
            step("mkdir container");
            DirBuilder::new().mode(0o700).create(&new)?;
            let lock = Lock::of(File::open(&new)?)?;
            let lock = lock.ok_or(ErrorKind::WouldBlock)?;
            step("rename container");
            fs::rename(&new, &folder)?;
            Ok(lock)
        };
        let lock = making().with_context(|| format!("mkdir {}", folder.display()))?;
        Ok(Self {
            engine,
            id,
            name: None,
            folder,
            _lock: lock,
            finished: false,
        })
    }

    /// Takes a name, or one of the generator's.
    ///
    /// # Errors
    /// docker's words for a name that is in use, or none.
    pub fn claim(&mut self, name: Option<&str>) -> anyhow::Result<String> {
        let taken = match name {
            Some(name) => {
                let name = names::valid(name)?;
                claim_name(self.engine, name, &self.id)?;
                name.to_string()
            }
            None => self.any_name()?,
        };
        self.name = Some(self.engine.root.join("names").join(&taken));
        Ok(taken)
    }

    fn any_name(&self) -> anyhow::Result<String> {
        for attempt in 0..64 {
            let name = names::generate(attempt)?;
            if fs::symlink_metadata(self.engine.root.join("names").join(&name)).is_ok() {
                continue;
            }
            if claim_name(self.engine, &name, &self.id).is_ok() {
                return Ok(name);
            }
        }
        // So many are taken that luck does not help: the id is nobody else's.
        let name = format!("container_{}", &self.id[..12]);
        claim_name(self.engine, &name, &self.id)?;
        Ok(name)
    }

    /// Writes the record, and there it is.
    ///
    /// # Errors
    /// A full disk: then nothing is left.
    pub fn finish(mut self, container: &Container) -> anyhow::Result<()> {
        for folder in ["diff", "work"] {
            let path = self.folder.join(folder);
            step("mkdir layer");
            // 0755: the upper directory is the container's `/`, which its users enter.
            DirBuilder::new()
                .mode(0o755)
                .create(&path)
                .with_context(|| format!("mkdir {}", path.display()))?;
        }
        let durable = !container.host_config.auto_remove;
        write(&self.folder.join("container.json"), container, durable)?;
        let whole = self.engine.container(&self.id);
        step("rename whole container");
        fs::rename(&self.folder, &whole)
            .with_context(|| format!("rename {}", self.folder.display()))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.finished {
            if let Some(name) = &self.name {
                let _ = fs::remove_file(name);
            }
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
