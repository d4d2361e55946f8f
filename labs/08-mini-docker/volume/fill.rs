//! First use of a volume: what the image holds at its path goes into it.
//!
//! Only into an empty volume, so a volume that was used before keeps its data; and not
//! with `nocopy`. The path is the image's: one of its links may point to the host's
//! /etc, so it is resolved in the container's root (openat2, RESOLVE_IN_ROOT).
//!
//! Read: openat2(2), "Populate a volume using a container" in docker's manual

use std::fs;
use std::path::Path;

use anyhow::Context;
use labs::explain::Explain;
use labs::root::{Make, Root, path_of};
use labs::union;
use nix::mount::{MsFlags, mount};

use super::store::{self, Volume};
use crate::container::record::MountPoint;
use crate::engine::Engine;
use crate::files;

/// First use: copies what the image holds at a volume's path into it while it is
/// empty. `rootfs` is the mounted root of the container, which nobody has run yet.
///
/// A volume with options (`-o type=tmpfs`) is mounted at its place before, for the
/// caller's mount namespace only: that is the monitor's, so two containers that run
/// at once each have a tmpfs of their own.
///
/// # Errors
/// A full disk; options that the kernel refuses.
pub fn fill(engine: &Engine, mounts: &[MountPoint], rootfs: &Path) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    for point in mounts.iter().filter(|mount| mount.kind == "volume") {
        let volume = store::find(engine, &point.name)?;
        mount_options(&volume)?;
        if point.options.no_copy {
            continue;
        }
        let root = Root::open(explain, rootfs)?;
        let path = Path::new(point.destination.trim_start_matches('/'));
        // An image that has nothing there has nothing to give.
        if let Ok(from) = root.inside(explain, path, Make::Nothing) {
            let from = format!("{}/.", path_of(&from));
            copy(engine, &volume, Path::new(&from)).with_context(|| {
                format!(
                    "copying the image's {} into {}",
                    point.destination, point.name
                )
            })?;
        }
    }
    Ok(())
}

fn copy(engine: &Engine, volume: &Volume, from: &Path) -> anyhow::Result<()> {
    let place = store::folder(engine, &volume.name);
    let (data, filling) = (place.join("_data"), place.join(".filling"));
    // The common case, without waiting: a volume that has data, and had it whole.
    if !empty(&data)? && !filling.exists() {
        return Ok(());
    }
    // Two containers may start on one new volume at once: one of them fills it.
    let _lock = engine.lock(&format!("volume-{}", volume.name))?;
    if filling.exists() {
        // Whoever was filling is dead, as the lock tells. Half a copy is no data.
        for entry in fs::read_dir(&data)?.flatten() {
            let path = entry.path();
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(path)?,
                false => fs::remove_file(path)?,
            }
        }
    } else if !empty(&data)? {
        return Ok(());
    }
    if !fs::metadata(from)?.is_dir() {
        return Ok(());
    }
    files::step("volume filling");
    fs::write(&filling, "")?;
    files::step("volume copy");
    union::fill(from, &data)?;
    files::step("volume filled");
    Ok(fs::remove_file(&filling)?)
}

fn empty(folder: &Path) -> anyhow::Result<bool> {
    let mut entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    Ok(entries.next().is_none())
}

/// `-o type=… -o device=… -o o=…`, as docker's local driver mounts them.
fn mount_options(volume: &Volume) -> anyhow::Result<()> {
    let Some(options) = volume
        .options
        .as_ref()
        .filter(|options| !options.is_empty())
    else {
        return Ok(());
    };
    let option = |name: &str| options.get(name).map_or("", String::as_str);
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for word in option("o").split(',').filter(|word| !word.is_empty()) {
        match word {
            "bind" => flags |= MsFlags::MS_BIND,
            "rbind" => flags |= MsFlags::MS_BIND | MsFlags::MS_REC,
            "ro" => flags |= MsFlags::MS_RDONLY,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "rw" | "defaults" => {}
            _ => data.push(word),
        }
    }
    let (device, place) = (option("device"), volume.mountpoint.as_str());
    files::step("volume mount");
    mount(
        Some(device),
        place,
        Some(option("type")),
        flags,
        Some(data.join(",").as_str()),
    )
    .with_context(|| {
        format!(
            "failed to mount local volume: mount {device}:{place}, data: {}",
            data.join(",")
        )
    })
}
