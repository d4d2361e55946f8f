//! Names for manifests, and what may go when nothing names it.
//!
//! Read: docker-tag(1), docker-rmi(1)

use std::collections::{BTreeSet, HashSet};

use anyhow::{anyhow, bail};
use serde_json::Value;

use super::layers;
use super::layout::{CONFIG, Descriptor, Index, Layout, MANIFEST, Manifest};
use super::reference::{Reference, is_digest};
use crate::container::record::Container;
use crate::engine::Engine;
use crate::files::Lock;
use crate::{container, files};

/// The descriptor that a reference, an id or the beginning of an id means.
///
/// # Errors
/// `No such image: NAME`, as docker has it; several with this beginning.
pub fn lookup(layout: &Layout, index: &Index, reference: &str) -> anyhow::Result<Descriptor> {
    // A name before an id: an image may be called `cafe`.
    if let Ok(wanted) = Reference::parse(reference)
        && let Some(found) = named(index, &wanted)
    {
        return Ok(found.clone());
    }
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !digits.is_empty() && digits.len() <= 64 && digits.bytes().all(hex) {
        let prefix = format!("sha256:{digits}");
        let mut found: Vec<(String, &Descriptor)> = Vec::new();
        for descriptor in &index.manifests {
            let id = id(layout, descriptor)?;
            // Taken away by `rmi -f`: its container still says the whole id.
            let shown = !descriptor.removed() || id == prefix;
            let begins = id.starts_with(&prefix) || descriptor.digest == prefix;
            if shown && begins && !found.iter().any(|(other, _)| *other == id) {
                found.push((id, descriptor));
            }
        }
        match found.as_slice() {
            [(_, only)] => return Ok((*only).clone()),
            [] => {}
            _ => bail!("Multiple IDs found with provided prefix: {digits}"),
        }
    }
    Err(missing(reference))
}

/// `No such image: NAME`, with the tag that was meant.
pub fn missing(reference: &str) -> anyhow::Error {
    match Reference::parse(reference) {
        Ok(reference) => anyhow!("No such image: {reference}"),
        Err(_) if is_digest(reference) => anyhow!("No such image: {reference}"),
        Err(error) => error,
    }
}

fn named<'a>(index: &'a Index, wanted: &Reference) -> Option<&'a Descriptor> {
    let matches = |descriptor: &&Descriptor| match (&wanted.digest, descriptor.name()) {
        (_, None) => false,
        (None, Some(name)) => name == wanted.tagged(),
        // By digest the tag does not count.
        (Some(digest), Some(name)) => {
            descriptor.digest == *digest
                && name
                    .rsplit_once(':')
                    .is_some_and(|(name, _)| name == wanted.name)
        }
    };
    index.manifests.iter().find(matches)
}

/// The image's id: the digest of its configuration.
///
/// # Errors
/// A manifest that is missing or damaged.
pub fn id(layout: &Layout, descriptor: &Descriptor) -> anyhow::Result<String> {
    Ok(layout
        .document::<Manifest>(&descriptor.digest)?
        .config
        .digest)
}

/// Stores configuration and manifest of an image whose layers are stored.
///
/// # Errors
/// A full or read-only disk.
pub fn assemble(
    layout: &Layout,
    config: &Value,
    layers: Vec<Descriptor>,
) -> anyhow::Result<Descriptor> {
    let config = layout.put_document(CONFIG, config)?;
    layout.put_document(MANIFEST, &Manifest::new(config, layers))
}

/// Puts a manifest into the index, under a name or none. Who had the name before
/// loses it; an image that has no other stays, unnamed.
///
/// Gives the manifest that had the name, if it was another one.
///
/// # Errors
/// A full or read-only disk.
pub fn set(
    engine: &Engine,
    layout: &Layout,
    descriptor: &Descriptor,
    name: Option<&str>,
) -> anyhow::Result<Option<Descriptor>> {
    let _lock = engine.lock("images")?;
    let mut index = layout.index()?;
    let before = index
        .manifests
        .iter()
        .find(|other| name.is_some() && other.name() == name)
        .filter(|other| other.digest != descriptor.digest)
        .cloned();
    let same = |other: &Descriptor| other.digest == descriptor.digest;
    // A name takes the place of having none; and nothing has a name and none.
    index.manifests.retain(|other| {
        let replaced = same(other) && (other.name().is_none() || other.name() == name);
        !(replaced || name.is_some() && other.name() == name)
    });
    if name.is_some() || !index.manifests.iter().any(same) {
        index.manifests.push(descriptor.clone().named(name));
    }
    let still = |before: &Descriptor| {
        let mut all = index.manifests.iter();
        all.any(|other| other.digest == before.digest)
    };
    if let Some(before) = before.as_ref().filter(|before| !still(before)) {
        index.manifests.push(before.clone().named(None));
    }
    layout.write_index(&index)?;
    Ok(before)
}

/// Keeps images from being removed for a moment: from when a container looks for its
/// image until it is there itself, and `rmi` sees it. To be taken before the lock
/// `images`.
///
/// # Errors
/// A full or read-only disk.
pub fn hold(engine: &Engine) -> anyhow::Result<Lock> {
    Lock::share(&engine.root.join("locks/image-use"))
}

/// Waits until nobody holds them: for whoever removes one.
///
/// # Errors
/// As [`hold`].
pub fn alone(engine: &Engine) -> anyhow::Result<Lock> {
    engine.lock("image-use")
}

/// Every container, with the id of its image.
///
/// # Errors
/// The store cannot be read.
pub fn containers(engine: &Engine) -> anyhow::Result<Vec<Container>> {
    let mut containers = Vec::new();
    for id in container::store::ids(engine)? {
        // One that is just being removed has none any more.
        if let Ok(container) = files::read_json(&engine.container(&id).join("container.json")) {
            containers.push(container);
        }
    }
    Ok(containers)
}

/// Removes what no name and no container needs: manifests that `rmi -f` has taken
/// away and whose last container is gone, then blobs and layers.
///
/// To be called under the lock `images`.
///
/// # Errors
/// A folder that cannot be read; then nothing is removed.
pub fn collect(engine: &Engine, layout: &Layout) -> anyhow::Result<()> {
    let mut index = layout.index()?;
    let used: BTreeSet<String> = containers(engine)?
        .into_iter()
        .map(|container| container.image)
        .collect();
    let before = index.manifests.len();
    index
        .manifests
        .retain(|entry| !entry.removed() || id(layout, entry).is_ok_and(|id| used.contains(&id)));
    if index.manifests.len() != before {
        layout.write_index(&index)?;
    }
    let (mut blobs, mut chains) = (HashSet::new(), HashSet::new());
    let mut keep = |digest: &str| blobs.insert(digest.replacen("sha256:", "", 1));
    for entry in &index.manifests {
        keep(&entry.digest);
        // One that is damaged keeps what cannot be told apart any more: everything.
        let manifest: Manifest = layout.document(&entry.digest)?;
        let config: Value = layout.document(&manifest.config.digest)?;
        keep(&manifest.config.digest);
        for layer in &manifest.layers {
            keep(&layer.digest);
        }
        for chain in layers::chain_ids(&diff_ids(&config)) {
            chains.insert(chain.replacen("sha256:", "", 1));
        }
    }
    // Somebody brings an image just now: what it leaves is for the next time.
    let Some(_alone) = Lock::attempt(&engine.root.join("locks/lease"))? else {
        return Ok(());
    };
    layout.sweep(|name| blobs.contains(name))?;
    layers::sweep(engine, |name| chains.contains(name))
}

/// `rootfs.diff_ids` of a configuration.
pub fn diff_ids(config: &Value) -> Vec<String> {
    let list = config["rootfs"]["diff_ids"].as_array();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    list.into_iter().flatten().filter_map(text).collect()
}
