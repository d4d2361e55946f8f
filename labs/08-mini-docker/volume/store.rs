//! Making, finding and removing volumes.
//!
//! A volume is in use while a container has it, running or not. That cannot be read
//! from the containers alone: one that is being made has no record yet. So each user
//! leaves a file in `users/` *before* its record is written, with the process that
//! makes it; it counts while that process or the container exists, and a crash between
//! the two leaves a file that counts no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::container::events;
use crate::container::record::Container;
use crate::engine::Engine;
use crate::files;

/// `volume.json`, with docker's names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    pub created_at: String,
    pub driver: String,
    /// `None` where a container asked for the volume and nobody could give labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its data, on the host.
    pub mountpoint: String,
    pub name: String,
    /// `type`, `device`, `o`: what is mounted in the monitor's namespace when it is used.
    pub options: Option<BTreeMap<String, String>>,
    pub scope: String,
    /// Made for a `VOLUME` or `-v PATH`: goes with its container (`rm -v`, `--rm`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
}

/// What a new volume may be given.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Empty: an anonymous one, with 64 hexadecimal digits for a name.
    pub name: String,
    pub driver: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub options: Option<BTreeMap<String, String>>,
    pub anonymous: bool,
}

/// The volume of that name, made where it is not there.
///
/// # Errors
/// A name, driver or option that cannot be, in docker's words; a full disk.
pub fn create(engine: &Engine, wish: Wish) -> anyhow::Result<Volume> {
    let _lock = engine.lock("volumes")?;
    create_locked(engine, wish)
}

/// The same, with a container that has it from now on.
///
/// # Errors
/// As [`create`].
pub fn create_for(engine: &Engine, wish: Wish, container: &str) -> anyhow::Result<Volume> {
    // Under one lock, so that nobody removes it between the two.
    let _lock = engine.lock("volumes")?;
    let volume = create_locked(engine, wish)?;
    let user = folder(engine, &volume.name).join("users").join(container);
    files::step("volume user");
    fs::write(&user, maker()?).with_context(|| format!("write {}", user.display()))?;
    Ok(volume)
}

fn create_locked(engine: &Engine, wish: Wish) -> anyhow::Result<Volume> {
    let name = match wish.name.is_empty() {
        true => random_name()?,
        false => wish.name,
    };
    check_name(&name)?;
    if !wish.driver.is_empty() && wish.driver != "local" {
        bail!(
            "create {name}: error looking up volume plugin {0}: plugin \"{0}\" not found",
            wish.driver
        );
    }
    if let Some(options) = &wish.options {
        check_options(options).with_context(|| format!("create {name}"))?;
    }
    if let Ok(volume) = find(engine, &name) {
        return Ok(volume);
    }
    let place = folder(engine, &name);
    let volume = Volume {
        created_at: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        driver: "local".into(),
        labels: wish.labels,
        mountpoint: place.join("_data").to_string_lossy().into_owned(),
        name: name.clone(),
        options: wish.options,
        scope: "local".into(),
        anonymous: wish.anonymous,
    };
    make(engine, &volume).with_context(|| format!("create {name}"))?;
    emit(engine, "create", &name);
    Ok(volume)
}

/// Beside its place first: a crash leaves nothing that has a volume's name.
fn make(engine: &Engine, volume: &Volume) -> anyhow::Result<()> {
    let new = engine
        .root
        .join("volumes")
        .join(format!(".new.{}", volume.name));
    // The lock is ours: whoever began this one is dead.
    let _ = fs::remove_dir_all(&new);
    files::step("volume mkdir");
    for folder in ["_data", "users"] {
        fs::create_dir_all(new.join(folder)).with_context(|| format!("mkdir {}", new.display()))?;
    }
    files::write_json(&new.join("volume.json"), volume)?;
    files::step("volume rename");
    let place = folder(engine, &volume.name);
    fs::rename(&new, &place).with_context(|| format!("rename to {}", place.display()))
}

/// # Errors
/// `No such volume: NAME`; a damaged `volume.json`.
pub fn find(engine: &Engine, name: &str) -> anyhow::Result<Volume> {
    // A name with a slash or a dot in front would leave the folder of volumes.
    let file = folder(engine, name).join("volume.json");
    if check_name(name).is_err() || !file.exists() {
        bail!("No such volume: {name}");
    }
    files::read_json(&file)
}

/// All volumes, by name. One whose file is damaged is told about and left out.
///
/// # Errors
/// The folder cannot be read.
pub fn list(engine: &Engine) -> anyhow::Result<Vec<Volume>> {
    let folder = engine.root.join("volumes");
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut volumes = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        match find(engine, &name) {
            Ok(volume) => volumes.push(volume),
            Err(error) => eprintln!("mini-docker: {error:#}"),
        }
    }
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

/// The ids of the containers that have it.
pub fn users(engine: &Engine, name: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(engine, name).join("users"));
    let mut users = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        let maker = fs::read_to_string(entry.path()).unwrap_or_default();
        if engine.container(&id).exists() || alive(&maker) {
            users.push(id);
        } else {
            let _ = fs::remove_file(entry.path());
        }
    }
    users.sort();
    users
}

/// # Errors
/// No such volume; one that is in use, in docker's words; a file that cannot be removed.
pub fn remove(engine: &Engine, name: &str) -> anyhow::Result<()> {
    let _lock = engine.lock("volumes")?;
    find(engine, name)?;
    let users = users(engine, name);
    if !users.is_empty() {
        bail!("remove {name}: volume is in use - [{}]", users.join(", "));
    }
    remove_locked(engine, name)
}

fn remove_locked(engine: &Engine, name: &str) -> anyhow::Result<()> {
    // First out of sight: a crash in the middle leaves half a folder, not half a volume.
    let old = engine.root.join("volumes").join(format!(".old.{name}"));
    let _ = fs::remove_dir_all(&old);
    files::step("volume remove");
    fs::rename(folder(engine, name), &old).with_context(|| format!("remove {name}"))?;
    files::step("volume clear");
    fs::remove_dir_all(&old).with_context(|| format!("remove {name}"))?;
    emit(engine, "destroy", name);
    Ok(())
}

/// `rm -v` and `--rm`: removes the anonymous volumes of a container that no other
/// container uses, and lets go of the named ones.
///
/// # Errors
/// A folder that cannot be removed.
pub fn release(engine: &Engine, container: &Container) -> anyhow::Result<()> {
    let mut volumes = container
        .mounts
        .iter()
        .filter(|mount| mount.kind == "volume")
        .peekable();
    if volumes.peek().is_none() {
        return Ok(());
    }
    let _lock = engine.lock("volumes")?;
    for mount in volumes {
        let Ok(volume) = find(engine, &mount.name) else {
            continue;
        };
        let user = folder(engine, &volume.name)
            .join("users")
            .join(&container.id);
        let _ = fs::remove_file(user);
        if volume.anonymous && users(engine, &volume.name).is_empty() {
            remove_locked(engine, &volume.name)?;
        }
    }
    Ok(())
}

/// `ROOT/volumes/NAME`.
pub fn folder(engine: &Engine, name: &str) -> PathBuf {
    engine.root.join("volumes").join(name)
}

/// docker's rule for names; what it lets through is one plain file name.
pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if name.len() == 1 {
        bail!(
            "create {name}: volume name is too short, names should be at least two alphanumeric characters"
        );
    }
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if !begins || !name.chars().all(good) || name.len() > 200 {
        bail!(
            "create {name}: \"{name}\" includes invalid characters for a local volume name, \
             only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host \
             directory, use absolute path"
        );
    }
    Ok(())
}

fn check_options(options: &BTreeMap<String, String>) -> anyhow::Result<()> {
    if let Some(name) = options
        .keys()
        .find(|name| !["type", "device", "o"].contains(&name.as_str()))
    {
        bail!("invalid option: \"{name}\"");
    }
    if !options.is_empty() && !options.contains_key("device") {
        bail!("missing device in volume options");
    }
    match options.get("type").map(String::as_str) {
        None if options.is_empty() => Ok(()),
        None => bail!("missing required option: \"type\""),
        // Others need a server (nfs, cifs) or a disk.
        Some("tmpfs" | "none" | "bind") => Ok(()),
        Some(kind) => bail!("volume type {kind} is not supported: use tmpfs or none"),
    }
}

/// Who is making a container: a process is told from a later one with its number by the
/// time it was started.
fn maker() -> anyhow::Result<String> {
    let id = std::process::id();
    Ok(format!(
        "{id} {}",
        started(&id.to_string()).unwrap_or_default()
    ))
}

fn alive(maker: &str) -> bool {
    match maker.split_once(' ') {
        Some((id, start)) => started(id).is_some_and(|own| own == start),
        None => false,
    }
}

/// Field 22 of /proc/PID/stat. The name in field 2 may have blanks and parentheses.
fn started(id: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(String::from)
}

fn random_name() -> anyhow::Result<String> {
    let mut bytes = [0u8; 32];
    // SAFETY: a buffer and its length. Up to 256 bytes come whole and uninterrupted.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got != bytes.len() as isize {
        bail!("getrandom: {}", std::io::Error::last_os_error());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn emit(engine: &Engine, action: &str, name: &str) {
    let attributes = BTreeMap::from([("driver".to_string(), "local".to_string())]);
    events::emit(engine, "volume", action, name, &attributes);
}
