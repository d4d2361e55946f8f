//! memory: how much is used, and what happens at the limit.
//!
//! At the limit the kernel first takes back what it can (file cache, swap). When
//! that is not enough the OOM killer ends a process *of this cgroup*: a container
//! that leaks dies alone.
//!
//! Read: cgroup-v1/memory, admin-guide/cgroup-v2 "Memory"

use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// Sets the limit in bytes, or takes it away.
pub fn set_max(explain: Explain, group: &Directory, bytes: Option<u64>) -> Result<(), CallError> {
    match group.version {
        Version::V1 => {
            let text = bytes.map_or("-1".into(), |bytes| bytes.to_string());
            group.write(explain, "memory.limit_in_bytes", &text)
        }
        Version::V2 => group.write(explain, "memory.max", &or_max(bytes)),
    }
}

/// Sets the mark above which the group is slowed down and its memory taken back,
/// without killing. v1 has only a *soft* limit: a wish, for when the whole
/// machine is short of memory.
pub fn set_high(explain: Explain, group: &Directory, bytes: Option<u64>) -> Result<(), CallError> {
    match group.version {
        Version::V1 => {
            let text = bytes.map_or("-1".into(), |bytes| bytes.to_string());
            group.write(explain, "memory.soft_limit_in_bytes", &text)
        }
        Version::V2 => group.write(explain, "memory.high", &or_max(bytes)),
    }
}

/// Sets how much swap it may use *beside* its memory. v1 limits the sum of both,
/// so its memory limit has to be there before, and may not be above the sum.
pub fn set_swap(explain: Explain, group: &Directory, bytes: Option<u64>) -> Result<(), CallError> {
    match group.version {
        Version::V1 => {
            let text = match (bytes, max(group)) {
                (Some(swap), Some(memory)) => (memory + swap).to_string(),
                (Some(swap), None) => swap.to_string(),
                (None, _) => "-1".into(),
            };
            group.write(explain, "memory.memsw.limit_in_bytes", &text)
        }
        Version::V2 => group.write(explain, "memory.swap.max", &or_max(bytes)),
    }
}

fn or_max(bytes: Option<u64>) -> String {
    bytes.map_or("max".into(), |bytes| bytes.to_string())
}

/// The limit in bytes. v1 says "none" by the largest number of pages that there
/// can be, a little below 2^63.
pub fn max(group: &Directory) -> Option<u64> {
    limit(group, "memory.limit_in_bytes", "memory.max")
}

pub fn high(group: &Directory) -> Option<u64> {
    limit(group, "memory.soft_limit_in_bytes", "memory.high")
}

fn limit(group: &Directory, v1: &str, v2: &str) -> Option<u64> {
    let file = match group.version {
        Version::V1 => v1,
        Version::V2 => v2,
    };
    group.number(file).filter(|bytes| *bytes < 1 << 62)
}

/// The bytes in use now: anonymous memory, file cache, and the kernel's own for it.
pub fn usage(group: &Directory) -> Option<u64> {
    group.number(match group.version {
        Version::V1 => "memory.usage_in_bytes",
        Version::V2 => "memory.current",
    })
}

/// How many processes the OOM killer has ended here.
pub fn oom_kills(group: &Directory) -> Option<u64> {
    let file = match group.version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    group.keyed(file, "oom_kill")
}

/// The memory of the machine: what a share of the root's is taken of.
pub fn of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn v1_limits_memory_and_swap_together() {
        let files = [
            ("memory.limit_in_bytes", ""),
            ("memory.memsw.limit_in_bytes", ""),
        ];
        let group = scene(Version::V1, &files);
        let explain = Explain::new(false);
        set_max(explain, &group.0, Some(1 << 20)).unwrap();
        set_swap(explain, &group.0, Some(1 << 10)).unwrap();
        assert_eq!(group.text("memory.memsw.limit_in_bytes"), "1049600");
        assert_eq!(max(&group.0), Some(1 << 20));
    }

    #[test]
    fn no_limit_is_none_in_both_worlds() {
        let old = scene(
            Version::V1,
            &[("memory.limit_in_bytes", "9223372036854771712\n")],
        );
        let new = scene(Version::V2, &[("memory.max", "max\n")]);
        assert_eq!((max(&old.0), max(&new.0)), (None, None));
    }

    #[test]
    fn the_oom_killers_victims_are_counted() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let old = scene(Version::V1, &[("memory.oom_control", text)]);
        let new = scene(
            Version::V2,
            &[("memory.events", "max 9\noom 1\noom_kill 2\n")],
        );
        assert_eq!((oom_kills(&old.0), oom_kills(&new.0)), (Some(3), Some(2)));
    }
}
