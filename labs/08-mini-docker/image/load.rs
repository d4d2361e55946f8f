//! An archive of images comes into the store: docker's (`manifest.json`), OCI's
//! (`index.json`), or both in one, as docker writes them since version 25.
//!
//! The archive is read once, as a stream, whatever order its members have. Each
//! blob goes into the store under the digest that it *has*; where its name says
//! another one, the archive is refused. Links in an archive are other names of its
//! members and nothing else: no member is ever looked up on the machine's disk.
//! Names are given last, when every layer has been unpacked.
//!
//! Read: OCI image specification (image-layout), docker-load(1), podman-load(1)

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use tar::EntryType;

use super::base::architecture;
use super::compress;
use super::entries::{Entries, Member};
use super::layers;
use super::layout::{CONFIG, Descriptor, INDEX, Index, LAYER, Layout, Manifest};
use super::names;
use super::reference::{Reference, is_digest};
use super::tree::clean;
use crate::engine::Engine;

/// What docker writes beside a manifest to tell the whole name.
const FULL_NAME: &str = "io.containerd.image.name";
/// The most members: an image has some dozens of layers.
const MEMBERS: usize = 100_000;

/// An image that an archive has brought.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub id: String,
    pub manifest: Descriptor,
    /// `name:tag`, as the archive says.
    pub names: Vec<String>,
}

/// A line of docker's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// Reads an archive, not compressed any more, and unpacks its images. Nothing is
/// named yet: that is [`names::set`].
///
/// # Errors
/// Not an archive of images; a digest that lies; a layer that is damaged or hostile.
pub fn load(engine: &Engine, layout: &Layout, archive: impl Read) -> anyhow::Result<Vec<Loaded>> {
    let mut contents = Contents::read(layout, archive)?;
    contents.follow_links();
    let loaded = match (contents.find("index.json"), contents.find("manifest.json")) {
        (Some(index), docker) => contents.oci(layout, &index, docker)?,
        (None, Some(docker)) => contents.docker(layout, &docker)?,
        (None, None) if contents.find("repositories").is_some() => {
            bail!("this archive is from before docker 1.10: let a newer docker load and save it")
        }
        (None, None) => bail!(
            "no images in this archive: neither manifest.json nor index.json \
             (a root file system is for `import`)"
        ),
    };
    for image in &loaded {
        let manifest: Manifest = layout.document(&image.manifest.digest)?;
        let config: Value = layout.document(&manifest.config.digest)?;
        let diff_ids = names::diff_ids(&config);
        layers::ensure(engine, layout, &manifest.layers, &diff_ids)?;
    }
    Ok(loaded)
}

/// What an archive holds, by cleaned path.
#[derive(Debug, Default)]
struct Contents {
    blobs: HashMap<PathBuf, Descriptor>,
    links: HashMap<PathBuf, PathBuf>,
}

impl Contents {
    fn read(layout: &Layout, archive: impl Read) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        let mut entries = Entries::new(archive);
        while let Some(member) = entries.advance()? {
            if contents.blobs.len() + contents.links.len() > MEMBERS {
                bail!("more than {MEMBERS} members: a bomb?");
            }
            let path = clean(Path::new(OsStr::from_bytes(&member.path)))?;
            contents.member(layout, path, &member, &mut entries)?;
        }
        Ok(contents)
    }

    fn member(
        &mut self,
        layout: &Layout,
        path: PathBuf,
        member: &Member,
        bytes: &mut impl Read,
    ) -> anyhow::Result<()> {
        let target = || clean(Path::new(OsStr::from_bytes(&member.target)));
        match member.kind {
            EntryType::Directory => {}
            // Relative to where it stands; absolute ones are none of an archive.
            EntryType::Symlink => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let target = folder.join(OsStr::from_bytes(&member.target));
                self.links.insert(path, clean(&target)?);
            }
            EntryType::Link => {
                self.links.insert(path, target()?);
            }
            EntryType::Regular | EntryType::Continuous if member.sparse.is_none() => {
                let mut blob = layout.writer()?;
                io::copy(bytes, &mut blob)?;
                let (digest, size) = blob
                    .finish(promised(&path).as_deref())
                    .with_context(|| path.display().to_string())?;
                // The same path twice: which one is meant, nobody can say.
                let blob = Descriptor::new("", digest, size);
                if self.blobs.insert(path.clone(), blob).is_some() {
                    bail!("{} is twice in the archive", path.display());
                }
            }
            _ => bail!("{}: not a file", path.display()),
        }
        Ok(())
    }

    /// Other names become what they are names of. A link to something that is not in
    /// the archive is nothing.
    fn follow_links(&mut self) {
        for (path, first) in &self.links {
            let mut target = first;
            // Links may lead in circles.
            for _ in 0..40 {
                match self.links.get(target) {
                    Some(next) => target = next,
                    None => break,
                }
            }
            if let Some(blob) = self.blobs.get(target).cloned() {
                self.blobs.entry(path.clone()).or_insert(blob);
            }
        }
    }

    fn find(&self, path: &str) -> Option<Descriptor> {
        self.blobs.get(Path::new(path)).cloned()
    }

    fn get(&self, path: &str) -> anyhow::Result<Descriptor> {
        let clean = clean(Path::new(path))?;
        let blob = self.blobs.get(&clean).cloned();
        blob.with_context(|| format!("{path} is not in the archive"))
    }

    /// The images of an OCI layout. `docker`: manifest.json beside it, which may know
    /// more names.
    fn oci(
        &self,
        layout: &Layout,
        index: &Descriptor,
        docker: Option<Descriptor>,
    ) -> anyhow::Result<Vec<Loaded>> {
        let index: Index = layout.document(&index.digest).context("index.json")?;
        let more: Vec<DockerImage> = match docker {
            Some(docker) => layout.document(&docker.digest).context("manifest.json")?,
            None => Vec::new(),
        };
        let mut images: Vec<Loaded> = Vec::new();
        for descriptor in &index.manifests {
            let name = name_of(descriptor)?;
            let Some(manifest) = self.platform(layout, descriptor, 0)? else {
                continue;
            };
            let id = names::id(layout, &manifest)?;
            let image = match images
                .iter_mut()
                .find(|image| image.manifest.digest == manifest.digest)
            {
                Some(image) => image,
                None => {
                    images.push(Loaded {
                        id,
                        manifest,
                        names: Vec::new(),
                    });
                    let last = images.len() - 1;
                    &mut images[last]
                }
            };
            image.names.extend(name);
        }
        if images.is_empty() {
            bail!("no image for linux/{} in this archive", architecture());
        }
        for image in &mut images {
            for other in &more {
                if self.get(&other.config)?.digest == image.id {
                    image.names.extend(tags(other)?);
                }
            }
            image.names.sort();
            image.names.dedup();
        }
        Ok(images)
    }

    /// The manifest for this machine: of several in an index the one that fits.
    fn platform(
        &self,
        layout: &Layout,
        descriptor: &Descriptor,
        depth: u32,
    ) -> anyhow::Result<Option<Descriptor>> {
        let path = layout.blob(&descriptor.digest)?;
        if !path.exists() {
            // docker leaves out the manifests of platforms that it does not have.
            return Ok(None);
        }
        let list =
            descriptor.media_type == INDEX || descriptor.media_type.contains("manifest.list");
        if !list {
            return Ok(Some(Descriptor::new(
                &descriptor.media_type,
                descriptor.digest.clone(),
                layout.read(&descriptor.digest)?.len() as u64,
            )));
        }
        if depth > 4 {
            bail!("an index in an index in an index: a bomb?");
        }
        let index: Index = layout.document(&descriptor.digest)?;
        for inner in &index.manifests {
            let platform = &inner.rest.get("platform").cloned().unwrap_or_default();
            let fits = platform.is_null()
                || platform["os"] == "linux" && platform["architecture"] == architecture();
            if fits && let Some(found) = self.platform(layout, inner, depth + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The images of docker's older form, which has no manifests: one is made, always
    /// the same for the same image.
    fn docker(&self, layout: &Layout, list: &Descriptor) -> anyhow::Result<Vec<Loaded>> {
        let list: Vec<DockerImage> = layout.document(&list.digest).context("manifest.json")?;
        let mut images = Vec::new();
        for image in &list {
            let config = self.get(&image.config)?;
            let config = Descriptor::new(CONFIG, config.digest, config.size);
            let mut layers = Vec::new();
            for path in &image.layers {
                let layer = self.get(path)?;
                let suffix = compress::suffix(&layout.blob(&layer.digest)?)?;
                let media_type = format!("{LAYER}{suffix}");
                layers.push(Descriptor::new(&media_type, layer.digest, layer.size));
            }
            let manifest = Manifest::new(config.clone(), layers);
            images.push(Loaded {
                id: config.digest,
                manifest: layout.put_document(super::layout::MANIFEST, &manifest)?,
                names: tags(image)?,
            });
        }
        Ok(images)
    }
}

/// The digest that a member's name promises: `blobs/sha256/HEX`.
fn promised(path: &Path) -> Option<String> {
    let digits = path.strip_prefix("blobs/sha256").ok()?.to_str()?;
    let digest = format!("sha256:{digits}");
    is_digest(&digest).then_some(digest)
}

fn tags(image: &DockerImage) -> anyhow::Result<Vec<String>> {
    let tags = image.repo_tags.iter().flatten();
    tags.map(|tag| Ok(Reference::parse(tag)?.tagged()))
        .collect()
}

/// The name that an index gives a manifest. A tag without a name is none: nobody
/// says of what.
fn name_of(descriptor: &Descriptor) -> anyhow::Result<Option<String>> {
    let annotation = |key: &str| descriptor.annotations.get(key).and_then(Value::as_str);
    let short = annotation(super::layout::NAME).filter(|name| name.contains([':', '/']));
    match annotation(FULL_NAME).or(short) {
        Some(name) => Ok(Some(Reference::parse(name)?.tagged())),
        None => Ok(None),
    }
}
