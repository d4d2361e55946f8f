//! What a container has changed, read off its upper directory.
//!
//! The upper directory *is* the difference, but in overlayfs's terms: a file
//! there may be new or a changed copy, a whiteout may hide something or nothing,
//! an opaque directory has deleted all that it does not have itself. So each
//! name is looked up twice, with the upper directory and without it.
//!
//! Read: docker-diff(1), podman-diff(1)

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::layers::{Entry, Union};

/// Something that differs, at its path as the container sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub path: PathBuf,
    pub kind: Kind,
}

/// In the letters of `docker diff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Added,
    Changed,
    Deleted,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            Kind::Added => 'A',
            Kind::Changed => 'C',
            Kind::Deleted => 'D',
        };
        write!(f, "{letter} {}", self.path.display())
    }
}

/// How the topmost layer of `union` changes those below it, by path.
///
/// As in `docker diff`: of what was deleted only the top is told, of what was
/// added everything; a directory is changed when something in it is.
pub fn changes(union: &Union) -> io::Result<Vec<Change>> {
    let below = union.below();
    let mut comparison = Comparison {
        now: union,
        before: &below,
        changes: Vec::new(),
    };
    let before = below.root()?;
    comparison.directory(Path::new("/"), &union.root()?, Some(&before))?;
    comparison.changes.sort();
    Ok(comparison.changes)
}

/// The same tree twice: with the topmost layer, and without it.
struct Comparison<'a> {
    now: &'a Union,
    before: &'a Union,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    /// All names of one directory; `before` is `None` where it was not there.
    fn directory(&mut self, path: &Path, now: &Entry, before: Option<&Entry>) -> io::Result<()> {
        let mut names: BTreeSet<_> = self.now.names(now)?;
        // Also those that are gone, which an opaque directory does not name itself.
        if let Some(before) = before {
            names.extend(self.before.names(before)?);
        }
        for name in names {
            let path = path.join(&name);
            let now = self.now.child(now, &name)?;
            let before = match before {
                Some(before) => self.before.child(before, &name)?,
                None => None,
            };
            match (now, before) {
                // A whiteout that hides nothing, as of a file made and deleted again.
                (None, None) => {}
                (None, Some(_)) => self.tell(path, Kind::Deleted),
                (Some(now), None) => self.added(path, &now)?,
                (Some(now), Some(before)) => self.both(path, &now, &before)?,
            }
        }
        Ok(())
    }

    /// New, and so is all that it has: also what a redirect brings along.
    fn added(&mut self, path: PathBuf, now: &Entry) -> io::Result<()> {
        self.tell(path.clone(), Kind::Added);
        self.directory(&path, now, None)
    }

    /// There before and now, but perhaps not the same.
    fn both(&mut self, path: PathBuf, now: &Entry, before: &Entry) -> io::Result<()> {
        // The upper directory has no part in it: the same files, so nothing to read.
        if now.parts == before.parts {
            return Ok(());
        }
        let told = self.changes.len();
        match (now.metadata.is_dir(), before.metadata.is_dir()) {
            (true, true) => self.directory(&path, now, Some(before))?,
            (true, false) => self.directory(&path, now, None)?,
            // What a directory had is not told one by one when a file replaces it.
            _ => {}
        }
        if self.changes.len() > told || differ(&now.metadata, &before.metadata) {
            self.tell(path, Kind::Changed);
        }
        Ok(())
    }

    fn tell(&mut self, path: PathBuf, kind: Kind) {
        self.changes.push(Change { path, kind });
    }
}

/// Whether a file is another one. Its bytes are not read: who wrote them has
/// changed the time, or the length. A copy that was made for a write that never
/// came (`open(O_RDWR)` is enough) has kept both and is no change.
fn differ(now: &Metadata, before: &Metadata) -> bool {
    let inode = |file: &Metadata| (file.mode(), file.uid(), file.gid(), file.rdev());
    let bytes = |file: &Metadata| (file.len(), file.mtime(), file.mtime_nsec());
    // Of a directory length and time say only how the layers were put together.
    inode(now) != inode(before) || !now.is_dir() && bytes(now) != bytes(before)
}
