//! A cgroup as people speak of it: one name, and a directory in each hierarchy.
//!
//! Read: cgroups(7), "Control Group v2" in the kernel's documentation

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cpuset;
use super::files::{Directory, Version};
use super::hierarchy::{CONTROLLERS, Hierarchy, Machine};
use crate::explain::{CallError, Explain};

/// What a new v2 cgroup is given. The others (hugetlb, rdma, misc) are for
/// machines that have something of the kind to share out.
const HANDED_ON: [&str; 5] = ["cpuset", "cpu", "io", "memory", "pids"];

/// `cpu,memory:students/alice`, found in the hierarchies of these controllers.
#[derive(Clone, Debug)]
pub struct Group {
    /// As given, without the controllers.
    pub name: String,
    /// v1 names; empty for all that are mounted.
    wanted: Vec<String>,
    /// Where it is, or will be.
    places: Vec<(Hierarchy, Directory)>,
}

impl Group {
    /// `[CONTROLLERS:]NAME`. Without controllers it is in every mounted
    /// hierarchy that has any.
    pub fn find(machine: &Machine, text: &str) -> anyhow::Result<Self> {
        let (controllers, name) = match text.split_once(':') {
            Some((controllers, name)) => (controllers, name),
            None => ("", text),
        };
        if name.is_empty() || name.split('/').any(|part| part == ".." || part == ".") {
            bail!("group {text:?}: wants a name such as students/alice, without `.` and `..`");
        }
        let wanted: Vec<String> = match controllers {
            "" | "*" => Vec::new(),
            list => list.split(',').map(String::from).collect(),
        };
        let mut hierarchies: Vec<&Hierarchy> = Vec::new();
        for controller in &wanted {
            let Some(found) = machine.find(controller) else {
                bail!("{controller}: {}", not_here(controller));
            };
            if !hierarchies.contains(&found) {
                hierarchies.push(found);
            }
        }
        if wanted.is_empty() {
            let has_controllers = |hierarchy: &&Hierarchy| {
                hierarchy.version == Version::V2
                    || !hierarchy.controllers.iter().all(|c| c.starts_with("name="))
            };
            hierarchies = machine.hierarchies.iter().filter(has_controllers).collect();
        }
        let places = hierarchies
            .into_iter()
            .map(|hierarchy| (hierarchy.clone(), hierarchy.directory(name)))
            .collect();
        let name = name.to_string();
        Ok(Self {
            name,
            wanted,
            places,
        })
    }

    /// The directory that has this controller's files.
    pub fn directory(&self, controller: &str) -> anyhow::Result<&Directory> {
        let of = |version| {
            self.places
                .iter()
                .find(|(hierarchy, _)| hierarchy.version == version && hierarchy.has(controller))
        };
        match of(Version::V1).or_else(|| of(Version::V2)) {
            Some((_, directory)) if directory.path.is_dir() => Ok(directory),
            Some((_, directory)) => bail!(
                "{}: no such cgroup; `cgroup-vfs create {}` makes it",
                directory.path.display(),
                self.name
            ),
            None => bail!("{controller}: {}", not_here(controller)),
        }
    }

    /// Those directories that exist.
    pub fn directories(&self) -> Vec<&Directory> {
        let all = self.places.iter().map(|(_, directory)| directory);
        all.filter(|directory| directory.path.is_dir()).collect()
    }

    /// Each hierarchy that it is looked for in, and its directory there.
    pub fn places(&self) -> &[(Hierarchy, Directory)] {
        &self.places
    }

    /// Its directory of the unified hierarchy, which also a machine of v1 may have.
    pub fn v2_directory(&self) -> Option<&Directory> {
        self.directories()
            .into_iter()
            .find(|directory| directory.version == Version::V2)
    }

    /// Any directory of it; an error when it is nowhere.
    pub fn any_directory(&self) -> anyhow::Result<&Directory> {
        Ok(self.existing()?[0])
    }

    fn existing(&self) -> anyhow::Result<Vec<&Directory>> {
        let found = self.directories();
        if found.is_empty() {
            bail!(
                "{}: no such cgroup; `cgroup-vfs list` shows those that there are, \
                 `cgroup-vfs create {0}` makes it",
                self.name
            );
        }
        Ok(found)
    }

    /// Makes it, and the cgroups above it, in each hierarchy.
    pub fn create(&self, explain: Explain) -> anyhow::Result<()> {
        for (hierarchy, directory) in &self.places {
            let base = hierarchy.base();
            let start = match directory.path.strip_prefix(&base) {
                Ok(_) => base,
                Err(_) => hierarchy.point.clone(),
            };
            let mut parent = Directory::new(hierarchy.version, start);
            for part in directory.path.strip_prefix(&parent.path)?.components() {
                // First the parent hands the controllers on, then the child is made:
                // so it is born with its files.
                if hierarchy.version == Version::V2 {
                    hand_on(explain, &parent, &self.wanted)?;
                }
                let child = Directory::new(hierarchy.version, parent.path.join(part));
                if !child.path.is_dir() {
                    child.make(explain)?;
                    if hierarchy.version == Version::V1 && hierarchy.has("cpuset") {
                        cpuset::fill(explain, &child)?;
                    }
                }
                parent = child;
            }
        }
        Ok(())
    }

    /// Gives it to a user: the directory, to make cgroups in it; the files that
    /// move processes; on v2 the one that hands controllers on. Not the limits:
    /// those of this cgroup are its parent's to say.
    pub fn delegate(&self, explain: Explain, uid: u32) -> anyhow::Result<()> {
        for directory in self.existing()? {
            let files = [
                "",
                "cgroup.procs",
                "tasks",
                "cgroup.subtree_control",
                "cgroup.threads",
            ];
            for file in files.iter().filter(|file| directory.has(file)) {
                let path = match *file {
                    "" => directory.path.clone(),
                    file => directory.path.join(file),
                };
                let result = nix::unistd::chown(&path, Some(uid.into()), Some(uid.into()));
                explain.call(format!("chown({path:?}, {uid}, {uid})"), result)?;
            }
        }
        Ok(())
    }

    /// Moves the calling process, which must have one thread, into it. What it
    /// becomes by exec and what it forks are then in it from their first moment.
    pub fn enter(&self, explain: Explain) -> anyhow::Result<()> {
        for directory in self.existing()? {
            // 0 is the writer. v1's `tasks` moves one thread, which spares the wait
            // for every other fork and exit of the machine, ten milliseconds a tree.
            let file = match directory.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            directory.write(explain, file, "0")?;
        }
        Ok(())
    }

    /// Moves a process with all its threads. Its memory stays charged to where it
    /// was: only what it takes from now on counts here.
    pub fn attach(&self, explain: Explain, pid: u32) -> anyhow::Result<()> {
        for directory in self.existing()? {
            directory.write(explain, "cgroup.procs", &pid.to_string())?;
        }
        Ok(())
    }

    /// The processes in it, of whichever hierarchy, each once.
    pub fn processes(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.directories().into_iter().flat_map(processes).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Removes it. Its processes go up to the parent, as cgdelete(1) has it.
    pub fn delete(&self, explain: Explain, recursive: bool) -> anyhow::Result<()> {
        for directory in self.existing()? {
            // From the inmost out: a directory that holds another is not empty.
            let mut below = Vec::new();
            if recursive {
                descend(directory, &mut below);
            }
            below.reverse();
            below.push(directory.clone());
            for one in below {
                for pid in processes(&one) {
                    match one
                        .parent()
                        .write(explain, "cgroup.procs", &pid.to_string())
                    {
                        // It has ended meanwhile, which serves as well.
                        Err(error) if error.errno == Errno::ESRCH => {}
                        other => other?,
                    }
                }
                remove(explain, &one)?;
            }
        }
        Ok(())
    }

    /// Kills all that is in it and below, and waits until it is empty.
    pub fn kill(&self, explain: Explain) -> anyhow::Result<()> {
        let mut below = Vec::new();
        for directory in self.existing()? {
            below.push(directory.clone());
            descend(directory, &mut below);
        }
        // On v1 a frozen process does not die, so all are thawed before one is killed.
        for one in below.iter().filter(|one| one.has("freezer.state")) {
            super::freezer::freeze(explain, one, false)?;
        }
        // One write kills a whole subtree, also what is just being forked. Linux 5.14.
        for one in self.existing()? {
            if one.has("cgroup.kill") {
                one.write(explain, "cgroup.kill", "1")?;
            }
        }
        // v1 has nothing of the kind: there is a race with fork, so again until
        // nobody is left.
        for _ in 0..5000 {
            let pids: BTreeSet<u32> = below.iter().flat_map(processes).collect();
            for pid in &pids {
                let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGKILL);
            }
            if pids.is_empty() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!(
            "{}: processes are still in it; they may belong to another user, or wait for a device",
            self.name
        )
    }
}

/// Why a controller is not to be had, and what to do.
fn not_here(controller: &str) -> String {
    match CONTROLLERS
        .iter()
        .any(|(v1, v2)| controller == *v1 || controller == *v2)
    {
        true => format!(
            "no mounted hierarchy has this controller; as root: `cgroup-vfs mount {controller} DIRECTORY`"
        ),
        false => {
            let names: Vec<&str> = CONTROLLERS.iter().map(|(name, _)| *name).collect();
            format!(
                "no controller of the kernel; there are {}, and io for blkio",
                names.join(", ")
            )
        }
    }
}

/// v2: lets the children of `parent` have controllers.
///
/// A cgroup has a controller when its parent's `cgroup.subtree_control` names it.
/// While processes are in the parent itself the kernel refuses memory and io (EBUSY):
/// they would compete with its child cgroups, and nobody could say by which weight.
/// That is the *no-internal-process rule*; the root is exempt. cpu, cpuset and pids
/// alone it takes even then, and the parent becomes the root of a *threaded* subtree,
/// whose cgroups take single threads and no whole process.
fn hand_on(explain: Explain, parent: &Directory, wanted: &[String]) -> Result<(), CallError> {
    let words = |file: &str| parent.read(file).unwrap_or_default();
    let (offered, given) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let named = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|want| {
                let v2 = CONTROLLERS.iter().find(|(v1, _)| v1 == want);
                want == name || v2.is_some_and(|(_, v2)| *v2 == name)
            })
    };
    let missing: Vec<String> = HANDED_ON
        .into_iter()
        .filter(|name| named(name) && has(&offered, name) && !has(&given, name))
        .map(|name| format!("+{name}"))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => parent.write(explain, "cgroup.subtree_control", &missing.join(" ")),
    }
}

/// The processes in one directory. Those of another PID namespace read as 0.
fn processes(directory: &Directory) -> Vec<u32> {
    let text = directory.read("cgroup.procs").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid != 0)
        .collect()
}

/// All directories below, outer ones first.
fn descend(directory: &Directory, into: &mut Vec<Directory>) {
    for child in directory.children() {
        into.push(child.clone());
        descend(&child, into);
    }
}

/// `rmdir`, again for a while: a process that has ended is out of cgroup.procs
/// before the kernel has let go of its cgroup, and v1 has no event for that.
fn remove(explain: Explain, directory: &Directory) -> Result<(), CallError> {
    for _ in 0..1000 {
        let busy = std::fs::remove_dir(&directory.path);
        match busy.map_err(super::files::errno) {
            Err(Errno::EBUSY)
                if directory.children().is_empty() && processes(directory).is_empty() =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return explain.call(format!("rmdir({:?})", directory.path), result),
        }
    }
    directory.remove(explain)
}

/// The cgroups below `name` in any of the machine's hierarchies: relative names,
/// each once, a parent before its children. The first is `name` itself.
pub fn names_below(machine: &Machine, name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let group = Group::find(machine, name)?;
    let mut names = Vec::new();
    for directory in group.existing()? {
        let mut below = Vec::new();
        descend(directory, &mut below);
        for one in below {
            names.push(Path::new(&group.name).join(one.path.strip_prefix(&directory.path)?));
        }
    }
    names.push(PathBuf::from(&group.name));
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    fn machine(point: &Path, version: Version, controllers: &[&str]) -> Machine {
        Machine {
            hierarchies: vec![Hierarchy {
                version,
                controllers: controllers.iter().map(|name| name.to_string()).collect(),
                point: point.into(),
                own: point.into(),
            }],
        }
    }

    #[test]
    fn on_v2_the_parent_hands_on_what_it_has_and_what_is_asked_for() {
        let files = [
            ("cgroup.procs", ""),
            ("cgroup.controllers", "cpuset cpu memory hugetlb\n"),
            ("cgroup.subtree_control", "cpuset\n"),
        ];
        for (name, written) in [
            ("a", "+cpu +memory"),
            ("memory:a", "+memory"),
            ("cpuacct:a", "+cpu"),
        ] {
            let root = scene(Version::V2, &files);
            let machine = machine(&root.0.path, Version::V2, &["cpuset", "cpu", "memory"]);
            Group::find(&machine, name)
                .unwrap()
                .create(Explain::new(false))
                .unwrap();
            assert_eq!(
                root.text("cgroup.subtree_control")[..written.len()],
                *written
            );
            assert!(root.0.path.join("a").is_dir());
        }
    }

    #[test]
    fn a_name_that_leads_out_and_an_unknown_controller_are_refused_with_the_remedy() {
        let machine = machine(Path::new("/nowhere"), Version::V1, &["cpu"]);
        for (name, says) in [
            ("../a", "without `.` and `..`"),
            ("cpu:", "wants a name"),
            ("cpuu:a", "there are cpuset, cpu"),
            ("memory:a", "cgroup-vfs mount memory"),
        ] {
            let error = Group::find(&machine, name).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.lines().count() == 1,
                "{error}"
            );
        }
    }

    #[test]
    fn every_cgroup_below_is_named_once_parents_first() {
        let root = scene(Version::V1, &[("cgroup.procs", "")]);
        std::fs::create_dir_all(root.0.path.join("u/b/c")).unwrap();
        std::fs::create_dir_all(root.0.path.join("u/a")).unwrap();
        let machine = machine(&root.0.path, Version::V1, &["cpu"]);
        let names = names_below(&machine, "u").unwrap();
        assert_eq!(names, ["u", "u/a", "u/b", "u/b/c"].map(PathBuf::from));
    }
}
