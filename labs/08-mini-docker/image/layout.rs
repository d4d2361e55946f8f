//! The images on disk: an OCI image layout.
//!
//! `blobs/sha256/HEX` holds what has that digest, so a blob that is there is right
//! and never changes. `index.json` names manifests; it alone changes, under the
//! lock `images`. Other tools read the folder as it is
//! (`skopeo inspect oci:ROOT/images:base:latest`).
//!
//! Read: OCI image specification (image-layout, descriptor)

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::reference::is_digest;
use crate::engine::Engine;
use crate::files::{self, Lock, step};

/// The annotation that gives a manifest a name.
pub const NAME: &str = "org.opencontainers.image.ref.name";
/// Ours: `rmi -f` took the image away from people, but a container still uses it.
pub const REMOVED: &str = "mini-docker.removed";

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Manifests and configurations are read into memory; 4 MiB is what registries
/// allow them.
const DOCUMENT: u64 = 4 << 20;

/// What the layout says about a blob. Members that we do not know are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: String, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            ..Self::default()
        }
    }

    /// The name that it has in the store.
    pub fn name(&self) -> Option<&str> {
        self.annotations.get(NAME)?.as_str()
    }

    /// The same under a name, or under none.
    pub fn named(mut self, name: Option<&str>) -> Self {
        self.annotations.remove(NAME);
        self.annotations.remove(REMOVED);
        if let Some(name) = name {
            self.annotations.insert(NAME.into(), name.into());
        }
        self
    }

    pub fn removed(&self) -> bool {
        self.annotations.contains_key(REMOVED)
    }
}

/// `index.json`, and any other index of manifests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.into(),
            manifests: Vec::new(),
        }
    }
}

/// A manifest, as far as it is needed here. Its bytes are kept as they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MANIFEST.into(),
            config,
            layers,
        }
    }
}

/// `ROOT/images`.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Opens it, and makes what is not there.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn open(engine: &Engine) -> anyhow::Result<Self> {
        let folder = engine.root.join("images");
        let blobs = folder.join("blobs/sha256");
        if !blobs.is_dir() {
            fs::create_dir_all(&blobs).with_context(|| format!("mkdir {}", blobs.display()))?;
            files::write(
                &folder.join("oci-layout"),
                br#"{"imageLayoutVersion":"1.0.0"}"#,
            )?;
        }
        Ok(Self { folder })
    }

    /// Where a blob lies, or would lie.
    ///
    /// # Errors
    /// Text that is no digest: it could be a path.
    pub fn blob(&self, digest: &str) -> anyhow::Result<PathBuf> {
        match digest.strip_prefix("sha256:") {
            Some(digits) if is_digest(digest) => Ok(self.folder.join("blobs/sha256").join(digits)),
            _ => bail!("unsupported digest {digest:?}: sha256 and 64 digits are known here"),
        }
    }

    /// A small blob, whole, and still what its digest says.
    ///
    /// # Errors
    /// Not there; longer than 4 MiB; damaged.
    pub fn read(&self, digest: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.blob(digest)?;
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(DOCUMENT + 1).read_to_end(&mut bytes))
            .with_context(|| format!("blob {digest} is missing: load or pull the image again"))?;
        if bytes.len() as u64 > DOCUMENT || digest_of(&bytes) != digest {
            bail!("blob {digest} is damaged: remove the image and load it again");
        }
        Ok(bytes)
    }

    /// The same as a JSON document.
    ///
    /// # Errors
    /// As [`Layout::read`]; not such a document.
    pub fn document<T: serde::de::DeserializeOwned>(&self, digest: &str) -> anyhow::Result<T> {
        serde_json::from_slice(&self.read(digest)?).with_context(|| format!("blob {digest}"))
    }

    /// Stores bytes, and gives their digest.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn put(&self, bytes: &[u8]) -> anyhow::Result<String> {
        let digest = digest_of(bytes);
        let path = self.blob(&digest)?;
        // After a power failure it may be there and empty: what is read is compared
        // with its digest, so nothing waits for the disk here.
        let whole = |file: fs::Metadata| file.len() == bytes.len() as u64;
        if !fs::metadata(&path).is_ok_and(whole) {
            files::write_soon(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Stores a JSON document, and describes it.
    ///
    /// # Errors
    /// As [`Layout::put`].
    pub fn put_document(
        &self,
        media_type: &str,
        value: &impl Serialize,
    ) -> anyhow::Result<Descriptor> {
        let bytes = serde_json::to_vec(value)?;
        let digest = self.put(&bytes)?;
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    /// A new blob that is written bit by bit; nobody sees it before it is finished.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn writer(&self) -> anyhow::Result<BlobWriter> {
        let path = self.folder.join(temporary());
        step("write");
        let file = File::create_new(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(BlobWriter {
            layout: self.clone(),
            path,
            file,
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Keeps what has no name yet from being swept away: whoever brings blobs or
    /// layers holds one until a name leads to them.
    ///
    /// # Errors
    /// A full or read-only disk.
    pub fn lease(&self, engine: &Engine) -> anyhow::Result<Lock> {
        Lock::share(&engine.root.join("locks/lease"))
    }

    /// The index as it is.
    ///
    /// # Errors
    /// A damaged file.
    pub fn index(&self) -> anyhow::Result<Index> {
        let path = self.folder.join("index.json");
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            _ => files::read_json(&path),
        }
    }

    /// Changes the index. Whoever calls holds the lock `images`.
    ///
    /// # Errors
    /// A full or read-only disk; the index is unchanged then.
    pub fn write_index(&self, index: &Index) -> anyhow::Result<()> {
        files::write_json(&self.folder.join("index.json"), index)
    }

    /// Removes every blob that `keep` does not want, and what writers that have
    /// died left behind.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn sweep(&self, keep: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        for entry in fs::read_dir(self.folder.join("blobs/sha256"))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if abandoned(&name) || !name.starts_with('.') && !keep(&name) {
                step("unlink");
                let _ = fs::remove_file(entry.path());
            }
        }
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if abandoned(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// A blob on its way in. Dropped before it is finished, it is gone.
#[derive(Debug)]
pub struct BlobWriter {
    layout: Layout,
    path: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
}

impl BlobWriter {
    /// Puts it in its place, and gives digest and size. `expected`: the digest that
    /// it has to have.
    ///
    /// # Errors
    /// Another digest; a full disk.
    pub fn finish(mut self, expected: Option<&str>) -> anyhow::Result<(String, u64)> {
        let hash = std::mem::take(&mut self.hash);
        let digest = format!("sha256:{}", hex(&hash.finalize()));
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            bail!("digest mismatch: {expected} was expected and {digest} came");
        }
        step("rename");
        let place = self.layout.blob(&digest)?;
        fs::rename(&self.path, &place).with_context(|| format!("rename {}", place.display()))?;
        Ok((digest, self.size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // Fails after `finish`, which has given it another name.
        let _ = fs::remove_file(&self.path);
    }
}

/// `sha256:…` of some bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for what is half made, that says whose it is: `.PID.N`.
pub fn temporary() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!(".{number}.{}", std::process::id())
}

/// Whether such a name belongs to a process that is no more. (Its number may be
/// another's by now: then what it left is cleared some other time.)
pub fn abandoned(name: &str) -> bool {
    let owner = name
        .strip_prefix('.')
        .and_then(|name| name.rsplit_once('.'));
    let owner = owner.and_then(|(_, pid)| pid.parse().ok());
    owner.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists())
}
