//! The sandbox's own cgroups: limits for every sandbox where the machine lets
//! the runner make a cgroup, and for an exercise that asks for it a delegated
//! subtree of controllers to work in. cgroups(7)
//!
//! In each hierarchy:
//!
//! ```text
//! tp-PID-N               the limits; only the runner comes here
//! ├── init               the machine's init
//! └── delegated          the root of the machine's cgroup namespace, its root's own
//!     └── machine        where its processes start
//! ```
//!
//! Without a delegation the machine is in `tp-PID-N` itself. In v2 a cgroup that
//! hands controllers on may hold no process: hence the two leaves, in v1 too,
//! so that both show the same.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::delegation::{self, Site};
use super::{Limits, Unsupported, groups};
use crate::observe::groups::Subtree;

/// The controllers that limit a sandbox.
const LIMITING: [&str; 2] = ["memory", "pids"];

/// Where the machine's processes start, below the root of its namespace.
pub const START: &str = "/machine";

/// Where the devices controller of v1 is asked for: a cgroup in which no device
/// may be opened but these. Only root of the whole machine may forbid one.
const CLOSED: &str = "closed";
const OPEN_DEVICES: [&str; 4] = ["c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 5:0 rwm"];

/// The most cgroups that a machine may make, where the kernel can be told.
const MOST_GROUPS: &str = "256";

/// A cgroup in each hierarchy that matters.
#[derive(Debug)]
pub struct Cgroup {
    groups: Vec<Group>,
}

/// The sandbox's cgroup in one hierarchy.
#[derive(Debug)]
struct Group {
    /// The controllers of a v1 hierarchy; none on v2.
    controllers: Vec<String>,
    directory: PathBuf,
    /// Where the process that makes the machine moves.
    entry: File,
    delegated: Option<Delegated>,
}

/// What the sandbox's processes write to, opened by the runner: it is the
/// opener's privileges that count.
#[derive(Debug)]
struct Delegated {
    init: File,
    machine: File,
    /// On v2: cgroup.subtree_control of the root, and what it is to hand on.
    hand_on: Option<(File, Vec<String>)>,
}

impl Cgroup {
    /// The cgroups of a new sandbox with a subtree of the `asked` controllers,
    /// owned by `owner`. `None` where nothing was asked for and nothing is to
    /// be had.
    ///
    /// # Errors
    /// [`Unsupported`] when what is asked for cannot be had.
    pub fn create(limits: &Limits, asked: &[String], owner: (u32, u32)) -> Result<Option<Self>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "tp-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let mut cgroup = Self { groups: Vec::new() };
        for site in delegation::sites(&LIMITING, asked)? {
            clear_stale(&site.parent);
            let directory = site.parent.join(&name);
            match Group::create(&site, &directory, limits, asked, owner) {
                Ok(group) => cgroup.groups.push(group),
                Err(error) => {
                    groups::remove(&directory);
                    if error.is::<Unsupported>() {
                        return Err(error);
                    }
                    if site.delegate {
                        let why = format!("{error:#}: a cgroup cannot be delegated here");
                        return Err(Unsupported(why).into());
                    }
                }
            }
        }
        Ok((!cgroup.groups.is_empty()).then_some(cgroup))
    }

    /// Whether the kernel holds the sandbox to its limit of memory.
    pub fn limits_memory(&self) -> bool {
        let files = ["memory.limit_in_bytes", "memory.max"];
        let mut directories = self.groups.iter().map(|group| &group.directory);
        directories.any(|directory| files.iter().any(|file| directory.join(file).exists()))
    }

    /// Whether the machine has cgroups of its own.
    pub fn is_delegated(&self) -> bool {
        self.delegated().next().is_some()
    }

    /// Moves the calling process (and what it will fork) into it.
    ///
    /// A single thread that moves itself is spared the wait for all others of
    /// the machine, some ten milliseconds; only v1 offers that.
    pub fn join(&self) -> Result<()> {
        self.groups.iter().try_for_each(|group| enter(&group.entry))
    }

    /// Moves the calling process out of what is delegated, to where the
    /// sandbox's own processes are.
    pub fn stand_aside(&self) -> Result<()> {
        self.delegated().try_for_each(|it| enter(&it.init))
    }

    /// Moves the calling process to where the machine's processes start.
    pub fn enter_machine(&self) -> Result<()> {
        self.delegated().try_for_each(|it| enter(&it.machine))
    }

    /// On v2: gives the machine's cgroups their controllers. Nobody may be in
    /// the root of the subtree any more.
    pub fn hand_on(&self) -> Result<()> {
        for (file, names) in self.delegated().filter_map(|it| it.hand_on.as_ref()) {
            for name in names {
                let mut file = file;
                file.write_all(format!("+{name}").as_bytes())
                    .with_context(|| format!("write +{name} to cgroup.subtree_control"))?;
            }
        }
        Ok(())
    }

    /// What the sandbox's init needs to start further processes.
    pub fn descriptors(&self) -> Vec<RawFd> {
        self.delegated().map(|it| it.machine.as_raw_fd()).collect()
    }

    /// What is the machine's own, seen from outside.
    pub fn subtrees(&self) -> Vec<Subtree> {
        let delegated = self.groups.iter().filter(|group| group.delegated.is_some());
        delegated
            .map(|group| Subtree {
                controllers: group.controllers.clone(),
                root: group.directory.join("delegated"),
            })
            .collect()
    }

    /// The v1 hierarchies that the machine is to see, by their controllers.
    pub fn hierarchies(&self) -> impl Iterator<Item = &[String]> {
        let delegated = self.groups.iter().filter(|group| group.delegated.is_some());
        delegated
            .map(|group| &*group.controllers)
            .filter(|controllers| !controllers.is_empty())
    }

    /// Whether the sandbox's own limit has made the kernel kill in it.
    pub fn out_of_memory(&self) -> bool {
        self.groups.iter().any(Group::out_of_memory)
    }

    /// Ends a process that the machine may have taken into a cgroup of its own,
    /// frozen or throttled, and with it the machine.
    pub fn end(&self, init: Pid) {
        let _ = kill(init, Signal::SIGKILL);
        if self.is_delegated() {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
            while waitpid(init, Some(flags)) == Ok(WaitStatus::StillAlive) {
                self.groups.iter().for_each(|group| free(&group.directory));
                std::thread::sleep(Duration::from_millis(1));
            }
        } else {
            let _ = waitpid(init, Some(WaitPidFlag::__WALL));
        }
    }

    fn delegated(&self) -> impl Iterator<Item = &Delegated> {
        self.groups
            .iter()
            .filter_map(|group| group.delegated.as_ref())
    }
}

impl Group {
    fn create(
        site: &Site,
        directory: &Path,
        limits: &Limits,
        asked: &[String],
        owner: (u32, u32),
    ) -> Result<Self> {
        make(directory)?;
        let limited = limit(directory, limits)?;
        if !site.delegate {
            anyhow::ensure!(limited, "nothing to limit");
            return Ok(Self {
                controllers: site.controllers.clone(),
                entry: members(directory)?,
                directory: directory.to_owned(),
                delegated: None,
            });
        }
        let v2 = site.controllers.is_empty();
        let names: Vec<String> = match v2 {
            true => asked
                .iter()
                .filter_map(|name| delegation::v2_name(name).map(str::to_owned))
                .collect(),
            false => Vec::new(),
        };
        for name in &names {
            write(directory, "cgroup.subtree_control", &format!("+{name}"))?;
        }
        let (init, root) = (directory.join("init"), directory.join("delegated"));
        let machine = root.join(START.trim_start_matches('/'));
        for new in [&init, &root, &machine] {
            make(new)?;
        }
        let delegated = Delegated {
            init: members(&init)?,
            machine: members(&machine)?,
            hand_on: match v2 {
                true => Some((writer(&root.join("cgroup.subtree_control"))?, names)),
                false => None,
            },
        };
        let entry = members(&root)?;
        for own in [&root, &machine] {
            give(own, owner)?;
        }
        if site.controllers.iter().any(|name| name == "devices") {
            forbid_devices(&root.join(CLOSED))?;
            give(&root.join(CLOSED), owner)?;
        }
        Ok(Self {
            controllers: site.controllers.clone(),
            entry,
            directory: directory.to_owned(),
            delegated: Some(delegated),
        })
    }

    fn out_of_memory(&self) -> bool {
        // Of v2: what came of this cgroup's own limit, and not of one below.
        let text = fs::read_to_string(self.directory.join("memory.events.local"));
        if let Ok(text) = text {
            return count(&text, "oom") > 0;
        }
        let read = |group: BorrowedFd, file| groups::read(group, file).unwrap_or_default();
        let kills = |group: BorrowedFd| count(&read(group, "memory.oom_control"), "oom_kill") > 0;
        let refused = |group: BorrowedFd| {
            let failed = read(group, "memory.failcnt");
            !matches!(failed.trim(), "" | "0")
        };
        // In v1 a kill is counted where the victim was: it is the sandbox's own
        // when that cgroup has refused nothing, and the sandbox's has.
        let (mut over, mut killed) = (false, false);
        let mut first = true;
        groups::each(&self.directory, |group| {
            if std::mem::take(&mut first) {
                over = refused(group);
                killed = kills(group);
            } else {
                killed |= !refused(group) && kills(group);
            }
        });
        over && killed
    }
}

/// Removes it, and what the machine made below. The processes are dead by
/// then, but the kernel may need a moment to let go of them.
impl Drop for Cgroup {
    fn drop(&mut self) {
        for group in &self.groups {
            for _ in 0..200 {
                groups::remove(&group.directory);
                if !group.directory.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            // A runner that was killed just before may have been dying still
            // when this one was made.
            if let Some(parent) = group.directory.parent() {
                clear_stale(parent);
            }
        }
    }
}

/// Kills whoever is in it or below, and lets them die.
fn free(directory: &Path) {
    groups::each(directory, groups::kill_members);
    groups::each(directory, groups::release);
}

/// Removes what a killed runner left: `tp-PID-N` of a PID that is no more. Its
/// processes die with it, but for those that are frozen.
fn clear_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| {
            name.strip_prefix("tp-")?
                .split('-')
                .next()?
                .parse::<u32>()
                .ok()
        });
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            free(&entry.path());
            groups::remove(&entry.path());
        }
    }
}

/// Sets what this cgroup can limit; tells whether that is anything.
fn limit(directory: &Path, limits: &Limits) -> Result<bool> {
    let mut any = false;
    for (file, value) in [
        ("memory.limit_in_bytes", limits.memory),
        ("memory.max", limits.memory),
        // The sandbox's init and scenery are not the student's.
        ("pids.max", limits.processes + 8),
    ] {
        if directory.join(file).exists() {
            write(directory, file, &value.to_string())?;
            any = true;
        }
    }
    for (file, value) in [
        // What is swapped out would count no more, here and in all below.
        ("memory.swap.max", "0"),
        ("memory.swappiness", "0"),
        ("cgroup.max.descendants", MOST_GROUPS),
    ] {
        if directory.join(file).exists() {
            write(directory, file, value)?;
        }
    }
    Ok(any)
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    // A cpuset of v1 starts empty, and takes no process so.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let parent = directory.parent().unwrap_or(directory).join(file);
        let v1 = directory.join("tasks").exists();
        if let (true, Ok(all)) = (v1, fs::read_to_string(parent)) {
            write(directory, file, all.trim())?;
        }
    }
    Ok(())
}

/// Gives a cgroup and its files to the machine's root.
fn give(directory: &Path, (uid, gid): (u32, u32)) -> Result<()> {
    let files = fs::read_dir(directory)
        .with_context(|| format!("read {}", directory.display()))?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path());
    for path in files.chain([directory.to_owned()]) {
        chown(&path, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))?;
    }
    Ok(())
}

fn forbid_devices(directory: &Path) -> Result<()> {
    make(directory)?;
    if write(directory, "devices.deny", "a").is_err() {
        let why = "devices.deny: EPERM: on cgroup v1 only root of the whole machine may forbid \
                   a device: sudo tp";
        return Err(Unsupported(why.to_owned()).into());
    }
    OPEN_DEVICES
        .iter()
        .try_for_each(|device| write(directory, "devices.allow", device))
}

/// The file that takes new members.
fn members(directory: &Path) -> Result<File> {
    let tasks = directory.join("tasks");
    match writer(&tasks) {
        Err(error) if is_missing(&error) => writer(&directory.join("cgroup.procs")),
        opened => opened,
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn writer(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.with_context(|| format!("open {}", path.display()))
}

/// The calling process moves itself.
fn enter(mut members: &File) -> Result<()> {
    members.write_all(b"0").context("write 0 to cgroup.procs")
}

fn write(directory: &Path, file: &str, value: &str) -> Result<()> {
    let path = directory.join(file);
    fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
}

/// The number that a line `NAME NUMBER` of a cgroup's file has.
fn count(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let line = lines.find(|(word, _)| *word == name);
    line.and_then(|(_, number)| number.parse().ok())
        .unwrap_or(0)
}
