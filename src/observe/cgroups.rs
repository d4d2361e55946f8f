//! Cgroup membership and the limits set there, v1 and v2. See cgroups(7) and
//! the kernel's `admin-guide/cgroup-v1` and `admin-guide/cgroup-v2`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Frame;
use super::mounts::{self, Line};
use super::proc::{ProcDir, read_path};
use crate::state::facts::Cgroup;

/// Files of the unified hierarchy that hold a limit, with the kernel's default.
const V2: [(&str, &str); 22] = [
    ("cgroup.freeze", "0"),
    ("cgroup.max.depth", "max"),
    ("cgroup.max.descendants", "max"),
    ("cgroup.type", "domain"),
    ("cpu.idle", "0"),
    ("cpu.max", "max 100000"),
    ("cpu.max.burst", "0"),
    ("cpu.weight", "100"),
    ("cpuset.cpus", ""),
    ("cpuset.cpus.partition", "member"),
    ("cpuset.mems", ""),
    ("io.bfq.weight", "default 100"),
    ("io.max", ""),
    ("io.weight", "default 100"),
    ("memory.high", "max"),
    ("memory.low", "0"),
    ("memory.max", "max"),
    ("memory.min", "0"),
    ("memory.oom.group", "0"),
    ("memory.swap.max", "max"),
    ("memory.zswap.max", "max"),
    ("pids.max", "max"),
];

/// The same for v1: controller, file, default. `9223372036854771712` is "no
/// limit" in pages of 4 KiB.
const V1: [(&str, &str, &str); 19] = [
    ("blkio", "blkio.throttle.read_bps_device", ""),
    ("blkio", "blkio.throttle.read_iops_device", ""),
    ("blkio", "blkio.throttle.write_bps_device", ""),
    ("blkio", "blkio.throttle.write_iops_device", ""),
    ("cpu", "cpu.cfs_burst_us", "0"),
    ("cpu", "cpu.cfs_period_us", "100000"),
    ("cpu", "cpu.cfs_quota_us", "-1"),
    ("cpu", "cpu.idle", "0"),
    ("cpu", "cpu.shares", "1024"),
    ("cpuset", "cpuset.cpus", ""),
    ("cpuset", "cpuset.mems", ""),
    ("devices", "devices.list", "a *:* rwm"),
    ("freezer", "freezer.state", "THAWED"),
    ("memory", "memory.kmem.limit_in_bytes", NO_LIMIT),
    ("memory", "memory.limit_in_bytes", NO_LIMIT),
    ("memory", "memory.memsw.limit_in_bytes", NO_LIMIT),
    ("memory", "memory.soft_limit_in_bytes", NO_LIMIT),
    ("net_cls", "net_cls.classid", "0"),
    ("pids", "pids.max", "max"),
];
const NO_LIMIT: &str = "9223372036854771712";

/// The memberships of a process, with the limits where the hierarchy is
/// mounted for the caller.
pub fn memberships(text: &str, frame: &Frame) -> BTreeMap<String, Cgroup> {
    let mounted = mounted();
    places(text)
        .map(|(hierarchy, path)| {
            let base = frame.cgroup_base.get(hierarchy).map_or("/", String::as_str);
            let mut cgroup = Cgroup {
                path: frame.told(&below(path, base)),
                limits: directory(&mounted, hierarchy, path)
                    .map(|directory| limits(hierarchy, &directory))
                    .unwrap_or_default(),
            };
            let mut told = hierarchy;
            if !frame.subtrees.is_empty() {
                hide_devices(&mut cgroup.limits);
                // With some kernels' set-up one hierarchy, with others two.
                if hierarchy == "cpu,cpuacct" {
                    told = "cpu";
                }
            }
            (told.to_string(), cgroup)
        })
        .collect()
}

/// Each hierarchy of a `/proc/PID/cgroup`, v2's as `unified`, and the path there.
fn places(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let hierarchy = match controllers {
            "" => "unified",
            controllers => controllers,
        };
        Some((hierarchy, path))
    })
}

/// The mounts that the caller sees.
fn mounted() -> Vec<Line> {
    ProcDir::open(std::process::id() as i32)
        .and_then(|own| own.read("mountinfo"))
        .map(|text| mounts::parse(&text))
        .unwrap_or_default()
}

/// A cgroup of the caller's own, as a directory.
#[derive(Clone, Debug)]
pub struct Own {
    /// The hierarchy's controllers; none on the unified one, where each cgroup
    /// has those that its parent hands down.
    pub controllers: Vec<String>,
    pub directory: PathBuf,
    /// Where its hierarchy is mounted: the topmost that can be seen.
    pub mount: PathBuf,
}

impl Own {
    pub fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }
}

/// The caller's own cgroup in each hierarchy that is mounted and has
/// controllers.
pub fn own() -> Vec<Own> {
    let mounted = mounted();
    let memberships = read_path("/proc/self/cgroup").unwrap_or_default();
    let found = places(&memberships).filter_map(|(hierarchy, path)| {
        let line = mount_of(&mounted, hierarchy, path)?;
        let rest = path.strip_prefix(line.root.trim_end_matches('/'))?;
        Some(Own {
            controllers: hierarchy
                .split(',')
                .filter(|name| *name != "unified")
                .map(str::to_owned)
                .collect(),
            directory: Path::new(&line.point).join(rest.trim_start_matches('/')),
            mount: PathBuf::from(&line.point),
        })
    });
    found
        .filter(|own| !own.controllers.iter().any(|name| name.starts_with("name=")))
        .collect()
}

/// A cgroup path relative to another, `/` for that one itself; unchanged when
/// it is not below it.
pub fn below(path: &str, base: &str) -> String {
    match path.strip_prefix(base.trim_end_matches('/')) {
        Some("") => "/".into(),
        Some(rest) if rest.starts_with('/') => rest.into(),
        _ => path.into(),
    }
}

/// The directory of a cgroup, where its hierarchy is mounted.
pub fn directory(mounted: &[Line], hierarchy: &str, path: &str) -> Option<String> {
    let line = mount_of(mounted, hierarchy, path)?;
    let rest = path.strip_prefix(line.root.trim_end_matches('/'))?;
    Some(format!("{}{rest}", line.point))
}

/// The mount of a hierarchy that shows the cgroup of that path.
fn mount_of<'a>(mounted: &'a [Line], hierarchy: &str, path: &str) -> Option<&'a Line> {
    mounted.iter().find(|line| {
        let it = match line.fs_type.as_str() {
            "cgroup2" => hierarchy == "unified",
            "cgroup" => hierarchy
                .split(',')
                .all(|word| line.super_options.iter().any(|option| option == word)),
            _ => false,
        };
        let rest = path.strip_prefix(line.root.trim_end_matches('/'));
        it && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Which disk a limit is on is the machine's own affair: `254:0 1048576` is
/// told as `DISK 1048576`.
pub fn hide_devices(limits: &mut BTreeMap<String, String>) {
    for (file, value) in limits {
        if file == "io.max" || file.starts_with("blkio.throttle.") {
            let lines = value.split(", ").map(|line| match line.split_once(' ') {
                Some((_, limit)) => format!("DISK {limit}"),
                None => line.to_owned(),
            });
            let lines: std::collections::BTreeSet<String> = lines.collect();
            *value = lines.into_iter().collect::<Vec<_>>().join(", ");
        }
    }
}

/// The limits of one cgroup that are not the kernel's defaults, by file.
pub fn limits(hierarchy: &str, directory: &str) -> BTreeMap<String, String> {
    if is_root(hierarchy, Path::new(directory)) {
        return BTreeMap::new();
    }
    let files: Vec<(&str, &str)> = match hierarchy {
        "unified" => V2.to_vec(),
        controllers => V1
            .iter()
            .filter(|(controller, _, _)| controllers.split(',').any(|word| word == *controller))
            .map(|(_, file, default)| (*file, *default))
            .collect(),
    };
    files
        .into_iter()
        .filter_map(|(file, default)| {
            let text = read_path(&format!("{directory}/{file}"))?;
            let value = text.trim().replace('\n', ", ");
            (value != default && !inherited(file, &value)).then(|| (file.to_string(), value))
        })
        .collect()
}

/// What the processes of a cgroup use together, by controller: bytes of memory,
/// processes and threads, processor time in microseconds.
///
/// It changes by itself from one look to the next: for people, and no fact that
/// could be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory: Option<u64>,
    pub pids: Option<u64>,
    pub cpu: Option<u64>,
}

/// The use of the cgroups that a process is in. What the root of a hierarchy
/// counts is the machine's use, and left out.
pub fn usage(pid: i32) -> Usage {
    let mounted = mounted();
    let text = ProcDir::open(pid).and_then(|one| one.read("cgroup"));
    let mut usage = Usage::default();
    for (hierarchy, path) in places(&text.unwrap_or_default()) {
        if let Some(directory) = directory(&mounted, hierarchy, path)
            && !is_root(hierarchy, Path::new(&directory))
        {
            usage.read(hierarchy, &directory);
        }
    }
    usage
}

impl Usage {
    /// Takes what that cgroup counts; on a machine with both versions each
    /// controller is in one of them.
    fn read(&mut self, hierarchy: &str, directory: &str) {
        let file = |name: &str| read_path(&format!("{directory}/{name}"));
        let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
        let has = |controller: &str| hierarchy.split(',').any(|word| word == controller);
        if hierarchy == "unified" {
            self.memory = number("memory.current").or(self.memory);
            self.pids = number("pids.current").or(self.pids);
            let text = file("cpu.stat").unwrap_or_default();
            let used = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "));
            // v2 counts time in every cgroup, also where v1 has the controller.
            let used = used.and_then(|number| number.trim().parse().ok());
            self.cpu = self.cpu.or(used);
        }
        if has("memory") {
            self.memory = number("memory.usage_in_bytes").or(self.memory);
        }
        if has("pids") {
            self.pids = number("pids.current").or(self.pids);
        }
        if has("cpuacct") {
            let nanoseconds = number("cpuacct.usage");
            self.cpu = nanoseconds.map(|time| time / 1000).or(self.cpu);
        }
    }
}

/// Whether it is the true root of its hierarchy, on which nothing can be set.
pub fn is_root(hierarchy: &str, directory: &Path) -> bool {
    let exists = |file: &str| directory.join(file).exists();
    match hierarchy {
        "unified" => !exists("cgroup.type"),
        _ => exists("release_agent"),
    }
}

/// On v1 a cpuset must be filled before use: one that holds everything that
/// the machine has limits nothing.
fn inherited(file: &str, value: &str) -> bool {
    let all = match file {
        "cpuset.cpus" => "/sys/devices/system/cpu/online",
        "cpuset.mems" => "/sys/devices/system/node/online",
        _ => return false,
    };
    read_path(all).is_some_and(|text| text.trim() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_relative_to_the_frame() {
        assert_eq!(below("/tp/1/work", "/tp/1"), "/work");
        assert_eq!(below("/tp/1", "/tp/1"), "/");
        assert_eq!(below("/tp/10", "/tp/1"), "/tp/10");
        assert_eq!(below("/a/b", "/"), "/a/b");
        assert_eq!(below("/", "/"), "/");
    }

    #[test]
    fn use_is_read_from_the_files_of_either_version() {
        let place = std::env::temp_dir().join(format!("tp-usage-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        for (file, text) in [
            ("memory.current", "4096\n"),
            ("cpu.stat", "usage_usec 1500\nuser_usec 1000\n"),
            ("memory.usage_in_bytes", "8192\n"),
            ("cpuacct.usage", "2000000\n"),
            ("pids.current", "3\n"),
        ] {
            std::fs::write(place.join(file), text).unwrap();
        }
        let read = |hierarchies: &[&str]| {
            let mut usage = Usage::default();
            for hierarchy in hierarchies {
                usage.read(hierarchy, place.to_str().unwrap());
            }
            (usage.memory, usage.pids, usage.cpu)
        };
        let (v2, v1, both) = (
            read(&["unified"]),
            read(&["memory", "pids"]),
            read(&["cpu,cpuacct", "name=systemd"]),
        );
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(v2, (Some(4096), Some(3), Some(1500)));
        assert_eq!(v1, (Some(8192), Some(3), None));
        assert_eq!(both, (None, None, Some(2000)));
    }

    #[test]
    fn a_hierarchy_mounted_from_below_its_root_is_found() {
        let mounted = mounts::parse(
            "31 1 0:28 /docker/c1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
             32 1 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        );
        let at = |hierarchy, path| directory(&mounted, hierarchy, path);
        assert_eq!(
            at("pids", "/docker/c1/x").as_deref(),
            Some("/sys/fs/cgroup/pids/x")
        );
        assert_eq!(at("pids", "/other"), None);
        assert_eq!(at("unified", "/a").as_deref(), Some("/sys/fs/cgroup/a"));
        assert_eq!(at("memory", "/a"), None);
    }
}
