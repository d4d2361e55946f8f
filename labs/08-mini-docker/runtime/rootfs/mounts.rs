//! One entry of `mounts`: a new file system, or something of the host's.
//!
//! Read: mount(2), open_tree(2), move_mount(2), config.md ("mounts")

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::root::{Attributes, Make, Root, move_mount, open_tree, path_of, set_attributes};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use oci_spec::runtime::{Linux, Mount};

use super::super::Launch;
use super::super::cgroup::Cgroup;
use super::cgroups;
use super::options::Options;

/// Mounts it at its place in the root, which is made where it is missing.
pub fn mount_one(
    root: &Root,
    one: &Mount,
    launch: &Launch,
    linux: &Linux,
    cgroup: Option<&Cgroup>,
) -> anyhow::Result<()> {
    // `type` may be missing or `none` where an option says that it is a bind.
    let words = one.options().as_deref().unwrap_or_default();
    let options = Options::parse(words);
    let kind = one.typ().as_deref().unwrap_or_default();
    outside_proc(one.destination(), kind)?;
    if options.bind.is_some() || kind == "bind" {
        let Some(source) = one.source() else {
            bail!("a bind without a source");
        };
        return bind(
            root,
            &launch.bundle.join(source),
            one.destination(),
            &options,
        );
    }
    match kind {
        "cgroup" | "cgroup2" => cgroups::mount(root, one.destination(), &options, linux, cgroup),
        "sysfs" => match new(root, one, kind, &options) {
            // Only who owns the network namespace gets a new one. The host's then, as
            // it is, and no more writable than asked.
            Err(error) if is(&error, Errno::EPERM) => {
                let deep = Options {
                    bind: Some(true),
                    ..options
                };
                bind(root, Path::new("/sys"), one.destination(), &deep)
            }
            done => done,
        },
        "" => bail!("neither a type nor `bind`"),
        kind => new(root, one, kind, &options),
    }
}

/// What is mounted over a file below /proc can turn a write of the container's, or the
/// engine's own look at it, into something else (CVE-2019-16884). Some files that only
/// tell of the machine are let through, as lxcfs covers them.
fn outside_proc(target: &Path, kind: &str) -> anyhow::Result<()> {
    let covered = [
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "net/dev",
        "slabinfo",
        "stat",
        "swaps",
        "sys/kernel/ns_last_pid",
        "uptime",
    ];
    let below = target.strip_prefix("/proc").ok();
    let refused = below.is_some_and(|below| {
        !below.as_os_str().is_empty() && !covered.iter().any(|file| below == Path::new(file))
    });
    if refused && kind != "proc" {
        bail!("{target:?} cannot be mounted because it is inside /proc");
    }
    Ok(())
}

/// A new file system.
fn new(root: &Root, one: &Mount, kind: &str, options: &Options) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let target = match kind {
        // What masks them relies on their place: through a link that the image has, or
        // that another container swaps, they would be somewhere else (CVE-2019-19921).
        "proc" | "sysfs" => root.inside_without_links(explain, one.destination())?,
        _ => root.inside(explain, one.destination(), Make::Directory)?,
    };
    // Of a file system without a device the source is a word that /proc/mounts shows.
    let source = one.source().as_deref().unwrap_or(Path::new(kind));
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    explain.call(
        format!(
            "mount({source:?}, {:?}, {kind:?}, {:?}, {data:?})",
            one.destination(),
            options.flags
        ),
        mount(
            Some(source),
            path_of(&target).as_str(),
            Some(kind),
            options.flags,
            data,
        ),
    )?;
    if !options.propagation.is_empty() {
        let mounted = root.inside(explain, one.destination(), Make::Nothing)?;
        set_attributes(explain, &mounted, propagation(options.propagation), None)?;
    }
    Ok(())
}

/// Something of the host's: detached, changed while nobody sees it, attached.
pub fn bind(root: &Root, source: &Path, target: &Path, options: &Options) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    // A file or a directory, whatever is there now: it is held from here on.
    let tree = open_tree(explain, source, options.bind.unwrap_or(true))
        .with_context(|| format!("bind source path does not exist: {}", source.display()))?;
    attach(root, &tree, target, source.is_dir(), options)
}

/// Gives a detached tree its attributes and its place.
pub fn attach(
    root: &Root,
    tree: &OwnedFd,
    target: &Path,
    is_directory: bool,
    options: &Options,
) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    for change in [
        options.attributes,
        options.all_below,
        propagation(options.propagation),
    ] {
        if change.set | change.clear | change.propagation != 0 {
            set_attributes(explain, tree, with_atime(change), None)?;
        }
    }
    let make = if is_directory {
        Make::Directory
    } else {
        Make::File
    };
    let target = root.inside(explain, target, make)?;
    Ok(move_mount(explain, tree, &target)?)
}

/// The three kinds of atime are one field: to set one, the field has to be cleared.
fn with_atime(mut change: Attributes) -> Attributes {
    if change.set & (libc::MOUNT_ATTR_NOATIME | libc::MOUNT_ATTR_STRICTATIME) != 0 {
        change.clear |= libc::MOUNT_ATTR__ATIME;
    }
    change
}

/// MS_REC is no flag of mount_setattr(2), but an argument of the call.
fn propagation(flags: MsFlags) -> Attributes {
    Attributes {
        set: 0,
        clear: 0,
        propagation: flags.difference(MsFlags::MS_REC).bits(),
        recursive: flags.contains(MsFlags::MS_REC),
    }
}

/// What the kernel said, out of an error's chain.
fn is(error: &anyhow::Error, errno: Errno) -> bool {
    let call = error.downcast_ref::<labs::explain::CallError>();
    call.is_some_and(|call| call.errno == errno)
}
