//! What lies in the container's /dev.
//!
//! Read: mknod(2), config-linux.md ("Default Devices")

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::root::{Make, Root, make_nodes, path_of};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknodat, umask};
use nix::unistd::{Gid, Uid, fchownat};
use oci_spec::runtime::{Linux, LinuxDevice, LinuxDeviceType};

use super::super::Launch;
use super::mounts::bind;
use super::options::Options;

/// Makes the default nodes and those that are asked for. Where /dev
/// is the host's own it has them, and making some would make them there.
pub fn make(root: &Root, launch: &Launch, linux: &Linux) -> anyhow::Result<()> {
    let mut mounts = launch.spec.mounts().iter().flatten();
    let own = mounts
        .rfind(|one| one.destination() == Path::new("/dev"))
        .is_some_and(|one| one.typ().as_deref() == Some("tmpfs"));
    if !own {
        return Ok(());
    }
    make_nodes(Explain::new(false), root)?;
    // As docker has it, for debuggers, where the kernel has it; what it names is masked.
    if Path::new("/proc/kcore").exists() {
        let dev = root.inside(Explain::new(false), Path::new("/dev"), Make::Nothing)?;
        symlink("/proc/kcore", format!("{}/core", path_of(&dev))).context("symlink(/dev/core)")?;
    }
    for device in linux.devices().iter().flatten() {
        node(root, device).with_context(|| format!("device {:?}", device.path()))?;
    }
    Ok(())
}

/// One node, with its owner: mknod gives it to the caller, and takes the umask off.
fn node(root: &Root, device: &LinuxDevice) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let path = device.path();
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("not a path of a file");
    };
    let folder = root.inside(explain, folder, Make::Directory)?;
    let kind = match device.typ() {
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::P => SFlag::S_IFIFO,
        _ => SFlag::S_IFCHR,
    };
    let number = makedev(device.major() as u64, device.minor() as u64);
    let mode = Mode::from_bits_truncate(device.file_mode().unwrap_or(0o666) & 0o7777);
    let before = umask(Mode::empty());
    // By name in a directory that was resolved in the root: a link of that name is EEXIST.
    let made = mknodat(&folder, name, kind, mode, number);
    umask(before);
    match made {
        Ok(()) => {
            let owner = Uid::from_raw(device.uid().unwrap_or(0));
            let group = Gid::from_raw(device.gid().unwrap_or(0));
            let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(&folder, name, Some(owner), Some(group), flags).context("fchownat")
        }
        // One of the default ones, once more.
        Err(Errno::EEXIST) => Ok(()),
        // In a user namespace no node can be made: the host's, by the host's permission.
        Err(Errno::EPERM) => bind(root, path, path, &Options::parse(&[])),
        Err(errno) => Err(errno).context("mknodat"),
    }
}
