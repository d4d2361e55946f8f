//! Which processes are alive in a PID namespace, seen from outside it.

use std::collections::{BTreeMap, BTreeSet};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::proc::{Namespace, ProcDir, read_path};
use super::status::Status;
use super::{Frame, Handles};
use crate::state::facts::{NamespaceId, NamespaceKind};

/// How often a tree that changes while it is read is read again.
const READINGS: usize = 4;

/// The names of the processes in the PID namespace of the handles, or in one
/// below it, but for its first process; sorted.
pub fn alive(handles: &Handles, frame: &Frame) -> Vec<String> {
    // In a PID namespace everything descends from its first process.
    let pids = handles.first.and_then(descendants);
    let pids = pids.unwrap_or_else(|| members(handles.pid.id));
    let mut names: Vec<String> = pids
        .into_iter()
        .filter(|pid| !frame.hidden_pids.contains(pid))
        .filter(|pid| handles.first != Some(*pid))
        .filter_map(|pid| {
            let text = ProcDir::open(pid).ok()?.read("status").ok()?;
            let status = Status::parse(&text);
            // One that has ended and is not yet waited for is not alive.
            (!['Z', 'X'].contains(&status.state())).then(|| status.field("Name").to_string())
        })
        .collect();
    names.sort();
    names
}

/// The tree below a process; `None` on a kernel without `children` files. A
/// process that ends while its siblings are read can hide one of them, so the
/// tree is read until it is twice the same.
fn descendants(root: i32) -> Option<BTreeSet<i32>> {
    let mut last = tree(root)?;
    for _ in 0..READINGS {
        let next = tree(root)?;
        if next == last {
            break;
        }
        last = next;
    }
    Some(last)
}

fn tree(root: i32) -> Option<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    let mut todo = vec![root];
    while let Some(pid) = todo.pop() {
        let children = children(pid);
        if pid == root && children.is_none() {
            return None;
        }
        for child in children.unwrap_or_default() {
            if found.insert(child) {
                todo.push(child);
            }
        }
    }
    Some(found)
}

/// The children of all threads of a process. proc_tid_children(5).
fn children(pid: i32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in numbers(&format!("/proc/{pid}/task"))? {
        let text = read_path(&format!("/proc/{pid}/task/{thread}/children"))?;
        children.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    Some(children)
}

/// Every process whose PID namespace is this one or below it: the slow way.
fn members(namespace: NamespaceId) -> BTreeSet<i32> {
    let mut known = BTreeMap::new();
    numbers("/proc")
        .unwrap_or_default()
        .into_iter()
        .filter(|pid| {
            ProcDir::open(*pid)
                .and_then(|process| process.namespace(NamespaceKind::Pid))
                .ok()
                .flatten()
                .is_some_and(|own| is_below(own, namespace, &mut known))
        })
        .collect()
}

fn is_below(
    own: Namespace,
    namespace: NamespaceId,
    known: &mut BTreeMap<NamespaceId, bool>,
) -> bool {
    let start = own.id;
    if let Some(answer) = known.get(&start) {
        return *answer;
    }
    let mut at = Some(own);
    let mut answer = false;
    while let Some(one) = at {
        answer = one.id == namespace;
        at = if answer { None } else { one.parent() };
    }
    known.insert(start, answer);
    answer
}

/// The entries of a directory whose names are numbers.
pub fn numbers(path: &str) -> Option<Vec<i32>> {
    let fd = openat(
        nix::fcntl::AT_FDCWD,
        path,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let mut dir = Dir::from_fd(fd).ok()?;
    Some(
        dir.iter()
            .filter_map(|entry| entry.ok()?.file_name().to_str().ok()?.parse().ok())
            .collect(),
    )
}
