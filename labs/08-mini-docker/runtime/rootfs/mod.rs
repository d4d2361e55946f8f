//! The container's root: everything that is mounted in it, and the way in.
//!
//! All of it happens before pivot_root, while /proc and /dev/null are the host's
//! and can be trusted; and every place in the new root is a descriptor that was
//! resolved *in* it (`labs::root::Root`), never a path that a link could bend.
//!
//! Read: pivot_root(2), openat2(2), mount_setattr(2), config-linux.md

mod cgroups;
mod devices;
mod mounts;
mod options;
mod terminal;

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::root::{Attributes, Root, bind_root, make_read_only, mask, pivot_into, set_attributes};
use nix::mount::{MsFlags, mount};
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use super::Launch;
use super::cgroup::Cgroup;
use crate::files::step;
pub use terminal::pair as terminal_pair;

/// Mounts all that the specification names and makes the container's root the
/// root of this process.
///
/// # Errors
/// The mount that was refused, by its place in the container, and why.
pub fn enter(
    launch: &Launch,
    linux: &Linux,
    cgroup: Option<&Cgroup>,
    console: Option<&OwnedFd>,
) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let mut namespaces = linux.namespaces().iter().flatten();
    let Some(root) = launch.spec.root() else {
        bail!("config.json has no `root`");
    };
    if !namespaces.any(|one| one.typ() == LinuxNamespaceType::Mount && one.path().is_none()) {
        bail!("config.json: a container wants a mount namespace of its own");
    }
    // First of all: where the host's mounts are shared, each of ours would show there.
    propagate(linux.rootfs_propagation().as_deref().unwrap_or("rprivate"))?;
    let path = launch.bundle.join(root.path());
    step("mount the root");
    // pivot_root takes nothing but a mount, and flags of ours are to be on one of
    // ours. What came from the mount namespace of another owner is locked.
    if !is_mount(&path) || namespaces_are_foreign(linux) {
        bind_root(explain, &path)?;
    }
    // Held open: whatever happens to its path, this is the root that is meant.
    let place = Root::open(explain, &path)?;
    // In the order of the list: what is mounted later may lie in what was before.
    for one in launch.spec.mounts().iter().flatten() {
        step("mount in the root");
        mounts::mount_one(&place, one, launch, linux, cgroup)
            .with_context(|| format!("mounting {:?}", one.destination()))?;
    }
    devices::make(&place, launch, linux)?;
    if let Some(console) = console {
        terminal::take(&place, console).context("a terminal for the container")?;
    }

    // Read-only before the masks: /proc/sys bound on itself would uncover what is
    // masked below it.
    for path in linux.readonly_paths().iter().flatten() {
        make_read_only(explain, &place, Path::new(path))?;
    }
    for path in linux.masked_paths().iter().flatten() {
        mask(explain, &place, Path::new(path))?;
    }
    // After all places of mounts have been made in it.
    if root.readonly() == Some(true) {
        // Of this mount alone: volumes have their own word.
        let root = place.inside(explain, Path::new("/"), labs::root::Make::Nothing)?;
        let only = Attributes {
            recursive: false,
            ..Attributes::READ_ONLY
        };
        set_attributes(explain, &root, only, None)?;
    }
    step("pivot_root");
    pivot_into(explain, Path::new(&place.path()))?;
    Ok(())
}

/// Says what happens to mounts that are made on one side. Never less than private
/// for pivot_root, which would show its work outside (it refuses: EINVAL).
fn propagate(word: &str) -> anyhow::Result<()> {
    let flag = match word {
        "" | "private" | "rprivate" => MsFlags::MS_PRIVATE,
        // The root itself is made private below by being bound.
        "slave" | "rslave" | "shared" | "rshared" => MsFlags::MS_SLAVE,
        "unbindable" | "runbindable" => MsFlags::MS_UNBINDABLE,
        other => bail!("config.json: rootfsPropagation {other:?} is none"),
    };
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | flag, NONE)
        .with_context(|| format!("mount(NULL, \"/\", NULL, MS_REC|{flag:?}, NULL)"))
}

/// Whether a path is the root of a mount: one that the monitor has made. Linux 5.8.
fn is_mount(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(name) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: all-zero is a valid statx; the kernel fills it, the name is a C string.
    unsafe {
        let mut stat: libc::statx = std::mem::zeroed();
        let done = libc::statx(libc::AT_FDCWD, name.as_ptr(), 0, 0, &raw mut stat);
        let flag = libc::STATX_ATTR_MOUNT_ROOT as u64;
        done == 0 && stat.stx_attributes & flag != 0
    }
}

/// Whether a user namespace comes into play: mounts that were copied into it are
/// locked together (mount_namespaces(7)), and pivot_root takes none of them.
fn namespaces_are_foreign(linux: &Linux) -> bool {
    let mut namespaces = linux.namespaces().iter().flatten();
    namespaces.any(|one| one.typ() == LinuxNamespaceType::User)
}
