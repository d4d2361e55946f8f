//! What an overlay of some layers shows, found out without mounting it.
//!
//! A *directory* is merged: its names are those of every layer that has it. Of
//! anything else the topmost one shows and covers those below. Two things end
//! the search downwards: a whiteout, and a directory that is opaque. This is
//! what overlayfs does at each lookup, one path component at a time.
//!
//! Left out against the kernel: it asks one class of marks, that of the mount,
//! and looks at each step of a `redirect` from the layer's root for whiteouts.
//!
//! Read: "Merging", "redirect_dir", "metadata only copy up" in overlayfs.rst

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::marks::{is_whiteout, mark};

/// Layers, the topmost first; one that is to be written to comes first of all.
#[derive(Clone, Debug)]
pub struct Union {
    pub layers: Vec<PathBuf>,
    /// The first layer that counts: 1 to leave the upper directory out.
    pub top: usize,
}

/// Something that shows, and where it comes from.
#[derive(Debug)]
pub struct Entry {
    /// Of a directory each layer that is merged in it; of another file one, or
    /// for a metacopy those down to the one with the bytes. Topmost first.
    pub parts: Vec<Part>,
    /// Of the topmost part: its owner, permissions and times are what shows.
    pub metadata: Metadata,
}

/// A file or directory in one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The layer, as an index.
    pub layer: usize,
    /// Below that layer's root. With a redirect not the name that shows.
    pub path: PathBuf,
}

impl Union {
    /// All layers, none left out.
    pub fn new(layers: Vec<PathBuf>) -> Self {
        Self { layers, top: 0 }
    }

    /// The same without the topmost layer: the image below a container.
    pub fn below(&self) -> Self {
        Self {
            top: self.top + 1,
            ..self.clone()
        }
    }

    /// Where a part really lies.
    pub fn place(&self, part: &Part) -> PathBuf {
        self.layers[part.layer].join(&part.path)
    }

    /// The root directory, which every layer has.
    pub fn root(&self) -> io::Result<Entry> {
        // The root is merged of all layers without being looked up: none of them has
        // a name for it, so none can hide or redirect it.
        let parts: Vec<Part> = (self.top..self.layers.len())
            .map(|layer| Part {
                layer,
                path: PathBuf::new(),
            })
            .collect();
        for part in &parts {
            let layer = self.place(part);
            if !named(&layer, fs::metadata(&layer))?.is_dir() {
                return Err(io::Error::other(format!(
                    "{}: not a directory",
                    layer.display()
                )));
            }
        }
        let top = self.layers.get(self.top);
        let top = top.ok_or_else(|| io::Error::other("no layer below; give one more --lower"))?;
        Ok(Entry {
            parts,
            metadata: fs::metadata(top)?,
        })
    }

    /// What shows at a path below the root.
    pub fn lookup(&self, path: &Path) -> io::Result<Option<Entry>> {
        // Step by step, as the kernel does: each directory on the way may hide layers
        // from all that is below it.
        let mut entry = self.root()?;
        for component in path.components() {
            match component {
                Component::Normal(name) => match self.child(&entry, name)? {
                    Some(child) => entry = child,
                    None => return Ok(None),
                },
                Component::ParentDir => {
                    return Err(io::Error::other(format!(
                        "{}: a layer has nothing above its root; give a path without `..`",
                        path.display()
                    )));
                }
                _ => {}
            }
        }
        Ok(Some(entry))
    }

    /// What shows under a name in a directory; `None` also where something was and
    /// a whiteout hides it. The one rule of this file: go down the layers that the
    /// directory itself is merged of, and stop at the first that says so.
    pub fn child(&self, directory: &Entry, name: &OsStr) -> io::Result<Option<Entry>> {
        // Only a directory has something in it; the parts of a metacopy are none.
        if !directory.metadata.is_dir() {
            return Ok(None);
        }
        let mut search: VecDeque<Part> = directory
            .parts
            .iter()
            .map(|part| beside(part, name))
            .collect();
        let mut found: Option<Entry> = None;
        while let Some(part) = search.pop_front() {
            let place = self.place(&part);
            let metadata = match fs::symlink_metadata(&place) {
                Ok(metadata) => metadata,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return named(&place, Err(error)),
            };
            let marked = place
                .parent()
                .is_some_and(|parent| opaque(parent) == Some(b'x'));
            if is_whiteout(&place, &metadata, marked) {
                break;
            }
            // A file below a directory, or the other way round: covered, not merged.
            let is_directory = metadata.is_dir();
            if found
                .as_ref()
                .is_some_and(|top| top.metadata.is_dir() != is_directory)
            {
                break;
            }
            // A directory goes on unless it is opaque; a file only if it has no bytes.
            let last = match is_directory {
                true => opaque(&place) == Some(b'y'),
                false => mark(&place, "metacopy").is_none(),
            };
            // What comes after this part is looked for under the name that it gives.
            if let Some(redirect) = mark(&place, "redirect") {
                search = self.redirected(&part, &redirect, search);
            }
            let entry = found.get_or_insert(Entry {
                parts: Vec::new(),
                metadata,
            });
            entry.parts.push(part);
            if last {
                break;
            }
        }
        Ok(found)
    }

    /// Where to go on below a part that has another name there: a path from the
    /// root of *every* layer below, or a name in the same directories as so far.
    fn redirected(&self, part: &Part, redirect: &[u8], search: VecDeque<Part>) -> VecDeque<Part> {
        match redirect.strip_prefix(b"/") {
            Some(path) => (part.layer + 1..self.layers.len())
                .map(|layer| Part {
                    layer,
                    path: OsStr::from_bytes(path).into(),
                })
                .collect(),
            None => search
                .into_iter()
                .map(|part| Part {
                    path: part.path.with_file_name(OsStr::from_bytes(redirect)),
                    ..part
                })
                .collect(),
        }
    }

    /// The names that the layers have in a directory, whiteouts with them.
    pub fn names(&self, directory: &Entry) -> io::Result<BTreeSet<OsString>> {
        // Sorted, so that whatever is told or copied comes in the same order each time;
        // readdir(3) gives the order of the file system.
        let mut names = BTreeSet::new();
        for part in directory
            .parts
            .iter()
            .filter(|_| directory.metadata.is_dir())
        {
            let place = self.place(part);
            for entry in named(&place, fs::read_dir(&place))? {
                names.insert(entry?.file_name());
            }
        }
        Ok(names)
    }
}

fn beside(part: &Part, name: &OsStr) -> Part {
    Part {
        layer: part.layer,
        path: part.path.join(name),
    }
}

/// `y`: nothing below shows. `x`: there may be whiteouts that are plain files.
fn opaque(directory: &Path) -> Option<u8> {
    mark(directory, "opaque")?.first().copied()
}

fn is_missing(error: &io::Error) -> bool {
    // ENOTDIR: a redirect, or a path through what is a file in this layer.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// An error says at which place.
pub(super) fn named<T>(place: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", place.display())))
}
