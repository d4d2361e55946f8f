//! A directory whose files are made by names that somebody else has chosen.
//!
//! Such a name must never lead out of it: not by `..`, not by an absolute path and
//! not by a symbolic link that was put in the way a moment before. So the directory
//! that a name lies in is opened by openat2(2) with RESOLVE_IN_ROOT, where `/` and
//! `..` are this tree's, and everything is done in that open directory to a last
//! component that is never followed.
//!
//! Read: openat2(2), symlink(7), path_resolution(7)

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// The most components of a path: far more than any image has, and few enough that
/// a walk through them ends.
pub const DEPTH: usize = 512;

/// A tree, held open.
#[derive(Debug)]
pub struct Tree {
    root: Rc<OwnedFd>,
    /// The directory of the last name: archives go through them one by one.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

/// A name in a tree: its directory, open, and the last component.
#[derive(Clone, Debug)]
pub struct Place {
    pub folder: Rc<OwnedFd>,
    pub name: OsString,
}

impl Place {
    /// What is there, not followed.
    ///
    /// # Errors
    /// ENOENT.
    pub fn stat(&self) -> nix::Result<FileStat> {
        fstatat(&*self.folder, &*self.name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// A path for calls that take no descriptor. All but the last component is
    /// resolved already.
    pub fn path(&self) -> PathBuf {
        Path::new(&labs::root::path_of(&*self.folder)).join(&self.name)
    }

    /// Opens it with flags; a symbolic link is ELOOP.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn open(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&*self.folder, &*self.name, flags, mode)
    }
}

impl Tree {
    /// Opens the directory `root`.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let fd = nix::fcntl::open(root, flags, Mode::empty())
            .with_context(|| format!("open {}", root.display()))?;
        Ok(Self::of(fd))
    }

    /// The tree of an open directory.
    pub fn of(fd: OwnedFd) -> Self {
        Self {
            root: Rc::new(fd),
            last: None,
        }
    }

    /// The same tree once more.
    ///
    /// # Errors
    /// Too many open files.
    pub fn duplicate(&self) -> anyhow::Result<Self> {
        Ok(Self::of(self.root.try_clone()?))
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens what a path leads to in this tree, links in it followed *there*.
    ///
    /// # Errors
    /// Those of openat2(2): ENOENT, ELOOP, ENOTDIR.
    pub fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = match path.as_os_str().is_empty() {
            true => Path::new("/"),
            false => path,
        };
        // EAGAIN: somebody renames directories while we look, so that the kernel
        // cannot be sure. A few more looks, as openat2(2) advises.
        for _ in 0..32 {
            match openat2(&*self.root, path, how) {
                Err(Errno::EAGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// The place that a clean path names, with its directory where `made` makes it:
    /// each missing one, told to `made`.
    ///
    /// # Errors
    /// A directory that is missing or a file in the way.
    pub fn place(&mut self, path: &Path, mut made: impl FnMut(&Path)) -> anyhow::Result<Place> {
        let name = path.file_name().context("the root itself has no name")?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let fd = match &self.last {
            Some((last, fd)) if last == folder => Rc::clone(fd),
            _ => {
                let fd = Rc::new(self.directory(folder, &mut made)?);
                self.last = Some((folder.to_owned(), Rc::clone(&fd)));
                fd
            }
        };
        Ok(Place {
            folder: fd,
            name: name.to_owned(),
        })
    }

    /// To be called when a directory or a link has been removed or replaced: names
    /// may lead elsewhere now.
    pub fn forget(&mut self) {
        self.last = None;
    }

    fn directory(&self, path: &Path, made: &mut dyn FnMut(&Path)) -> anyhow::Result<OwnedFd> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY;
        match self.resolve(path, flags) {
            Err(Errno::ENOENT) => {}
            result => return result.with_context(|| format!("open {}", path.display())),
        }
        let above = path.parent().context("the root is there")?;
        let folder = self.directory(above, made)?;
        let name = path.file_name().unwrap_or_default();
        // EEXIST: a link that leads nowhere. Nothing is made where it points to.
        mkdirat(&folder, name, Mode::from_bits_truncate(0o755))
            .with_context(|| format!("mkdir {}", path.display()))?;
        made(path);
        self.resolve(path, flags)
            .with_context(|| format!("open {}", path.display()))
    }
}

/// A path of an archive as a path below a root: no `.`, no leading slash, and `..`
/// only where it stays inside. The root is the empty path.
///
/// # Errors
/// A path that leads out, is too deep, or has a NUL byte.
pub fn clean(path: &Path) -> anyhow::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => {
                bail!("{path:?} leads out of the layer")
            }
            _ => {}
        }
    }
    let bytes = clean.as_os_str().as_bytes();
    if clean.components().count() > DEPTH || bytes.len() >= 4096 {
        bail!("a path of {} bytes is too deep", bytes.len());
    }
    if bytes.contains(&0) {
        bail!("{path:?} has a NUL byte");
    }
    Ok(clean)
}

/// Removes whatever is at a place, and all below it; nothing there is no error. No
/// link is followed.
///
/// # Errors
/// What the kernel refuses.
pub fn remove(folder: BorrowedFd, name: &OsStr) -> nix::Result<()> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => {}
        Err(Errno::ENOENT) => return Ok(()),
        result => return result,
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = || openat(folder, name, flags, Mode::empty());
    let fd = match open() {
        Err(Errno::EACCES) => {
            // Without CAP_DAC_OVERRIDE a directory's own mode keeps its owner out.
            let mode = Mode::S_IRWXU;
            nix::sys::stat::fchmodat(
                folder,
                name,
                mode,
                nix::sys::stat::FchmodatFlags::FollowSymlink,
            )?;
            open()?
        }
        result => result?,
    };
    let mut entries = Dir::from_fd(fd)?;
    let names: Vec<_> = entries
        .iter()
        .flatten()
        .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        .filter(|name| name != "." && name != "..")
        .collect();
    let this = entries.as_raw_fd();
    // SAFETY: `entries` owns the descriptor and lives until the end of this function.
    let this = unsafe { BorrowedFd::borrow_raw(this) };
    for name in names {
        match remove(this, &name) {
            // Its owner may have kept himself out of the directory.
            Err(Errno::EACCES) => {
                nix::sys::stat::fchmod(this, Mode::S_IRWXU)?;
                remove(this, &name)?;
            }
            result => result?,
        }
    }
    unlinkat(folder, name, UnlinkatFlags::RemoveDir)
}

/// The type bits of a mode.
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_path_stays_below_the_root() {
        let clean = |path: &str| clean(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(clean("./a//b/.").unwrap(), "a/b");
        assert_eq!(clean("/etc/passwd").unwrap(), "etc/passwd");
        assert_eq!(clean("a/../b").unwrap(), "b");
        assert_eq!(clean("./").unwrap(), "");
        assert!(clean("../a").is_err());
        assert!(clean("a/../../b").is_err());
        assert!(clean(&"a/".repeat(DEPTH + 1)).is_err());
    }
}
