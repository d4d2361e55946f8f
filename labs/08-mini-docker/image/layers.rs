//! Layers on disk: each once, unpacked, however many images have it.
//!
//! A layer's folder has the name of its chain id: a digest over it and all layers
//! below, so that two layers with the same files on different ones are two. What
//! is there is whole: it was made under another name, checked, and renamed.
//!
//! ```text
//! layers/CHAIN-ID/diff         what overlayfs takes as a lower directory
//! layers/CHAIN-ID/layer.json   the digest of its archive, bytes of its files
//! ```
//!
//! Read: OCI image specification (config, "Layer ChainID"), overlayfs.rst

use std::fs::{self, File};
use std::io::BufReader;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use labs::union::{Class, in_user_namespace};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::compress;
use super::layout::{Descriptor, Layout, abandoned, digest_of, hex, temporary};
use super::tree::{self, Tree};
use super::unpack::{How, Limits, Unpacked, unpack};
use crate::engine::Engine;
use crate::files::{self, step};

/// `layer.json`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Digest of the archive before it was compressed.
    pub diff_id: String,
    /// Bytes of its files.
    pub size: u64,
}

/// In which attributes this caller keeps an overlay's marks.
pub fn class(engine: &Engine) -> Class {
    match engine.rootless || in_user_namespace() {
        true => Class::User,
        false => Class::Trusted,
    }
}

/// The chain id of each layer, the lowest first.
pub fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => digest_of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

/// The folder of a layer; a chain id is a digest.
pub fn folder(engine: &Engine, chain_id: &str) -> PathBuf {
    let name = chain_id.strip_prefix("sha256:").unwrap_or(chain_id);
    engine.root.join("layers").join(name)
}

/// What `layer.json` says, if the layer is there.
pub fn get(engine: &Engine, chain_id: &str) -> Option<Layer> {
    files::read_json(&folder(engine, chain_id).join("layer.json")).ok()
}

/// The layer below all others: what every container has mounted something on, the
/// same for all of them. An image that has these names covers it. Without it the
/// runtime would have to make them above, and `diff` would show what nobody changed.
///
/// # Errors
/// A full or read-only disk.
pub fn skeleton(engine: &Engine) -> anyhow::Result<PathBuf> {
    let place = engine.root.join("layers/skeleton");
    let diff = place.join("diff");
    if !diff.is_dir() {
        let half = Half::new(engine)?;
        let new = half.0.join("diff");
        for folder in ["", "proc", "sys", "dev", "etc"] {
            let folder = new.join(folder);
            fs::create_dir(&folder).with_context(|| format!("mkdir {}", folder.display()))?;
            mode(&folder, 0o755)?;
        }
        for file in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
            fs::write(new.join(file), "")?;
            mode(&new.join(file), 0o644)?;
        }
        half.rename(&place, &Layer::default())?;
    }
    Ok(diff)
}

/// Unpacks those layers of an image that are not there yet.
///
/// # Errors
/// A layer that is damaged, hostile or missing; a full disk.
pub fn ensure(
    engine: &Engine,
    layout: &Layout,
    layers: &[Descriptor],
    diff_ids: &[String],
) -> anyhow::Result<Vec<PathBuf>> {
    if layers.len() != diff_ids.len() {
        bail!(
            "the manifest has {} layers and the configuration {}",
            layers.len(),
            diff_ids.len()
        );
    }
    let chain = chain_ids(diff_ids);
    let folders: Vec<PathBuf> = chain.iter().map(|id| folder(engine, id)).collect();
    let wanted: Vec<usize> = (0..layers.len())
        .filter(|number| get(engine, &chain[*number]).is_none())
        .collect();
    if !wanted.is_empty() {
        let _lease = layout.lease(engine)?;
        let made = unpack_all(engine, layout, layers, diff_ids, &wanted)?;
        for (number, half) in wanted.into_iter().zip(made) {
            // The lowest first: no layer is there without those below it.
            half.finish(&folders[..number], &folders[number], &diff_ids[number])?;
        }
    }
    Ok(folders.iter().map(|folder| folder.join("diff")).collect())
}

/// Layers do not depend on one another until they are mounted, so several are
/// unpacked at once.
fn unpack_all(
    engine: &Engine,
    layout: &Layout,
    layers: &[Descriptor],
    diff_ids: &[String],
    wanted: &[usize],
) -> anyhow::Result<Vec<Made>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..processors.min(wanted.len()) {
            scope.spawn(|| {
                while let Some(number) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let layer = unpack_one(engine, layout, &layers[*number], &diff_ids[*number]);
                    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.push((*number, layer));
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, layer)| layer).collect()
}

/// A layer that is unpacked, but has not its place yet.
struct Made {
    half: Half,
    done: Unpacked,
}

fn unpack_one(
    engine: &Engine,
    layout: &Layout,
    layer: &Descriptor,
    diff_id: &str,
) -> anyhow::Result<Made> {
    let archive = File::open(layout.blob(&layer.digest)?)
        .with_context(|| format!("blob {} is missing: load the image again", layer.digest))?;
    let archive = compress::reader(BufReader::with_capacity(256 << 10, archive))?;
    let half = Half::new(engine)?;
    let diff = half.0.join("diff");
    step("mkdir");
    fs::create_dir(&diff).with_context(|| format!("mkdir {}", diff.display()))?;
    mode(&diff, 0o755)?;
    let tree = Tree::open(&diff)?;
    let how = How {
        layer: true,
        class: class(engine),
        owner: None,
        limits: Limits::default(),
    };
    let (feed, mut pipe) = compress::pipe();
    let (unpacked, digest) = std::thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let mut hash = Sha256::new();
            feed.run(archive, |bytes| hash.update(bytes));
            format!("sha256:{}", hex(&hash.finalize()))
        });
        let unpacked = unpack(&mut pipe, tree, how);
        // An error leaves the rest unread: then the other thread ends here, too.
        drop(pipe);
        (unpacked, hashing.join())
    });
    let done = unpacked.with_context(|| format!("layer {}", layer.digest))?;
    if !digest.as_ref().is_ok_and(|digest| digest == diff_id) {
        let digest = digest.unwrap_or_default();
        bail!("digest mismatch: the layer should be {diff_id} and is {digest}");
    }
    Ok(Made { half, done })
}

impl Made {
    fn finish(self, below: &[PathBuf], place: &Path, diff_id: &str) -> anyhow::Result<()> {
        like_below(&self.half.0.join("diff"), &self.done.implied, below)?;
        tell(&self.done);
        let layer = Layer {
            diff_id: diff_id.into(),
            size: self.done.bytes,
        };
        self.half.rename(place, &layer)
    }
}

/// A directory that a layer takes for granted is as it is in the layers below:
/// made anew it would hide their owner and mode.
fn like_below(diff: &Path, implied: &[PathBuf], below: &[PathBuf]) -> anyhow::Result<()> {
    for path in implied {
        let found = below.iter().rev().find_map(|layer| {
            let tree = Tree::open(&layer.join("diff")).ok()?;
            let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY;
            File::from(tree.resolve(path, flags).ok()?).metadata().ok()
        });
        let Some(metadata) = found else { continue };
        let tree = Tree::open(diff)?;
        let made = File::from(tree.resolve(path, OFlag::O_DIRECTORY | OFlag::O_RDONLY)?);
        std::os::unix::fs::fchown(&made, Some(metadata.uid()), Some(metadata.gid()))?;
        made.set_permissions(metadata.permissions())?;
    }
    Ok(())
}

/// What an ordinary user's copy lacks, on one line.
fn tell(done: &Unpacked) {
    if done.foreign > 0 {
        eprintln!(
            "{} files have owners without an id in your user namespace, and are yours now: \
             see subuid(5)",
            done.foreign
        );
    }
    if done.devices > 0 {
        eprintln!(
            "{} device files were left out: only root makes them",
            done.devices
        );
    }
}

/// A layer's folder while it is made; dropped, it is gone.
#[derive(Debug)]
pub struct Half(pub PathBuf);

impl Half {
    /// # Errors
    /// A full or read-only disk.
    pub fn new(engine: &Engine) -> anyhow::Result<Self> {
        let path = engine.root.join("layers").join(temporary());
        step("mkdir");
        fs::create_dir(&path).with_context(|| format!("mkdir {}", path.display()))?;
        mode(&path, 0o711)?;
        Ok(Self(path))
    }

    /// Gives it its place. Somebody else may have been first: then it is the same.
    ///
    /// # Errors
    /// A full disk.
    pub fn rename(self, place: &Path, layer: &Layer) -> anyhow::Result<()> {
        let file = "layer.json";
        files::write_soon(&self.0.join(file), &serde_json::to_vec(layer)?)?;
        step("rename");
        if fs::rename(&self.0, place).is_ok() {
            return Ok(());
        }
        // Or a power failure has left half of it.
        if files::read_json::<Layer>(&place.join(file)).is_err() {
            remove_folder(place);
        }
        match fs::rename(&self.0, place) {
            Err(_) if place.join(file).exists() => Ok(()),
            result => result.with_context(|| format!("rename {}", place.display())),
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // Not there any more once it has its place.
        remove_folder(&self.0);
    }
}

/// Removes every layer that `keep` does not want (by the digits of its chain id),
/// and those that were never finished.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(engine: &Engine, keep: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let layers = engine.root.join("layers");
    for entry in fs::read_dir(&layers)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if abandoned(&name) {
            remove_folder(&entry.path());
        } else if name.len() == 64 && !keep(&name) {
            // Away first: what is half removed must not look like a layer.
            let gone = layers.join(temporary());
            step("rename");
            if fs::rename(entry.path(), &gone).is_ok() {
                remove_folder(&gone);
            }
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
        && let Ok(parent) = File::open(parent)
    {
        // What cannot be removed now is tried again at the next sweep.
        let _ = tree::remove(parent.as_fd(), name);
    }
}

fn mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    // Whatever the caller's umask is: it is the root of somebody's container.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("chmod {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_is_a_digest_over_all_layers_below() {
        // Computed with: printf 'sha256:a sha256:b' | sha256sum
        let chain = chain_ids(&["sha256:a".into(), "sha256:b".into()]);
        assert_eq!(chain[0], "sha256:a");
        assert_eq!(chain[1], digest_of(b"sha256:a sha256:b"));
    }
}
