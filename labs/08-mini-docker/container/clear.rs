//! What a killed process leaves: found by the next command, and cleared.
//!
//! The kernel clears most by itself: a monitor's mounts live in its own mount
//! namespace, its container's first process dies with it, and that one's PID
//! namespace with all in it. What stays are a cgroup, devices and rules of the
//! network, the state that still says `running`, and folders with a dot.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::record::{State, Status};
use super::restart::Backoff;
use super::{events, monitor, store};
use crate::engine::Engine;
use crate::files::{Lock, step};
use crate::{format, network, volume};

/// Clears what a dead monitor left and tells what has become of its container.
///
/// # Errors
/// A damaged record; a full disk.
pub fn dead_monitor(engine: &Engine, id: &str) -> anyhow::Result<State> {
    super::rootless::enter(engine)?;
    let folder = engine.monitor(id);
    // Not there: the machine was started anew since.
    let _ = fs::create_dir_all(&folder);
    let lock = Lock::attempt(&folder.join("lock"))?;
    // Read again: only now nobody else can change it. Who has the lock may just have
    // cleared it, or started it again.
    let mut state = store::saved_state(engine, id)?;
    if lock.is_none() || !store::live(state.status) {
        return Ok(state);
    }
    let container = store::load(engine, id)?;
    // After a reboot there is none; then this finds nothing.
    super::groups::clear_dead(engine, id, &state.cgroup);
    state.exit_code = match state.boot_id == store::boot_id() {
        true => 137,
        // docker's code for a container that a reboot ended.
        false => 255,
    };
    step("clear network");
    network::disconnect(engine, &container, &state)?;
    state.status = Status::Exited;
    state.pid = 0;
    state.finished_at = format::now();
    state.cgroup.clear();
    state.networks.clear();
    state.ports.clear();
    let mut attributes = store::attributes(&container);
    attributes.insert("exitCode".into(), state.exit_code.to_string());
    events::emit(engine, "container", "die", id, &attributes);
    if container.host_config.auto_remove {
        volume::release(engine, &container)?;
        store::remove(engine, &container)?;
        return Ok(state);
    }
    store::save(engine, &container, "state.json", &state)?;
    step("remove monitor's folder");
    let _ = fs::remove_dir_all(&folder);
    drop(lock);
    // Nobody but us is there to keep the promise of `--restart always`: there is no
    // daemon. So after a reboot it is the first command that starts them again.
    if Backoff::default()
        .again(&container, &state, Duration::ZERO)
        .is_some()
    {
        let started = monitor::start(engine, &container, monitor::Wanted::default())
            .and_then(|connection| monitor::started(&connection));
        if started.is_ok() {
            return store::saved_state(engine, id);
        }
    }
    Ok(state)
}

/// Looks for what killed processes have left, and clears it. Cheap when there is
/// nothing: one look into the folder of monitors, one into that of containers.
pub fn sweep(engine: &Engine) {
    let boot = store::boot_id();
    let seen = engine.root.join("boot-id");
    if fs::read_to_string(&seen).unwrap_or_default() != boot {
        after_boot(engine);
        let _ = crate::files::write_soon(&seen, boot.as_bytes());
    }
    for entry in fs::read_dir(&engine.run).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().filter(|name| name.len() == 64) else {
            continue;
        };
        if !engine.container(id).is_dir() {
            forget(&entry.path());
        } else if !store::monitored(engine, id) {
            let _ = store::state(engine, id);
        }
    }
    let containers = engine.root.join("containers");
    for entry in fs::read_dir(&containers).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with('.')) {
            half(engine, &entry.path());
        }
    }
}

/// The first command since the machine was started: RUN may be empty, so all
/// containers are looked at.
fn after_boot(engine: &Engine) {
    for id in store::ids(engine).unwrap_or_default() {
        let _ = store::state(engine, &id);
    }
}

/// The folder of a monitor whose container is gone.
fn forget(folder: &Path) {
    if let Ok(Some(_lock)) = Lock::attempt(&folder.join("lock")) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// A container that is half made or half removed, and whose maker is dead.
fn half(engine: &Engine, folder: &Path) {
    let Ok(open) = File::open(folder) else { return };
    // A moment old at least: one that was made just now may not have its lock yet.
    let Ok(inode) = open.metadata().map(|metadata| metadata.ino()) else {
        return;
    };
    let age = open.metadata().and_then(|metadata| metadata.modified());
    let age = age.ok().and_then(|time| time.elapsed().ok());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".new-") && age.is_none_or(|age| age.as_secs() < 10) {
        return;
    }
    let Ok(Some(_lock)) = Lock::of(open) else {
        return;
    };
    // It may have become whole since it was opened: then it is a container, which its
    // maker has just let go of.
    let still = fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.ino() == inode);
    if !still || super::rootless::enter(engine).is_err() {
        return;
    }
    let id = name.trim_start_matches('.').trim_start_matches("new-");
    for entry in fs::read_dir(engine.root.join("names"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if fs::read_link(entry.path()).is_ok_and(|owner| owner.as_os_str() == id) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = remove_tree(folder);
}

/// Removes a container whose record cannot be read.
///
/// # Errors
/// It runs, or nobody said that it must go.
pub fn damaged(engine: &Engine, id: &str, force: bool) -> anyhow::Result<()> {
    let record = engine.container(id).join("container.json");
    if !force || store::monitored(engine, id) {
        anyhow::bail!(
            "{} is damaged; `rm -f` throws the container away",
            record.display()
        );
    }
    let dead = engine.root.join("containers").join(format!(".{id}"));
    fs::rename(engine.container(id), &dead)?;
    half(engine, &dead);
    Ok(())
}

/// Removes a folder with all in it, also where a directory in it has no permissions
/// (overlayfs makes `work/work` with mode 0).
///
/// # Errors
/// What the file system refuses; what is not there is no error.
pub fn remove_tree(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            use std::os::unix::fs::PermissionsExt;
            let mut folders = vec![folder.to_path_buf()];
            while let Some(next) = folders.pop() {
                let _ = fs::set_permissions(&next, fs::Permissions::from_mode(0o700));
                for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
                    // The kind of the entry itself: a link is never followed.
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        folders.push(entry.path());
                    }
                }
            }
            fs::remove_dir_all(folder)
        }
        result => result,
    }
}
