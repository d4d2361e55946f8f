//! The cgroups that a container sees: its own, and those read-only.
//!
//! Read: cgroup_namespaces(7), config.md ("mounts": cgroup)

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context;
use labs::cgroups::Version;
use labs::explain::Explain;
use labs::root::{Make, Root, path_of};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount2};
use oci_spec::runtime::{Linux, LinuxNamespaceType};

use super::super::cgroup::Cgroup;
use super::mounts::bind;
use super::options::Options;

/// v2: a new mount, whose root is that of the cgroup namespace. v1, and where the
/// namespace is the host's: the container's own directory of each tree, bound.
pub fn mount(
    root: &Root,
    target: &Path,
    options: &Options,
    linux: &Linux,
    cgroup: Option<&Cgroup>,
) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    // Asked of the cgroup itself; who has none of its own sees what the machine has.
    let directories = cgroup.map(Cgroup::directories).unwrap_or_default();
    let is_v2 = match directories.first() {
        Some(first) => first.version == Version::V2,
        None => Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
    };
    let namespace = linux.namespaces().iter().flatten();
    let own = namespace
        .clone()
        .any(|one| one.typ() == LinuxNamespaceType::Cgroup);
    if is_v2 {
        // The namespace hides what is above: its root is the container's own cgroup.
        if own {
            let place = root.inside(explain, target, Make::Directory)?;
            let made = mount2(
                Some("cgroup"),
                path_of(&place).as_str(),
                Some("cgroup2"),
                options.flags,
                None::<&str>,
            );
            match made {
                // Without the right to a new mount of it: the host's, as it is.
                Err(Errno::EPERM | Errno::EBUSY) => {}
                made => return made.context("mount(cgroup2)"),
            }
        }
        let deep = Options {
            bind: Some(true),
            ..options.clone()
        };
        return bind(root, Path::new("/sys/fs/cgroup"), target, &deep);
    }

    // v1: a small tmpfs with a directory for each tree, as the host has it.
    let place = root.inside(explain, target, Make::Directory)?;
    let flags = options.flags.difference(MsFlags::MS_RDONLY);
    mount2(
        Some("tmpfs"),
        path_of(&place).as_str(),
        Some("tmpfs"),
        flags,
        Some("mode=755"),
    )
    .context("mount(tmpfs)")?;
    // Opened anew: the first descriptor is below the tmpfs.
    let place = root.inside(explain, target, Make::Nothing)?;
    for (name, directory) in cgroup.map(Cgroup::by_mount_point).unwrap_or_default() {
        bind(root, &directory.path, &target.join(&name), options)?;
        // `cpu,cpuacct` is found by either of its names, too.
        for controller in name.split(',').filter(|one| *one != name) {
            symlink(&name, format!("{}/{controller}", path_of(&place))).context("symlink")?;
        }
    }
    // Last, or the directories could not have been made in it.
    if options.flags.contains(MsFlags::MS_RDONLY) {
        let only = Options::parse(&["ro".into()]).attributes;
        labs::root::set_attributes(explain, &place, only, None)?;
    }
    Ok(())
}
