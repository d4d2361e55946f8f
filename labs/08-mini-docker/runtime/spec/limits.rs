//! Limits and devices of a record, as a specification has them.
//!
//! Read: config-linux.md ("Control groups"), docker-run(1)

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use oci_spec::runtime::{
    LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxMemoryBuilder, LinuxPidsBuilder,
    LinuxResources, LinuxResourcesBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
};

use crate::container::record::{DeviceMapping, HostConfig, Ulimit};

/// The cgroup's side of a record.
///
/// # Errors
/// A device that is not there.
pub fn resources(host: &HostConfig) -> anyhow::Result<LinuxResources> {
    let mut memory = LinuxMemoryBuilder::default();
    if host.memory > 0 {
        memory = memory.limit(host.memory);
        // docker: nothing said is as much swap again.
        let swap = match host.memory_swap {
            0 => host.memory.saturating_mul(2),
            swap => swap,
        };
        memory = memory.swap(swap);
    }
    if host.memory_reservation > 0 {
        memory = memory.reservation(host.memory_reservation);
    }
    if host.oom_kill_disable {
        memory = memory.disable_oom_killer(true);
    }
    let mut cpu = LinuxCpuBuilder::default();
    if host.nano_cpus > 0 {
        // CPUs as a quota of 100 ms.
        cpu = cpu.period(100_000_u64).quota(host.nano_cpus / 10_000);
    }
    if host.cpu_period > 0 {
        cpu = cpu.period(host.cpu_period as u64);
    }
    if host.cpu_quota != 0 {
        cpu = cpu.quota(host.cpu_quota);
    }
    if host.cpu_shares > 0 {
        cpu = cpu.shares(host.cpu_shares as u64);
    }
    if !host.cpuset_cpus.is_empty() {
        cpu = cpu.cpus(host.cpuset_cpus.clone());
    }
    if !host.cpuset_mems.is_empty() {
        cpu = cpu.mems(host.cpuset_mems.clone());
    }
    let mut io = LinuxBlockIoBuilder::default();
    if host.blkio_weight > 0 {
        io = io.weight(host.blkio_weight);
    }
    let mut resources = LinuxResourcesBuilder::default()
        .devices(device_rules(host)?)
        .memory(memory.build()?)
        .cpu(cpu.build()?)
        .block_io(io.build()?);
    if let Some(limit) = host.pids_limit {
        let limit = if limit > 0 { limit } else { -1 };
        resources = resources.pids(LinuxPidsBuilder::default().limit(limit).build()?);
    }
    Ok(resources.build()?)
}

/// Type, major, minor (`None` is any), access: docker's list. Any node may be *made*;
/// to open one is another matter.
const RULES: [(LinuxDeviceType, Option<i64>, Option<i64>, &str); 11] = [
    (LinuxDeviceType::C, None, None, "m"),
    (LinuxDeviceType::B, None, None, "m"),
    (LinuxDeviceType::C, Some(1), Some(3), "rwm"), // null
    (LinuxDeviceType::C, Some(1), Some(5), "rwm"), // zero
    (LinuxDeviceType::C, Some(1), Some(7), "rwm"), // full
    (LinuxDeviceType::C, Some(1), Some(8), "rwm"), // random
    (LinuxDeviceType::C, Some(1), Some(9), "rwm"), // urandom
    (LinuxDeviceType::C, Some(5), Some(0), "rwm"), // tty
    (LinuxDeviceType::C, Some(5), Some(1), "rwm"), // console
    (LinuxDeviceType::C, Some(5), Some(2), "rwm"), // ptmx
    (LinuxDeviceType::C, Some(136), None, "rwm"),  // pts/*
];

/// First nothing, then what is allowed: the later rule wins.
fn device_rules(host: &HostConfig) -> anyhow::Result<Vec<LinuxDeviceCgroup>> {
    if host.privileged {
        return Ok(vec![rule(true, None, None, None, "rwm")?]);
    }
    let mut rules = vec![rule(false, None, None, None, "rwm")?];
    for (kind, major, minor, access) in RULES {
        rules.push(rule(true, Some(kind), major, minor, access)?);
    }
    for (device, access) in asked(host)? {
        rules.push(rule(
            true,
            Some(device.typ()),
            Some(device.major()),
            Some(device.minor()),
            &access,
        )?);
    }
    Ok(rules)
}

/// `None` is any.
fn rule(
    allow: bool,
    kind: Option<LinuxDeviceType>,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> anyhow::Result<LinuxDeviceCgroup> {
    let mut builder = LinuxDeviceCgroupBuilder::default()
        .allow(allow)
        .access(access);
    if let Some(kind) = kind {
        builder = builder.typ(kind);
    }
    if let Some(major) = major {
        builder = builder.major(major);
    }
    if let Some(minor) = minor {
        builder = builder.minor(minor);
    }
    Ok(builder.build()?)
}

/// The nodes that `--device` puts into the container; with `--privileged` all of
/// the host's.
///
/// # Errors
/// Not a device; docker's words.
pub fn devices(host: &HostConfig) -> anyhow::Result<Vec<LinuxDevice>> {
    if host.privileged {
        let mut all = Vec::new();
        below(Path::new("/dev"), &mut all);
        return Ok(all);
    }
    Ok(asked(host)?.into_iter().map(|(device, _)| device).collect())
}

/// `--device HOST[:CONTAINER[:rwm]]`, and what may be done with it.
fn asked(host: &HostConfig) -> anyhow::Result<Vec<(LinuxDevice, String)>> {
    let mut devices = Vec::new();
    for DeviceMapping {
        path_on_host,
        path_in_container,
        cgroup_permissions,
    } in &host.devices
    {
        let access = match cgroup_permissions.as_str() {
            "" => "rwm",
            access => access,
        };
        if !access.chars().all(|one| "rwm".contains(one)) {
            bail!("invalid device mode: {access}");
        }
        let inside = match path_in_container.as_str() {
            "" => path_on_host,
            path => path,
        };
        let path = Path::new(path_on_host);
        let metadata = std::fs::metadata(path).with_context(|| {
            format!("error gathering device information while adding custom device {path_on_host:?}: no such file or directory")
        })?;
        if metadata.is_dir() {
            // A folder stands for all devices in it.
            let mut all = Vec::new();
            below(path, &mut all);
            for mut device in all {
                if let Ok(rest) = device.path().strip_prefix(path) {
                    device.set_path(Path::new(inside).join(rest));
                }
                devices.push((device, access.to_string()));
            }
            continue;
        }
        let device = node(&metadata, PathBuf::from(inside)).with_context(|| {
            format!("error gathering device information while adding custom device {path_on_host:?}: not a device node")
        })?;
        devices.push((device, access.to_string()));
    }
    Ok(devices)
}

/// By its numbers: the container gets a node of its own, not the host's file.
fn node(metadata: &std::fs::Metadata, path: PathBuf) -> Option<LinuxDevice> {
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => LinuxDeviceType::C,
        kind if kind.is_block_device() => LinuxDeviceType::B,
        _ => return None,
    };
    let builder = LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(libc::major(metadata.rdev()) as i64)
        .minor(libc::minor(metadata.rdev()) as i64)
        .file_mode(metadata.mode() & 0o777)
        .uid(metadata.uid())
        .gid(metadata.gid());
    builder.build().ok()
}

/// All device nodes below, but those of terminals, which the container has its own of.
fn below(folder: &Path, devices: &mut Vec<LinuxDevice>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let own = [
            "pts",
            "shm",
            "fd",
            "mqueue",
            ".lxc",
            ".lxd-mounts",
            ".udev",
            "console",
        ];
        if own.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => below(&path, devices),
            Ok(metadata) => devices.extend(node(&metadata, path)),
            Err(_) => {}
        }
    }
}

/// `--ulimit nofile=1024:2048`.
///
/// # Errors
/// A name that is none; a soft limit above the hard one.
pub fn ulimits(asked: &[Ulimit]) -> anyhow::Result<Vec<PosixRlimit>> {
    let limit = |one: &Ulimit| -> anyhow::Result<PosixRlimit> {
        let name = format!("RLIMIT_{}", one.name.to_uppercase());
        let Ok(kind) = name.parse::<PosixRlimitType>() else {
            bail!("invalid ulimit type: {}", one.name);
        };
        // -1 is no limit, and so is the largest number.
        let (soft, hard) = (one.soft as u64, one.hard as u64);
        if soft > hard {
            bail!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                one.soft,
                one.hard
            );
        }
        Ok(PosixRlimitBuilder::default()
            .typ(kind)
            .soft(soft)
            .hard(hard)
            .build()?)
    };
    asked.iter().map(limit).collect()
}
