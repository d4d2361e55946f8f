//! From where a sandbox is looked at: what is subtracted, so that two
//! machines and two users show the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

use crate::observe::{self, Frame};

/// The frame of the sandbox whose first program is `program`. `ids` are the
/// user and group id outside that are root inside; `delegated` tells whether
/// the machine has cgroups of its own.
pub fn of(program: i32, init: i32, ids: (u32, u32), delegated: bool) -> Result<Frame> {
    Ok(Frame {
        join_user: Some(outer_user_namespace(program)?),
        uid_map: vec![(0, ids.0, 1)],
        gid_map: vec![(0, ids.1, 1)],
        pid_depth: 1,
        host_devices: host_devices(program)?,
        cgroup_base: cgroups(program, delegated)?,
        seccomp_filters: seccomp_filters(program)?,
        // The program itself is looked at as a process, not as one of the machine's.
        hidden_pids: [init, program].into(),
        ..Frame::default()
    })
}

/// Those that the program starts with: the machine's own, and those under which
/// the runner itself stands, as in a container.
fn seccomp_filters(program: i32) -> Result<u32> {
    let path = format!("/proc/{program}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    Ok(observe::seccomp_filters(&status))
}

/// The parent of the machine's user namespace: whoever joins it has every
/// capability over the machine, and is out of the machine's own root's reach.
fn outer_user_namespace(program: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{program}/ns/user");
    let own = File::open(&path).with_context(|| format!("open {path}"))?;
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: the call takes no argument and gives a new descriptor.
    let parent = unsafe { libc::ioctl(own.as_raw_fd(), NS_GET_PARENT) };
    if parent < 0 {
        bail!("ioctl(NS_GET_PARENT): {}", Errno::last());
    }
    // SAFETY: as above; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}

/// Device numbers of the host's file systems that the sandbox shows, as they
/// stand in mountinfo: those that root::HOST_DIRECTORIES and DEVICES bring in.
fn host_devices(program: i32) -> Result<BTreeSet<(u32, u32)>> {
    let path = format!("/proc/{program}/mountinfo");
    let mounts = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let devices = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let (device, _, point) = (fields.next()?, fields.next()?, fields.next()?);
        if !super::root::is_from_host(point) {
            return None;
        }
        let (major, minor) = device.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    Ok(devices.collect())
}

/// The root of the machine's cgroup namespace in each hierarchy (`unified` or
/// the controllers' names): where the program is, or above where it starts.
fn cgroups(program: i32, delegated: bool) -> Result<BTreeMap<String, String>> {
    let path = format!("/proc/{program}/cgroup");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let memberships = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        let names = if names.is_empty() { "unified" } else { names };
        let root = path.strip_suffix(super::cgroup::START);
        let root = root.filter(|_| delegated).unwrap_or(path);
        Some((names.to_owned(), root.to_owned()))
    });
    Ok(memberships.collect())
}
