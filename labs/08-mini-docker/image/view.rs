//! The files of a container as it sees them, held open.
//!
//! Of one that runs that is the root of its first process, with its volumes in it.
//! Of one that does not, the same is mounted here, in a mount namespace of our own.
//! Nothing of it is ever executed or looked up by path: docker once did both, in a
//! chroot that loaded the container's own libraries (CVE-2019-14271) and through
//! links that changed meanwhile (CVE-2018-15664). What is done with the open
//! directory goes through [`Tree`].
//!
//! Read: proc_pid_root(5), overlayfs.rst, mount_namespaces(7)

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::namespaces::{Kind, Propagation, join, open_namespaces, set_propagation};
use labs::root::path_of;
use labs::union::Overlay;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::tree::Tree;
use crate::container::record::{Container, State};
use crate::container::{rootfs, rootless, store};
use crate::engine::Engine;

/// All files that a container sees, to read and to write. Only while there is one
/// thread.
///
/// # Errors
/// What the kernel refuses.
pub fn live(engine: &Engine, container: &Container) -> anyhow::Result<Tree> {
    let state = store::state(engine, &container.id)?;
    if store::live(state.status) && state.pid > 0 {
        return running(engine, container, &state);
    }
    rootless::enter(engine)?;
    let merged = rootfs::mount(engine, container)?;
    let mut tree = Tree::open(&merged)?;
    for volume in &container.mounts {
        // Where it is mounted when the container runs; what links say is the image's.
        let destination = Path::new(&volume.destination);
        let place = match tree.resolve(destination, OFlag::O_PATH) {
            Err(Errno::ENOENT) => {
                // Never started: a place for it, as the runtime would make one.
                // It is the directory of any name in it.
                tree.place(&super::tree::clean(destination)?.join("any"), |_| ())?;
                tree.resolve(destination, OFlag::O_PATH)?
            }
            result => result?,
        };
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        let target = PathBuf::from(path_of(&place));
        mount(
            Some(&*volume.source),
            &target,
            None::<&str>,
            bind,
            None::<&str>,
        )
        .with_context(|| format!("mount {} on {}", volume.source, volume.destination))?;
    }
    // What is mounted later is not seen through a descriptor from before: only by a
    // look-up, which begins at this one. So it stays.
    Ok(tree)
}

fn running(engine: &Engine, container: &Container, state: &State) -> anyhow::Result<Tree> {
    if engine.rootless {
        // Another user namespace of ours with the same map would not do: the kernel
        // shows a process's root to who may trace it.
        let file = format!("/proc/{}/ns/user", state.pid);
        let spaces = open_namespaces(Explain::new(false), &[(Kind::User, file)])?;
        join(Explain::new(false), spaces)?;
    }
    let root = format!("/proc/{}/root", state.pid);
    let tree = Tree::open(Path::new(&root)).context("the container has just ended")?;
    // The number may be another process's by now; the monitor's lock says it is not.
    if store::state(engine, &container.id)?.pid != state.pid {
        bail!("container {} has just ended", container.name);
    }
    Ok(tree)
}

/// A container's files without its volumes and without what is mounted: the image and
/// the container's own layer, read-only.
///
/// # Errors
/// What the kernel refuses.
pub fn layers(engine: &Engine, container: &Container) -> anyhow::Result<File> {
    rootless::enter(engine)?;
    unshare(CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWNS)")?;
    set_propagation(Explain::new(false), Propagation::Slave)?;
    let folder = engine.container(&container.id);
    let overlay = rootfs::overlay(engine, container)?;
    // The upper directory as the topmost lower one: the container may be running, and
    // nobody else may have its work directory.
    let mut lower = vec![folder.join("diff")];
    lower.extend(overlay.lower);
    let overlay = Overlay {
        volatile: false,
        lower,
        upper: None,
        class: overlay.class,
    };
    let merged = folder.join("merged");
    let _ = std::fs::create_dir(&merged);
    overlay.mount(Explain::new(false), &merged)?;
    File::open(&merged).with_context(|| format!("open {}", merged.display()))
}
