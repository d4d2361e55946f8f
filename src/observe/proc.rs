//! What `/proc/PID` shows of a process from outside. See proc_pid(5).

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::{Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat};

use crate::state::facts::{NamespaceId, NamespaceKind};

/// The most that is read of one file: a process can make its own tables huge.
pub const READ_LIMIT: u64 = 4 << 20;

/// `NS_GET_USERNS`, `NS_GET_PARENT` and `NS_GET_OWNER_UID` of ioctl_nsfs(2).
const NS_GET_USERNS: libc::Ioctl = 0xb701;
const NS_GET_PARENT: libc::Ioctl = 0xb702;
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704;

/// A process by its `/proc/PID` directory, held open: once the process has
/// ended every read fails, even when its number is in use again.
pub struct ProcDir {
    pub pid: i32,
    dir: OwnedFd,
}

impl ProcDir {
    /// Errors: `process N is gone`.
    pub fn open(pid: i32) -> Result<Self> {
        let dir = nix::fcntl::open(
            format!("/proc/{pid}").as_str(),
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| match errno {
            Errno::ENOENT => anyhow!("process {pid} is gone"),
            errno => anyhow!("open(\"/proc/{pid}\"): {errno}"),
        })?;
        Ok(Self { pid, dir })
    }

    /// The directory itself, for a reader in other namespaces.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// A file's text, at most [`READ_LIMIT`] bytes of it.
    pub fn read(&self, name: &str) -> Result<String> {
        read_at(self.dir.as_fd(), name).map_err(|errno| self.explain(name, errno))
    }

    /// A file's text, or `None` where this kernel has no such file.
    pub fn read_if_any(&self, name: &str) -> Result<Option<String>> {
        match read_at(self.dir.as_fd(), name) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.explain(name, errno)),
        }
    }

    /// Where a link of the process (`root`, `cwd`, `exe`) leads.
    pub fn link(&self, name: &str) -> Result<String> {
        readlinkat(&self.dir, name)
            .map(|target| visible(target.to_string_lossy().into_owned()))
            .map_err(|errno| self.explain(name, errno))
    }

    /// One of its namespaces, or `None` where this kernel has no such type
    /// (or, for `pid_for_children`, where it has no first process yet).
    pub fn namespace(&self, kind: NamespaceKind) -> Result<Option<Namespace>> {
        let name = format!("ns/{}", kind.name());
        match openat(
            &self.dir,
            name.as_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ) {
            Ok(fd) => Namespace::from_fd(fd).map(Some),
            Err(Errno::ENOENT) => match kind {
                NamespaceKind::Cgroup
                | NamespaceKind::Time
                | NamespaceKind::TimeForChildren
                | NamespaceKind::PidForChildren => Ok(None),
                // A zombie has left its namespaces.
                _ => Err(anyhow!("process {} is gone", self.pid)),
            },
            Err(errno) => Err(self.explain(&name, errno)),
        }
    }

    fn explain(&self, name: &str, errno: Errno) -> anyhow::Error {
        let pid = self.pid;
        match errno {
            Errno::ENOENT | Errno::ESRCH => anyhow!("process {pid} is gone"),
            Errno::EACCES | Errno::EPERM => anyhow!(
                "open(\"/proc/{pid}/{name}\"): {errno}: the process belongs to another user or hides itself (PR_SET_DUMPABLE); look as its owner or as root"
            ),
            errno => anyhow!("open(\"/proc/{pid}/{name}\"): {errno}"),
        }
    }
}

/// A namespace held open, with its identity.
pub struct Namespace {
    pub fd: OwnedFd,
    pub id: NamespaceId,
}

impl Namespace {
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let stat = fstat(&fd).map_err(|errno| anyhow!("fstat(namespace): {errno}"))?;
        Ok(Self {
            fd,
            id: NamespaceId(stat.st_ino),
        })
    }

    /// The caller's own namespace of a kind.
    pub fn own(kind: NamespaceKind) -> Result<Self> {
        let path = format!("/proc/self/ns/{}", kind.name());
        let fd = nix::fcntl::open(
            path.as_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| anyhow!("open(\"{path}\"): {errno}"))?;
        Self::from_fd(fd)
    }

    /// The user namespace that owns it; `None` when that is above the caller's.
    pub fn owner(&self) -> Option<Namespace> {
        self.related(NS_GET_USERNS)
    }

    /// The parent of a user or PID namespace; `None` when that is above the
    /// caller's.
    pub fn parent(&self) -> Option<Namespace> {
        self.related(NS_GET_PARENT)
    }

    /// The user (as the caller counts) who made this user namespace.
    pub fn owner_uid(&self) -> Option<u32> {
        let mut uid: libc::uid_t = 0;
        // SAFETY: NS_GET_OWNER_UID writes one uid_t to the address given.
        let done = unsafe { libc::ioctl(self.fd.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
        (done == 0).then_some(uid)
    }

    fn related(&self, request: libc::Ioctl) -> Option<Namespace> {
        // SAFETY: these two requests take no argument and return a new descriptor.
        let fd = unsafe { libc::ioctl(self.fd.as_raw_fd(), request) };
        if fd < 0 {
            return None;
        }
        // SAFETY: the kernel has just made this descriptor for us (close-on-exec).
        Self::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }).ok()
    }
}

/// A path with each name of 64 hexadecimal digits as `ID`. Container engines draw
/// such names at random, or compute them from what this machine has.
pub fn without_digests(path: &str) -> String {
    const DIGITS: usize = 64;
    let names = path.split('/').map(|name| {
        // `lowerdir=/…/ID/diff:/…`: names end at a slash anyway.
        let digest = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digest { "ID" } else { name }
    });
    names.collect::<Vec<_>>().join("/")
}

/// Reads a file below a directory, at most [`READ_LIMIT`] bytes of it.
pub fn read_at(dir: BorrowedFd<'_>, name: &str) -> Result<String, Errno> {
    let fd = openat(
        dir,
        name,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY,
        Mode::empty(),
    )?;
    read_fd(fd)
}

/// Reads what is left of a descriptor, at most [`READ_LIMIT`] bytes of it.
pub fn read_fd(fd: OwnedFd) -> Result<String, Errno> {
    let mut bytes = Vec::with_capacity(4096);
    File::from(fd)
        .take(READ_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if text.chars().any(acts_on_a_terminal) {
        return Ok(text
            .split_inclusive(['\n', '\t'])
            .map(visible_line)
            .collect());
    }
    Ok(text)
}

/// The line feeds and tabs that part a file's fields stay.
fn visible_line(line: &str) -> String {
    let end = line.len() - usize::from(line.ends_with(['\n', '\t']));
    visible(line[..end].to_owned()) + &line[end..]
}

/// A name that somebody gave, with what a terminal would act on written out:
/// an observation is shown to people, and the observed may be hostile.
pub fn visible(name: String) -> String {
    if !name
        .chars()
        .any(|c| acts_on_a_terminal(c) || "\n\t".contains(c))
    {
        return name;
    }
    let mut shown = String::with_capacity(name.len() + 16);
    for c in name.chars() {
        match acts_on_a_terminal(c) || "\n\t".contains(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Control characters, and those that turn the direction of the text.
fn acts_on_a_terminal(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !"\n\t".contains(c))
}

/// Reads a file by its path likewise; `None` when it cannot be read.
pub fn read_path(path: &str) -> Option<String> {
    let path = CString::new(path).ok()?;
    let fd = nix::fcntl::open(
        path.as_c_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY,
        Mode::empty(),
    )
    .ok()?;
    read_fd(fd).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_names_of_containers_are_told_alike() {
        let digest = "0123456789abcdef".repeat(4);
        let told = without_digests(&format!("lowerdir=/l/{digest}/diff:/l/{digest}x/diff"));
        assert_eq!(told, format!("lowerdir=/l/ID/diff:/l/{digest}x/diff"));
        assert_eq!(without_digests(&format!("/docker/{digest}")), "/docker/ID");
        assert_eq!(without_digests("/"), "/");
    }
}
