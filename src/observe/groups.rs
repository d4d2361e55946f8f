//! The cgroups that a machine has made in the subtree delegated to it, read
//! from outside. cgroups(7), `admin-guide/cgroup-v1` and `admin-guide/cgroup-v2`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::Frame;
use super::cgroups::{hide_devices, limits};
use super::proc::{ProcDir, read_path, visible};
use super::status::Status;
use crate::state::facts::Group;

/// More than these are not looked at: an exercise needs a handful.
const MOST_GROUPS: usize = 256;

/// What shows that something happened: file (of the first that is there), the
/// line in it, and the name of the event.
const EVENTS: [(&[&str], &str, &str); 4] = [
    // Of v2 only what happened in this cgroup itself, as in v1.
    (
        &["memory.events.local", "memory.events"],
        "oom_kill",
        "memory.oom_kill",
    ),
    (&["memory.oom_control"], "oom_kill", "memory.oom_kill"),
    (&["pids.events.local", "pids.events"], "max", "pids.max"),
    (&["cpu.stat"], "nr_throttled", "cpu.nr_throttled"),
];

/// A subtree that is the machine's own.
#[derive(Clone, Debug)]
pub struct Subtree {
    /// The controllers of a v1 hierarchy; none on the unified one.
    pub controllers: Vec<String>,
    /// Its root, as the caller sees it.
    pub root: PathBuf,
}

/// Every cgroup of the machine's by its path, those of one path in several v1
/// hierarchies told as one. The process that has stopped and those above it
/// are told of elsewhere.
pub fn read(frame: &Frame, stopped: Option<i32>) -> Result<BTreeMap<String, Group>> {
    if frame.subtrees.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut hidden = stopped.map(ancestry).unwrap_or_default();
    hidden.extend(&frame.hidden_pids);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut members: BTreeMap<String, BTreeMap<i32, Vec<String>>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for subtree in &frame.subtrees {
        for (path, directory) in directories(&subtree.root)? {
            let path = told(path, frame, &mut names);
            let group = groups.entry(path.clone()).or_default();
            fill(group, subtree, &directory);
            let told = pids(&directory).into_iter().filter(|pid| {
                // What else runs where everything starts comes and goes.
                let settled = path != frame.start || frame.scenery.contains(pid);
                settled && !hidden.contains(pid)
            });
            for pid in told {
                let known = members.entry(path.clone()).or_default();
                known
                    .entry(pid)
                    .or_default()
                    .extend(subtree.controllers.clone());
            }
        }
    }
    for (path, pids) in members {
        let Some(group) = groups.get_mut(&path) else {
            continue;
        };
        let names = pids.into_iter().filter_map(|(pid, controllers)| {
            let name = name(pid)?;
            // In v1 each hierarchy has its own members.
            let all = controllers.len() == group.controllers.len() || controllers.is_empty();
            Some(match all {
                true => name,
                false => format!("{name} ({} only)", controllers.join(", ")),
            })
        });
        group.processes = names.collect();
        group.processes.sort();
    }
    Ok(groups)
}

/// The name of a cgroup, the same in each hierarchy; two that differ in an id
/// alone are numbered.
fn told(path: String, frame: &Frame, names: &mut BTreeMap<String, String>) -> String {
    if let Some(name) = names.get(&path) {
        return name.clone();
    }
    let plain = frame.told(&path);
    let mut name = plain.clone();
    for number in 2.. {
        if !names.values().any(|other| *other == name) {
            break;
        }
        name = format!("{plain} ({number})");
    }
    names.insert(path, name.clone());
    name
}

/// The processes in the subtrees, whoever they are.
pub fn members(subtrees: &[Subtree]) -> Result<BTreeSet<i32>> {
    let mut all = BTreeSet::new();
    for subtree in subtrees {
        for (_, directory) in directories(&subtree.root)? {
            all.extend(pids(&directory));
        }
    }
    Ok(all)
}

/// The process itself and those that it descends from.
fn ancestry(pid: i32) -> BTreeSet<i32> {
    let mut line = BTreeSet::new();
    let mut at = pid;
    while at > 1 && line.insert(at) {
        let status = ProcDir::open(at).and_then(|process| process.read("status"));
        let parent = status.map(|text| Status::parse(&text).field("PPid").parse().unwrap_or(0));
        at = parent.unwrap_or(0);
    }
    line
}

/// Path below the root and directory of each cgroup.
fn directories(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = vec![("/".to_owned(), root.to_owned())];
    let mut next = 0;
    while let Some((path, directory)) = found.get(next).cloned() {
        next += 1;
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())) {
            ensure!(
                found.len() < MOST_GROUPS,
                "the machine holds more than {MOST_GROUPS} cgroups"
            );
            let name = visible(entry.file_name().to_string_lossy().into_owned());
            found.push((
                format!("{}/{name}", path.trim_end_matches('/')),
                entry.path(),
            ));
        }
    }
    Ok(found)
}

fn fill(group: &mut Group, subtree: &Subtree, directory: &Path) {
    let read = |file: &str| read_path(&directory.join(file).to_string_lossy());
    let words = |file: &str| -> Vec<String> {
        let text = read(file).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let hierarchy = match subtree.controllers.is_empty() {
        true => {
            group.controllers.extend(words("cgroup.controllers"));
            group
                .subtree_control
                .extend(words("cgroup.subtree_control"));
            "unified".to_owned()
        }
        false => {
            group.controllers.extend(subtree.controllers.clone());
            subtree.controllers.join(",")
        }
    };
    let frozen = |file, free: &str| read(file).is_some_and(|text| text.trim() != free);
    group.frozen |= frozen("freezer.state", "THAWED") || frozen("cgroup.freeze", "0");
    let mut set = limits(&hierarchy, &directory.to_string_lossy());
    // Told as `frozen`.
    set.retain(|file, _| file != "freezer.state" && file != "cgroup.freeze");
    hide_devices(&mut set);
    group.limits.extend(set);
    for (files, line, event) in EVENTS {
        let text = files.iter().find_map(|file| read(file)).unwrap_or_default();
        let count = text
            .lines()
            .filter_map(|text| text.split_once(' '))
            .find(|(name, _)| *name == line);
        if count.is_some_and(|(_, count)| count != "0") {
            group.events.insert(event.to_owned());
        }
    }
}

fn pids(directory: &Path) -> Vec<i32> {
    let text = read_path(&directory.join("cgroup.procs").to_string_lossy()).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Of a process that is alive.
fn name(pid: i32) -> Option<String> {
    let text = ProcDir::open(pid).ok()?.read("status").ok()?;
    let status = Status::parse(&text);
    (!['Z', 'X'].contains(&status.state())).then(|| status.field("Name").to_owned())
}
