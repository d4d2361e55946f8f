//! The sandbox's own cgroup, where the machine lets the runner make one: as
//! root, or below a delegated cgroup. cgroups(7)
//!
//! It only limits; nothing in a verdict depends on it. Where there is none,
//! the limits on processes and the watch over memory still hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Limits;

/// The controllers that a sandbox uses, and what is written where.
struct Controller {
    name: &'static str,
    v1_file: &'static str,
    v2_file: &'static str,
}

const CONTROLLERS: [Controller; 2] = [
    Controller {
        name: "memory",
        v1_file: "memory.limit_in_bytes",
        v2_file: "memory.max",
    },
    Controller {
        name: "pids",
        v1_file: "pids.max",
        v2_file: "pids.max",
    },
];

/// A cgroup in each hierarchy that matters.
#[derive(Debug)]
pub struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// `None` where nothing of the kind is to be had.
    pub fn create(limits: &Limits) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "tp-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let mut directories = Vec::new();
        for (controller, parent, file) in places() {
            clear_stale(&parent);
            let directory = parent.join(&name);
            let exists = directories.contains(&directory);
            if !exists && fs::create_dir(&directory).is_err() {
                continue;
            }
            if !exists {
                directories.push(directory.clone());
            }
            let value = match controller {
                "memory" => limits.memory,
                // The sandbox's init and scenery are not the student's.
                _ => limits.processes + 8,
            };
            if fs::write(directory.join(file), value.to_string()).is_err() {
                let _ = fs::remove_dir(&directory);
                directories.retain(|known| *known != directory);
            }
        }
        let memory = directories.iter().any(|directory| {
            directory.join("memory.limit_in_bytes").exists()
                || directory.join("memory.max").exists()
        });
        let cgroup = Self { directories };
        memory.then_some(cgroup)
    }

    /// Moves the calling process (and what it will fork) into it.
    ///
    /// A single thread that moves itself is spared the wait for all others of
    /// the machine, some ten milliseconds; only v1 offers that.
    pub fn join(&self) -> Result<()> {
        for directory in &self.directories {
            let tasks = directory.join("tasks");
            let file = match tasks.exists() {
                true => tasks,
                false => directory.join("cgroup.procs"),
            };
            fs::write(&file, "0").with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }

    /// Whether the OOM killer has been at work in it.
    pub fn out_of_memory(&self) -> bool {
        ["memory.oom_control", "memory.events"].iter().any(|file| {
            self.directories.iter().any(|directory| {
                let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
                text.lines()
                    .filter_map(|line| line.strip_prefix("oom_kill "))
                    .any(|count| count != "0")
            })
        })
    }
}

/// Removes it, and what the sandbox made below. The processes are dead by
/// then, but the kernel may need a moment to let go of them.
impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            for _ in 0..200 {
                remove_tree(directory);
                if !directory.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            // A runner that was killed just before may have been dying still
            // when this one was made.
            if let Some(parent) = directory.parent() {
                clear_stale(parent);
            }
        }
    }
}

/// A cgroup's files cannot be removed, only its directories, inmost first.
fn remove_tree(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}

/// Removes what a killed runner left: `tp-PID-N` of a PID that is no more.
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
            remove_tree(&entry.path());
        }
    }
}

/// Controller, the runner's own cgroup in its hierarchy, and the file to write.
fn places() -> Vec<(&'static str, PathBuf, &'static str)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut places = Vec::new();
    for controller in &CONTROLLERS {
        for line in memberships.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let v2 = names.is_empty();
            if !v2 && !names.split(',').any(|name| name == controller.name) {
                continue;
            }
            let Some(mount) = mount_point(&mounts, if v2 { None } else { Some(controller.name) })
            else {
                continue;
            };
            let parent = mount.join(path.trim_start_matches('/'));
            let file = if v2 {
                controller.v2_file
            } else {
                controller.v1_file
            };
            // On v2 a cgroup has a controller only if its parent hands it on.
            let handed_on = !v2
                || fs::read_to_string(parent.join("cgroup.subtree_control"))
                    .is_ok_and(|list| list.split_whitespace().any(|name| name == controller.name));
            if handed_on {
                places.push((controller.name, parent, file));
            }
        }
    }
    places
}

fn mount_point(mounts: &str, controller: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (fs_type, _, options) = (right.next()?, right.next()?, right.next()?);
        let fits = match controller {
            None => fs_type == "cgroup2",
            Some(name) => fs_type == "cgroup" && options.split(',').any(|option| option == name),
        };
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        (fits && root == "/").then(|| PathBuf::from(point))
    })
}
