//! Layers made of layers: several flattened into one, an upper directory kept.
//!
//! Flattening copies what *shows*, so the result has no whiteout and no mark: it
//! is an ordinary tree that needs nothing below it. Committing copies what the
//! upper directory *says*, whiteouts and marks with it, because the layers below
//! stay. What was deleted is gone from the first, and only hidden in the second.
//!
//! The destination is a new directory. All names in it are made by us, so that
//! no link can lead out of it.
//!
//! Read: docker-commit(1), "docker export" and "docker save" in docker(1)

use std::collections::BTreeMap;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;

use super::layers::{Entry, Part, Union, named};
use super::marks::{
    Class, attribute, attributes, is_whiteout, mark, set_attribute, set_mark, whiteout,
};
use crate::explain::Explain;

/// The marks that mean the same in another place. `origin`, `impure`, … name
/// inodes of the file system that they were written on.
const MARKS: [&str; 4] = ["opaque", "redirect", "metacopy", "whiteout"];

/// Copies what all layers together show into `to`, a new directory.
pub fn flatten(union: &Union, to: &Path) -> anyhow::Result<()> {
    let mut copy = Copy::default();
    copy.merged(union, &union.root()?, to)
}

/// Copies an upper directory into `to`, a new directory, as a layer.
pub fn commit(explain: Explain, upper: &Path, class: Class, to: &Path) -> anyhow::Result<()> {
    let mut copy = Copy::default();
    copy.raw(explain, class, upper, to, false)
}

/// Copies what a directory holds, mounts and all, into `to`, a directory that is there
/// and empty. `to` gets the owner, mode and times of `from` as well.
pub fn fill(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut copy = Copy::default();
    for entry in named(from, fs::read_dir(from))? {
        let name = entry?.file_name();
        copy.plain(&from.join(&name), &to.join(&name))?;
    }
    dress(from, &named(from, fs::metadata(from))?, to)
}

/// Files that have several names, by device and inode, and their first copy.
#[derive(Default)]
struct Copy {
    linked: BTreeMap<(u64, u64), PathBuf>,
}

impl Copy {
    /// What shows at this place, and all below it.
    fn merged(&mut self, union: &Union, entry: &Entry, to: &Path) -> anyhow::Result<()> {
        // The topmost part has owner, mode and times; the last one the bytes.
        let (top, bytes) = (&entry.parts[0], &entry.parts[entry.parts.len() - 1]);
        let place = |part: &Part| union.place(part);
        if !entry.metadata.is_dir() {
            return self.file(&place(top), &place(bytes), &entry.metadata, to);
        }
        named(to, fs::create_dir(to))?;
        // What a whiteout hides has a name here and no child: it is left out.
        for name in union.names(entry)? {
            if let Some(child) = union.child(entry, &name)? {
                self.merged(union, &child, &to.join(&name))?;
            }
        }
        // After its files: each of them has changed the directory's time, and a mode
        // without `w` would have kept them out.
        dress(&place(top), &entry.metadata, to)
    }

    /// One layer as it is. `marked`: whether plain files may be whiteouts here.
    fn raw(
        &mut self,
        explain: Explain,
        class: Class,
        from: &Path,
        to: &Path,
        marked: bool,
    ) -> anyhow::Result<()> {
        let metadata = named(from, fs::symlink_metadata(from))?;
        if is_whiteout(from, &metadata, marked) {
            return Ok(whiteout(explain, to)?);
        }
        if metadata.is_dir() {
            // EEXIST is an error: a layer that was there could have links in it.
            named(to, fs::create_dir(to))?;
            let marked = mark(from, "opaque").is_some_and(|value| value == b"x");
            for entry in named(from, fs::read_dir(from))? {
                let name = entry?.file_name();
                self.raw(explain, class, &from.join(&name), &to.join(&name), marked)?;
            }
            dress(from, &metadata, to)?;
        } else {
            self.file(from, from, &metadata, to)?;
        }
        for name in MARKS {
            // In the class of whoever will mount it, whatever it was in.
            match mark(from, name) {
                Some(value) if value != b"x" => set_mark(explain, class, to, name, &value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A tree that is no layer: nothing in it is a whiteout.
    fn plain(&mut self, from: &Path, to: &Path) -> anyhow::Result<()> {
        let metadata = named(from, fs::symlink_metadata(from))?;
        if !metadata.is_dir() {
            return self.file(from, from, &metadata, to);
        }
        named(to, fs::create_dir(to))?;
        for entry in named(from, fs::read_dir(from))? {
            let name = entry?.file_name();
            self.plain(&from.join(&name), &to.join(&name))?;
        }
        dress(from, &metadata, to)
    }

    fn file(
        &mut self,
        from: &Path,
        bytes: &Path,
        metadata: &Metadata,
        to: &Path,
    ) -> anyhow::Result<()> {
        // Two names of one file stay two names: else an image would grow, and a write
        // to one would no longer be seen under the other.
        let inode = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1 {
            if let Some(first) = self.linked.get(&inode) {
                return Ok(named(to, fs::hard_link(first, to))?);
            }
            self.linked.insert(inode, to.to_path_buf());
        }
        let kind = SFlag::from_bits_truncate(metadata.mode() & SFlag::S_IFMT.bits());
        match kind {
            SFlag::S_IFREG => {
                // O_EXCL: a name that is there already would be followed, or kept.
                let new = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(to);
                let mut source = named(bytes, fs::File::open(bytes))?;
                named(to, new.and_then(|mut new| io::copy(&mut source, &mut new)))?;
            }
            // Never followed: where it leads is for whoever has this tree as root.
            SFlag::S_IFLNK => named(to, symlink(named(from, fs::read_link(from))?, to))?,
            _ => mknod(to, kind, Mode::S_IRUSR, metadata.rdev()).with_context(|| {
                format!("mknod({to:?}): a device file takes CAP_MKNOD; run as root")
            })?,
        }
        dress(from, metadata, to)
    }
}

/// Gives a copy what its original has besides bytes. In this order: chown(2)
/// takes set-user-id bits and file capabilities away, and every write to a
/// directory its old time.
fn dress(from: &Path, metadata: &Metadata, to: &Path) -> anyhow::Result<()> {
    let made = named(to, fs::symlink_metadata(to))?;
    if (made.uid(), made.gid()) != (metadata.uid(), metadata.gid()) {
        lchown(to, Some(metadata.uid()), Some(metadata.gid())).with_context(|| {
            format!(
                "chown({to:?}, {}, {}): run as root",
                metadata.uid(),
                metadata.gid()
            )
        })?;
    }
    // A link has no mode, and chmod(2) would change that of its target.
    if !metadata.is_symlink() {
        named(
            to,
            fs::set_permissions(to, Permissions::from_mode(metadata.mode())),
        )?;
    }
    for name in attributes(from).with_context(|| format!("llistxattr({from:?})"))? {
        // Overlay's own are no attributes of the file; others the kernel keeps.
        let own = name.starts_with("user.overlay.") || !name.starts_with("user.");
        if own && name != "security.capability" {
            continue;
        }
        if let Some(value) = attribute(from, &name) {
            set_attribute(to, &name, &value)
                .with_context(|| format!("lsetxattr({to:?}, {name:?})"))?;
        }
    }
    let time = TimeSpec::new(metadata.mtime(), metadata.mtime_nsec());
    utimensat(AT_FDCWD, to, &time, &time, UtimensatFlags::NoFollowSymlink)
        .with_context(|| format!("utimensat({to:?})"))
}
