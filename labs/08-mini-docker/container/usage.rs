//! What a running container uses, by its cgroup's own account.
//!
//! | | v1 | v2 |
//! |---|---|---|
//! | CPU | `cpuacct.usage` | `usage_usec` of `cpu.stat` |
//! | memory | `memory.usage_in_bytes` | `memory.current` |
//! | … less the cache that would be given back | `total_inactive_file` | `inactive_file` |
//! | disk | `blkio.throttle.io_service_bytes_recursive` | `io.stat` |
//! | processes | `pids.current` | `pids.current` |
//!
//! Read: admin-guide/cgroup-v1/memory, admin-guide/cgroup-v2

use std::fs;
use std::time::Duration;

use labs::cgroups::{Directory, Version, cpu};

use crate::runtime::cgroup::Cgroup;

/// Everything that `stats` shows.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Since the container began.
    pub cpu: Duration,
    /// Bytes.
    pub memory: u64,
    /// Bytes: its limit, or all that the machine has.
    pub memory_limit: u64,
    /// Bytes through all interfaces but `lo`.
    pub received: u64,
    pub sent: u64,
    /// Bytes from and to disks.
    pub read: u64,
    pub written: u64,
    pub processes: u64,
}

/// Of a container by its first process and its cgroup. What is not there is zero: an
/// ordinary user's container may have no cgroup.
pub fn of(pid: i32, cgroup: &str) -> Usage {
    let mut usage = Usage {
        memory_limit: machine_memory(),
        ..Usage::default()
    };
    if let Some(group) = directory(cgroup, "cpuacct").or_else(|| directory(cgroup, "cpu")) {
        usage.cpu = cpu::usage(&group).unwrap_or_default();
    }
    if let Some(group) = directory(cgroup, "memory") {
        let (now, most, cache) = match group.version {
            Version::V1 => (
                "memory.usage_in_bytes",
                "memory.limit_in_bytes",
                "total_inactive_file",
            ),
            Version::V2 => ("memory.current", "memory.max", "inactive_file"),
        };
        let cache = group.keyed("memory.stat", cache).unwrap_or(0);
        usage.memory = group.number(now).unwrap_or(0).saturating_sub(cache);
        // "max", and v1's 2^63 less a page, are no limits.
        let limit = group.number(most).unwrap_or(u64::MAX);
        usage.memory_limit = limit.min(usage.memory_limit);
    }
    if let Some(group) = directory(cgroup, "blkio") {
        let file = match group.version {
            Version::V1 => "blkio.throttle.io_service_bytes_recursive",
            Version::V2 => "io.stat",
        };
        (usage.read, usage.written) = disk(&group.read(file).unwrap_or_default());
    }
    if let Some(group) = directory(cgroup, "pids") {
        usage.processes = group.number("pids.current").unwrap_or(0);
    }
    let network = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    (usage.received, usage.sent) = interfaces(&network);
    usage
}

/// The directory that has a controller's files. `cgroup` is a container's, as its
/// state has it.
fn directory(cgroup: &str, controller: &str) -> Option<Directory> {
    Cgroup::of(cgroup)?.directory(controller).cloned()
}

/// v1: `8:0 Read 4096` a line; v2: `8:0 rbytes=4096 wbytes=0 …`.
fn disk(text: &str) -> (u64, u64) {
    let (mut read, mut written) = (0, 0);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("rbytes", bytes)) => read += bytes.parse().unwrap_or(0),
            Some(("wbytes", bytes)) => written += bytes.parse().unwrap_or(0),
            Some(_) => {}
            None if word == "Read" => read += number(words.next()),
            None if word == "Write" => written += number(words.next()),
            None => {}
        }
    }
    (read, written)
}

/// `eth0: RECEIVED packets errs drop fifo frame compressed multicast SENT …`
fn interfaces(text: &str) -> (u64, u64) {
    let (mut received, mut sent) = (0, 0);
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        if name.trim() != "lo" {
            let mut numbers = numbers.split_whitespace();
            received += number(numbers.next());
            sent += number(numbers.nth(7));
        }
    }
    (received, sent)
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn machine_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    number(line.and_then(|line| line.split_whitespace().next())) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_disk_files_are_read() {
        let v1 = "8:0 Read 4096\n8:0 Write 10\n8:16 Read 1\nTotal 4107\n";
        assert_eq!(disk(v1), (4097, 10));
        let v2 = "8:0 rbytes=4096 wbytes=10 rios=1 wios=1 dbytes=0 dios=0\n";
        assert_eq!(disk(v2), (4096, 10));
    }

    #[test]
    fn the_loopback_is_no_network() {
        let text = "Inter-| Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 7 1 0 0 0 0 0 0 5 1\n";
        assert_eq!(interfaces(text), (7, 5));
    }
}
