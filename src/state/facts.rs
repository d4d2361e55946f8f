//! The typed state of a process and of the machine around it.
//!
//! Everything here is deterministic: numbers that the kernel hands out anew
//! each time are either left out or kept as an identity ([`NamespaceId`]) that
//! is only ever compared, and shown as a symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// The eight types of namespace, and the two "for children" views that a
/// process has after `unshare(CLONE_NEWPID)` or `unshare(CLONE_NEWTIME)`.
/// See namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceKind {
    Cgroup,
    Ipc,
    Mnt,
    Net,
    Pid,
    /// Where the next child will be; recorded only when it is not `pid`.
    PidForChildren,
    Time,
    /// Where the next child will be; recorded only when it is not `time`.
    TimeForChildren,
    User,
    Uts,
}

impl NamespaceKind {
    /// Every kind, in the order of `/proc/PID/ns`.
    pub const ALL: [Self; 10] = [
        Self::Cgroup,
        Self::Ipc,
        Self::Mnt,
        Self::Net,
        Self::Pid,
        Self::PidForChildren,
        Self::Time,
        Self::TimeForChildren,
        Self::User,
        Self::Uts,
    ];

    /// The file's name in `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Mnt => "mnt",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::PidForChildren => "pid_for_children",
            Self::Time => "time",
            Self::TimeForChildren => "time_for_children",
            Self::User => "user",
            Self::Uts => "uts",
        }
    }
}

/// The identity of a namespace: its inode number in the kernel's nsfs.
/// Serialized as `ns:4026531838`; shown to people as a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NamespaceId(pub u64);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ns:{}", self.0)
    }
}

impl From<NamespaceId> for String {
    fn from(id: NamespaceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for NamespaceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("ns:")
            .and_then(|inode| inode.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a namespace identity (ns:INODE)"))
    }
}

/// All that was seen at one checkpoint: the process that stopped there, and
/// the machine (the sandbox's own namespaces) around it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The process that reached the checkpoint; absent once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The sandbox itself, seen from its first process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// How the program ended; only after its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// How a program ended: exactly one of the two. See wait(2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit status, 0 to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The signal's name without `SIG`, such as `KILL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
}

/// One process, as the kernel holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The namespaces that it is in.
    pub namespaces: BTreeMap<NamespaceKind, NamespaceId>,
    /// Those of its namespaces that belong to its own user namespace, so that
    /// its capabilities count in them (`NS_GET_USERNS`, ioctl_nsfs(2)). The
    /// user namespace itself is not listed.
    pub owned_namespaces: BTreeSet<NamespaceKind>,
    /// Its process ids in each PID namespace below the observer's frame,
    /// outermost first: `[]` in the sandbox's own, `[1]` as the first of a new
    /// one. `NSpid` of proc_pid_status(5).
    pub pids: Vec<u32>,
    /// Offsets of its time namespace, in seconds. time_namespaces(7).
    pub time_offsets: TimeOffsets,
    pub uid: Ids,
    pub gid: Ids,
    /// Supplementary groups, as its own user namespace shows them.
    pub groups: Vec<Id>,
    /// `inside outside count`, outside as the parent user namespace counts.
    /// user_namespaces(7).
    pub uid_map: Vec<String>,
    pub gid_map: Vec<String>,
    /// `allow` or `deny`.
    pub setgroups: String,
    pub capabilities: Capabilities,
    /// The capabilities of the file that it executes, as getcap(8) writes them:
    /// `cap_net_raw=ep`. For whose root (version 3) is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable_capabilities: Option<String>,
    pub no_new_privs: bool,
    /// `disabled`, `strict` or `filter`. seccomp(2).
    pub seccomp: String,
    /// How many filters are stacked on it, beyond those of the sandbox.
    pub seccomp_filters: u32,
    /// Securebits by name, such as `noroot`, `keep_caps_locked`. The kernel
    /// shows them to the process itself only, so `None` where it did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub securebits: Option<BTreeSet<String>>,
    /// Its root directory, as a path of its mount namespace.
    pub root: String,
    /// Its working directory, as a path of its mount namespace.
    pub cwd: String,
    /// Cgroup membership, by hierarchy: `unified` or the v1 controllers' names.
    pub cgroups: BTreeMap<String, Cgroup>,
    /// Resource limits, `soft:hard`, by the name that prlimit(1) uses.
    pub limits: BTreeMap<String, String>,
    /// What its namespaces show.
    #[serde(flatten)]
    pub view: View,
}

/// The machine: the sandbox's own namespaces, whoever is in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    #[serde(flatten)]
    pub view: View,
    /// What the named network namespaces hold, by name. An `lo` that nobody has
    /// touched is left out. Whether they forward is not told: a new namespace
    /// has that from the host's first one, so it differs from host to host.
    pub networks: BTreeMap<String, Network>,
    /// Names (`comm`) of the processes alive, the sandbox's own init excepted.
    pub processes: Vec<String>,
    /// The cgroups in the subtree that is delegated to it, by path; those of
    /// one path in several v1 hierarchies are one. Empty where none is.
    pub cgroups: BTreeMap<String, Group>,
}

/// What a set of namespaces (uts, mnt, net, ipc) shows to a process in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub hostname: String,
    pub domainname: String,
    /// What most of the mounts are: `shared`, `private`, `slave`,
    /// `shared,slave` or `unbindable`. Each mount that is otherwise says so.
    /// mount_namespaces(7).
    pub propagation: String,
    /// By mount point; a mount stacked on another is `POINT (2)`.
    pub mounts: BTreeMap<String, Mount>,
    pub interfaces: BTreeMap<String, Interface>,
    /// The main routing tables, as ip-route(8) writes them:
    /// `default via 10.0.0.1 dev eth0`.
    pub routes: BTreeSet<String>,
    /// Sockets that wait for whoever comes: `tcp 0.0.0.0:80` (listening),
    /// `udp [::]:53` (without a partner), `packet eth0`, `packet *`.
    pub listening: BTreeSet<String>,
    /// Those whose link-layer address is known, as ip-neighbour(8) writes them:
    /// `10.0.0.2 dev eth0`. Packets have passed between the two.
    pub neighbours: BTreeSet<String>,
    /// The address families whose packets are passed on from one interface to
    /// another: `ipv4` (`net.ipv4.ip_forward`), `ipv6`.
    pub forwarding: BTreeSet<String>,
    /// The packet filter: the chains of nf_tables, by family, table and name
    /// (`ip nat postrouting`). Shown to CAP_NET_ADMIN over the namespace only:
    /// empty where the observer has it not.
    pub firewall: BTreeMap<String, Chain>,
    /// Named network namespaces (`/run/netns/NAME`). ip-netns(8).
    pub network_namespaces: BTreeMap<String, NamespaceId>,
    pub ipc: Ipc,
    /// The files below the directories that are watched, by path; empty where
    /// none are.
    pub files: BTreeMap<String, File>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeOffsets {
    pub monotonic: i64,
    pub boottime: i64,
}

/// A user or group id as the process's own user namespace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    Mapped(u32),
    /// The id has no mapping there; the kernel shows the overflow id (65534).
    Unmapped(UnmappedId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnmappedId {
    Unmapped,
}

impl Default for Id {
    fn default() -> Self {
        Self::Mapped(0)
    }
}

/// The four ids of each kind that a process has. credentials(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ids {
    pub real: Id,
    pub effective: Id,
    pub saved: Id,
    pub filesystem: Id,
}

/// Capability names without `cap_`, in lower case: `net_raw`. capabilities(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    pub effective: BTreeSet<String>,
    pub permitted: BTreeSet<String>,
    pub inheritable: BTreeSet<String>,
    pub bounding: BTreeSet<String>,
    pub ambient: BTreeSet<String>,
}

/// One mount. proc_pid_mountinfo(5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// The file system's type; `host` where the sandbox shows the host's own.
    #[serde(rename = "type")]
    pub fs_type: String,
    /// The source, or `host` likewise.
    pub source: String,
    /// The directory of that file system that is mounted, when not its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The namespace that an nsfs mount keeps alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceId>,
    /// Per-mount options: `ro`, `nosuid`, `nodev`, `noexec`, … (`rw` and
    /// `relatime`, the defaults, are left out).
    pub options: BTreeSet<String>,
    /// Options of the file system itself that a course speaks of: `ro`,
    /// `size=`, `lowerdir=`, `upperdir=`, `workdir=`, `hidepid=`, ….
    pub super_options: BTreeSet<String>,
    /// Only where it is not what most mounts are ([`View::propagation`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<String>,
}

/// One membership in a cgroup hierarchy. cgroups(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cgroup {
    /// Relative to the frame's own cgroup where below it (`/` is the frame's).
    pub path: String,
    /// The limits set there that are not the kernel's defaults, by file.
    pub limits: BTreeMap<String, String>,
}

/// What a network namespace holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    pub interfaces: BTreeMap<String, Interface>,
    pub routes: BTreeSet<String>,
    pub listening: BTreeSet<String>,
    pub neighbours: BTreeSet<String>,
    pub firewall: BTreeMap<String, Chain>,
}

/// A chain of the packet filter. nft(8)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Where packets enter it: `type nat hook postrouting priority srcnat`;
    /// a chain without one is only jumped to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// What becomes of a packet that reaches its end: `accept` or `drop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// In their order, in nft's words. A counter is told with its zero as long
    /// as no packet has come by, else without a number.
    pub rules: Vec<String>,
}

/// One cgroup of the machine's own. cgroups(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Those that it has: on v1 the hierarchies in which it was made, on v2
    /// what its parent hands down.
    pub controllers: BTreeSet<String>,
    /// On v2: the controllers that it hands down itself.
    pub subtree_control: BTreeSet<String>,
    /// Names (`comm`) of the processes in it, but for the one at the checkpoint
    /// and those that it descends from; `sh (memory only)` when it is not in
    /// all v1 hierarchies of that path.
    pub processes: Vec<String>,
    /// Whether it is frozen, or has been told to freeze.
    pub frozen: bool,
    /// The limits set there that are not the kernel's defaults, by file; a
    /// disk's number is told as `DISK`.
    pub limits: BTreeMap<String, String>,
    /// What happened in it at least once: `memory.oom_kill`, `pids.max`,
    /// `cpu.nr_throttled`.
    pub events: BTreeSet<String>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// `loopback`, `veth`, `bridge`, `dummy`, `macvlan`, `ether`, ….
    pub kind: String,
    /// `up` or `down` (the administrative state, `IFF_UP`).
    pub state: String,
    /// With prefix length: `10.0.0.2/24`. IPv6 link-local ones are left out.
    pub addresses: BTreeSet<String>,
    /// The bridge (or bond) that it is a port of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The other end of a veth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// The other end of a veth pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, when it is in the same network namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// `here`, or `elsewhere` when it is in another network namespace.
    pub place: String,
}

/// One file of a watched directory, with the marks of overlayfs on it. inode(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// `file`, `directory`, `symlink`, `whiteout`, `device`, `fifo`, `socket`, or
    /// `mount` where another file system is mounted.
    #[serde(rename = "type")]
    pub file_type: String,
    /// Permission bits, octal: `0644`; of what has some that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// A short text without its last newline, or `cksum SUM LENGTH`; a link's
    /// target; `c MAJOR:MINOR` of a device. Absent where there is none to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Of a directory: what the layers below have in it does not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opaque: Option<bool>,
    /// Of a file: only its owner, mode and times; the bytes are in a layer below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metacopy: Option<bool>,
    /// Under which name the layers below have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
}

/// System V IPC objects and POSIX message queues. sysvipc(7), mq_overview(7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ipc {
    /// By key, `0x00001234`; those without one are `private`, `private (2)`.
    pub shared_memory: BTreeMap<String, IpcObject>,
    pub semaphores: BTreeMap<String, IpcObject>,
    pub message_queues: BTreeMap<String, IpcObject>,
    /// POSIX message queues, by name: `/jobs`.
    pub posix_queues: BTreeMap<String, IpcObject>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpcObject {
    /// Bytes of a segment; semaphores in a set; messages waiting in a queue.
    pub size: u64,
    /// Permission bits, octal: `0644`.
    pub mode: String,
}
