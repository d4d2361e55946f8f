//! `resources` of a specification, as writes to a cgroup's files.
//!
//! Read: config-linux.md ("Control groups"); cgroup-v1 and cgroup-v2 of the
//! kernel's documentation

use anyhow::Context;
use labs::cgroups::devices::{Devices, Rule};
use labs::cgroups::{Directory, Version, cpuset, devices, pids};
use labs::explain::Explain;
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxDeviceCgroup, LinuxDeviceType, LinuxMemory, LinuxResources,
    LinuxThrottleDevice,
};

use super::Cgroup;

/// Whether anything but devices is limited.
pub fn any(resources: &LinuxResources) -> bool {
    let memory = resources.memory().unwrap_or_default() != LinuxMemory::default();
    let cpu = resources.cpu().clone().unwrap_or_default() != LinuxCpu::default();
    let io = resources.block_io().clone().unwrap_or_default() != LinuxBlockIo::default();
    memory || cpu || io || resources.pids().is_some_and(|pids| pids.limit() > 0)
}

/// All of it, on a new cgroup.
pub fn set(cgroup: &Cgroup, resources: &LinuxResources, rootless: bool) -> anyhow::Result<()> {
    set_values(cgroup, resources)?;
    if let (Some(rules), Some(directory)) = (resources.devices(), cgroup.directory("devices"))
        // An ordinary user has no device to give: he can make no node, and opens what
        // the host lets him open.
        && !rootless
    {
        devices::set(Explain::new(false), directory, &allowed(rules))
            .context("the container's devices")?;
    }
    Ok(())
}

/// All but the devices, which do not change.
pub fn set_values(cgroup: &Cgroup, resources: &LinuxResources) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    if let (Some(memory), Some(directory)) = (resources.memory(), cgroup.directory("memory")) {
        set_memory(directory, memory)?;
    }
    if let Some(cpu) = resources.cpu() {
        if let Some(directory) = cgroup.directory("cpu") {
            set_cpu(directory, cpu)?;
        }
        if let Some(directory) = cgroup.directory("cpuset") {
            if let Some(cpus) = cpu.cpus().as_ref().filter(|cpus| !cpus.is_empty()) {
                cpuset::set_cpus(explain, directory, cpus)?;
            }
            if let Some(mems) = cpu.mems().as_ref().filter(|mems| !mems.is_empty()) {
                cpuset::set_mems(explain, directory, mems)?;
            }
        }
    }
    if let (Some(limit), Some(directory)) = (resources.pids(), cgroup.directory("pids")) {
        // 0 says nothing, -1 "none".
        if limit.limit() != 0 {
            pids::set_max(explain, directory, u64::try_from(limit.limit()).ok())?;
        }
    }
    if let (Some(io), Some(directory)) = (resources.block_io(), cgroup.directory("blkio")) {
        set_io(directory, io)?;
    }
    for (file, value) in resources.unified().iter().flatten() {
        // By name, on v2 alone, and only a file of this very directory.
        if file.contains('/') || file.starts_with("cgroup.") {
            anyhow::bail!("config.json: unified {file:?} is no file of a controller");
        }
        if let Some(directory) = cgroup.directories().first() {
            directory.write(explain, file, value)?;
        }
    }
    Ok(())
}

/// v1 limits memory, and memory and swap together; v2 each for itself.
fn set_memory(directory: &Directory, memory: &LinuxMemory) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    // dockerd says 0 for what it does not want to change.
    let said = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit_now, swap_now) = (said(memory.limit()), said(memory.swap()));
    let reservation_now = said(memory.reservation());
    // A specification says -1 for "no limit"; v1 writes it so, v2 writes `max`.
    let number = |value: i64| match (directory.version, value) {
        (Version::V2, -1) => "max".to_string(),
        (_, value) => value.to_string(),
    };
    match directory.version {
        Version::V1 => {
            let swap = "memory.memsw.limit_in_bytes";
            let limit = "memory.limit_in_bytes";
            let mut writes = Vec::new();
            writes.extend(limit_now.map(|value| (limit, number(value))));
            // A kernel without swap accounting has no such file, and no swap to limit.
            if directory.has(swap) {
                writes.extend(swap_now.map(|value| (swap, number(value))));
            }
            // The sum may never be below the memory: the one that grows goes first.
            let now = directory.number(swap).unwrap_or(u64::MAX);
            if swap_now == Some(-1) || swap_now.is_some_and(|new| new as u64 > now) {
                writes.reverse();
            }
            for (file, value) in writes {
                directory.write(explain, file, &value)?;
            }
            if let Some(value) = reservation_now {
                directory.write(explain, "memory.soft_limit_in_bytes", &number(value))?;
            }
            if memory.disable_oom_killer() == Some(true) {
                directory.write(explain, "memory.oom_control", "1")?;
            }
            if let Some(value) = memory.swappiness() {
                directory.write(explain, "memory.swappiness", &value.to_string())?;
            }
        }
        Version::V2 => {
            if let Some(value) = limit_now {
                directory.write(explain, "memory.max", &number(value))?;
            }
            // The specification has v1's sum of both; v2 counts swap alone.
            if let Some(sum) = swap_now.filter(|_| directory.has("memory.swap.max")) {
                let alone = match (sum, limit_now) {
                    (-1, _) => -1,
                    (sum, Some(limit)) if limit >= 0 => (sum - limit).max(0),
                    (sum, _) => sum,
                };
                directory.write(explain, "memory.swap.max", &number(alone))?;
            }
            if let Some(value) = reservation_now {
                directory.write(explain, "memory.low", &number(value))?;
            }
        }
    }
    Ok(())
}

/// Shares count against siblings, a quota also on an idle machine; the two worlds
/// have other files and scales for the same.
fn set_cpu(directory: &Directory, cpu: &LinuxCpu) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    let quota = cpu.quota().filter(|quota| *quota != 0);
    match directory.version {
        Version::V1 => {
            if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
                directory.write(explain, "cpu.shares", &shares.to_string())?;
            }
            // The period first: a quota is refused that is too small for the old one.
            if let Some(period) = cpu.period().filter(|period| *period != 0) {
                directory.write(explain, "cpu.cfs_period_us", &period.to_string())?;
            }
            if let Some(quota) = quota {
                directory.write(explain, "cpu.cfs_quota_us", &quota.to_string())?;
            }
        }
        Version::V2 => {
            if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
                directory.write(explain, "cpu.weight", &weight_of_shares(shares).to_string())?;
            }
            let period = cpu.period().filter(|period| *period != 0);
            if quota.is_some() || period.is_some() {
                let quota = match quota {
                    Some(quota) if quota > 0 => quota.to_string(),
                    _ => "max".into(),
                };
                let period = period.unwrap_or(100_000);
                directory.write(explain, "cpu.max", &format!("{quota} {period}"))?;
            }
        }
    }
    if let Some(idle) = cpu.idle().filter(|_| directory.has("cpu.idle")) {
        directory.write(explain, "cpu.idle", &idle.to_string())?;
    }
    Ok(())
}

/// v1's shares (2 to 262144) on v2's scale (1 to 10000), as every runtime has it.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// A weight, for schedulers that know one, and limits by device, which all do.
fn set_io(directory: &Directory, io: &LinuxBlockIo) -> anyhow::Result<()> {
    let explain = Explain::new(false);
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        let weight = u64::from(weight);
        let files: [(&str, u64); 4] = match directory.version {
            Version::V1 => [
                ("blkio.weight", weight),
                ("blkio.bfq.weight", weight),
                ("", 0),
                ("", 0),
            ],
            // 10 to 1000 on v1, 1 to 10000 on v2.
            Version::V2 => [
                ("io.bfq.weight", weight),
                ("io.weight", 1 + (weight.clamp(10, 1000) - 10) * 9999 / 990),
                ("", 0),
                ("", 0),
            ],
        };
        // The file of the scheduler that the kernel has. Without one a weight has no
        // meaning, and docker discards it as well.
        let found = files
            .iter()
            .find(|(file, _)| !file.is_empty() && directory.has(file));
        if let Some((file, weight)) = found {
            directory.write(explain, file, &weight.to_string())?;
        }
    }
    type Throttles = Option<Vec<LinuxThrottleDevice>>;
    let throttles: [(&Throttles, &str, &str); 4] = [
        (
            io.throttle_read_bps_device(),
            "blkio.throttle.read_bps_device",
            "rbps",
        ),
        (
            io.throttle_write_bps_device(),
            "blkio.throttle.write_bps_device",
            "wbps",
        ),
        (
            io.throttle_read_iops_device(),
            "blkio.throttle.read_iops_device",
            "riops",
        ),
        (
            io.throttle_write_iops_device(),
            "blkio.throttle.write_iops_device",
            "wiops",
        ),
    ];
    for (devices, v1, v2) in throttles {
        for one in devices.iter().flatten() {
            let device = format!("{}:{}", one.major(), one.minor());
            match directory.version {
                Version::V1 => directory.write(explain, v1, &format!("{device} {}", one.rate()))?,
                Version::V2 => {
                    directory.write(explain, "io.max", &format!("{device} {v2}={}", one.rate()))?
                }
            }
        }
    }
    Ok(())
}

/// The rules as one list of what is allowed. A specification begins with "deny
/// all"; one that allows all makes what came before of no meaning.
fn allowed(rules: &[LinuxDeviceCgroup]) -> Devices {
    let mut allowed = Devices::All;
    for rule in rules {
        let everything = matches!(rule.typ(), None | Some(LinuxDeviceType::A));
        match (rule.allow(), everything, &mut allowed) {
            (true, true, _) => allowed = Devices::All,
            (false, true, _) => allowed = Devices::Only(Vec::new()),
            (true, false, Devices::Only(list)) => list.push(to_rule(rule)),
            (false, false, Devices::Only(list)) => {
                let denied = to_rule(rule);
                list.retain(|one| *one != denied);
            }
            (_, false, Devices::All) => {}
        }
    }
    if let Devices::Only(list) = &mut allowed {
        for rule in DEFAULT_DEVICES {
            list.extend(
                rule.parse::<Rule>()
                    .ok()
                    .filter(|rule| !list.contains(rule)),
            );
        }
    }
    allowed
}

/// What every container can open, whatever a specification says: the default
/// devices of config-linux.md and terminals; and it can make any node, and not
/// open it.
const DEFAULT_DEVICES: [&str; 10] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// Without a number any is meant.
fn to_rule(rule: &LinuxDeviceCgroup) -> Rule {
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    Rule {
        kind: if rule.typ() == Some(LinuxDeviceType::B) {
            'b'
        } else {
            'c'
        },
        major: number(rule.major()),
        minor: number(rule.minor()),
        access: rule.access().clone().unwrap_or_else(|| "rwm".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_their_ends_on_the_other_scale() {
        assert_eq!(weight_of_shares(2), 1);
        assert_eq!(weight_of_shares(1024), 39);
        assert_eq!(weight_of_shares(262_144), 10_000);
    }
}
