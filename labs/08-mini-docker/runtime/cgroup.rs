//! A container's cgroup: made with its limits before the first process, entered by
//! that one, read and changed while it runs, removed when it has ended.
//!
//! Read: cgroups(7), config-linux.md ("Control groups"), Documentation/admin-guide/cgroup-v2.rst

mod limits;
mod tree;

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, bail};
use labs::cgroups::{Directory, Group, Hierarchy, Machine, Version};
use labs::explain::Explain;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use oci_spec::runtime::{Linux, LinuxResources};

/// The v1 controllers that a container gets a cgroup in, where there are any.
const CONTROLLERS: [&str; 12] = [
    "cpuset",
    "cpu",
    "cpuacct",
    "blkio",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "net_prio",
    "perf_event",
    "hugetlb",
    "pids",
];

/// What directories begin with that hold containers and nothing else: they go with
/// the last of them.
const PARENT: &[u8] = b"mini-docker";

/// One directory in each hierarchy; on v2 just one.
#[derive(Debug)]
pub struct Cgroup {
    directories: Vec<Directory>,
    /// Those that it was looked for in, if it was; else it is known by its directories.
    hierarchies: Vec<Hierarchy>,
    /// Of v2, for clone3.
    open: Option<OwnedFd>,
}

impl Cgroup {
    /// Makes it, with its limits. `None` where this user may make none and no limit
    /// is asked for.
    ///
    /// # Errors
    /// A limit that cannot be had here; a value that the kernel does not take.
    pub fn create(linux: &Linux, rootless: bool) -> anyhow::Result<Option<Self>> {
        let Some(path) = linux.cgroups_path() else {
            return Ok(None);
        };
        let nothing = LinuxResources::default();
        let resources = linux.resources().as_ref().unwrap_or(&nothing);
        let rootless = is_confined(rootless);
        let made = Self::make(path, resources, rootless);
        match made {
            Ok(cgroup) => Ok(Some(cgroup)),
            Err(_) if rootless && !limits::any(resources) => Ok(None),
            Err(error) if rootless => Err(error.context(
                "limits need a cgroup that is delegated to you (v2: \
                 `systemd-run --user --scope -p Delegate=yes`), or root",
            )),
            Err(error) => Err(error),
        }
    }

    /// Where [`create`](Self::create) puts it: what there would be of a container whose
    /// maker was killed before it could say so.
    ///
    /// # Errors
    /// No cgroups are mounted.
    pub fn planned(path: &Path, rootless: bool) -> anyhow::Result<Self> {
        let (group, directories) = Self::group(path, is_confined(rootless))?;
        Ok(Self {
            directories,
            hierarchies: hierarchies(&group),
            open: None,
        })
    }

    fn group(path: &Path, rootless: bool) -> anyhow::Result<(Group, Vec<Directory>)> {
        let name = path.to_string_lossy();
        // An ordinary user's begins at what was delegated, and not at the root.
        let name = if rootless {
            name.trim_start_matches('/')
        } else {
            &name
        };
        let machine = Machine::look(None)?;
        let group = Group::find(&machine, &format!("{}{name}", controllers(&machine)))?;
        let places = group.places().iter();
        let directories = places.map(|(_, directory)| directory.clone()).collect();
        Ok((group, directories))
    }

    fn make(path: &Path, resources: &LinuxResources, rootless: bool) -> anyhow::Result<Self> {
        let (group, directories) = Self::group(path, rootless)?;
        {
            // Who ends the last container takes the directory above away, and a v1 cpuset
            // has nothing in it between its mkdir and its filling.
            let _lock = lock_above(&directories);
            group.create(Explain::new(false))?;
        }
        let mut cgroup = Self {
            directories,
            hierarchies: hierarchies(&group),
            open: None,
        };
        if let Err(error) = limits::set(&cgroup, resources, rootless).and_then(|()| cgroup.open()) {
            let _ = cgroup.remove();
            return Err(error);
        }
        Ok(cgroup)
    }

    /// For clone3, which wants the directory open.
    fn open(&mut self) -> anyhow::Result<()> {
        if let [only] = &self.directories[..]
            && only.version == Version::V2
        {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let fd = open(&only.path, flags, Mode::empty());
            self.open = Some(fd.with_context(|| format!("open({:?})", only.path))?);
        }
        Ok(())
    }

    /// The one of a record ([`super::Waiting::cgroup`]); `None` for an empty one.
    pub fn of(text: &str) -> Option<Self> {
        let directories: Vec<Directory> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| {
                // Only a v2 directory has this file, and every one has it.
                let v2 = Path::new(line).join("cgroup.type").exists();
                Directory::new(if v2 { Version::V2 } else { Version::V1 }, line)
            })
            .collect();
        (!directories.is_empty()).then_some(Self {
            directories,
            hierarchies: Vec::new(),
            open: None,
        })
    }

    /// The one that a process is in, in every hierarchy that containers are put into
    /// and where the caller is elsewhere: what an ordinary user's container has in
    /// common with its engine may not even be written to.
    ///
    /// # Errors
    /// The process has ended.
    pub fn of_process(pid: i32) -> anyhow::Result<Self> {
        let machine = Machine::look(None)?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .with_context(|| format!("open(/proc/{pid}/cgroup): the container has ended"))?;
        let own = std::fs::read_to_string("/proc/self/cgroup")
            .context("open(/proc/self/cgroup): /proc is not mounted")?;
        let names = controllers(&machine);
        let directory = |hierarchy: &Hierarchy| {
            let path = place(&text, hierarchy)?;
            (Some(path) != place(&own, hierarchy)).then(|| hierarchy.directory(path))
        };
        let of_ours = |hierarchy: &&Hierarchy| match hierarchy.version {
            Version::V2 => names.is_empty(),
            Version::V1 => CONTROLLERS.iter().any(|one| hierarchy.has(one)),
        };
        let hierarchies = machine.hierarchies.iter().filter(of_ours);
        Ok(Self {
            directories: hierarchies.filter_map(directory).collect(),
            hierarchies: Vec::new(),
            open: None,
        })
    }

    /// The open v2 directory, to clone into.
    pub fn v2(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|fd| fd.as_fd())
    }

    /// Opens the v2 directory, if that is what it is.
    ///
    /// # Errors
    /// It is gone.
    pub fn opened(mut self) -> anyhow::Result<Self> {
        self.open()?;
        Ok(self)
    }

    pub fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// v1: the last part of each hierarchy's mount point (`cpu,cpuacct`), and the
    /// directory there.
    pub fn by_mount_point(&self) -> Vec<(String, Directory)> {
        let looked;
        let hierarchies = match self.hierarchies.is_empty() {
            true => {
                let machine = Machine::look(None).map(|machine| machine.hierarchies);
                looked = machine.unwrap_or_default();
                &looked
            }
            false => &self.hierarchies,
        };
        let named = |directory: &Directory| {
            let point = &hierarchies
                .iter()
                .find(|one| directory.path.starts_with(&one.point))?
                .point;
            let name = point.file_name()?.to_string_lossy().into_owned();
            Some((name, directory.clone()))
        };
        self.directories.iter().filter_map(named).collect()
    }

    /// Moves the calling process into it, unless it was born there.
    ///
    /// # Errors
    /// The kernel refuses: its cpuset is empty, or the cgroup is gone.
    pub fn enter(&self) -> anyhow::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        for directory in &self.directories {
            // v1's `tasks` moves one thread and spares the wait for every other fork of
            // the machine; this process has one.
            let file = match directory.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            directory.write(Explain::new(false), file, "0")?;
        }
        Ok(())
    }

    /// The directory with the files of a controller (by its v1 name).
    pub fn directory(&self, controller: &str) -> Option<&Directory> {
        let of = |directory: &&Directory| match directory.version {
            Version::V2 => true,
            Version::V1 => directory.has(&format!("{controller}.{}", probe(controller))),
        };
        // The mount point's name is mostly the controller's: there first.
        let named = |directory: &&Directory| {
            let mut parts = directory.path.iter().filter_map(|part| part.to_str());
            parts.any(|part| part.split(',').any(|one| one == controller))
        };
        let first = self.directories.iter().filter(named);
        first.chain(&self.directories).find(of)
    }

    /// Stops all processes of the container, or lets them go on.
    ///
    /// # Errors
    /// No freezer here: the caller has no cgroup, or v1 has none mounted.
    pub fn freeze(&self, freeze: bool) -> anyhow::Result<()> {
        let Some(directory) = self.directory("freezer") else {
            bail!("pause needs the freezer controller, which is mounted nowhere");
        };
        Ok(labs::cgroups::freezer::freeze(
            Explain::new(false),
            directory,
            freeze,
        )?)
    }

    /// Whether all of it stands still.
    pub fn is_frozen(&self) -> bool {
        let directory = self.directory("freezer");
        directory.and_then(labs::cgroups::freezer::is_frozen) == Some(true)
    }

    /// Changes limits; what `resources` does not name stays.
    ///
    /// # Errors
    /// A value that the kernel does not take.
    pub fn update(&self, resources: &LinuxResources) -> anyhow::Result<()> {
        limits::set_values(self, resources)
    }

    /// Whether the OOM killer has ended a process of it.
    pub fn oom_killed(&self) -> bool {
        let memory = self.directory("memory");
        memory
            .and_then(labs::cgroups::memory::oom_kills)
            .unwrap_or(0)
            > 0
    }

    /// The processes in it and below, in the caller's PID namespace.
    pub fn processes(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for directory in &self.directories {
            tree::processes(directory, &mut pids);
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Ends whatever is in it.
    ///
    /// # Errors
    /// Processes that do not end.
    pub fn kill(&self) -> anyhow::Result<()> {
        for directory in self.directories.iter().filter(|one| one.has("cgroup.kill")) {
            directory.write(Explain::new(false), "cgroup.kill", "1")?;
        }
        let _ = self.freeze(false);
        // v1 has no file to kill by, and between a read and a signal one may fork: again
        // until nobody is left.
        for _ in 0..2500 {
            let pids = self.processes();
            if pids.is_empty() {
                return Ok(());
            }
            for pid in pids {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        bail!("{self}: processes in it do not end; they may wait for a device")
    }

    /// Removes it, with all that the container has made below. Gone already is no
    /// error.
    ///
    /// # Errors
    /// It still has processes.
    pub fn remove(&self) -> anyhow::Result<()> {
        for directory in &self.directories {
            tree::remove(&directory.path)?;
        }
        self.remove_above();
        Ok(())
    }

    /// The same if nobody is in it and nothing below, as after most ends; whether it is
    /// gone.
    pub fn remove_empty(&self) -> bool {
        let gone = |directory: &Directory| match std::fs::remove_dir(&directory.path) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            Ok(()) => true,
        };
        let all = self.directories.iter().all(gone);
        if all {
            self.remove_above();
        }
        all
    }

    /// The directory that all containers are in, if this was the last of them.
    fn remove_above(&self) {
        let above = self.directories.iter().filter_map(|one| one.path.parent());
        let is_ours = |path: &&Path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(PARENT))
        };
        let ours: Vec<&Path> = above.filter(is_ours).collect();
        if !ours.is_empty() {
            let _lock = lock_above(&self.directories);
            for path in ours {
                // EBUSY: other containers are in it.
                let _ = std::fs::remove_dir(path);
            }
        }
    }
}

fn hierarchies(group: &Group) -> Vec<Hierarchy> {
    let places = group.places().iter();
    places.map(|(hierarchy, _)| hierarchy.clone()).collect()
}

/// Keeps others from making and removing the directory that all containers are in:
/// locks the one that holds that, of the first hierarchy.
fn lock_above(directories: &[Directory]) -> Option<Flock<File>> {
    let above = directories.first()?.path.parent()?.parent()?;
    Flock::lock(File::open(above).ok()?, FlockArg::LockExclusive).ok()
}

/// Whether only what is delegated may be had. To cgroups root of a user namespace is
/// an ordinary user: in a container, or on a machine of an exercise.
fn is_confined(rootless: bool) -> bool {
    rootless || labs::union::in_user_namespace()
}

/// The path of a hierarchy in the lines of a /proc/PID/cgroup.
fn place<'a>(text: &'a str, hierarchy: &Hierarchy) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let same = match hierarchy.version {
            Version::V2 => controllers.is_empty(),
            Version::V1 => controllers.split(',').any(|one| hierarchy.has(one)),
        };
        same.then_some(path)
    })
}

/// A file that only a hierarchy with this v1 controller has.
fn probe(controller: &str) -> &'static str {
    match controller {
        "cpu" => "shares",
        "cpuset" => "cpus",
        "cpuacct" => "usage",
        "memory" => "limit_in_bytes",
        "devices" => "allow",
        "freezer" => "state",
        "pids" => "max",
        "blkio" => "throttle.read_bps_device",
        "net_cls" => "classid",
        _ => "stat",
    }
}

/// The beginning of a group's name: `cpu,memory:` for those that v1 has here. With
/// none there, nothing: v2, which has one tree.
fn controllers(machine: &Machine) -> String {
    let v1 = |name: &&str| {
        machine
            .find(name)
            .is_some_and(|one| one.version == Version::V1)
    };
    let names: Vec<&str> = CONTROLLERS.into_iter().filter(v1).collect();
    match names.is_empty() {
        true => String::new(),
        false => names.join(",") + ":",
    }
}

/// A directory a line.
impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<String> = self
            .directories
            .iter()
            .map(|one| one.path.display().to_string())
            .collect();
        f.write_str(&paths.join("\n"))
    }
}
