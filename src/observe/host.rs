//! Facts about the machine itself, and a census of all that lives on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use serde::{Deserialize, Serialize};

use super::proc::{Namespace, ProcDir, read_path};
use super::status::Status;
use super::{cgroups, mounts, network, processes};
use crate::state::facts::NamespaceKind;

/// The kernel's release, as `uname -r` tells it.
pub fn kernel() -> String {
    read_path("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .into()
}

/// Which cgroups are mounted: `v1`, `v2`, `hybrid` (v1 controllers, and a
/// unified hierarchy beside them) or `none`. cgroups(7).
pub fn cgroup_version() -> &'static str {
    let mounted = mounts::parse(&read_path("/proc/self/mountinfo").unwrap_or_default());
    let any = |fs_type| mounted.iter().any(|line| line.fs_type == fs_type);
    match (any("cgroup"), any("cgroup2")) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

/// Whether resources are controlled by cgroup v1: a controller is in a
/// hierarchy of its own.
pub fn controlled_by_v1() -> bool {
    cgroups::own().iter().any(|own| !own.is_unified())
}

/// Whether a process like the caller can make a user namespace and mount in
/// it, tried in a child; otherwise the reason and the remedy in one line.
pub fn user_namespaces() -> Result<(), String> {
    // SAFETY: the child makes system calls only and leaves through _exit.
    let child = match unsafe { fork() } {
        Err(errno) => return Err(format!("fork: {errno}")),
        Ok(ForkResult::Child) => {
            let status = match try_user_namespace() {
                Ok(()) => 0,
                // Every errno that these calls know fits an exit status.
                Err(errno) => errno as i32,
            };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) }
        }
        Ok(ForkResult::Parent { child }) => child,
    };
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, status)) => Err(refusal(Errno::from_raw(status))),
        other => Err(format!("waitpid: {other:?}")),
    }
}

fn try_user_namespace() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Where AppArmor takes the capabilities away again, this is what fails.
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
    nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE,
        None::<&str>,
    )
}

fn refusal(errno: Errno) -> String {
    let set = |name: &str, value: &str| {
        read_path(&format!("/proc/sys/{name}")).is_some_and(|text| text.trim() == value)
    };
    let why = if set("user/max_user_namespaces", "0") {
        "user namespaces are switched off: sysctl user.max_user_namespaces=15000"
    } else if set("kernel/unprivileged_userns_clone", "0") {
        "ordinary users may not make user namespaces: sysctl kernel.unprivileged_userns_clone=1"
    } else if set("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor restricts user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    } else if errno == Errno::ENOSPC {
        "too many user namespaces, or too deep: see sysctl user.max_user_namespaces"
    } else if errno == Errno::EPERM {
        "something forbids it: inside a container run that with --security-opt seccomp=unconfined; after chroot there is no way"
    } else {
        "this kernel has none (CONFIG_USER_NS)"
    };
    format!("unshare(CLONE_NEWUSER): {errno}: {why}")
}

/// All that lives on the machine, as far as the caller can see it. Two of them
/// prove that what was in between left nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Census {
    /// By kind of thing, then by its identity, with what can change of it.
    things: BTreeMap<String, BTreeMap<String, String>>,
}

/// What marks a process in the census that has a namespace of its own.
const ELSEWHERE: &str = " (in namespaces of its own)";

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `process`, `mount`, `namespace`, `cgroup`, `interface`, `file`.
    pub kind: String,
    pub what: String,
    /// `None` where it was not there.
    pub before: Option<String>,
    /// `None` where it is no longer there.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            what,
            before,
            after,
        } = self;
        match (before, after) {
            (None, Some(after)) => write!(f, "+ {kind} {what} {after}"),
            (Some(before), None) => write!(f, "- {kind} {what} {before}"),
            (before, after) => write!(
                f,
                "~ {kind} {what} {} -> {}",
                before.as_deref().unwrap_or_default(),
                after.as_deref().unwrap_or_default()
            ),
        }
    }
}

/// Counts processes (kernel threads and the caller excepted), mounts,
/// namespaces, cgroups, interfaces and the files below the directories given
/// (which stay on one file system and follow no link).
pub fn census(directories: &[&Path]) -> Census {
    let mounted = mounts::parse(&read_path("/proc/self/mountinfo").unwrap_or_default());
    let (processes, namespaces) = processes_and_namespaces(&mounted);
    let mounts = mounted
        .iter()
        .map(|line| {
            (
                format!("{} {}", line.id, line.point),
                format!("{} {} {:?}", line.fs_type, line.source, line.options),
            )
        })
        .collect();
    let cgroups = mounted
        .iter()
        .filter(|line| line.fs_type.starts_with("cgroup"))
        .flat_map(|line| directories_below(Path::new(&line.point)))
        .map(|path| (path.display().to_string(), String::new()))
        .collect();
    let interfaces = fs::File::open("/proc")
        .map_err(anyhow::Error::from)
        .and_then(|procfs| network::read(procfs.as_fd()))
        .map(|network| network.interfaces)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, interface)| {
            let up = format!("{} {}", interface.state, interface.kind);
            (name, format!("{up} {:?}", interface.addresses))
        })
        .collect();
    let mut files = BTreeMap::new();
    for directory in directories {
        if let Ok(metadata) = fs::symlink_metadata(directory) {
            count_files(directory, metadata.dev(), &mut files);
        }
    }
    Census {
        things: [
            ("process", processes),
            ("mount", mounts),
            ("namespace", namespaces),
            ("cgroup", cgroups),
            ("interface", interfaces),
            ("file", files),
        ]
        .map(|(kind, things)| (kind.to_owned(), things))
        .into(),
    }
}

impl Census {
    /// What is otherwise in a later one; empty: nothing.
    pub fn difference(&self, later: &Census) -> Vec<Change> {
        let none = BTreeMap::new();
        let mut changes = Vec::new();
        for kind in self
            .things
            .keys()
            .chain(later.things.keys())
            .collect::<BTreeSet<_>>()
        {
            let before = self.things.get(kind).unwrap_or(&none);
            let after = later.things.get(kind).unwrap_or(&none);
            for what in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                if before.get(what) != after.get(what) {
                    changes.push(Change {
                        kind: kind.clone(),
                        what: what.clone(),
                        before: before.get(what).cloned(),
                        after: after.get(what).cloned(),
                    });
                }
            }
        }
        changes
    }

    /// What of the difference may have been left by sandboxes in between: on a
    /// machine that others use, too, their processes come and go. Those that
    /// have gone are not left behind, and of the new ones only runners count,
    /// and those in namespaces of their own, as all of a sandbox are.
    pub fn left_behind(&self, later: &Census) -> Vec<Change> {
        let mut changes = self.difference(later);
        changes.retain(|change| match change.kind.as_str() {
            "process" => change
                .after
                .as_ref()
                .is_some_and(|name| name == "tp" || name.ends_with(ELSEWHERE)),
            "namespace" | "cgroup" => change.after.is_some(),
            _ => true,
        });
        changes
    }

    /// The things of one kind that were counted, by their identity.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.things
            .get(kind)
            .into_iter()
            .flat_map(|things| things.keys().map(String::as_str))
    }
}

type Things = BTreeMap<String, String>;

fn processes_and_namespaces(mounted: &[mounts::Line]) -> (Things, Things) {
    let (mut processes, mut namespaces) = (Things::new(), Things::new());
    let own = std::process::id() as i32;
    let ours: BTreeMap<_, _> = NamespaceKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, Namespace::own(kind).ok()?.id)))
        .collect();
    for pid in processes::numbers("/proc").unwrap_or_default() {
        let Ok(process) = ProcDir::open(pid) else {
            continue;
        };
        let (Ok(status), Ok(stat)) = (process.read("status"), process.read("stat")) else {
            continue;
        };
        let status = Status::parse(&status);
        if pid == own || status.field("Kthread") == "1" || status.field("PPid") == "2" {
            continue;
        }
        // The start time tells two apart that had the same number.
        let start = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(19))
            .unwrap_or_default();
        let mut elsewhere = false;
        for kind in NamespaceKind::ALL {
            if let Ok(Some(namespace)) = process.namespace(kind) {
                elsewhere |= ours.get(&kind).is_some_and(|own| *own != namespace.id);
                let name = kind.name().trim_end_matches("_for_children");
                namespaces.insert(format!("{name}:[{}]", namespace.id.0), String::new());
            }
        }
        let place = if elsewhere { ELSEWHERE } else { "" };
        processes.insert(
            format!("{pid} started {start}"),
            format!("{}{place}", status.field("Name")),
        );
    }
    for line in mounted {
        if let Some((kind, id)) = line.namespace() {
            namespaces.insert(format!("{kind}:[{}]", id.0), String::new());
        }
    }
    (processes, namespaces)
}

fn directories_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![path.to_path_buf()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(entry.path());
            }
        }
        found.push(path);
    }
    found
}

fn count_files(path: &Path, device: u64, files: &mut Things) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    if metadata.dev() != device {
        return;
    }
    let kind = metadata.file_type();
    let content = if kind.is_file() {
        fs::read(path).map_or_else(
            |_| "unreadable".into(),
            |bytes| {
                let mut hasher = DefaultHasher::new();
                hasher.write(&bytes);
                format!("{:016x}", hasher.finish())
            },
        )
    } else if kind.is_symlink() {
        fs::read_link(path).map_or_else(
            |_| "unreadable".into(),
            |target| target.display().to_string(),
        )
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
    {
        "special".into()
    } else {
        "directory".into()
    };
    files.insert(
        path.display().to_string(),
        format!(
            "{:o} {}:{} {} bytes, changed {}.{:09}, {content}",
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        ),
    );
    if kind.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            count_files(&entry.path(), device, files);
        }
    }
}
