//! Writing files so that a crash at any moment leaves the old one or the new one.
//!
//! Read: rename(2), fsync(2), flock(2)

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A lock between processes: gone with the process that holds it, however it ends.
///
/// It belongs to the open file, not to the process: a child that was forked holds it
/// as well, and it is free when the last of them has closed it. So a command takes
/// it, forks a monitor and drops it, and at no moment nobody has it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Waits until nobody else has it.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn wait(path: &Path) -> anyhow::Result<Self> {
        loop {
            let file = open(path)?;
            flock(&file, libc::LOCK_EX).with_context(|| format!("flock {}", path.display()))?;
            // Whoever had it may have removed the file: then another one has its name.
            if file.metadata().is_ok_and(|metadata| metadata.nlink() > 0) {
                return Ok(Self { file });
            }
        }
    }

    /// Waits until nobody has it alone; others may share it.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn share(path: &Path) -> anyhow::Result<Self> {
        let file = open(path)?;
        flock(&file, libc::LOCK_SH).with_context(|| format!("flock {}", path.display()))?;
        Ok(Self { file })
    }

    /// Takes it if nobody has it; `None` where somebody does.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn attempt(path: &Path) -> anyhow::Result<Option<Self>> {
        Self::of(open(path)?).with_context(|| format!("flock {}", path.display()))
    }

    /// The same on a file or folder that is open.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn of(file: File) -> nix::Result<Option<Self>> {
        match flock(&file, libc::LOCK_EX | libc::LOCK_NB) {
            Ok(()) if file.metadata().is_ok_and(|metadata| metadata.nlink() > 0) => {
                Ok(Some(Self { file }))
            }
            Ok(()) | Err(Errno::EWOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Waits until nobody has an open file locked any more, without keeping it.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn after(file: File) -> nix::Result<()> {
        flock(&file, libc::LOCK_SH)
    }

    /// The descriptor: what a forked process must keep open.
    pub fn descriptor(&self) -> i32 {
        self.file.as_raw_fd()
    }
}

/// nix's own lock gives itself up when it is dropped, also for a forked child.
fn flock(file: &File, how: i32) -> nix::Result<()> {
    loop {
        // SAFETY: a descriptor and a number.
        match Errno::result(unsafe { libc::flock(file.as_raw_fd(), how) }) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// Puts `bytes` at `path`: into a file beside it, which then takes its name.
///
/// # Errors
/// A full or read-only disk, with the path; the old file is unchanged then.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace(path, bytes, true)
}

/// The same without waiting for the disk: for what is worth nothing after a power
/// failure, as all that belongs to a container of `--rm`. A crash of the process
/// alone loses nothing here either.
///
/// # Errors
/// As [`write`].
pub fn write_soon(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durable: bool) -> anyhow::Result<()> {
    let new = beside(path);
    step("write");
    let result = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            if durable { file.sync_data() } else { Ok(()) }
        })
        .and_then(|()| {
            step("rename");
            fs::rename(&new, path)
        });
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result.with_context(|| format!("write {}", path.display()))
}

/// The same for a value, as JSON.
///
/// # Errors
/// As [`write`].
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write(path, &serde_json::to_vec(value)?)
}

/// Reads what [`write_json`] has written.
///
/// # Errors
/// No such file; a file that is no such JSON, with its path, line and column.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is damaged; a copy may help", path.display()))
}

/// A name in the same folder that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// A step of a change on disk or in the kernel. For the tests of crashes, a build
/// with debug assertions dies at the step that `MINI_DOCKER_KILL_AT` counts to, as
/// if somebody had sent SIGKILL just before it.
pub fn step(what: &str) {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::{AtomicU32, Ordering};
        static LEFT: AtomicU32 = AtomicU32::new(u32::MAX);
        if LEFT.load(Ordering::Relaxed) == u32::MAX {
            let asked = std::env::var("MINI_DOCKER_KILL_AT").ok();
            let asked = asked.and_then(|number| number.parse().ok()).unwrap_or(0);
            LEFT.store(asked, Ordering::Relaxed);
        }
        match LEFT.load(Ordering::Relaxed) {
            0 => {}
            1 => {
                eprintln!("killed before: {what}");
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            }
            left => LEFT.store(left - 1, Ordering::Relaxed),
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = what;
}
