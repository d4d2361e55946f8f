//! A path *of the new root*, resolved there.
//!
//! Whoever made the root decides what its links say. Is `ROOT/dev` a link to
//! `/etc`, then mount(2) on "ROOT/dev" goes to the host's /etc: the kernel follows
//! it from *our* root. Runtimes have had that hole again and again. So a path is
//! resolved by openat2(2) with RESOLVE_IN_ROOT, where `/` and `..` are the new
//! root's, and everything is then done to the descriptor, through /proc/self/fd.
//!
//! Read: openat2(2), symlink(7), proc_pid_fd(5)

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, mkdirat};

use crate::explain::{CallError, Explain};

/// What to make where the path leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// It is an error (ENOENT): what is to be masked is there, or needs no mask.
    Nothing,
    /// What a directory, or a file system, is mounted on.
    Directory,
    /// An empty one: what a file can be mounted on.
    File,
}

/// The new root, held open: it stays the same directory whatever its name leads to.
pub struct Root {
    /// O_PATH: good for naming it and what is below, not for reading it.
    fd: OwnedFd,
}

impl Root {
    /// To be called when the root is a mount already: what is mounted over a directory
    /// later is not seen through a descriptor from before. ENOENT, ENOTDIR.
    pub fn open(explain: Explain, path: &Path) -> Result<Self, CallError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = explain.call_returning(
            format!("open({path:?}, O_PATH|O_DIRECTORY|O_CLOEXEC)"),
            open(path, flags, Mode::empty()),
            |fd| fd.as_raw_fd().into(),
        )?;
        Ok(Self { fd })
    }

    /// The path of this directory for calls that take no descriptor.
    pub fn path(&self) -> String {
        path_of(&self.fd)
    }

    /// The directory itself, for calls that take one.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a path of the new root, without any right but to name it (O_PATH).
    /// ENOENT where nothing is there and nothing was to be made.
    pub fn inside(&self, explain: Explain, path: &Path, make: Make) -> Result<OwnedFd, CallError> {
        if make != Make::Nothing {
            self.make(explain, path, make)?;
        }
        // Every part of the way is looked up in the root: an absolute link begins here
        // and not at the host's /, and `..` does not lead above.
        explain.call_returning(
            format!(
                "openat2({}, {path:?}, {{O_PATH|O_CLOEXEC, RESOLVE_IN_ROOT}})",
                self.fd.as_raw_fd()
            ),
            self.resolve(path, OFlag::O_PATH),
            |fd| fd.as_raw_fd().into(),
        )
    }

    /// The same for a directory whose place has to be exactly this path: made where it
    /// is missing, refused (ELOOP) where a link is on the way, even one that stays
    /// inside.
    pub fn inside_without_links(
        &self,
        explain: Explain,
        path: &Path,
    ) -> Result<OwnedFd, CallError> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let mut opened = openat2(self.fd.as_fd(), path, how);
        if matches!(opened, Err(Errno::ENOENT)) {
            self.make(explain, path, Make::Directory)?;
            opened = openat2(self.fd.as_fd(), path, how);
        }
        explain.call_returning(
            format!(
                "openat2({}, {path:?}, {{O_PATH|O_DIRECTORY|O_CLOEXEC, \
                 RESOLVE_IN_ROOT|RESOLVE_NO_SYMLINKS}})",
                self.fd.as_raw_fd()
            ),
            opened,
            |fd| fd.as_raw_fd().into(),
        )
    }

    /// Every directory on the way that is missing, then the thing itself.
    fn make(&self, explain: Explain, path: &Path, make: Make) -> Result<(), CallError> {
        let missing = |way: &Path| matches!(self.resolve(way, OFlag::O_PATH), Err(Errno::ENOENT));
        // There, or in the way: the last openat2 tells which.
        if !missing(path) {
            return Ok(());
        }
        // Mostly it is but the end that is missing.
        let only_end = path.parent().is_some_and(|above| !missing(above));
        let mut way = std::path::PathBuf::new();
        // Part by part, because a link in the middle may lead anywhere in the root, and
        // what is missing has to be made where it leads to.
        for part in path.components() {
            let above = way.clone();
            way.push(part);
            let is_missing = match only_end {
                true => way == path,
                false => missing(&way),
            };
            if !is_missing {
                continue;
            }
            // Both are made by name in a directory that was resolved in the root.
            let folder = self.resolve(&above, OFlag::O_PATH);
            if way == path && make == Make::File {
                let file = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
                explain.call(
                    format!(
                        "openat2(…, {way:?}, {{O_CREAT|O_EXCL|O_WRONLY, 0644, RESOLVE_IN_ROOT}})"
                    ),
                    self.resolve(&way, file),
                )?;
            } else {
                // A dangling link has the name already: EEXIST, and nothing is made where
                // it points to.
                let name = Path::new(part.as_os_str());
                explain.call(
                    format!("mkdirat(…, {name:?}, 0755)"),
                    folder
                        .and_then(|folder| mkdirat(&folder, name, Mode::from_bits_truncate(0o755))),
                )?;
            }
        }
        Ok(())
    }

    /// openat2(2), Linux 5.6; the flag is the whole protection.
    fn resolve(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            // Unlike open(2), it refuses a mode where nothing is made (EINVAL).
            .mode(if flags.contains(OFlag::O_CREAT) {
                Mode::from_bits_truncate(0o644)
            } else {
                Mode::empty()
            })
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        // An empty path is the root itself.
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        openat2(self.fd.as_fd(), path, how)
    }
}

/// mount(2) and umount2(2) take paths only. This link leads to the open file itself,
/// whatever lies at its path by now.
/// A name for what is open, that is good whatever happens to its path.
pub fn path_of(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
