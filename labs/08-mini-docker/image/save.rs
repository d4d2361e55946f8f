//! Images go out as an archive.
//!
//! The usual form is two in one, as docker writes it since version 25: an OCI image
//! layout, and beside it docker's `manifest.json` on the same blobs. Who reads
//! either finds the manifests byte by byte as they are here, so every digest stays.
//! The members have no time and no owner: the same images give the same archive.
//!
//! Read: OCI image specification (image-layout), docker-save(1), podman-save(1)

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Write};

use anyhow::Context;
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::compress;
use super::layout::{Descriptor, Index, Layout, Manifest, NAME};
use super::names;
use super::reference::{Reference, full};

/// Which archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// An OCI layout with docker's manifest.json: everybody reads it
    #[default]
    Both,
    /// An OCI layout alone
    Oci,
    /// docker's older form: one plain tar a layer
    Docker,
}

/// An image to save, and the names that go with it.
#[derive(Clone, Debug)]
pub struct Saved {
    pub manifest: Descriptor,
    pub names: Vec<String>,
}

/// What the words of `save` mean: `name:tag` that one, `name` all its tags, an id the
/// image without a name.
///
/// # Errors
/// No such image.
pub fn select(layout: &Layout, words: &[String]) -> anyhow::Result<Vec<Saved>> {
    let index = layout.index()?;
    let mut saved: Vec<Saved> = Vec::new();
    for word in words {
        let reference = Reference::parse(word).ok();
        let whole = reference.filter(|name| name.tag.is_none() && name.digest.is_none());
        let mut found: Vec<&Descriptor> = Vec::new();
        if let Some(name) = whole {
            let name = format!("{}:", name.name);
            let tag = |descriptor: &&Descriptor| {
                let tag = descriptor.name().and_then(|full| full.strip_prefix(&name));
                tag.is_some_and(|tag| !tag.contains('/'))
            };
            found = index.manifests.iter().filter(tag).collect();
        }
        if found.is_empty() {
            let one = names::lookup(layout, &index, word)?;
            // By its id it is saved without a name.
            let named =
                Reference::parse(word).is_ok_and(|name| Some(&*name.tagged()) == one.name());
            add(&mut saved, &one, named.then(|| one.name()).flatten());
        }
        for one in found {
            add(&mut saved, one, one.name());
        }
    }
    Ok(saved)
}

fn add(saved: &mut Vec<Saved>, manifest: &Descriptor, name: Option<&str>) {
    let names = name.map(str::to_owned);
    match saved
        .iter_mut()
        .find(|other| other.manifest.digest == manifest.digest)
    {
        Some(other) => other.names.extend(names),
        None => saved.push(Saved {
            manifest: manifest.clone(),
            names: names.into_iter().collect(),
        }),
    }
}

/// How many bytes of blobs an archive will have.
///
/// # Errors
/// A manifest that is missing.
pub fn bytes(layout: &Layout, images: &[Saved]) -> anyhow::Result<u64> {
    let mut sizes = BTreeMap::new();
    for image in images {
        let manifest: Manifest = layout.document(&image.manifest.digest)?;
        sizes.extend(
            manifest
                .layers
                .into_iter()
                .map(|layer| (layer.digest, layer.size)),
        );
    }
    Ok(sizes.values().sum())
}

/// Writes the archive.
///
/// # Errors
/// A blob that is missing or damaged; a full disk. What was written is no archive
/// then.
pub fn save(
    layout: &Layout,
    images: &[Saved],
    form: Form,
    to: &mut File,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut archive = Archive {
        layout,
        to,
        bar,
        written: BTreeSet::new(),
    };
    let docker = match form {
        Form::Docker => archive.plain(images)?,
        Form::Both | Form::Oci => archive.blobs(images)?,
    };
    if form != Form::Docker {
        archive.index(images)?;
    }
    if form != Form::Oci {
        archive.document("manifest.json", &serde_json::to_vec(&docker)?)?;
        archive.document(
            "repositories",
            &serde_json::to_vec(&repositories(images, &docker))?,
        )?;
    }
    archive.to.write_all(&[0; 1024])?;
    Ok(archive.to.flush()?)
}

/// The archive that is being written.
struct Archive<'a> {
    layout: &'a Layout,
    to: &'a mut File,
    bar: &'a ProgressBar,
    written: BTreeSet<String>,
}

impl Archive<'_> {
    /// Every blob once, under its digest. Gives docker's manifest.json for them.
    fn blobs(&mut self, images: &[Saved]) -> anyhow::Result<Vec<Value>> {
        let mut docker = Vec::new();
        self.folder("blobs/")?;
        self.folder("blobs/sha256/")?;
        for image in images {
            let manifest: Manifest = self.layout.document(&image.manifest.digest)?;
            let own = [&image.manifest, &manifest.config];
            for blob in own.into_iter().chain(&manifest.layers) {
                self.blob(&path(&blob.digest), &blob.digest)?;
            }
            docker.push(json!({
                "Config": path(&manifest.config.digest),
                "RepoTags": tags(image),
                "Layers": manifest.layers.iter().map(|layer| path(&layer.digest)).collect::<Vec<_>>(),
            }));
        }
        Ok(docker)
    }

    /// The older form: configuration and layers by names of their own, nothing
    /// compressed.
    fn plain(&mut self, images: &[Saved]) -> anyhow::Result<Vec<Value>> {
        let mut docker = Vec::new();
        for image in images {
            let manifest: Manifest = self.layout.document(&image.manifest.digest)?;
            let config: Value = self.layout.document(&manifest.config.digest)?;
            let config_name = format!("{}.json", digits(&manifest.config.digest));
            self.blob(&config_name, &manifest.config.digest)?;
            let mut layers = Vec::new();
            for (layer, diff_id) in manifest.layers.iter().zip(names::diff_ids(&config)) {
                let name = format!("{}.tar", digits(&diff_id));
                self.layer(&name, &layer.digest)?;
                layers.push(name);
            }
            docker.push(json!({
                "Config": config_name,
                "RepoTags": tags(image),
                "Layers": layers,
            }));
        }
        Ok(docker)
    }

    fn index(&mut self, images: &[Saved]) -> anyhow::Result<()> {
        let mut index = Index::default();
        for image in images {
            let plain = image.manifest.clone().named(None);
            for name in &image.names {
                let mut named = plain.clone();
                // docker's annotation has the whole name. This one, by the specification
                // of layouts, what tells manifests apart in here: skopeo and podman look
                // for the whole name there, too.
                named
                    .annotations
                    .insert("io.containerd.image.name".into(), full(name).into());
                named.annotations.insert(NAME.into(), name.clone().into());
                index.manifests.push(named);
            }
            if image.names.is_empty() {
                index.manifests.push(plain);
            }
        }
        self.document("index.json", &serde_json::to_vec(&index)?)?;
        self.document("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    fn folder(&mut self, name: &str) -> anyhow::Result<()> {
        let mut header = header(name, 0)?;
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        self.header(header)
    }

    fn document(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.header(header(name, bytes.len() as u64)?)?;
        self.to.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn blob(&mut self, name: &str, digest: &str) -> anyhow::Result<()> {
        if !self.written.insert(name.to_owned()) {
            return Ok(());
        }
        let mut file = self.open(digest)?;
        let size = file.metadata()?.len();
        self.header(header(name, size)?)?;
        // From file to file the kernel copies, by copy_file_range(2) or sendfile(2).
        let taken = io::copy(&mut file, self.to)?;
        anyhow::ensure!(taken == size, "blob {digest} has changed while it was read");
        self.bar.inc(size);
        self.pad(size)
    }

    /// A layer without its compression. How long it is without is not known before,
    /// and stands in front of it: so it is read twice.
    fn layer(&mut self, name: &str, digest: &str) -> anyhow::Result<()> {
        if compress::suffix(&self.layout.blob(digest)?)?.is_empty() {
            return self.blob(name, digest);
        }
        if !self.written.insert(name.to_owned()) {
            return Ok(());
        }
        let plain = |file: File| compress::reader(BufReader::with_capacity(256 << 10, file));
        let size = io::copy(&mut plain(self.open(digest)?)?, &mut io::sink())?;
        self.header(header(name, size)?)?;
        io::copy(&mut plain(self.open(digest)?)?, self.to)?;
        self.bar.inc(size);
        self.pad(size)
    }

    fn open(&self, digest: &str) -> anyhow::Result<File> {
        File::open(self.layout.blob(digest)?)
            .with_context(|| format!("blob {digest} is missing: load the image again"))
    }

    fn header(&mut self, mut header: Header) -> anyhow::Result<()> {
        header.set_cksum();
        Ok(self.to.write_all(header.as_bytes())?)
    }

    fn pad(&mut self, size: u64) -> anyhow::Result<()> {
        let padding = size.wrapping_neg() % 512;
        Ok(self.to.write_all(&[0; 512][..padding as usize])?)
    }
}

fn header(name: &str, size: u64) -> anyhow::Result<Header> {
    // GNU's form takes sizes beyond 8 GiB.
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    Ok(header)
}

fn tags(image: &Saved) -> Value {
    match image.names.is_empty() {
        true => Value::Null,
        false => json!(image.names),
    }
}

/// docker's oldest index: name, tag, and the topmost layer.
fn repositories(images: &[Saved], docker: &[Value]) -> Value {
    let mut names: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (image, docker) in images.iter().zip(docker) {
        let layers = docker["Layers"].as_array();
        let top = layers
            .and_then(|layers| layers.last())
            .and_then(Value::as_str);
        let top = top
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default();
        for (name, tag) in image.names.iter().filter_map(|name| name.rsplit_once(':')) {
            let top = top.trim_end_matches(".tar").to_owned();
            names.entry(name).or_default().insert(tag, top);
        }
    }
    json!(names)
}

fn path(digest: &str) -> String {
    format!("blobs/sha256/{}", digits(digest))
}

fn digits(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}
