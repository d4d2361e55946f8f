//! `cp`: files go through an archive, from one tree into another.
//!
//! One thread reads and packs, this one unpacks; the archive is a pipe between them
//! and nowhere else. On the container's side every name is resolved in its root by
//! openat2(2), so that no link in there leads to the machine, also not one that is
//! exchanged while we look.
//!
//! Read: docker-cp(1), openat2(2), pipe(7)

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use labs::union::Class;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::SFlag;
use nix::unistd::{getegid, geteuid};

use super::pack::{self, Pack};
use super::tree::{Place, Tree, clean, kind};
use super::unpack::{self, Limits, unpack};

/// As many links as the kernel follows in one path.
const LINKS: u32 = 40;

/// Where something is copied from: an open directory, and what in it.
#[derive(Debug)]
pub struct Source {
    folder: OwnedFd,
    /// Empty: the directory itself, that is all that is in it.
    name: OsString,
    /// What it is called where nobody says otherwise.
    base: OsString,
    directory: bool,
}

impl Source {
    /// A path of the machine, as its user names it. `follow`: a link at its end is
    /// what it leads to.
    ///
    /// # Errors
    /// `lstat PATH: no such file or directory`, as docker has it.
    pub fn local(path: &Path, follow: bool) -> anyhow::Result<Self> {
        let contents = contents(path);
        let told = || format!("lstat {}", path.display());
        let real = match follow || contents {
            true => fs::canonicalize(path).with_context(told)?,
            false => std::path::absolute(path)?,
        };
        let metadata = fs::symlink_metadata(&real).with_context(told)?;
        // Under the name that was given, also if that is a link's.
        let base = path
            .file_name()
            .or(real.file_name())
            .unwrap_or_default()
            .to_owned();
        let (folder, name) = match (contents, real.parent(), real.file_name()) {
            (false, Some(folder), Some(name)) => (folder.to_owned(), name.to_owned()),
            _ => (real, OsString::new()),
        };
        Ok(Self {
            folder: File::open(&folder).with_context(told)?.into(),
            name,
            base,
            directory: metadata.is_dir(),
        })
    }

    /// A path of a container.
    ///
    /// # Errors
    /// `Could not find the file PATH in container NAME`, as docker has it.
    pub fn inside(
        tree: &mut Tree,
        path: &Path,
        follow: bool,
        container: &str,
    ) -> anyhow::Result<Self> {
        let told = |_| lost(path, container);
        let contents = contents(path);
        let named = clean(path)?;
        let real = match follow || contents {
            true => followed(tree, &named),
            false => Ok(named.clone()),
        };
        let real = real.map_err(told)?;
        let base = named.file_name().unwrap_or_default().to_owned();
        let Some(place) = existing(tree, &real).map_err(told)? else {
            // The root itself.
            return Ok(Self {
                folder: tree.root().try_clone_to_owned()?,
                name: OsString::new(),
                base: OsString::new(),
                directory: true,
            });
        };
        let stat = place.stat().map_err(|_| lost(path, container))?;
        let directory = kind(&stat) == SFlag::S_IFDIR;
        let (folder, name) = match contents && directory {
            true => (
                place.open(OFlag::O_DIRECTORY, nix::sys::stat::Mode::empty())?,
                OsString::new(),
            ),
            false => (place.folder.try_clone()?, place.name),
        };
        Ok(Self {
            folder,
            name,
            base,
            directory,
        })
    }

    /// Packs it, under the name `path`; without one what is in it goes by its own names.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn pack(self, path: Option<&Path>, to: impl Write) -> anyhow::Result<()> {
        let mut pack = Pack::new(to, pack::How::default());
        match path {
            _ if self.name.is_empty() => {
                pack.directory(self.folder, path.unwrap_or(Path::new("")))?;
            }
            Some(path) => pack.entry(&self.folder, &self.name, path)?,
            None => pack.entry(&self.folder, &self.name, Path::new(&self.base))?,
        }
        pack.finish()
    }
}

/// Where something is copied to: a tree, and a path in it.
#[derive(Debug)]
pub struct Target {
    tree: Tree,
    /// Of a directory that is there.
    folder: PathBuf,
    /// The new name; `None`: as the source is called.
    name: Option<OsString>,
    /// What the source is if it is one directory: its files land here, not itself.
    merge: bool,
}

impl Target {
    /// A path of the machine.
    ///
    /// # Errors
    /// A folder that is not there; a directory onto a file.
    pub fn local(path: &Path, source: &Source) -> anyhow::Result<Self> {
        let there = fs::metadata(path).ok();
        let absolute = std::path::absolute(path)?;
        let into = there.as_ref().is_some_and(fs::Metadata::is_dir);
        let (folder, name) = split(path, &absolute, there.map(|found| found.is_dir()), source)?;
        let tree = Tree::open(&folder)
            .with_context(|| format!("invalid output path: directory {folder:?} does not exist"))?;
        Ok(Self {
            tree,
            folder: PathBuf::new(),
            name,
            merge: into && source.name.is_empty(),
        })
    }

    /// A path of a container, its links followed inside.
    ///
    /// # Errors
    /// As [`Target::local`].
    pub fn inside(
        mut tree: Tree,
        path: &Path,
        source: &Source,
        container: &str,
    ) -> anyhow::Result<Self> {
        let named = clean(path)?;
        let real = followed(&mut tree, &named).unwrap_or(named);
        let there = match existing(&mut tree, &real) {
            Ok(None) => Some(true),
            Ok(Some(place)) => place.stat().ok().map(|stat| kind(&stat) == SFlag::S_IFDIR),
            Err(_) => None,
        };
        let (folder, name) = split(path, &real, there, source)?;
        tree.resolve(&folder, OFlag::O_DIRECTORY | OFlag::O_PATH)
            .map_err(|_| lost(&Path::new("/").join(&folder), container))?;
        Ok(Self {
            tree,
            folder,
            name,
            merge: there == Some(true) && source.name.is_empty(),
        })
    }

    /// Copies, and gives how many bytes the archive had. `owner`: whose the files
    /// become; `None` keeps theirs.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn copy(self, source: Source, owner: Option<(u64, u64)>) -> anyhow::Result<u64> {
        let name = match (self.merge, &self.name) {
            (true, _) => None,
            (false, Some(name)) => Some(name.clone()),
            (false, None) => Some(source.base.clone()),
        };
        let path = match name {
            Some(name) => self.folder.join(name),
            None => self.folder.clone(),
        };
        // A directory whose contents are meant is made first when it is a new one.
        if source.name.is_empty() && !self.merge {
            let place = existing(&mut self.tree.duplicate()?, &path)?;
            if let Some(place) = place {
                let mode = nix::sys::stat::Mode::from_bits_truncate(0o755);
                nix::sys::stat::mkdirat(&*place.folder, &*place.name, mode)
                    .with_context(|| format!("mkdir {}", path.display()))?;
            }
        }
        let (reader, writer) = io::pipe()?;
        let mut counted = Counted {
            inner: BufReader::with_capacity(64 << 10, reader),
            bytes: 0,
        };
        let (packed, unpacked) = std::thread::scope(|scope| {
            let packing = scope.spawn(move || {
                let writer = BufWriter::with_capacity(64 << 10, writer);
                source.pack(Some(&path), writer)
            });
            let unpacked = extract(&mut counted, self.tree, owner);
            let bytes = counted.bytes;
            // An error leaves the rest unread: then the other end is told (EPIPE).
            drop(counted);
            (packing.join(), unpacked.map(|()| bytes))
        });
        let broken = |error: &anyhow::Error| {
            let cause = error.downcast_ref::<io::Error>();
            cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
        };
        match packed {
            Ok(Err(error)) if !broken(&error) => Err(error),
            _ => unpacked,
        }
    }
}

/// Unpacks an archive into a directory of a tree, `folder`.
///
/// # Errors
/// Not a directory; what cannot be written; an archive that leads out.
pub fn extract_into(
    tree: &Tree,
    folder: &Path,
    archive: impl Read,
    owner: Option<(u64, u64)>,
) -> anyhow::Result<()> {
    let folder = tree.resolve(&clean(folder)?, OFlag::O_DIRECTORY | OFlag::O_RDONLY)?;
    extract(archive, Tree::of(folder), owner)
}

fn extract(archive: impl Read, tree: Tree, owner: Option<(u64, u64)>) -> anyhow::Result<()> {
    let how = unpack::How {
        layer: false,
        class: Class::User,
        owner,
        // Whoever copies has the files already.
        limits: Limits {
            bytes: u64::MAX,
            files: u64::MAX,
        },
    };
    unpack(archive, tree, how).map(drop)
}

/// Whose files are that are copied out: the user's.
pub fn caller() -> (u64, u64) {
    (geteuid().as_raw().into(), getegid().as_raw().into())
}

/// `PATH/` and `PATH/.` mean what is in it.
fn contents(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/.") || path == Path::new(".")
}

/// The folder, and the name in it, that a destination means.
fn split(
    given: &Path,
    path: &Path,
    directory: Option<bool>,
    source: &Source,
) -> anyhow::Result<(PathBuf, Option<OsString>)> {
    let wants_directory = given.as_os_str().as_bytes().ends_with(b"/");
    match directory {
        Some(true) => Ok((path.to_owned(), None)),
        Some(false) if source.directory => bail!("cannot copy directory"),
        Some(false) if wants_directory => bail!("not a directory"),
        None if wants_directory && !source.directory => bail!("no such directory"),
        _ => {
            let name = path.file_name().context("the root is a directory")?;
            let folder = path.parent().unwrap_or(Path::new(""));
            Ok((folder.to_owned(), Some(name.to_owned())))
        }
    }
}

/// The place of a path whose directory is there; `None` for the root itself.
fn existing(tree: &mut Tree, path: &Path) -> anyhow::Result<Option<Place>> {
    let Some(name) = path.file_name() else {
        return Ok(None);
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = tree.resolve(folder, OFlag::O_DIRECTORY | OFlag::O_RDONLY)?;
    Ok(Some(Place {
        folder: folder.into(),
        name: name.to_owned(),
    }))
}

/// The path that a link at the end of `path` leads to in the end.
fn followed(tree: &mut Tree, path: &Path) -> anyhow::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Some(place) = existing(tree, &path)? else {
            return Ok(path);
        };
        if kind(&place.stat()?) != SFlag::S_IFLNK {
            return Ok(path);
        }
        let target = readlinkat(&*place.folder, &*place.name)?;
        // An absolute one replaces the whole path; `..` above the root stays there.
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        path = in_root(&folder.join(OsStr::from_bytes(target.as_bytes())))?;
    }
    bail!("{}: too many levels of symbolic links", path.display())
}

fn in_root(path: &Path) -> anyhow::Result<PathBuf> {
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => real.push(name),
            std::path::Component::ParentDir => {
                real.pop();
            }
            std::path::Component::RootDir => real.clear(),
            _ => {}
        }
    }
    clean(&real)
}

/// docker's words for a file that is not there.
fn lost(path: &Path, container: &str) -> anyhow::Error {
    let path = path.display();
    anyhow!("Could not find the file {path} in container {container}")
}

/// Reads, and counts.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
