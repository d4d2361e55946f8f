//! A watch over the memory of a sandbox that has no cgroup.
//!
//! Without root and without delegation no cgroup limits it, so the runner
//! looks itself, at every turn of its event loop: resident memory of every
//! process, plus what their tmpfs hold. A program that is faster than the watch
//! meets the last one, on the machine's own available memory.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The machine's available memory below which a sandbox is ended, in bytes.
const FLOOR: u64 = 128 << 20;

#[derive(Debug)]
pub struct Watch {
    init: i32,
    limit: u64,
    /// A cgroup counts; only the floor is watched.
    counted: bool,
    next: Instant,
}

impl Watch {
    pub fn new(init: i32, limit: u64, counted: bool) -> Self {
        Self {
            init,
            limit,
            counted,
            next: Instant::now(),
        }
    }

    /// Looks at most every 40 milliseconds, and asks the cgroup then, too;
    /// `false` in between.
    pub fn exceeded(&mut self, cgroup: impl Fn() -> bool) -> bool {
        if Instant::now() < self.next {
            return false;
        }
        self.next = Instant::now() + Duration::from_millis(40);
        if cgroup() || available().is_some_and(|bytes| bytes < FLOOR) {
            return true;
        }
        !self.counted && self.used() > self.limit
    }

    fn used(&self) -> u64 {
        let mut processes = Vec::new();
        descendants(self.init, &mut processes);
        let mut seen = HashSet::new();
        let resident: u64 = processes.iter().filter_map(|pid| resident(*pid)).sum();
        let files: u64 = processes.iter().map(|pid| tmpfs(*pid, &mut seen)).sum();
        resident + files
    }
}

/// All processes below `pid`. Orphans are adopted by an init that is itself
/// below, so this misses none.
fn descendants(pid: i32, found: &mut Vec<i32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return;
    };
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            found.push(child);
            descendants(child, found);
        }
    }
}

/// Anonymous and shared memory in bytes; file pages are the host's.
fn resident(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((field("RssAnon:")? + field("RssShmem:")?) << 10)
}

/// What the tmpfs mounts that the process sees hold, each counted once.
fn tmpfs(pid: i32, seen: &mut HashSet<u64>) -> u64 {
    let namespace = fs::metadata(format!("/proc/{pid}/ns/mnt")).map(|metadata| metadata.ino());
    if !namespace.is_ok_and(|inode| seen.insert(inode)) {
        return 0;
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let mut bytes = 0;
    for line in mounts.lines().filter(|line| line.contains(" - tmpfs ")) {
        let Some(point) = line.split(' ').nth(4) else {
            continue;
        };
        let path = format!("/proc/{pid}/root{}", unescaped(point));
        let Ok(device) = fs::metadata(&path).map(|metadata| metadata.dev()) else {
            continue;
        };
        // Device numbers and namespace inodes cannot be confused: the latter
        // are above 2^31.
        if seen.insert(device)
            && let Ok(space) = nix::sys::statvfs::statvfs(Path::new(&path))
        {
            bytes += (space.blocks() - space.blocks_free()) * space.fragment_size();
        }
    }
    bytes
}

/// A mount point as the kernel writes it: blank, tab, line feed and backslash
/// are octal. proc_pid_mountinfo(5)
fn unescaped(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// `MemAvailable` of /proc/meminfo, in bytes. proc_meminfo(5)
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
