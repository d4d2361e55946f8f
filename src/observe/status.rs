//! Identity, capabilities and limits, from the text files of `/proc/PID`.
//! Pure: text in, facts out.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::facts::{Capabilities, Id, Ids, TimeOffsets, UnmappedId};

/// Capability names by number, without `cap_`. capabilities(7).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Securebits by number. capabilities(7), "The securebits flags".
const SECUREBITS: [&str; 8] = [
    "noroot",
    "noroot_locked",
    "no_setuid_fixup",
    "no_setuid_fixup_locked",
    "keep_caps",
    "keep_caps_locked",
    "no_cap_ambient_raise",
    "no_cap_ambient_raise_locked",
];

/// Limits: the line's name in `/proc/PID/limits`, and prlimit(1)'s.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "cpu"),
    ("Max file size", "fsize"),
    ("Max data size", "data"),
    ("Max stack size", "stack"),
    ("Max core file size", "core"),
    ("Max resident set", "rss"),
    ("Max processes", "nproc"),
    ("Max open files", "nofile"),
    ("Max locked memory", "memlock"),
    ("Max address space", "as"),
    ("Max file locks", "locks"),
    ("Max pending signals", "sigpending"),
    ("Max msgqueue size", "msgqueue"),
    ("Max nice priority", "nice"),
    ("Max realtime priority", "rtprio"),
    ("Max realtime timeout", "rttime"),
];

/// How many seccomp filters a process has, from the text of its `status`.
pub fn seccomp_filters(status: &str) -> u32 {
    Status::parse(status).seccomp_filters()
}

/// The names of the securebits set, as `prctl(PR_GET_SECUREBITS)` returns them.
pub fn securebits_names(bits: u32) -> BTreeSet<String> {
    names(u64::from(bits), &SECUREBITS)
}

/// The name of a capability without `cap_`; its number, when it is newer.
pub fn capability_name(number: usize) -> String {
    CAPABILITIES
        .get(number)
        .map_or(format!("{number}"), |&name| name.into())
}

fn names(bits: u64, table: &[&str]) -> BTreeSet<String> {
    (0..64)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| table.get(bit).map_or(format!("{bit}"), |&name| name.into()))
        .collect()
}

/// `/proc/PID/status`, field by field.
pub struct Status<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Status<'a> {
    pub fn parse(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name, value.trim()))
                .collect(),
        )
    }

    pub fn field(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The numbers of a field, such as `Uid` or `NSpid`.
    pub fn numbers(&self, name: &str) -> Vec<u32> {
        self.field(name)
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    }

    /// `Z` (ended, not yet waited for), `X`, `R`, `S`, ….
    pub fn state(&self) -> char {
        self.field("State").chars().next().unwrap_or('?')
    }

    pub fn capabilities(&self) -> Capabilities {
        let set = |name| {
            let bits = u64::from_str_radix(self.field(name), 16).unwrap_or_default();
            names(bits, &CAPABILITIES)
        };
        Capabilities {
            effective: set("CapEff"),
            permitted: set("CapPrm"),
            inheritable: set("CapInh"),
            bounding: set("CapBnd"),
            ambient: set("CapAmb"),
        }
    }

    pub fn seccomp_filters(&self) -> u32 {
        self.field("Seccomp_filters").parse().unwrap_or(0)
    }

    pub fn seccomp(&self) -> String {
        match self.field("Seccomp") {
            "1" => "strict",
            "2" => "filter",
            _ => "disabled",
        }
        .into()
    }
}

/// An id map as triples (inside, outside, count). user_namespaces(7).
pub type IdMap = Vec<(u32, u32, u32)>;

pub fn parse_map(text: &str) -> IdMap {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            Some((
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
            ))
        })
        .collect()
}

/// An id map as `inside outside count` lines.
pub fn map_lines(map: &IdMap) -> Vec<String> {
    map.iter()
        .map(|(inside, outside, count)| format!("{inside} {outside} {count}"))
        .collect()
}

/// What an outside id is called inside.
pub fn inside(map: &IdMap, id: u32) -> Option<u32> {
    map.iter()
        .find(|(_, outside, count)| id.checked_sub(*outside).is_some_and(|way| way < *count))
        .map(|(inside, outside, _)| inside + (id - outside))
}

/// An id in the terms of a namespace: `None` stands for the reader's own.
pub fn told(map: Option<&IdMap>, id: u32) -> Id {
    match map {
        None => Id::Mapped(id),
        Some(map) => inside(map, id).map_or(Id::Unmapped(UnmappedId::Unmapped), Id::Mapped),
    }
}

/// The four ids of a `Uid:` or `Gid:` line.
pub fn ids(numbers: &[u32], map: Option<&IdMap>) -> Ids {
    let at = |index: usize| {
        numbers
            .get(index)
            .map_or(Id::Unmapped(UnmappedId::Unmapped), |id| told(map, *id))
    };
    Ids {
        real: at(0),
        effective: at(1),
        saved: at(2),
        filesystem: at(3),
    }
}

/// `/proc/PID/limits` as `soft:hard` by prlimit(1)'s names.
pub fn limits(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (title, name) = LIMITS.iter().find(|(title, _)| line.starts_with(title))?;
            let mut words = line[title.len()..].split_whitespace();
            Some((
                name.to_string(),
                format!("{}:{}", words.next()?, words.next()?),
            ))
        })
        .collect()
}

/// `/proc/PID/timens_offsets`. time_namespaces(7).
pub fn time_offsets(text: &str) -> TimeOffsets {
    let seconds = |clock: &str| {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix(clock))
            .find_map(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or_default()
    };
    TimeOffsets {
        monotonic: seconds("monotonic"),
        boottime: seconds("boottime"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_outside_every_range_is_unmapped() {
        let map = parse_map("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(told(Some(&map), 1000), Id::Mapped(0));
        assert_eq!(told(Some(&map), 100_999), Id::Mapped(1000));
        assert_eq!(told(Some(&map), 999), Id::Unmapped(UnmappedId::Unmapped));
        assert_eq!(
            told(Some(&map), 165_536),
            Id::Unmapped(UnmappedId::Unmapped)
        );
        assert_eq!(told(None, 7), Id::Mapped(7));
    }

    #[test]
    fn limits_are_told_by_the_names_that_prlimit_uses() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 1048576              files     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n";
        let limits = limits(text);
        assert_eq!(limits["nofile"], "1024:1048576");
        assert_eq!(limits["cpu"], "unlimited:unlimited");
        assert_eq!(limits.len(), 2);
    }

    #[test]
    fn securebits_have_names() {
        assert_eq!(
            securebits_names(0b100001),
            ["noroot", "keep_caps_locked"].map(String::from).into()
        );
    }

    #[test]
    fn negative_time_offsets_keep_their_sign() {
        let offsets = time_offsets("monotonic      -86400         0\nboottime            7 500\n");
        assert_eq!((offsets.monotonic, offsets.boottime), (-86400, 7));
    }
}
