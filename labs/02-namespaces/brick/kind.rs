//! The eight types of namespace, and the two names that the kernel has for each.
//!
//! Read: namespaces(7), and the page of each type: user_namespaces(7),
//! mount_namespaces(7), pid_namespaces(7), …

use nix::sched::CloneFlags;

/// A type of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ids and capabilities; owns the namespaces that are made in it.
    User,
    /// The table of mounts.
    Mnt,
    /// Process ids.
    Pid,
    /// Interfaces, addresses, routes, ports, firewall.
    Net,
    /// System V IPC objects and POSIX message queues.
    Ipc,
    /// Host name and NIS domain name.
    Uts,
    /// Which cgroup is shown as `/`.
    Cgroup,
    /// Offsets of the monotonic and boot-time clocks.
    Time,
}

impl Kind {
    /// User first: the order in which an ordinary user has to make or join them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Mnt,
        Self::Pid,
        Self::Net,
        Self::Ipc,
        Self::Uts,
        Self::Cgroup,
        Self::Time,
    ];

    /// The file's name in `/proc/PID/ns`.
    pub fn file(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mnt => "mnt",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// The flag for `clone3`, `unshare` and `setns`.
    pub fn flag(self) -> CloneFlags {
        match self {
            Self::User => CloneFlags::CLONE_NEWUSER,
            // The first that there was, in 2002, and nobody thought of a second:
            // hence "new namespace" and not "new mount namespace".
            Self::Mnt => CloneFlags::CLONE_NEWNS,
            Self::Pid => CloneFlags::CLONE_NEWPID,
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Cgroup => CloneFlags::CLONE_NEWCGROUP,
            // The last free bit, out of the exit signal's byte. That is why the
            // old clone(2) cannot have it, and why nix does not name it.
            Self::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
        }
    }

    /// That flag as the man pages write it.
    pub fn flag_name(self) -> &'static str {
        match self {
            Self::User => "CLONE_NEWUSER",
            Self::Mnt => "CLONE_NEWNS",
            Self::Pid => "CLONE_NEWPID",
            Self::Net => "CLONE_NEWNET",
            Self::Ipc => "CLONE_NEWIPC",
            Self::Uts => "CLONE_NEWUTS",
            Self::Cgroup => "CLONE_NEWCGROUP",
            Self::Time => "CLONE_NEWTIME",
        }
    }
}

/// The flags of all `kinds`, or-ed for one call.
pub fn flags(kinds: &[Kind]) -> CloneFlags {
    let bits = kinds.iter().fold(0, |bits, kind| bits | kind.flag().bits());
    CloneFlags::from_bits_retain(bits)
}

/// The same as text: `CLONE_NEWUSER|CLONE_NEWUTS`, `0` for none.
pub fn flag_names(kinds: &[Kind]) -> String {
    match kinds {
        [] => "0".into(),
        _ => kinds
            .iter()
            .map(|kind| kind.flag_name())
            .collect::<Vec<_>>()
            .join("|"),
    }
}
