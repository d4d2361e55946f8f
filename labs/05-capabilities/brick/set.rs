//! Names of capabilities, and sets of them.
//!
//! A capability is a number, and a set is a word with that bit: in the kernel,
//! in `/proc/PID/status` and in a file's attribute. Names exist in user space
//! only, so a kernel newer than this list shows some by number.
//!
//! Read: capabilities(7), include/uapi/linux/capability.h

use std::fmt;
use std::str::FromStr;

/// In the kernel's order. The slides' last one, CAP_QUOTACTL, is vserver's own
/// and never was in Linux.
#[rustfmt::skip]
const NAMES: [&str; 41] = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
];

/// One capability, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(pub u8);

/// The two that the chapter's text and tests speak of all the time.
impl Capability {
    pub const NET_BIND_SERVICE: Self = Self(10);
    pub const NET_RAW: Self = Self(13);
}

/// `CAP_NET_RAW`; `CAP_41` for one that has no name here.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.pad(&format!("CAP_{name}")),
            None => f.pad(&format!("CAP_{}", self.0)),
        }
    }
}

/// With or without CAP_, in either case, or the number.
impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        // By number, too: a kernel may know more of them than this list.
        let by_name = NAMES.iter().position(|known| *known == name);
        let number = by_name.or_else(|| name.parse().ok().filter(|number| *number < 64));
        number.map(|number| Self(number as u8)).ok_or_else(|| {
            // A wrong name is told with a right one, where there is one that has it
            // in it: forty names are many to know by heart.
            let near = NAMES.iter().find(|known| {
                // What people write who know it by half: `RAW`, `NET_BIND`, `SYSADMIN`.
                !name.is_empty() && known.replace('_', "").contains(&name.replace('_', ""))
            });
            match near {
                Some(near) => format!("no capability `{text}`; do you mean CAP_{near}?"),
                None => format!("no capability `{text}`; `reducecap --show` lists them all"),
            }
        })
    }
}

/// A set of capabilities, as the kernel holds it: bit N is capability N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(pub u64);

impl Set {
    /// The set of just these.
    pub fn of(capabilities: &[Capability]) -> Self {
        Self(capabilities.iter().fold(0, |bits, one| bits | 1 << one.0))
    }

    /// The kernel's own test, at each privileged call: one bit of one word.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 >> capability.0 & 1 == 1
    }

    /// What is in both: how the bounding set limits.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either: how an execve puts the permitted set together.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one only: how a drop is computed. It is applied by a call.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members in the kernel's order, those without a name among them.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..64)
            .map(Capability)
            .filter(move |one| self.contains(*one))
    }
}

/// `CAP_CHOWN|CAP_NET_RAW`, as C would write the mask; `0` for none.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|one| one.to_string()).collect();
        match *self {
            Self(0) => f.write_str("0"),
            // Forty names help nobody; the number is what /proc shows, too.
            Self(bits) if names.len() > 8 => write!(f, "{bits:#x}"),
            _ => f.write_str(&names.join("|")),
        }
    }
}

/// A list with commas, `all`, or `none`. It is what clap calls for an option,
/// so a wrong name is an error of usage, told before any call is made.
impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_lowercase().as_str() {
            "all" => return Ok(all()),
            "none" | "" => return Ok(Self::default()),
            _ => {}
        }
        // One wrong name refuses the whole list: a drop of half of what was asked
        // for would look like a success.
        let mut set = Self::default();
        for name in text.split(',') {
            set = set.or(Self::of(&[name.parse()?]));
        }
        Ok(set)
    }
}

/// Every capability of *this* kernel: its last one is in a file.
///
/// "All 64 bits" would be wrong: to drop one that the kernel does not have is
/// EINVAL, and the table would have rows without meaning.
pub fn all() -> Set {
    // Asking PR_CAPBSET_READ for each number until EINVAL would do it, too.
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap");
    let last = last.ok().and_then(|text| text.trim().parse::<u32>().ok());
    // Without /proc (in a chroot, say) those that have a name here.
    let count = last.map_or(NAMES.len() as u32, |last| (last + 1).min(63));
    Set((1 << count) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_with_and_without_its_prefix_and_by_number() {
        for text in ["net_raw", "CAP_NET_RAW", "cap_net_raw", "Net_Raw", "13"] {
            assert_eq!(text.parse(), Ok(Capability::NET_RAW), "{text}");
        }
        assert_eq!(Capability(40).to_string(), "CAP_CHECKPOINT_RESTORE");
        assert_eq!(Capability(50).to_string(), "CAP_50");
        assert_eq!("cap_50".parse(), Ok(Capability(50)));
    }

    #[test]
    fn a_wrong_name_is_told_with_the_one_that_may_be_meant() {
        let error = "net_raw,sniff".parse::<Set>().unwrap_err();
        assert!(error.contains("`sniff`"), "{error}");
        // The slides have it so.
        let error = "CAP_SYS_NET".parse::<Set>().unwrap_err();
        assert!(error.contains("--show"), "{error}");
        let error = "sysadmin".parse::<Set>().unwrap_err();
        assert!(error.contains("CAP_SYS_ADMIN"), "{error}");
        assert!("64".parse::<Set>().is_err());
    }

    #[test]
    fn a_set_is_a_word_of_bits() {
        let set: Set = "net_raw,net_bind_service".parse().unwrap();
        assert_eq!(set, Set(1 << 13 | 1 << 10));
        assert_eq!(set.to_string(), "CAP_NET_BIND_SERVICE|CAP_NET_RAW");
        assert_eq!("none".parse(), Ok(Set(0)));
        assert!(all().contains(Capability(37)));
        assert_eq!(all().and(set), set);
    }
}
