//! Where the engine keeps its things, and for whom.
//!
//! ```text
//! ROOT/                      /var/lib/mini-docker, or ~/.local/share/mini-docker
//!   images/                  an OCI image layout: blobs/sha256/…, index.json
//!   layers/CHAIN-ID/diff     each layer once, unpacked
//!   containers/ID/           container.json, state.json, diff, work, merged, …
//!   names/NAME               a symbolic link to the ID: who makes it owns the name
//!   networks/  volumes/
//!   locks/
//! RUN/                       /run/mini-docker, or $XDG_RUNTIME_DIR/mini-docker
//!   ID/                      the monitor's lock and socket; gone after a reboot
//!   events                   one JSON object a line
//! ```
//!
//! What is in ROOT outlives a reboot, what is in RUN does not.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::unistd::{Uid, geteuid};

use crate::files::Lock;

/// The places of one store.
#[derive(Clone, Debug)]
pub struct Engine {
    pub root: PathBuf,
    pub run: PathBuf,
    /// Whether the caller is an ordinary user, seen from the machine: also after
    /// the engine has become root of a user namespace.
    pub rootless: bool,
}

impl Engine {
    /// Opens the store of the caller, making its folders where they are not there.
    ///
    /// `root` is `--root`, before `MINI_DOCKER_ROOT`, before the default; a store
    /// that is not the default one has its run folder inside itself, so that two
    /// stores never meet.
    ///
    /// # Errors
    /// No home folder; a folder that cannot be made, or that another user owns.
    pub fn open(root: Option<PathBuf>) -> anyhow::Result<Self> {
        let rootless = !geteuid().is_root();
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let given = root.or_else(|| var("MINI_DOCKER_ROOT").map(PathBuf::from));
        let (root, run) = match given {
            Some(root) => {
                let root = std::path::absolute(&root)
                    .with_context(|| format!("--root {}", root.display()))?;
                let run = root.join("run");
                (root, run)
            }
            None if !rootless => ("/var/lib/mini-docker".into(), "/run/mini-docker".into()),
            None => {
                let data = match (var("XDG_DATA_HOME"), var("HOME")) {
                    (Some(data), _) => PathBuf::from(data),
                    (None, Some(home)) => Path::new(&home).join(".local/share"),
                    (None, None) => bail!("HOME is not set: say where with --root DIRECTORY"),
                };
                let run = match var("XDG_RUNTIME_DIR") {
                    Some(folder) => Path::new(&folder).join("mini-docker"),
                    None => std::env::temp_dir().join(format!("mini-docker-{}", geteuid())),
                };
                (data.join("mini-docker"), run)
            }
        };
        let engine = Self {
            root,
            run,
            rootless,
        };
        private(&engine.root)?;
        private(&engine.run)?;
        // The last one that is made is there: then all are.
        if engine.root.join("locks").is_dir() {
            return Ok(engine);
        }
        for folder in [
            "images",
            "layers",
            "containers",
            "names",
            "networks",
            "volumes",
            "locks",
        ] {
            private(&engine.root.join(folder))?;
        }
        Ok(engine)
    }

    /// Waits for the lock of that name. Held until it is dropped, or its process dies.
    ///
    /// # Errors
    /// The file cannot be made (a full or read-only disk).
    pub fn lock(&self, name: &str) -> anyhow::Result<Lock> {
        Lock::wait(&self.root.join("locks").join(name))
    }

    /// The folder of a container.
    pub fn container(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// The folder of a container's monitor.
    pub fn monitor(&self, id: &str) -> PathBuf {
        self.run.join(id)
    }
}

/// A folder that nobody else can enter. One that is there must be the caller's:
/// below /tmp anybody could have made it first.
fn private(folder: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(folder);
    made.with_context(|| format!("mkdir {}", folder.display()))?;
    let metadata =
        std::fs::symlink_metadata(folder).with_context(|| format!("stat {}", folder.display()))?;
    let own = Uid::from_raw(metadata.uid()) == geteuid();
    if !metadata.is_dir() || !own {
        bail!(
            "{} belongs to somebody else: say another place with --root DIRECTORY",
            folder.display()
        );
    }
    Ok(())
}
