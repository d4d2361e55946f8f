//! Images: content-addressed blobs, each layer unpacked once, names for manifests.
//!
//! ```text
//! reference  [host/]name[:tag][@digest], taken apart
//! layout     the OCI image layout on disk: blobs, index.json
//! names      which manifest has which name; what is in use, what may go
//! layers     layers/CHAIN-ID/diff: unpacked once, in overlayfs's terms
//! entries    a tar archive as a stream of members
//! tree       names that others have chosen, resolved so that none leads out
//! unpack     an archive becomes a layer        pack   a directory becomes an archive
//! ids        owners that exist here            compress   gzip, zstd, or neither
//! load       archives come in              save       and go out
//! view       the files of a container, running or not
//! commit     a container becomes an image     changes    CMD, ENV, … of `-c`
//! copy       files between a container and the machine
//! base       the image that is always there
//! ```
//!
//! Read: OCI image specification (image-layout, manifest, config, layer)

pub mod base;
pub mod changes;
pub mod commit;
pub mod compress;
pub mod copy;
pub mod entries;
pub mod ids;
pub mod layers;
pub mod layout;
pub mod load;
pub mod names;
pub mod output;
pub mod pack;
pub mod progress;
pub mod reference;
pub mod save;
pub mod tree;
pub mod unpack;
pub mod view;

use std::path::PathBuf;

use anyhow::Context;
use oci_spec::image::ImageConfiguration;
use serde_json::Value;

use crate::container::record::Config;
use crate::engine::Engine;
use layout::{Descriptor, Layout, Manifest};

/// An image of the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// `sha256:…` of the configuration: what docker calls the image's id.
    pub id: String,
    /// `sha256:…` of the manifest.
    pub manifest: String,
    pub config: ImageConfiguration,
    /// The same as it is stored, with what only docker knows (`Healthcheck`).
    pub raw: Value,
    /// `diff` folders of its layers, the lowest first; below them the one that every
    /// container has ([`layers::skeleton`]).
    pub layers: Vec<PathBuf>,
}

impl Image {
    /// What a container of it gets where nobody asks for something else.
    ///
    /// # Errors
    /// A configuration that docker would not read either.
    pub fn defaults(&self) -> anyhow::Result<Config> {
        let mut config = self.raw.get("config").cloned().unwrap_or_default();
        if let Value::Object(members) = &mut config {
            // Go writes an empty list or map as null.
            members.retain(|_, value| !value.is_null());
        }
        match config {
            Value::Null => Ok(Config::default()),
            config => serde_json::from_value(config)
                .with_context(|| format!("the configuration of image {}", self.id)),
        }
    }

    fn open(engine: &Engine, layout: &Layout, descriptor: &Descriptor) -> anyhow::Result<Self> {
        let manifest: Manifest = layout.document(&descriptor.digest)?;
        let raw = layout.read(&manifest.config.digest)?;
        let told = || format!("configuration {}", manifest.config.digest);
        let config: ImageConfiguration = serde_json::from_slice(&raw).with_context(told)?;
        let raw: Value = serde_json::from_slice(&raw).with_context(told)?;
        let diff_ids = config.rootfs().diff_ids();
        let mut layers = vec![layers::skeleton(engine)?];
        layers.extend(layers::ensure(engine, layout, &manifest.layers, diff_ids)?);
        Ok(Self {
            id: manifest.config.digest,
            manifest: descriptor.digest.clone(),
            config,
            raw,
            layers,
        })
    }
}

/// The image of a reference (`base`, `base:latest`, `sha256:…`, the beginning of an
/// id). `base` is made where it is not there.
///
/// Whoever makes a container of it holds it meanwhile ([`names::hold`]).
///
/// # Errors
/// No such image, in docker's words; several with this beginning.
pub fn find(engine: &Engine, reference: &str) -> anyhow::Result<Image> {
    let layout = Layout::open(engine)?;
    let found = names::lookup(&layout, &layout.index()?, reference);
    let descriptor = match found {
        Err(_) if base::is_meant(reference) => base::make(engine, &layout)?,
        found => found?,
    };
    Image::open(engine, &layout, &descriptor)
}
