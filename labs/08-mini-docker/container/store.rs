//! Finding, naming, keeping and removing containers on disk.
//!
//! A name is a symbolic link to an id, and symlink(2) gives it to one alone. How a
//! container comes into being is told in `making`; removal goes the same way back.
//!
//! Read: symlink(2), rename(2), flock(2)

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use super::clear;
use super::record::{Container, State, Status};
use crate::engine::Engine;
use crate::files::{self, Lock, step};

/// docker's time for what has never been.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container of a name, an id, or the beginning of one.
///
/// # Errors
/// `No such container: NAME`, as docker has it; several ids with this beginning.
pub fn find(engine: &Engine, name: &str) -> anyhow::Result<Container> {
    load(engine, &find_id(engine, name)?)
}

/// The same for the id alone, also where its record is damaged.
///
/// # Errors
/// As [`find`].
pub fn find_id(engine: &Engine, name: &str) -> anyhow::Result<String> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    if !bare.is_empty() && !bare.contains('/') {
        if let Ok(id) = fs::read_link(engine.root.join("names").join(bare)) {
            let id = id.to_string_lossy().into_owned();
            if engine.container(&id).is_dir() {
                return Ok(id);
            }
        }
        let whole = bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        if whole && engine.container(bare).is_dir() {
            return Ok(bare.into());
        }
    }
    begins(engine, name)
}

fn begins(engine: &Engine, name: &str) -> anyhow::Result<String> {
    let mut found = ids(engine)?.into_iter().filter(|id| id.starts_with(name));
    match (found.next(), found.next()) {
        (Some(id), None) if !name.is_empty() => Ok(id),
        (Some(_), Some(_)) if !name.is_empty() => {
            bail!("Multiple IDs found with provided prefix: {name}")
        }
        _ => bail!("No such container: {name}"),
    }
}

/// The record of an id.
///
/// # Errors
/// A damaged file.
pub fn load(engine: &Engine, id: &str) -> anyhow::Result<Container> {
    let path = engine.container(id).join("container.json");
    if !path.exists() {
        bail!("No such container: {id}");
    }
    let container: Container = files::read_json(&path)?;
    // JSON, but not of a container: an empty array would do for all its defaults.
    if container.id != id {
        bail!("{} is damaged: it is not of this container", path.display());
    }
    Ok(container)
}

/// The ids of all containers.
///
/// # Errors
/// The store cannot be read.
pub fn ids(engine: &Engine) -> anyhow::Result<Vec<String>> {
    let folder = fs::read_dir(engine.root.join("containers"))?;
    Ok(folder
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect())
}

/// What has become of a container, as it is now: one whose monitor is gone is not
/// running, whatever its file says, and what it left is cleared.
///
/// # Errors
/// A damaged file.
pub fn state(engine: &Engine, id: &str) -> anyhow::Result<State> {
    let state = saved_state(engine, id)?;
    if live(state.status) && !monitored(engine, id) {
        return clear::dead_monitor(engine, id);
    }
    Ok(state)
}

/// The state as it was last written, whether or not it is still so.
///
/// # Errors
/// A damaged file.
pub fn saved_state(engine: &Engine, id: &str) -> anyhow::Result<State> {
    let path = engine.container(id).join("state.json");
    match fs::read(&path) {
        Ok(bytes) if bytes.first() != Some(&b'{') => {
            bail!(
                "{} is damaged; `rm -f` throws the container away",
                path.display()
            )
        }
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} is damaged; `rm -f` throws the container away",
                path.display()
            )
        }),
        // A container that was never started has none: a file less to wait for.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(State {
            started_at: NEVER.into(),
            finished_at: NEVER.into(),
            ..State::default()
        }),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Whether a state says that there is a monitor.
pub fn live(status: Status) -> bool {
    matches!(
        status,
        Status::Running | Status::Paused | Status::Restarting
    )
}

/// Whether a container has a monitor: somebody holds its lock.
pub fn monitored(engine: &Engine, id: &str) -> bool {
    match File::open(engine.monitor(id).join("lock")) {
        Ok(file) => matches!(Lock::of(file), Ok(None)),
        Err(_) => false,
    }
}

/// Writes a container's file. What dies with its container need not be on the disk
/// when the machine does.
///
/// # Errors
/// A full or read-only disk; the old file stays.
pub fn save(
    engine: &Engine,
    container: &Container,
    file: &str,
    value: &impl Serialize,
) -> anyhow::Result<()> {
    let path = engine.container(&container.id).join(file);
    write(&path, value, !container.host_config.auto_remove)
}

pub(super) fn write(path: &Path, value: &impl Serialize, durable: bool) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    match durable {
        true => files::write(path, &bytes),
        false => files::write_soon(path, &bytes),
    }
}

/// Makes `names/NAME` point to an id: the kernel gives it to one alone.
///
/// # Errors
/// docker's words for a name in use.
pub fn claim_name(engine: &Engine, name: &str, id: &str) -> anyhow::Result<()> {
    let path = engine.root.join("names").join(name);
    step("claim name");
    match symlink(id, &path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => return result.with_context(|| format!("symlink {}", path.display())),
    }
    // In use, or left by somebody who was killed: looked at under a lock, so that two
    // who find it dead do not take it from each other.
    let _lock = engine.lock("names")?;
    let owner = fs::read_link(&path).unwrap_or_default();
    let owner = owner.to_string_lossy().into_owned();
    if owner != id && owns(engine, &owner, name) {
        bail!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{owner}\". \
             You have to remove (or rename) that container to be able to reuse that name."
        );
    }
    let _ = fs::remove_file(&path);
    symlink(id, &path).with_context(|| format!("symlink {}", path.display()))
}

/// Whether an id is a container, or will be one, and `name` is or may be its own.
pub fn owns(engine: &Engine, id: &str, name: &str) -> bool {
    if id.is_empty() {
        return false;
    }
    if engine.container(id).is_dir() {
        // Its record decides: a rename that was killed leaves two names, of which one
        // is free. While somebody renames it, both are taken.
        let renaming = matches!(Lock::attempt(&rename_lock(engine, id)), Ok(None));
        return renaming || load(engine, id).map_or(true, |container| container.name == name);
    }
    let half = engine.root.join("containers").join(format!(".{id}"));
    let made = File::open(half).is_ok_and(|folder| matches!(Lock::of(folder), Ok(None)));
    // Between the two looks it may have become whole.
    made || engine.container(id).is_dir()
}

/// Held while a container changes its name or its record.
pub fn rename_lock(engine: &Engine, id: &str) -> PathBuf {
    engine.container(id).join(".lock")
}

/// Removes a container from the store, with its name. Its monitor must be gone, and
/// everything that it had on the machine.
///
/// # Errors
/// A folder that cannot be removed: the container is gone all the same, and the rest
/// is cleared at another time.
pub fn remove(engine: &Engine, container: &Container) -> anyhow::Result<()> {
    let whole = engine.container(&container.id);
    let dead = whole.with_file_name(format!(".{}", container.id));
    // Locked as a half made one is: who sweeps leaves it to us, unless we are dead.
    let _lock = File::open(&whole).ok().map(Lock::of);
    step("rename removed container");
    match fs::rename(&whole, &dead) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        result => result.with_context(|| format!("rename {}", whole.display()))?,
    }
    step("unlink name");
    unname(engine, &container.name, &container.id);
    step("remove folder");
    let removed = clear::remove_tree(&dead);
    let _ = fs::remove_dir_all(engine.monitor(&container.id));
    removed.with_context(|| format!("remove {}", dead.display()))
}

/// Gives a name back, if it is still this container's.
pub fn unname(engine: &Engine, name: &str, id: &str) {
    let path = engine.root.join("names").join(name);
    if !name.is_empty() && fs::read_link(&path).is_ok_and(|owner| owner.as_os_str() == id) {
        let _ = fs::remove_file(&path);
    }
}

/// 64 hexadecimal digits that nobody can guess.
///
/// # Errors
/// None since Linux 3.17.
pub fn new_id() -> anyhow::Result<String> {
    loop {
        let id = hex(&random::<32>()?);
        // docker's rule: an id whose short form is a number would pass for one.
        if !id[..12].bytes().all(|b| b.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of getrandom(2).
///
/// # Errors
/// None since Linux 3.17.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: a buffer of that many bytes.
    let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    nix::errno::Errno::result(count).context("getrandom")?;
    Ok(bytes)
}

/// What an event tells of a container beside its id.
pub fn attributes(container: &Container) -> BTreeMap<String, String> {
    let mut attributes = container.config.labels.clone();
    attributes.insert("image".into(), container.config.image.clone());
    attributes.insert("name".into(), container.name.clone());
    attributes
}

/// The boot that the machine is in.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().into()
}

/// The id of a container that runs.
///
/// # Errors
/// docker's words for one that does not.
pub fn running(engine: &Engine, name: &str) -> anyhow::Result<String> {
    let id = find_id(engine, name)?;
    if !live(state(engine, &id)?.status) {
        bail!("Container {id} is not running");
    }
    Ok(id)
}

/// Waits until a container's monitor has ended.
pub fn wait_for_monitor(engine: &Engine, id: &str) {
    // Opened, not made: a monitor removes its folder as its last act.
    if let Ok(file) = File::open(engine.monitor(id).join("lock")) {
        let _ = Lock::after(file);
    }
}
