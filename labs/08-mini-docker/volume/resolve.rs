//! From what was asked for to what a container mounts.
//!
//! In docker's order: first the volumes of other containers (`--volumes-from`), then
//! `-v` and `--mount`, which override them, then the anonymous volumes of the image
//! and of `-v PATH`, for paths that have nothing yet.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::mode::{Mode, PROPAGATIONS, clean};
use super::store::{self, Wish};
use crate::container;
use crate::container::record::{Container, MountOptions, MountPoint};
use crate::engine::Engine;
use crate::files;

/// Resolves `-v`, `--mount`, `--volumes-from` and the image's volumes to what a
/// container mounts, making named and anonymous volumes, at its creation. A path
/// stands behind those that it lies below.
///
/// # Errors
/// A wrong option, in docker's words; a bind source that is not there.
pub fn resolve(engine: &Engine, container: &Container) -> anyhow::Result<Vec<MountPoint>> {
    let mut mounts = BTreeMap::new();
    let host = &container.host_config;
    for path in host.tmpfs.keys() {
        absolute(path)?;
    }
    for other in &host.volumes_from {
        for mount in from_container(engine, &container.id, other)? {
            mounts.insert(mount.destination.clone(), mount);
        }
    }
    let mut taken: Vec<String> = host.tmpfs.keys().map(|path| clean(path)).collect();
    // All that can be refused is, before the first volume is made.
    let mut asked = Vec::new();
    for bind in &host.binds {
        asked.push(from_bind(bind)?);
    }
    for mount in &host.asked_mounts {
        asked.push(from_mount(mount)?);
    }
    for Asked { mount, .. } in &asked {
        if taken.contains(&mount.destination) {
            bail!("Duplicate mount point: {}", mount.destination);
        }
        taken.push(mount.destination.clone());
    }
    for asked in asked {
        let mount = make(engine, &container.id, asked)?;
        mounts.insert(mount.destination.clone(), mount);
    }
    for path in container.config.volumes.keys() {
        let destination = clean(path);
        if mounts.contains_key(&destination) || taken.contains(&destination) {
            continue;
        }
        absolute(path).with_context(|| format!("invalid volume specification: '{path}'"))?;
        let mount = anonymous(engine, &container.id, destination)?;
        mounts.insert(mount.destination.clone(), mount);
    }
    let mut mounts: Vec<MountPoint> = mounts.into_values().collect();
    mounts.sort_by_key(|mount| mount.destination.matches('/').count());
    Ok(mounts)
}

/// A mount point, and what making it takes.
struct Asked {
    mount: MountPoint,
    wish: Wish,
}

/// `-v SOURCE:DESTINATION[:MODE]`.
fn from_bind(text: &str) -> anyhow::Result<Asked> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, mode) = match parts[..] {
        [source, destination] => (source, destination, ""),
        [source, destination, mode] => (source, destination, mode),
        _ => bail!("invalid volume specification: '{text}'"),
    };
    let wrong = |kind: &str| {
        format!("invalid volume specification: '{text}': invalid mount config for type \"{kind}\"")
    };
    let options = Mode::parse(mode)?;
    let bind = source.starts_with('/');
    let kind = if bind { "bind" } else { "volume" };
    if source.is_empty() || destination.is_empty() {
        bail!("invalid volume specification: '{text}'");
    }
    target(destination).with_context(|| wrong(kind))?;
    if !bind && !options.propagation.is_empty() {
        bail!("{}: field BindOptions must not be specified", wrong(kind));
    }
    if bind && options.no_copy {
        bail!("{}: field VolumeOptions must not be specified", wrong(kind));
    }
    let propagation = match (bind, options.propagation.is_empty()) {
        (true, true) => "rprivate".into(),
        _ => options.propagation,
    };
    Ok(Asked {
        mount: MountPoint {
            kind: kind.into(),
            source: if bind { clean(source) } else { String::new() },
            name: if bind { String::new() } else { source.into() },
            destination: clean(destination),
            mode: if mode.is_empty() && !bind {
                "z".into()
            } else {
                mode.into()
            },
            writable: !options.read_only,
            propagation,
            options: MountOptions {
                no_copy: options.no_copy,
                ..MountOptions::default()
            },
            ..MountPoint::default()
        },
        wish: Wish {
            name: if bind { String::new() } else { source.into() },
            ..Wish::default()
        },
    })
}

/// `--mount`, as docker's object.
fn from_mount(value: &Value) -> anyhow::Result<Asked> {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let kind = text("Type");
    let asked = match kind {
        "bind" => bind_mount(value),
        "volume" => volume_mount(value),
        "tmpfs" if !text("Source").is_empty() => {
            Err(anyhow::anyhow!("field Source must not be specified"))
        }
        "tmpfs" => Ok(tmpfs_mount(value)),
        _ => Err(anyhow::anyhow!("mount type unknown")),
    };
    let checked = target(text("Target")).and(asked);
    let mut asked = checked.with_context(|| format!("invalid mount config for type \"{kind}\""))?;
    asked.mount.kind = kind.into();
    asked.mount.destination = clean(text("Target"));
    asked.mount.writable = value["ReadOnly"].as_bool() != Some(true);
    Ok(asked)
}

fn bind_mount(value: &Value) -> anyhow::Result<Asked> {
    let source = value["Source"].as_str().unwrap_or_default();
    if source.is_empty() {
        bail!("field Source must not be empty");
    }
    absolute(source)?;
    let propagation = value["BindOptions"]["Propagation"]
        .as_str()
        .unwrap_or_default();
    if !propagation.is_empty() && !PROPAGATIONS.contains(&propagation) {
        bail!("invalid propagation mode: {propagation}");
    }
    // Unlike `-v`, which makes it.
    if !Path::new(source).exists() {
        bail!("bind source path does not exist: {source}");
    }
    let mount = MountPoint {
        source: clean(source),
        propagation: if propagation.is_empty() {
            "rprivate"
        } else {
            propagation
        }
        .into(),
        options: MountOptions {
            non_recursive: value["BindOptions"]["NonRecursive"].as_bool() == Some(true),
            ..MountOptions::default()
        },
        ..MountPoint::default()
    };
    Ok(Asked {
        mount,
        wish: Wish::default(),
    })
}

fn volume_mount(value: &Value) -> anyhow::Result<Asked> {
    let options = &value["VolumeOptions"];
    let pairs = |value: &Value| -> Option<BTreeMap<String, String>> {
        serde_json::from_value(value.clone()).ok()
    };
    let name = value["Source"].as_str().unwrap_or_default();
    let mount = MountPoint {
        mode: "z".into(),
        options: MountOptions {
            no_copy: options["NoCopy"].as_bool() == Some(true),
            ..MountOptions::default()
        },
        ..MountPoint::default()
    };
    Ok(Asked {
        mount,
        wish: Wish {
            name: name.into(),
            driver: options["DriverConfig"]["Name"]
                .as_str()
                .unwrap_or_default()
                .into(),
            labels: pairs(&options["Labels"]),
            options: pairs(&options["DriverConfig"]["Options"]),
            anonymous: name.is_empty(),
        },
    })
}

fn tmpfs_mount(value: &Value) -> Asked {
    let options = &value["TmpfsOptions"];
    let mut words = Vec::new();
    if let Some(bytes) = options["SizeBytes"].as_u64().filter(|bytes| *bytes > 0) {
        words.push(format!("size={bytes}"));
    }
    if let Some(mode) = options["Mode"].as_u64().filter(|mode| *mode > 0) {
        words.push(format!("mode={mode:o}"));
    }
    let mount = MountPoint {
        options: MountOptions {
            tmpfs: words.join(","),
            ..MountOptions::default()
        },
        ..MountPoint::default()
    };
    Asked {
        mount,
        wish: Wish::default(),
    }
}

/// Makes what a mount point needs on the host.
fn make(engine: &Engine, container: &str, asked: Asked) -> anyhow::Result<MountPoint> {
    let Asked { mut mount, wish } = asked;
    match mount.kind.as_str() {
        "volume" => {
            let volume = store::create_for(engine, wish, container)?;
            mount.name = volume.name;
            mount.source = volume.mountpoint;
            mount.driver = volume.driver;
        }
        // docker makes it too, as root: an old mistake that scripts now count on.
        "bind" if !Path::new(&mount.source).exists() => {
            files::step("bind source");
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&mount.source);
            made.with_context(|| {
                format!("error while creating mount source path '{}'", mount.source)
            })?;
        }
        _ => {}
    }
    Ok(mount)
}

fn anonymous(engine: &Engine, container: &str, destination: String) -> anyhow::Result<MountPoint> {
    let mount = MountPoint {
        kind: "volume".into(),
        destination,
        writable: true,
        ..MountPoint::default()
    };
    let wish = Wish {
        anonymous: true,
        ..Wish::default()
    };
    make(engine, container, Asked { mount, wish })
}

/// `--volumes-from CONTAINER[:ro|rw]`: its mounts, and a share in its volumes.
fn from_container(engine: &Engine, id: &str, text: &str) -> anyhow::Result<Vec<MountPoint>> {
    let (name, mode) = text.split_once(':').unwrap_or((text, ""));
    let options = Mode::parse(mode)?;
    if options.no_copy || !options.propagation.is_empty() {
        bail!("invalid mode: {mode}");
    }
    let mut mounts = container::store::find(engine, name)?.mounts;
    for mount in &mut mounts {
        mount.writable &= !options.read_only;
        if !mode.is_empty() {
            mount.mode = mode.into();
        }
        if mount.kind == "volume" {
            let wish = Wish {
                name: mount.name.clone(),
                ..Wish::default()
            };
            store::create_for(engine, wish, id)?;
        }
    }
    Ok(mounts)
}

fn target(path: &str) -> anyhow::Result<()> {
    absolute(path)?;
    if clean(path) == "/" {
        bail!("invalid specification: destination can't be '/'");
    }
    Ok(())
}

fn absolute(path: &str) -> anyhow::Result<()> {
    if !path.starts_with('/') {
        bail!("invalid mount path: '{path}' mount path must be absolute");
    }
    Ok(())
}
