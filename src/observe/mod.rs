//! Reads kernel state of a process or a sandbox, from outside. Never writes.
//!
//! What `/proc/PID` shows to anyone is read from outside. What a namespace
//! shows only to those in it (host name, interfaces, IPC objects) is read by a
//! short-lived single-threaded observer, forked for that, which joins it.
//!
//! - [`process`], [`machine`], [`checkpoint`]: one observation.
//! - [`host`]: facts about the machine, and a census that proves that nothing
//!   was left behind.

pub mod cgroups;
mod file_capabilities;
mod files;
pub mod groups;
pub mod host;
mod inside;
mod ipc;
mod mounts;
mod netlink;
mod network;
mod nftables;
mod proc;
mod processes;
mod sockets;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Result, anyhow};

use crate::state::facts::{
    Machine, NamespaceId, NamespaceKind, Network, Observation, Process, View,
};
use inside::{Request, Seen};
pub use proc::visible;
use proc::{Namespace, ProcDir};
use status::{IdMap, Status};
pub use status::{seccomp_filters, securebits_names};

/// From where one looks: what is subtracted so that two machines show the same.
#[derive(Debug, Default)]
pub struct Frame {
    /// The user namespace that the observer joins to gain the capabilities
    /// over what it looks at; `None` to find out whether it must.
    pub join_user: Option<OwnedFd>,
    /// The user namespace in whose terms ids are told, as its maps read from
    /// the caller (inside, outside, count); empty: the caller's own.
    pub uid_map: Vec<(u32, u32, u32)>,
    pub gid_map: Vec<(u32, u32, u32)>,
    /// The number of PID namespaces from the caller's own (not counted) down
    /// to the frame's (counted).
    pub pid_depth: usize,
    /// Devices (major, minor) whose mounts are told as `host`.
    pub host_devices: BTreeSet<(u32, u32)>,
    /// The frame's own cgroup in each hierarchy (`unified`, `pids`,
    /// `cpu,cpuacct`, …), subtracted from memberships.
    pub cgroup_base: BTreeMap<String, String>,
    /// The frame's own seccomp filters, subtracted from those of a process.
    pub seccomp_filters: u32,
    /// Processes (as the caller counts) that [`Machine::processes`] never lists.
    pub hidden_pids: BTreeSet<i32>,
    /// The cgroup subtrees that are the machine's own, and in each the cgroup
    /// in which its processes start.
    pub subtrees: Vec<groups::Subtree>,
    pub start: String,
    /// Processes that are told of even while they are in that one.
    pub scenery: BTreeSet<i32>,
    /// Directories whose files are told, as the machine sees them.
    pub watch: Vec<String>,
    /// The same, as the process sees them below its root directory.
    pub watch_inside: Vec<String>,
}

impl Frame {
    /// The machine itself: nothing is subtracted.
    pub fn host() -> Self {
        Self::default()
    }

    /// A path as it is told: of a throw-away machine without what would be another
    /// the next time.
    fn told(&self, path: &str) -> String {
        match self.pid_depth {
            0 => path.to_owned(),
            _ => proc::without_digests(path),
        }
    }
}

/// Handles on the namespaces of a process, which keep them alive after it.
pub struct Handles {
    /// The first process of its PID namespace, where it is known.
    first: Option<i32>,
    user: Namespace,
    uts: Namespace,
    ipc: Namespace,
    net: Namespace,
    mnt: Namespace,
    pid: Namespace,
}

impl Handles {
    /// Takes the handles while the process lives.
    pub fn of(pid: i32) -> Result<Self> {
        let process = ProcDir::open(pid)?;
        let status = process.read("status")?;
        let open = |kind| {
            process
                .namespace(kind)?
                .ok_or_else(|| anyhow!("process {pid} is gone"))
        };
        Ok(Self {
            first: (Status::parse(&status).numbers("NSpid").last() == Some(&1)).then_some(pid),
            user: open(NamespaceKind::User)?,
            uts: open(NamespaceKind::Uts)?,
            ipc: open(NamespaceKind::Ipc)?,
            net: open(NamespaceKind::Net)?,
            mnt: open(NamespaceKind::Mnt)?,
            pid: open(NamespaceKind::Pid)?,
        })
    }

    /// The same, of a process whose PID namespace has `first` as its first:
    /// its processes are then found without a look at all of the machine's.
    pub fn below(first: i32, pid: i32) -> Result<Self> {
        let handles = Self::of(pid)?;
        Ok(Self {
            first: Some(first),
            ..handles
        })
    }

    /// The user namespace, to join.
    pub fn user(&self) -> BorrowedFd<'_> {
        self.user.fd.as_fd()
    }

    /// The identity of one of the namespaces held.
    pub fn id(&self, kind: NamespaceKind) -> Option<NamespaceId> {
        match kind {
            NamespaceKind::User => Some(self.user.id),
            NamespaceKind::Uts => Some(self.uts.id),
            NamespaceKind::Ipc => Some(self.ipc.id),
            NamespaceKind::Net => Some(self.net.id),
            NamespaceKind::Mnt => Some(self.mnt.id),
            NamespaceKind::Pid => Some(self.pid.id),
            _ => None,
        }
    }
}

/// All that the kernel holds of one process. Errors: `process N is gone`, or
/// the call that was refused and the remedy.
pub fn process(pid: i32, frame: &Frame) -> Result<Process> {
    let outside = Outside::read(pid, frame)?;
    let mut request = Request {
        mnt: Some(&outside.mnt),
        ..Request::default()
    };
    outside.ask(&mut request, frame);
    let gained = join_for(frame, &outside.user)?;
    request.join_user = gained.as_ref().map(AsFd::as_fd);
    let mut seen = inside::look(&request)?;
    outside.finish(&mut seen, frame)
}

/// What the namespaces of the handles show, whoever is in them.
pub fn machine(handles: &Handles, frame: &Frame) -> Result<Machine> {
    let mut request = Request::default();
    ask_machine(&mut request, handles, frame);
    let gained = join_for(frame, &handles.user)?;
    request.join_user = gained.as_ref().map(AsFd::as_fd);
    let mut seen = inside::look(&request)?;
    Ok(Machine {
        processes: processes(handles, frame),
        cgroups: groups::read(frame, None)?,
        ..finish_machine(&mut seen, handles, frame)?
    })
}

/// The names of the processes in the PID namespace of the handles, as
/// [`Machine::processes`] tells them.
pub fn processes(handles: &Handles, frame: &Frame) -> Vec<String> {
    processes::alive(handles, frame)
}

/// The process that stopped at a checkpoint and the machine around it, with
/// one observer for both. Who else runs meanwhile is chance: the machine's
/// processes are left empty.
pub fn checkpoint(pid: i32, handles: &Handles, frame: &Frame) -> Result<Observation> {
    let outside = Outside::read(pid, frame)?;
    let mut request = Request::default();
    ask_machine(&mut request, handles, frame);
    outside.ask(&mut request, frame);
    let gained = join_for(frame, &handles.user)?;
    request.join_user = gained.as_ref().map(AsFd::as_fd);
    let mut seen = inside::look(&request)?;
    let machine = Machine {
        cgroups: groups::read(frame, Some(pid))?,
        ..finish_machine(&mut seen, handles, frame)?
    };
    Ok(Observation {
        process: Some(outside.finish(&mut seen, frame)?),
        machine: Some(machine),
        exit: None,
    })
}

/// What is known of a process before the observer looks.
struct Outside {
    dir: ProcDir,
    user: Namespace,
    /// Its parent, where that is neither the caller's own nor above it: only
    /// from inside it are the id maps told in its terms.
    parent_user: Option<Namespace>,
    uts: Namespace,
    ipc: Namespace,
    net: Namespace,
    mnt: Namespace,
    facts: Process,
    maps: (IdMap, IdMap),
}

impl Outside {
    fn read(pid: i32, frame: &Frame) -> Result<Self> {
        let dir = ProcDir::open(pid)?;
        let status = dir.read("status")?;
        let status = Status::parse(&status);
        if ['Z', 'X'].contains(&status.state()) {
            return Err(anyhow!("process {pid} is gone"));
        }

        let mut held = BTreeMap::new();
        for kind in NamespaceKind::ALL {
            if let Some(namespace) = dir.namespace(kind)? {
                held.insert(kind, namespace);
            }
        }
        let mut namespaces: BTreeMap<NamespaceKind, NamespaceId> =
            held.iter().map(|(kind, one)| (*kind, one.id)).collect();
        // After unshare(CLONE_NEWPID) the namespace for the children cannot be
        // opened before its first process is there: new, without identity yet.
        namespaces
            .entry(NamespaceKind::PidForChildren)
            .or_insert(NamespaceId(0));
        for (children, own) in [
            (NamespaceKind::PidForChildren, NamespaceKind::Pid),
            (NamespaceKind::TimeForChildren, NamespaceKind::Time),
        ] {
            if namespaces.get(&children) == namespaces.get(&own) {
                namespaces.remove(&children);
            }
        }
        let mut take = |kind| {
            held.remove(&kind)
                .ok_or_else(|| anyhow!("process {pid} is gone"))
        };
        let (user, uts, ipc, net, mnt) = (
            take(NamespaceKind::User)?,
            take(NamespaceKind::Uts)?,
            take(NamespaceKind::Ipc)?,
            take(NamespaceKind::Net)?,
            take(NamespaceKind::Mnt)?,
        );
        let taken = [
            (NamespaceKind::Uts, &uts),
            (NamespaceKind::Ipc, &ipc),
            (NamespaceKind::Net, &net),
            (NamespaceKind::Mnt, &mnt),
        ];
        let owned_namespaces = held
            .iter()
            .map(|(kind, one)| (*kind, one))
            .chain(taken)
            .filter(|(kind, _)| namespaces.contains_key(kind))
            .filter(|(_, one)| one.owner().is_some_and(|owner| owner.id == user.id))
            .map(|(kind, _)| kind)
            .collect();

        let own_user = Namespace::own(NamespaceKind::User)?;
        let is_own = user.id == own_user.id;
        let maps = (
            status::parse_map(&dir.read("uid_map")?),
            status::parse_map(&dir.read("gid_map")?),
        );
        let uids = (!is_own).then_some(&maps.0);
        let gids = (!is_own).then_some(&maps.1);
        let parent_user = match is_own {
            true => None,
            false => user.parent().filter(|parent| parent.id != own_user.id),
        };
        let facts = Process {
            namespaces,
            owned_namespaces,
            pids: status
                .numbers("NSpid")
                .into_iter()
                .skip(1 + frame.pid_depth)
                .collect(),
            time_offsets: dir
                .read_if_any("timens_offsets")?
                .map(|text| status::time_offsets(&text))
                .unwrap_or_default(),
            uid: status::ids(&status.numbers("Uid"), uids),
            gid: status::ids(&status.numbers("Gid"), gids),
            groups: status
                .numbers("Groups")
                .into_iter()
                .map(|id| status::told(gids, id))
                .collect(),
            setgroups: dir.read("setgroups")?.trim().into(),
            capabilities: status.capabilities(),
            executable_capabilities: file_capabilities::of_executable(&dir),
            no_new_privs: status.field("NoNewPrivs") == "1",
            seccomp: status.seccomp(),
            seccomp_filters: status
                .seccomp_filters()
                .saturating_sub(frame.seccomp_filters),
            root: dir.link("root")?,
            cwd: dir.link("cwd")?,
            cgroups: dir
                .read_if_any("cgroup")?
                .map(|text| cgroups::memberships(&text, frame))
                .unwrap_or_default(),
            limits: status::limits(&dir.read("limits")?),
            ..Process::default()
        };
        Ok(Self {
            dir,
            user,
            parent_user,
            uts,
            ipc,
            net,
            mnt,
            facts,
            maps,
        })
    }

    fn ask<'a>(&'a self, request: &mut Request<'a>, frame: &'a Frame) {
        request.files_inside = Some((&self.dir, &frame.watch_inside));
        request.uts.push(&self.uts);
        request.net.push(&self.net);
        request.ipc.push(&self.ipc);
        request.chrooted = self.is_chrooted().then_some(&self.mnt);
        request.maps = self.parent_user.as_ref().map(|parent| (&self.dir, parent));
    }

    /// Its own mountinfo shows only what lies below its root; its mount
    /// namespace holds more. proc_pid_mountinfo(5)
    fn is_chrooted(&self) -> bool {
        self.facts.root != "/"
    }

    fn finish(self, seen: &mut Seen, frame: &Frame) -> Result<Process> {
        let text = match seen.chrooted.take() {
            Some(whole) => whole,
            None => self.dir.read("mountinfo")?,
        };
        let mounts = mounts::table(&mounts::parse(&text), frame);
        let (uid_map, gid_map) = match (&seen.maps, &self.parent_user) {
            (Some((uid, gid)), _) => (status::parse_map(uid), status::parse_map(gid)),
            (None, None) => self.maps,
            (None, Some(_)) => (
                in_terms_of(&frame.uid_map, self.maps.0),
                in_terms_of(&frame.gid_map, self.maps.1),
            ),
        };
        Ok(Process {
            uid_map: status::map_lines(&uid_map),
            gid_map: status::map_lines(&gid_map),
            view: View {
                files: std::mem::take(&mut seen.files_inside),
                ..view(seen, mounts, &self.uts, &self.net, &self.ipc)?
            },
            ..self.facts
        })
    }
}

/// A map's outside ids as the frame's user namespace calls them.
fn in_terms_of(frame: &IdMap, map: IdMap) -> IdMap {
    map.into_iter()
        .map(|(id, outside, count)| {
            let told = status::inside(frame, outside).unwrap_or(outside);
            (id, told, count)
        })
        .collect()
}

fn ask_machine<'a>(request: &mut Request<'a>, handles: &'a Handles, frame: &'a Frame) {
    request.files = &frame.watch;
    request.mnt = Some(&handles.mnt);
    request.read_mounts = true;
    request.uts.push(&handles.uts);
    request.net.push(&handles.net);
    request.ipc.push(&handles.ipc);
}

fn finish_machine(seen: &mut Seen, handles: &Handles, frame: &Frame) -> Result<Machine> {
    let text = seen.mountinfo.take().unwrap_or_default();
    let mounts = mounts::table(&mounts::parse(&text), frame);
    let named = mounts.network_namespaces.iter();
    let networks = named
        .filter_map(|(name, id)| Some((name.clone(), without_untouched(seen.net.get(&id.0)?))))
        .collect();
    Ok(Machine {
        view: View {
            files: std::mem::take(&mut seen.files),
            ..view(seen, mounts, &handles.uts, &handles.net, &handles.ipc)?
        },
        networks,
        processes: Vec::new(),
        cgroups: BTreeMap::new(),
    })
}

/// A network without the `lo` that the kernel makes, as long as it is as made.
fn without_untouched(network: &Network) -> Network {
    let mut network = network.clone();
    network
        .interfaces
        .retain(|name, lo| name != "lo" || lo.state != "down" || !lo.addresses.is_empty());
    network
}

fn view(
    seen: &Seen,
    mounts: mounts::Table,
    uts: &Namespace,
    net: &Namespace,
    ipc: &Namespace,
) -> Result<View> {
    let missing = || anyhow!("the observer did not tell of every namespace");
    let (hostname, domainname) = seen.uts.get(&uts.id.0).cloned().ok_or_else(missing)?;
    let network = seen.net.get(&net.id.0).cloned().ok_or_else(missing)?;
    Ok(View {
        hostname,
        domainname,
        propagation: mounts.propagation,
        mounts: mounts.mounts,
        interfaces: network.interfaces,
        routes: network.routes,
        listening: network.listening,
        neighbours: network.neighbours,
        forwarding: seen.forwarding.get(&net.id.0).cloned().unwrap_or_default(),
        firewall: network.firewall,
        network_namespaces: mounts.network_namespaces,
        ipc: seen.ipc.get(&ipc.id.0).cloned().ok_or_else(missing)?,
        files: BTreeMap::new(),
    })
}

/// The user namespace to join: the frame's, or for one without CAP_SYS_ADMIN
/// the topmost above the target that is the caller's own making, as its owner
/// has every capability in it. user_namespaces(7).
fn join_for(frame: &Frame, target: &Namespace) -> Result<Option<OwnedFd>> {
    use anyhow::Context;
    if let Some(fd) = &frame.join_user {
        return fd.try_clone().map(Some).context("dup");
    }
    let own = Namespace::own(NamespaceKind::User)?;
    if target.id == own.id || has_sys_admin() {
        return Ok(None);
    }
    let uid = nix::unistd::geteuid().as_raw();
    let mut at = Namespace::from_fd(target.fd.try_clone().context("dup")?)?;
    let mut mine = None;
    loop {
        let parent = at.parent();
        if at.owner_uid() == Some(uid) {
            mine = Some(at.fd);
        }
        match parent {
            Some(parent) if parent.id != own.id => at = parent,
            _ => return Ok(mine),
        }
    }
}

fn has_sys_admin() -> bool {
    proc::read_path("/proc/self/status").is_some_and(|text| {
        Status::parse(&text)
            .capabilities()
            .effective
            .contains("sys_admin")
    })
}
