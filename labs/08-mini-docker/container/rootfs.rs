//! A container's root: the image's layers, and above them what it writes itself.
//!
//! Read: overlayfs (kernel's filesystems/overlayfs), mount_namespaces(7)

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use labs::explain::Explain;
use labs::namespaces::{Propagation, set_propagation};
use labs::union::{Class, Overlay, in_user_namespace};
use nix::sched::{CloneFlags, unshare};

use super::record::Container;
use crate::engine::Engine;
use crate::files::step;
use crate::image;

/// Mounts a container's root at `containers/ID/merged`, in a mount namespace that the
/// calling process takes for itself: nobody else sees it, and it goes with the process.
///
/// # Errors
/// The image is gone; what the kernel refuses.
pub fn mount(engine: &Engine, container: &Container) -> anyhow::Result<PathBuf> {
    step("unshare mounts");
    unshare(CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWNS)")?;
    // A slave and not private: what the machine unmounts later must not stay alive here.
    set_propagation(Explain::new(false), Propagation::Slave)?;
    let target = engine.container(&container.id).join("merged");
    make_folder(&target)?;
    overlay(engine, container)?.mount(Explain::new(false), &target)?;
    Ok(target)
}

/// The overlay of a container, not mounted yet.
///
/// # Errors
/// The image is gone.
pub fn overlay(engine: &Engine, container: &Container) -> anyhow::Result<Overlay> {
    let image = image::find(engine, &container.image)?;
    let folder = engine.container(&container.id);
    let lower = image.layers.iter().rev().cloned().collect();
    // What is removed when it ends need not be on the disk then. One that was made and
    // did not start has left the kernel's mark that it was mounted so.
    let volatile = container.host_config.auto_remove;
    if volatile {
        let _ = fs::remove_dir_all(folder.join("work/work/incompat"));
    }
    Ok(Overlay {
        volatile,
        lower,
        upper: Some((folder.join("diff"), folder.join("work"))),
        class: match in_user_namespace() {
            true => Class::User,
            false => Class::Trusted,
        },
    })
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => result.with_context(|| format!("mkdir {}", path.display())),
    }
}
