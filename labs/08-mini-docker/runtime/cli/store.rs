//! What the runtime remembers of a container between its commands.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::runtime::cgroup::Cgroup;

/// `--root`.
#[derive(Debug)]
pub struct Store {
    pub root: PathBuf,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub bundle: PathBuf,
    /// In the PID namespace of who has made it.
    pub pid: i32,
    /// When that process began, in the kernel's ticks: the same number with another
    /// beginning is another process.
    pub began: u64,
    pub cgroup: String,
    pub created: String,
    /// As it was at the creation: the file in the bundle may change.
    pub spec: Spec,
}

impl Store {
    /// The folder of a container.
    ///
    /// # Errors
    /// An id that would be a path.
    pub fn folder(&self, id: &str) -> anyhow::Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        if id.is_empty() || id == "." || id == ".." || !id.chars().all(plain) {
            bail!("invalid container ID format: {id:?}");
        }
        Ok(self.root.join(id))
    }

    /// Claims an id.
    ///
    /// # Errors
    /// There is one of this id.
    pub fn claim(&self, id: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder(id)?;
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o711).recursive(true);
        builder
            .create(&self.root)
            .with_context(|| format!("mkdir {}", self.root.display()))?;
        builder.recursive(false);
        match builder.create(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!("container with given ID already exists")
            }
            made => made.with_context(|| format!("mkdir {}", folder.display()))?,
        }
        Ok(folder)
    }

    /// # Errors
    /// `container does not exist`, which callers look for.
    pub fn find(&self, id: &str) -> anyhow::Result<Record> {
        let path = self.folder(id)?.join("state.json");
        if !path.exists() {
            bail!("container does not exist");
        }
        files::read_json(&path)
    }

    /// # Errors
    /// A full disk.
    pub fn save(&self, record: &Record) -> anyhow::Result<()> {
        files::write_json(&self.folder(&record.id)?.join("state.json"), record)
    }

    /// `created`, `running`, `paused` or `stopped`, by looking.
    pub fn status(&self, record: &Record) -> &'static str {
        if began(record.pid) != Some(record.began) {
            return "stopped";
        }
        let waits = self
            .folder(&record.id)
            .is_ok_and(|folder| folder.join("gate").exists());
        let cgroup = Cgroup::of(&record.cgroup);
        match waits {
            true => "created",
            false if cgroup.is_some_and(|cgroup| cgroup.is_frozen()) => "paused",
            false => "running",
        }
    }

    /// The same, for what needs a process that lives.
    ///
    /// # Errors
    /// There is none.
    pub fn alive(&self, id: &str) -> anyhow::Result<Record> {
        let record = self.find(id)?;
        match self.status(&record) {
            "stopped" => bail!("container not running"),
            _ => Ok(record),
        }
    }

    /// The records of all containers; what is half made is left out.
    pub fn all(&self) -> Vec<Record> {
        let entries = std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten();
        let mut records: Vec<Record> = entries
            .filter_map(|entry| self.find(&entry.file_name().to_string_lossy()).ok())
            .collect();
        records.sort_by(|a, b| a.id.cmp(&b.id));
        records
    }
}

/// When a process began; `None` for one that is not there, or is a zombie.
pub fn began(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields are counted after it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        // State is field 3, the beginning field 22.
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// A socket's path has 108 bytes at most, a container's folder any number: by the
/// folder's descriptor it is short.
fn address(folder: &File) -> nix::Result<UnixAddr> {
    UnixAddr::new(format!("/proc/self/fd/{}/gate", folder.as_raw_fd()).as_str())
}

fn new_socket() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// Where the first process will wait.
///
/// # Errors
/// The folder is gone.
pub fn make_gate(folder: &Path) -> anyhow::Result<OwnedFd> {
    let open = File::open(folder)?;
    let gate = new_socket().context("socket")?;
    bind(gate.as_raw_fd(), &address(&open)?).context("bind(gate)")?;
    listen(&gate, Backlog::new(1)?).context("listen(gate)")?;
    Ok(gate)
}

/// Goes there.
///
/// # Errors
/// It has been started, or has ended.
pub fn knock(folder: &Path) -> anyhow::Result<OwnedFd> {
    let open = File::open(folder)?;
    let socket = new_socket().context("socket")?;
    connect(socket.as_raw_fd(), &address(&open)?)
        .context("cannot start a container that has stopped or is started already")?;
    Ok(socket)
}

/// A socket of the caller's, for the master of a terminal.
///
/// # Errors
/// Nobody listens there.
pub fn console(path: &Path) -> anyhow::Result<OwnedFd> {
    let stream = std::os::unix::net::UnixStream::connect(path)
        .with_context(|| format!("--console-socket {}", path.display()))?;
    Ok(stream.into())
}

/// Our own standard input, output and error.
///
/// # Errors
/// One of them is closed.
pub fn stdio() -> anyhow::Result<[OwnedFd; 3]> {
    let copy = |number: i32| -> anyhow::Result<OwnedFd> {
        // SAFETY: takes a number; a descriptor that comes back is new and ours.
        let fd = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        match fd {
            // SAFETY: as above.
            0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            // Started without it: nothing to read, and nobody who reads.
            _ => Ok(File::options()
                .read(true)
                .write(true)
                .open("/dev/null")?
                .into()),
        }
    };
    Ok([copy(0)?, copy(1)?, copy(2)?])
}

/// Nothing to read, and nobody who reads.
///
/// # Errors
/// No descriptors left.
pub fn null() -> anyhow::Result<[OwnedFd; 3]> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    Ok([
        null.try_clone()?.into(),
        null.try_clone()?.into(),
        null.into(),
    ])
}

/// `--pid-file`: at once, because who waits for it reads it when it appears.
///
/// # Errors
/// It cannot be written.
pub fn write_pid(path: &Option<PathBuf>, pid: i32) -> anyhow::Result<()> {
    match path {
        Some(path) => files::write(path, pid.to_string().as_bytes()),
        None => Ok(()),
    }
}
