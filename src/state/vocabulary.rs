//! Every fact of an [`Observation`](super::facts::Observation), in one table.
//!
//! The parser of expected snapshots, the comparison, the difference, the JSON
//! Schema, the page of facts and the coverage of the explanations are all
//! derived from [`OBSERVATION`]. A test holds it against the typed structs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts::NamespaceKind;

/// What a fact is, whatever its place: the explanation of a mismatch hangs on
/// this and not on the exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactKind {
    Namespace(NamespaceKind),
    OwnedNamespaces,
    Hostname,
    Domainname,
    Pids,
    TimeOffset,
    UserId,
    GroupId,
    Groups,
    UidMap,
    GidMap,
    Setgroups,
    Capabilities(CapabilitySet),
    ExecutableCapabilities,
    NoNewPrivs,
    Seccomp,
    SeccompFilters,
    Securebits,
    Root,
    Cwd,
    Propagation,
    Mount,
    MountType,
    MountSource,
    MountRoot,
    MountNamespace,
    MountOptions,
    SuperOptions,
    MountPropagation,
    Cgroup,
    CgroupPath,
    CgroupLimit,
    Group,
    GroupControllers,
    GroupSubtreeControl,
    GroupProcesses,
    GroupFrozen,
    GroupEvents,
    Interface,
    InterfaceKind,
    InterfaceState,
    InterfaceAddresses,
    InterfaceMaster,
    PeerInterface,
    PeerPlace,
    Route,
    Listening,
    Neighbour,
    Forwarding,
    Firewall,
    FirewallHook,
    FirewallPolicy,
    FirewallRules,
    NetworkNamespace,
    Network,
    SharedMemory,
    Semaphores,
    MessageQueues,
    PosixQueues,
    IpcSize,
    IpcMode,
    File,
    FileType,
    FileMode,
    FileContent,
    FileOpaque,
    FileMetacopy,
    FileRedirect,
    ResourceLimit,
    Processes,
    ExitStatus,
    ExitSignal,
}

/// The five sets of capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapabilitySet {
    Effective,
    Permitted,
    Inheritable,
    Bounding,
    Ambient,
}

impl CapabilitySet {
    pub fn name(self) -> &'static str {
        match self {
            Self::Effective => "effective",
            Self::Permitted => "permitted",
            Self::Inheritable => "inheritable",
            Self::Bounding => "bounding",
            Self::Ambient => "ambient",
        }
    }
}

/// What a single value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Smallest and largest value that the fact can have.
    Integer(i64, i64),
    Boolean,
    /// `ns:INODE`, told as a symbol.
    Namespace,
    /// A user or group id, or `unmapped`.
    Id,
    /// A number as the kernel writes it in a cgroup file, with a unit (`256M`)
    /// in an expectation; or any other text, such as `max`.
    Amount,
}

/// The form of a fact's value. It decides how the fact is written, how its
/// change is told, and in which ways it can fail to hold.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Only a grouping: the facts are its fields.
    Group(&'static [Field]),
    Leaf(FactKind, ValueType),
    /// Ordered; compared as a whole.
    List(FactKind, ValueType),
    /// Without order; compared element by element.
    Set(FactKind, ValueType),
    /// Free keys. Each entry is one fact.
    Table(FactKind, Entries),
}

/// What the entries of a table are.
#[derive(Clone, Copy, Debug)]
pub enum Entries {
    Value(ValueType),
    Record(&'static [Field]),
}

/// One named place in the observation.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    /// One line for the page of facts.
    pub about: &'static str,
    pub shape: Shape,
    /// Whether the kernel may hold no such thing, so that `absent` is a value.
    pub optional: bool,
    /// Facts (full paths below the checkpoint) without which this one says
    /// nothing; only those of the same section (process, machine, exit) count.
    pub depends_on: &'static [&'static str],
}

impl Field {
    const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            about,
            shape,
            optional: false,
            depends_on: &[],
        }
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn after(mut self, depends_on: &'static [&'static str]) -> Self {
        self.depends_on = depends_on;
        self
    }
}

use Shape::{Group, Leaf, List, Set, Table};
use ValueType::{Amount, Boolean, Id, Integer, Namespace, Text, Word};

// What mount_namespaces(7) knows; a mount can be slave and shared at once.
const PROPAGATIONS: ValueType = Word(&["shared", "private", "slave", "shared,slave", "unbindable"]);

// What other facts depend on. A view of a namespace says nothing while the
// process is in the wrong one.
const CGROUP: &str = "process.namespaces.cgroup";
const IPC: &str = "process.namespaces.ipc";
const MNT: &str = "process.namespaces.mnt";
const NET: &str = "process.namespaces.net";
const PID: &str = "process.namespaces.pid";
const TIME: &str = "process.namespaces.time";
const USER: &str = "process.namespaces.user";
const UTS: &str = "process.namespaces.uts";
const UID_MAP: &str = "process.uid_map";
const GID_MAP: &str = "process.gid_map";

/// The names of capabilities(7), without `cap_`, in the kernel's order.
#[rustfmt::skip]
pub const CAPABILITIES: &[&str] = &[
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
];

const NAMESPACE_NAMES: &[&str] = &[
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid",
    "pid_for_children",
    "time",
    "time_for_children",
    "user",
    "uts",
];

/// The whole observation. The order is that of a recorded snapshot.
pub static OBSERVATION: &[Field] = &[
    Field::new(
        "process",
        Group(PROCESS),
        "The process that reached the checkpoint.",
    ),
    Field::new(
        "machine",
        Group(MACHINE),
        "The sandbox's own namespaces, whoever is in them.",
    ),
    Field::new(
        "exit",
        Group(EXIT),
        "How the program ended; only at `after`.",
    ),
];

const EXIT: &[Field] = &[
    Field::new(
        "status",
        Leaf(FactKind::ExitStatus, Integer(0, 255)),
        "The exit status.",
    )
    .optional()
    .after(&["exit.signal"]),
    Field::new(
        "signal",
        Leaf(FactKind::ExitSignal, Text),
        "The signal that ended it, without SIG.",
    )
    .optional()
    .after(&["exit.status"]),
];

const PROCESS: &[Field] = &[
    Field::new(
        "namespaces",
        Group(NAMESPACES),
        "The namespaces that it is in.",
    ),
    Field::new(
        "owned_namespaces",
        Set(FactKind::OwnedNamespaces, Word(NAMESPACE_NAMES)),
        "Those that belong to its own user namespace, so that its capabilities count in them.",
    )
    .after(&[USER]),
    HOSTNAME,
    DOMAINNAME,
    Field::new(
        "pids",
        List(FactKind::Pids, Integer(1, u32::MAX as i64)),
        "Its process id in each PID namespace below the sandbox's, outermost first.",
    )
    .after(&[PID]),
    Field::new(
        "uid_map",
        List(FactKind::UidMap, Text),
        "`inside outside count`, a line each.",
    )
    .after(&[USER]),
    Field::new(
        "gid_map",
        List(FactKind::GidMap, Text),
        "`inside outside count`, a line each.",
    )
    .after(&[USER]),
    Field::new(
        "setgroups",
        Leaf(FactKind::Setgroups, Word(&["allow", "deny"])),
        "Whether setgroups(2) may be called in its user namespace.",
    )
    .after(&[USER]),
    Field::new(
        "uid",
        Group(UID),
        "Its user ids, as its own user namespace shows them.",
    ),
    Field::new(
        "gid",
        Group(GID),
        "Its group ids, as its own user namespace shows them.",
    ),
    Field::new(
        "groups",
        List(FactKind::Groups, Id),
        "Its supplementary groups.",
    )
    .after(&[USER, GID_MAP]),
    Field::new(
        "capabilities",
        Group(CAPABILITY_SETS),
        "Its capability sets.",
    ),
    Field::new(
        "executable_capabilities",
        Leaf(FactKind::ExecutableCapabilities, Text),
        "The capabilities of the file that it executes: `cap_net_raw=ep`.",
    )
    .optional(),
    Field::new(
        "no_new_privs",
        Leaf(FactKind::NoNewPrivs, Boolean),
        "Whether an execve can no longer give it privileges.",
    ),
    Field::new(
        "seccomp",
        Leaf(FactKind::Seccomp, Word(&["disabled", "strict", "filter"])),
        "Its seccomp mode.",
    ),
    Field::new(
        "seccomp_filters",
        Leaf(FactKind::SeccompFilters, Integer(0, u32::MAX as i64)),
        "How many seccomp filters are stacked on it, beyond those of the sandbox.",
    ),
    Field::new(
        "securebits",
        Set(FactKind::Securebits, Text),
        "Its securebits, by name.",
    )
    .optional()
    .after(&[USER]),
    Field::new("root", Leaf(FactKind::Root, Text), "Its root directory.").after(&[MNT]),
    Field::new("cwd", Leaf(FactKind::Cwd, Text), "Its working directory.")
        .after(&[MNT, "process.root"]),
    PROPAGATION,
    MOUNTS,
    INTERFACES,
    ROUTES,
    LISTENING,
    NEIGHBOURS,
    FORWARDING,
    FIREWALL,
    NETWORK_NAMESPACES,
    IPC_OBJECTS,
    FILES,
    Field::new(
        "time_offsets",
        Group(TIME_OFFSETS),
        "The offsets of its time namespace.",
    ),
    Field::new(
        "cgroups",
        Table(FactKind::Cgroup, Entries::Record(CGROUP_FIELDS)),
        "Its place in each cgroup hierarchy: `unified`, or a v1 controller's name.",
    )
    .after(&[CGROUP]),
    Field::new(
        "limits",
        Table(FactKind::ResourceLimit, Entries::Value(Text)),
        "Its resource limits, `soft:hard`, by the names of prlimit(1).",
    ),
];

const MACHINE: &[Field] = &[
    HOSTNAME,
    DOMAINNAME,
    PROPAGATION,
    MOUNTS,
    INTERFACES,
    ROUTES,
    LISTENING,
    NEIGHBOURS,
    FORWARDING,
    FIREWALL,
    NETWORK_NAMESPACES,
    Field::new(
        NETWORKS,
        Table(FactKind::Network, Entries::Record(NETWORK)),
        "What the named network namespaces hold; an `lo` that nobody touched is left out.",
    ),
    IPC_OBJECTS,
    FILES,
    Field::new(
        "processes",
        List(FactKind::Processes, Text),
        "The names of the processes alive, the machine's own init excepted.",
    ),
    Field::new(
        "cgroups",
        Table(FactKind::Group, Entries::Record(GROUP)),
        "The cgroups in the subtree delegated to the machine, by path.",
    ),
];

const fn namespace(name: &'static str, kind: NamespaceKind, about: &'static str) -> Field {
    Field::new(name, Leaf(FactKind::Namespace(kind), Namespace), about).optional()
}

const NAMESPACES: &[Field] = &[
    namespace("cgroup", NamespaceKind::Cgroup, "Its cgroup namespace."),
    namespace("ipc", NamespaceKind::Ipc, "Its IPC namespace."),
    namespace("mnt", NamespaceKind::Mnt, "Its mount namespace."),
    namespace("net", NamespaceKind::Net, "Its network namespace."),
    namespace("pid", NamespaceKind::Pid, "Its PID namespace."),
    namespace(
        "pid_for_children",
        NamespaceKind::PidForChildren,
        "Where its next child will be, when that is not its own PID namespace.",
    )
    .after(&[PID]),
    namespace("time", NamespaceKind::Time, "Its time namespace."),
    namespace(
        "time_for_children",
        NamespaceKind::TimeForChildren,
        "Where its next child will be, when that is not its own time namespace.",
    )
    .after(&[TIME]),
    namespace("user", NamespaceKind::User, "Its user namespace."),
    namespace("uts", NamespaceKind::Uts, "Its UTS namespace."),
];

const fn user_id(name: &'static str, about: &'static str) -> Field {
    Field::new(name, Leaf(FactKind::UserId, Id), about).after(&[USER, UID_MAP])
}

// setresuid(2) sets three of them; the fourth follows the effective one.
const UID: &[Field] = &[
    user_id("real", "The real user id."),
    user_id(
        "effective",
        "The effective user id, which permissions are checked against.",
    ),
    user_id("saved", "The saved user id."),
    user_id("filesystem", "The user id for file access."),
];

const fn group_id(name: &'static str, about: &'static str) -> Field {
    Field::new(name, Leaf(FactKind::GroupId, Id), about).after(&[USER, GID_MAP])
}

const GID: &[Field] = &[
    group_id("real", "The real group id."),
    group_id(
        "effective",
        "The effective group id, which permissions are checked against.",
    ),
    group_id("saved", "The saved group id."),
    group_id("filesystem", "The group id for file access."),
];

const fn capabilities(name: &'static str, set: CapabilitySet, about: &'static str) -> Field {
    // A new user namespace resets all five. Without a map, the execve of an
    // unmapped user id then takes away what counts.
    let depends_on: &[&str] = match set {
        CapabilitySet::Effective | CapabilitySet::Permitted => &[USER, UID_MAP],
        _ => &[USER],
    };
    Field::new(
        name,
        Set(FactKind::Capabilities(set), Word(CAPABILITIES)),
        about,
    )
    .after(depends_on)
}

const CAPABILITY_SETS: &[Field] = &[
    capabilities(
        "effective",
        CapabilitySet::Effective,
        "What the kernel checks against.",
    ),
    capabilities(
        "permitted",
        CapabilitySet::Permitted,
        "What it may make effective.",
    ),
    capabilities(
        "inheritable",
        CapabilitySet::Inheritable,
        "What file capabilities may add to.",
    ),
    capabilities(
        "bounding",
        CapabilitySet::Bounding,
        "The most that an execve can give it.",
    ),
    capabilities(
        "ambient",
        CapabilitySet::Ambient,
        "What stays over a plain execve.",
    ),
];

const TIME_OFFSETS: &[Field] = &[
    Field::new(
        "monotonic",
        Leaf(FactKind::TimeOffset, Integer(i64::MIN, i64::MAX)),
        "Seconds added to CLOCK_MONOTONIC.",
    )
    .after(&[TIME]),
    Field::new(
        "boottime",
        Leaf(FactKind::TimeOffset, Integer(i64::MIN, i64::MAX)),
        "Seconds added to CLOCK_BOOTTIME.",
    )
    .after(&[TIME]),
];

const CGROUP_FIELDS: &[Field] = &[
    Field::new(
        "path",
        Leaf(FactKind::CgroupPath, Text),
        "The cgroup, below the sandbox's own.",
    ),
    Field::new(
        "limits",
        Table(FactKind::CgroupLimit, Entries::Value(Amount)),
        "The limits set there, by file.",
    ),
];

const EVENTS: ValueType = Word(&["memory.oom_kill", "pids.max", "cpu.nr_throttled"]);

const GROUP: &[Field] = &[
    Field::new(
        "controllers",
        Set(FactKind::GroupControllers, Text),
        "On v1 the hierarchies in which it was made, on v2 what its parent hands down.",
    ),
    Field::new(
        "subtree_control",
        Set(FactKind::GroupSubtreeControl, Text),
        "On v2 the controllers that it hands down itself.",
    ),
    Field::new(
        "processes",
        List(FactKind::GroupProcesses, Text),
        "The names of the processes in it, but for the one at the checkpoint and those above that.",
    ),
    Field::new(
        "frozen",
        Leaf(FactKind::GroupFrozen, Boolean),
        "Whether it is frozen, or told to freeze.",
    ),
    Field::new(
        "limits",
        Table(FactKind::CgroupLimit, Entries::Value(Amount)),
        "The limits set there, by file.",
    ),
    Field::new(
        "events",
        Set(FactKind::GroupEvents, EVENTS),
        "What happened in it at least once.",
    ),
];

// From here on: what the process and the machine both have, each seen from
// its own namespaces.

const HOSTNAME: Field =
    Field::new("hostname", Leaf(FactKind::Hostname, Text), "The host name.").after(&[UTS]);

const DOMAINNAME: Field = Field::new(
    "domainname",
    Leaf(FactKind::Domainname, Text),
    "The NIS domain name.",
)
.after(&[UTS]);

const PROPAGATION: Field = Field::new(
    "propagation",
    Leaf(FactKind::Propagation, PROPAGATIONS),
    "What most of the mounts are.",
)
.after(&[MNT]);

const MOUNTS: Field = Field::new(
    "mounts",
    Table(FactKind::Mount, Entries::Record(MOUNT)),
    "The mounts, by mount point; one stacked on another is `POINT (2)`.",
)
.after(&[MNT]);

const MOUNT: &[Field] = &[
    Field::new(
        "type",
        Leaf(FactKind::MountType, Text),
        "The file system's type.",
    ),
    Field::new(
        "source",
        Leaf(FactKind::MountSource, Text),
        "What is mounted.",
    ),
    Field::new(
        "root",
        Leaf(FactKind::MountRoot, Text),
        "The directory of it that is mounted.",
    )
    .optional(),
    Field::new(
        "namespace",
        Leaf(FactKind::MountNamespace, Namespace),
        "The namespace that the mount keeps alive.",
    )
    .optional(),
    Field::new(
        "options",
        Set(FactKind::MountOptions, Text),
        "Options of this mount.",
    ),
    Field::new(
        "super_options",
        Set(FactKind::SuperOptions, Text),
        "Options of the file system.",
    ),
    Field::new(
        "propagation",
        Leaf(FactKind::MountPropagation, PROPAGATIONS),
        "Only where it is not what most mounts are.",
    )
    .optional(),
];

const INTERFACES: Field = Field::new(
    "interfaces",
    Table(FactKind::Interface, Entries::Record(INTERFACE)),
    "The network interfaces, by name.",
)
.after(&[NET]);

const INTERFACE: &[Field] = &[
    Field::new(
        "kind",
        Leaf(FactKind::InterfaceKind, Text),
        "`veth`, `bridge`, `dummy`, ….",
    ),
    Field::new(
        "state",
        Leaf(FactKind::InterfaceState, Word(&["up", "down"])),
        "`up` or `down`.",
    ),
    Field::new(
        "addresses",
        Set(FactKind::InterfaceAddresses, Text),
        "With prefix length.",
    ),
    Field::new(
        "master",
        Leaf(FactKind::InterfaceMaster, Text),
        "The bridge that it is a port of.",
    )
    .optional(),
    Field::new("peer", Group(PEER), "The other end of a veth.").optional(),
];

const PEER: &[Field] = &[
    Field::new(
        "interface",
        Leaf(FactKind::PeerInterface, Text),
        "Its name, when it is here.",
    )
    .optional(),
    Field::new(
        "place",
        Leaf(FactKind::PeerPlace, Word(&["here", "elsewhere"])),
        "In this network namespace, or in another.",
    ),
];

const ROUTES: Field = Field::new(
    "routes",
    Set(FactKind::Route, Text),
    "The routes, as ip-route(8) writes them.",
)
.after(&[NET]);

const LISTENING: Field = Field::new(
    "listening",
    Set(FactKind::Listening, Text),
    "Sockets that wait for whoever comes: `tcp 0.0.0.0:80`, `udp [::]:53`, `packet eth0`.",
)
.after(&[NET]);

const NEIGHBOURS: Field = Field::new(
    "neighbours",
    Set(FactKind::Neighbour, Text),
    "Those whose link-layer address is known, as ip-neighbour(8) writes them.",
)
.after(&[NET]);

const FORWARDING: Field = Field::new(
    "forwarding",
    Set(FactKind::Forwarding, Word(&["ipv4", "ipv6"])),
    "The address families that are passed on from one interface to another.",
)
.after(&[NET]);

const FIREWALL: Field = Field::new(
    "firewall",
    Table(FactKind::Firewall, Entries::Record(CHAIN)),
    "The packet filter's chains, by family, table and name: `ip nat postrouting`.",
)
.after(&[NET]);

const CHAIN: &[Field] = &[
    Field::new(
        "hook",
        Leaf(FactKind::FirewallHook, Text),
        "Where packets enter it: `type nat hook postrouting priority srcnat`.",
    )
    .optional(),
    Field::new(
        "policy",
        Leaf(FactKind::FirewallPolicy, Word(&["accept", "drop"])),
        "What becomes of a packet that reaches its end.",
    )
    .optional(),
    Field::new(
        "rules",
        List(FactKind::FirewallRules, Text),
        "Its rules in their order, as nft(8) writes them; a counter as `counter packets 0` or `counter`.",
    ),
];

/// The table of the machine whose entries are networks of their own: what is
/// in them are facts, and not the entry as a whole.
const NETWORKS: &str = "networks";

const NETWORK: &[Field] = &[INTERFACES, ROUTES, LISTENING, NEIGHBOURS, FIREWALL];

const NETWORK_NAMESPACES: Field = Field::new(
    "network_namespaces",
    Table(FactKind::NetworkNamespace, Entries::Value(Namespace)),
    "The named network namespaces of ip-netns(8).",
)
.after(&[MNT]);

const IPC_OBJECTS: Field = Field::new("ipc", Group(IPC_TABLES), "System V IPC and POSIX queues.");

const fn ipc(name: &'static str, kind: FactKind, about: &'static str) -> Field {
    Field::new(name, Table(kind, Entries::Record(IPC_OBJECT)), about).after(&[IPC])
}

const IPC_TABLES: &[Field] = &[
    ipc(
        "shared_memory",
        FactKind::SharedMemory,
        "Shared memory segments, by key.",
    ),
    ipc(
        "semaphores",
        FactKind::Semaphores,
        "Semaphore sets, by key.",
    ),
    ipc(
        "message_queues",
        FactKind::MessageQueues,
        "System V message queues, by key.",
    ),
    ipc(
        "posix_queues",
        FactKind::PosixQueues,
        "POSIX message queues, by name.",
    ),
];

const IPC_OBJECT: &[Field] = &[
    Field::new(
        "size",
        Leaf(FactKind::IpcSize, Integer(0, i64::MAX)),
        "Bytes of a segment; semaphores in a set; messages in a queue.",
    ),
    Field::new(
        "mode",
        Leaf(FactKind::IpcMode, Text),
        "Permission bits, octal: \"0644\".",
    ),
];

const FILES: Field = Field::new(
    "files",
    Table(FactKind::File, Entries::Record(FILE)),
    "The files of the directories that the exercise watches, by path.",
)
.after(&[MNT]);

const FILE_TYPES: ValueType = Word(&[
    "file",
    "directory",
    "symlink",
    "whiteout",
    "device",
    "fifo",
    "socket",
    "mount",
]);

const FILE: &[Field] = &[
    Field::new(
        "type",
        Leaf(FactKind::FileType, FILE_TYPES),
        "A `whiteout` hides what the layers below have under that name.",
    ),
    Field::new(
        "mode",
        Leaf(FactKind::FileMode, Text),
        "Permission bits, octal: \"0644\".",
    )
    .optional(),
    Field::new(
        "content",
        Leaf(FactKind::FileContent, Text),
        "A short text, or `cksum SUM LENGTH`; a link's target; a device's numbers.",
    )
    .optional(),
    Field::new(
        "opaque",
        Leaf(FactKind::FileOpaque, Boolean),
        "Whether the layers below show nothing in this directory.",
    )
    .optional(),
    Field::new(
        "metacopy",
        Leaf(FactKind::FileMetacopy, Boolean),
        "Whether the file's bytes are in a layer below.",
    )
    .optional(),
    Field::new(
        "redirect",
        Leaf(FactKind::FileRedirect, Text),
        "Under which name the layers below have it.",
    )
    .optional(),
];

impl FactKind {
    /// The manual pages on it.
    pub fn man(self) -> &'static [&'static str] {
        use NamespaceKind as N;
        match self {
            Self::Namespace(N::Cgroup) => &["cgroup_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Ipc) => &["ipc_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Mnt) => &["mount_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Net) => &["network_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Pid | N::PidForChildren) => &["pid_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Time | N::TimeForChildren) => &["time_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::User) => &["user_namespaces(7)", "unshare(2)"],
            Self::Namespace(N::Uts) => &["uts_namespaces(7)", "unshare(2)"],
            Self::OwnedNamespaces => &["user_namespaces(7)", "ioctl_nsfs(2)"],
            Self::Hostname => &["sethostname(2)", "uts_namespaces(7)"],
            Self::Domainname => &["setdomainname(2)", "uts_namespaces(7)"],
            Self::Pids => &["pid_namespaces(7)", "fork(2)"],
            Self::TimeOffset => &["time_namespaces(7)"],
            Self::UserId | Self::GroupId => &["credentials(7)", "user_namespaces(7)"],
            Self::Groups => &["setgroups(2)", "credentials(7)"],
            Self::UidMap | Self::GidMap | Self::Setgroups => &["user_namespaces(7)"],
            Self::Capabilities(_) => &["capabilities(7)", "capsh(1)"],
            Self::ExecutableCapabilities => &["capabilities(7)", "setcap(8)"],
            Self::NoNewPrivs => &["PR_SET_NO_NEW_PRIVS(2const)", "prctl(2)"],
            Self::Seccomp | Self::SeccompFilters => &["seccomp(2)"],
            Self::Securebits => &["capabilities(7)", "prctl(2)"],
            Self::Root => &["pivot_root(2)", "chroot(2)"],
            Self::Cwd => &["chdir(2)"],
            Self::Propagation | Self::MountPropagation => &["mount_namespaces(7)", "mount(2)"],
            Self::Mount | Self::MountType | Self::MountSource => &["mount(2)", "mount(8)"],
            Self::MountRoot => &["mount(2)", "proc_pid_mountinfo(5)"],
            Self::MountNamespace => &["namespaces(7)", "mount(2)"],
            Self::MountOptions | Self::SuperOptions => &["mount(8)", "mount(2)"],
            Self::Cgroup | Self::CgroupPath | Self::CgroupLimit => &["cgroups(7)"],
            Self::Group | Self::GroupControllers | Self::GroupSubtreeControl => &["cgroups(7)"],
            Self::GroupProcesses | Self::GroupFrozen | Self::GroupEvents => &["cgroups(7)"],
            Self::Interface | Self::InterfaceKind | Self::InterfaceState => &["ip-link(8)"],
            Self::InterfaceMaster => &["ip-link(8)", "bridge(8)"],
            Self::InterfaceAddresses => &["ip-address(8)"],
            Self::PeerInterface | Self::PeerPlace => &["veth(4)", "ip-link(8)"],
            Self::Route => &["ip-route(8)"],
            Self::Listening => &["ss(8)", "ip(7)", "packet(7)"],
            Self::Neighbour => &["ip-neighbour(8)", "arp(7)"],
            Self::Forwarding => &["ip(7)", "sysctl(8)"],
            Self::Firewall | Self::FirewallHook => &["nft(8)", "iptables(8)"],
            Self::FirewallPolicy | Self::FirewallRules => &["nft(8)", "iptables(8)"],
            Self::NetworkNamespace | Self::Network => &["ip-netns(8)", "network_namespaces(7)"],
            Self::SharedMemory => &["shmget(2)", "sysvipc(7)"],
            Self::Semaphores => &["semget(2)", "sysvipc(7)"],
            Self::MessageQueues => &["msgget(2)", "sysvipc(7)"],
            Self::PosixQueues => &["mq_overview(7)"],
            Self::IpcSize | Self::IpcMode => &["ipcs(1)", "sysvipc(7)"],
            Self::File | Self::FileType => &["inode(7)", "mknod(2)", "mount(8)"],
            Self::FileMode => &["chmod(2)", "inode(7)"],
            Self::FileContent => &["cksum(1)", "inode(7)"],
            Self::FileOpaque | Self::FileMetacopy | Self::FileRedirect => {
                &["xattr(7)", "setfattr(1)", "mount(8)"]
            }
            Self::ResourceLimit => &["prlimit(1)", "getrlimit(2)"],
            Self::Processes => &["wait(2)", "pid_namespaces(7)"],
            Self::ExitStatus => &["wait(2)", "exit(3)"],
            Self::ExitSignal => &["wait(2)", "signal(7)"],
        }
    }
}

impl Shape {
    /// The kind of the fact; a group is no fact.
    pub fn kind(self) -> Option<FactKind> {
        match self {
            Group(_) => None,
            Leaf(kind, _) | List(kind, _) | Set(kind, _) | Table(kind, _) => Some(kind),
        }
    }
}

impl Entries {
    /// The shape that an entry of this table `kind` has by itself.
    pub fn shape(self, kind: FactKind) -> Shape {
        match self {
            Self::Value(value_type) => Leaf(kind, value_type),
            Self::Record(fields) => Group(fields),
        }
    }
}

/// The field of that name.
pub fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}

/// Every place of the table with its path below the checkpoint, groups
/// included; `*` stands for the key of an entry.
pub fn places() -> Vec<(String, &'static Field)> {
    fn walk(fields: &'static [Field], prefix: &str, places: &mut Vec<(String, &'static Field)>) {
        for field in fields {
            let path = format!("{prefix}{}", field.name);
            places.push((path.clone(), field));
            match field.shape {
                Group(fields) => walk(fields, &format!("{path}."), places),
                Table(_, Entries::Record(fields)) => walk(fields, &format!("{path}.*."), places),
                _ => {}
            }
        }
    }
    let mut places = Vec::new();
    walk(OBSERVATION, "", &mut places);
    places
}

/// One fact at its place in an observation, a difference or an expectation.
#[derive(Clone, Debug)]
pub struct Fact {
    /// From the section down, the last one perhaps the key of an entry.
    pub path: Vec<String>,
    pub kind: FactKind,
    pub shape: Shape,
    /// The field that it is, or whose entry it is.
    pub field: &'static Field,
    /// The key, when it is an entry of a table.
    pub entry: Option<String>,
}

impl Fact {
    /// `process.mounts./proc`
    pub fn id(&self) -> String {
        self.path.join(".")
    }

    /// Whether it is of the machine, and not of the process or its exit, nor
    /// of a network beside the machine's own.
    pub fn is_machines(&self) -> bool {
        self.path.first().is_some_and(|part| part == "machine") && self.network().is_none()
    }

    /// The named network namespace that it is of.
    pub fn network(&self) -> Option<&str> {
        match self.path.as_slice() {
            [machine, networks, name, _, ..] if machine == "machine" && networks == NETWORKS => {
                Some(name)
            }
            _ => None,
        }
    }

    /// The facts of its own section that it needs.
    pub fn depends_on(&self) -> Vec<String> {
        if let Some(name) = self.network() {
            return vec![format!("machine.network_namespaces.{name}")];
        }
        let section = format!("{}.", self.path.first().map_or("", String::as_str));
        let needs = self.field.depends_on.iter();
        needs
            .filter(|path| path.starts_with(&section))
            .map(|path| (*path).to_owned())
            .collect()
    }
}

/// The facts that a value in the shape of an observation has, in the order of
/// [`OBSERVATION`].
pub fn facts_in(value: &Value) -> Vec<Fact> {
    fn walk(fields: &'static [Field], value: &Value, path: &[String], facts: &mut Vec<Fact>) {
        let below = |name: &str| {
            path.iter()
                .cloned()
                .chain([name.to_owned()])
                .collect::<Vec<_>>()
        };
        for field in fields {
            let Some(value) = value.get(field.name) else {
                continue;
            };
            let path = below(field.name);
            match field.shape {
                Group(fields) => walk(fields, value, &path, facts),
                Leaf(kind, _) | List(kind, _) | Set(kind, _) => {
                    facts.push(Fact {
                        path,
                        kind,
                        shape: field.shape,
                        field,
                        entry: None,
                    });
                }
                Table(FactKind::Network, Entries::Record(fields)) => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        let path: Vec<String> = path.iter().cloned().chain([key.clone()]).collect();
                        walk(fields, value, &path, facts);
                    }
                }
                Table(kind, entries) => {
                    for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
                        facts.push(Fact {
                            path: path.iter().cloned().chain([key.clone()]).collect(),
                            kind,
                            shape: entries.shape(kind),
                            field,
                            entry: Some(key.clone()),
                        });
                    }
                }
            }
        }
    }
    let mut facts = Vec::new();
    walk(OBSERVATION, value, &[], &mut facts);
    facts
}

/// The value at a fact's path.
pub fn value_at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// Replaces every namespace identity in a value of this shape, whole or
/// partial (a difference), in the order of the table.
pub fn replace_identities(
    shape: Shape,
    value: &Value,
    replace: &mut dyn FnMut(&str) -> String,
) -> Value {
    let record = |fields: &[Field],
                  map: &serde_json::Map<String, Value>,
                  replace: &mut dyn FnMut(&str) -> String| {
        fields
            .iter()
            .filter_map(|field| {
                let value = map.get(field.name)?;
                let value = replace_identities(field.shape, value, replace);
                Some((field.name.to_owned(), value))
            })
            .collect()
    };
    match (shape, value) {
        (Group(fields), Value::Object(map)) => Value::Object(record(fields, map, replace)),
        (Table(kind, entries), Value::Object(map)) => map
            .iter()
            .map(|(key, entry)| {
                (
                    key.clone(),
                    replace_identities(entries.shape(kind), entry, replace),
                )
            })
            .collect(),
        (Leaf(_, Namespace), Value::String(id)) if id.starts_with("ns:") => replace(id).into(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::state::facts::{self, *};

    /// An observation in which nothing is empty or absent.
    fn filled() -> Observation {
        let words = || -> BTreeSet<String> { ["word".to_owned()].into() };
        let table = |key: &str| key.to_owned();
        let namespace = NamespaceId(1);
        let object = || [(table("key"), IpcObject::default())].into();
        let mount = Mount {
            root: Some("/".into()),
            namespace: Some(namespace),
            options: words(),
            super_options: words(),
            propagation: Some("private".into()),
            ..Mount::default()
        };
        let file = facts::File {
            file_type: "file".into(),
            mode: Some("0644".into()),
            content: Some("text".into()),
            opaque: Some(true),
            metacopy: Some(true),
            redirect: Some("/old".into()),
        };
        let peer = Peer {
            interface: Some("eth0".into()),
            place: "here".into(),
        };
        let interface = Interface {
            addresses: words(),
            master: Some("br0".into()),
            peer: Some(peer),
            ..Interface::default()
        };
        let chain = Chain {
            hook: Some("type nat hook postrouting priority srcnat".into()),
            policy: Some("accept".into()),
            rules: vec!["masquerade".into()],
        };
        let network = Network {
            interfaces: [(table("lo"), interface.clone())].into(),
            routes: words(),
            listening: words(),
            neighbours: words(),
            firewall: [(table("ip nat post"), chain.clone())].into(),
        };
        let view = || View {
            mounts: [(table("/"), mount.clone())].into(),
            interfaces: [(table("lo"), interface.clone())].into(),
            routes: words(),
            listening: words(),
            neighbours: words(),
            forwarding: words(),
            firewall: [(table("ip nat post"), chain.clone())].into(),
            network_namespaces: [(table("blue"), namespace)].into(),
            files: [(table("/upper"), file.clone())].into(),
            ipc: Ipc {
                shared_memory: object(),
                semaphores: object(),
                message_queues: object(),
                posix_queues: object(),
            },
            ..View::default()
        };
        let limits = || [(table("name"), "1".to_owned())].into();
        Observation {
            process: Some(Process {
                namespaces: NamespaceKind::ALL.map(|kind| (kind, namespace)).into(),
                owned_namespaces: [NamespaceKind::Uts].into(),
                pids: vec![1],
                groups: vec![facts::Id::Mapped(1)],
                uid_map: vec!["0 0 1".into()],
                gid_map: vec!["0 0 1".into()],
                executable_capabilities: Some("cap_net_raw=ep".into()),
                securebits: Some(words()),
                cgroups: [(
                    table("unified"),
                    Cgroup {
                        path: "/".into(),
                        limits: limits(),
                    },
                )]
                .into(),
                limits: limits(),
                view: view(),
                ..Process::default()
            }),
            machine: Some(Machine {
                view: view(),
                networks: [(table("blue"), network)].into(),
                processes: vec!["sh".into()],
                cgroups: [(
                    table("/box"),
                    facts::Group {
                        controllers: words(),
                        subtree_control: words(),
                        processes: vec!["sh".into()],
                        frozen: true,
                        limits: limits(),
                        events: words(),
                    },
                )]
                .into(),
            }),
            exit: Some(Exit {
                status: Some(0),
                signal: Some("KILL".into()),
            }),
        }
    }

    /// Every path of a value, with its form, as [`places`] writes them.
    fn paths(
        fields: Option<&'static [Field]>,
        value: &Value,
        prefix: &str,
        all: &mut BTreeSet<String>,
    ) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = format!("{prefix}{key}");
            all.insert(path.clone());
            match fields
                .and_then(|fields| field(fields, key))
                .map(|field| field.shape)
            {
                Some(Group(fields)) => paths(Some(fields), value, &format!("{path}."), all),
                Some(Table(_, Entries::Record(fields))) => {
                    for entry in value.as_object().into_iter().flat_map(|map| map.values()) {
                        paths(Some(fields), entry, &format!("{path}.*."), all);
                    }
                }
                Some(Table(..)) => {}
                _ => paths(None, value, &format!("{path}."), all),
            }
        }
    }

    #[test]
    fn the_table_and_the_typed_state_have_the_same_places() {
        let value = serde_json::to_value(filled()).unwrap();
        let mut typed = BTreeSet::new();
        paths(Some(OBSERVATION), &value, "", &mut typed);
        let table: BTreeSet<String> = places().into_iter().map(|(path, _)| path).collect();
        assert_eq!(typed, table);
        assert!(table.len() > 100, "{}", table.len());
    }

    #[test]
    fn each_value_has_the_form_that_the_table_says() {
        fn check(shape: Shape, value: &Value, path: &str) {
            match (shape, value) {
                (Group(fields), Value::Object(map)) => {
                    for (key, value) in map {
                        check(
                            field(fields, key).unwrap().shape,
                            value,
                            &format!("{path}.{key}"),
                        );
                    }
                }
                (Table(kind, entries), Value::Object(map)) => {
                    for (key, value) in map {
                        check(entries.shape(kind), value, &format!("{path}.{key}"));
                    }
                }
                (List(_, value_type) | Set(_, value_type), Value::Array(list)) => {
                    for value in list {
                        check(Leaf(FactKind::Hostname, value_type), value, path);
                    }
                }
                (Leaf(_, Boolean), Value::Bool(_)) => {}
                (Leaf(_, Integer(..)), Value::Number(_)) => {}
                (Leaf(_, Id), Value::Number(_)) => {}
                (Leaf(_, Namespace), Value::String(id)) => assert!(id.starts_with("ns:")),
                (Leaf(_, Text | Word(_) | Amount), Value::String(_)) => {}
                _ => panic!("{path}: {value} is not {shape:?}"),
            }
        }
        check(
            Group(OBSERVATION),
            &serde_json::to_value(filled()).unwrap(),
            "",
        );
    }

    #[test]
    fn what_can_be_absent_is_what_the_typed_state_leaves_out() {
        let optional: BTreeSet<String> = places()
            .into_iter()
            .filter(|(_, field)| field.optional)
            .map(|(path, _)| path)
            .collect();
        let mut filled = filled();
        let process = filled.process.as_mut().unwrap();
        process.namespaces.clear();
        process.securebits = None;
        process.executable_capabilities = None;
        filled.exit = Some(Exit::default());
        let views = [
            &mut process.view,
            &mut filled.machine.as_mut().unwrap().view,
        ];
        for view in views {
            for mount in view.mounts.values_mut() {
                *mount = Mount::default();
            }
            for file in view.files.values_mut() {
                *file = facts::File::default();
            }
            for interface in view.interfaces.values_mut() {
                *interface = Interface::default();
            }
            for chain in view.firewall.values_mut() {
                *chain = Chain::default();
            }
        }
        for network in filled.machine.as_mut().unwrap().networks.values_mut() {
            network.interfaces = [(String::from("lo"), Interface::default())].into();
            network.firewall = [(String::from("key"), Chain::default())].into();
        }
        let mut left = BTreeSet::new();
        paths(
            Some(OBSERVATION),
            &serde_json::to_value(filled).unwrap(),
            "",
            &mut left,
        );
        for (path, _) in places() {
            // A peer that is not there has no fields either.
            if path.contains(".peer.") {
                continue;
            }
            assert_eq!(!left.contains(&path), optional.contains(&path), "{path}");
        }
    }

    #[test]
    fn every_dependency_is_a_fact() {
        let places: BTreeSet<String> = places().into_iter().map(|(path, _)| path).collect();
        for (path, field) in super::places() {
            for on in field.depends_on {
                assert!(places.contains(*on), "{path} depends on {on}");
            }
        }
    }
}
