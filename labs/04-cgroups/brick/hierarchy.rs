//! Which cgroup trees are mounted, which controllers live in each, where this
//! process is in them, and how to mount one of your own.
//!
//! Nothing about this is asked of a library: `/proc/self/mountinfo` tells the
//! mounts, `/proc/self/cgroup` tells your place in each.
//!
//! Read: cgroups(7), proc_pid_cgroup(5), proc_pid_mountinfo(5), mount(2)

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::mount::MsFlags;
use nix::unistd::{AccessFlags, access};

use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// The names of v1, and what v2 calls the same. An empty name: no controller on
/// v2, because every cgroup can do it, by a file (`cgroup.freeze`), a BPF program
/// (devices, network) or an argument of perf_event_open(2).
pub const CONTROLLERS: [(&str, &str); 13] = [
    ("cpuset", "cpuset"),
    ("cpu", "cpu"),
    ("cpuacct", "cpu"),
    ("blkio", "io"),
    ("memory", "memory"),
    ("devices", ""),
    ("freezer", ""),
    ("net_cls", ""),
    ("perf_event", ""),
    ("net_prio", ""),
    ("hugetlb", "hugetlb"),
    ("pids", "pids"),
    ("rdma", "rdma"),
];

/// One mounted tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub version: Version,
    /// v1: what it was mounted with, `name=…` too. v2: what its root offers.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The directory of the cgroup that this process is in.
    pub own: PathBuf,
}

impl Hierarchy {
    /// Whether the files of this controller, by its v1 or v2 name, are here.
    pub fn has(&self, controller: &str) -> bool {
        let listed = |name: &str| self.controllers.iter().any(|known| known == name);
        match self.version {
            Version::V1 => listed(v1_name(controller)),
            Version::V2 => match v2_name(controller) {
                "" => true,
                name => listed(name),
            },
        }
    }

    /// Where relative names begin: the topmost directory on the way up from your
    /// own cgroup that you may write. For root that is the root of the tree, as
    /// for libcgroup's tools; for an ordinary user the cgroup that was delegated.
    /// Where nothing was, it is your own, and the kernel will refuse.
    pub fn base(&self) -> PathBuf {
        let writable = |path: &Path| {
            [path.to_path_buf(), path.join("cgroup.procs")]
                .iter()
                .all(|path| access(path, AccessFlags::W_OK).is_ok())
        };
        self.own
            .ancestors()
            .take_while(|path| path.starts_with(&self.point) && writable(path))
            .last()
            .unwrap_or(&self.own)
            .to_path_buf()
    }

    /// `/a` is below the root of the tree, `a` below [`Self::base`].
    pub fn directory(&self, name: &str) -> Directory {
        let below = match name.strip_prefix('/') {
            Some(rest) => self.point.join(rest.trim_matches('/')),
            None => self.base().join(name.trim_end_matches('/')),
        };
        // join("") leaves a slash at the end, which would show in every message.
        Directory::new(self.version, below.components().collect::<PathBuf>())
    }
}

fn v1_name(controller: &str) -> &str {
    match controller {
        "io" => "blkio",
        other => other,
    }
}

fn v2_name(controller: &str) -> &str {
    CONTROLLERS
        .iter()
        .find(|(v1, _)| *v1 == controller)
        .map_or(controller, |(_, v2)| v2)
}

/// All the trees that this process can see.
#[derive(Clone, Debug)]
pub struct Machine {
    pub hierarchies: Vec<Hierarchy>,
}

impl Machine {
    /// What is mounted now; `only` keeps what is mounted at or below a directory.
    pub fn look(only: Option<&Path>) -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_string());
        let mut machine = Self::from(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
        if let Some(only) = only {
            machine
                .hierarchies
                .retain(|hierarchy| hierarchy.point.starts_with(only));
        }
        for hierarchy in &mut machine.hierarchies {
            if hierarchy.version == Version::V2 {
                let root = Directory::new(Version::V2, &hierarchy.point);
                let offered = root.read("cgroup.controllers").unwrap_or_default();
                hierarchy.controllers = offered.split_whitespace().map(String::from).collect();
            }
        }
        match (machine.hierarchies.is_empty(), only) {
            (false, _) => Ok(machine),
            (true, Some(only)) => bail!(
                "no cgroup hierarchy is mounted at {}; `cgroup-vfs mount CONTROLLERS {0}` makes one",
                only.display()
            ),
            (true, None) => {
                bail!(
                    "no cgroup hierarchy is mounted; as root: `cgroup-vfs mount cgroup2 DIRECTORY`"
                )
            }
        }
    }

    fn from(mountinfo: &str, own: &str) -> Self {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for line in mountinfo.lines() {
            let Some(hierarchy) = hierarchy(line, own) else {
                continue;
            };
            // A tree that is mounted twice is one tree; the first place is as good.
            let seen = hierarchies.iter().any(|known| {
                known.version == hierarchy.version && known.controllers == hierarchy.controllers
            });
            if !seen {
                hierarchies.push(hierarchy);
            }
        }
        Self { hierarchies }
    }

    /// Where a controller is to be had: its v1 tree if there is one, else v2. The
    /// kernel gives a controller to one tree at a time.
    pub fn find(&self, controller: &str) -> Option<&Hierarchy> {
        let of = |version| {
            self.hierarchies
                .iter()
                .find(|hierarchy| hierarchy.version == version && hierarchy.has(controller))
        };
        of(Version::V1).or_else(|| of(Version::V2))
    }

    pub fn v2(&self) -> Option<&Hierarchy> {
        self.hierarchies
            .iter()
            .find(|hierarchy| hierarchy.version == Version::V2)
    }
}

/// A cgroup mount of a line of mountinfo, together with our place in that tree.
fn hierarchy(line: &str, own: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let (mut left, mut right) = (left.split(' ').skip(3), right.split(' '));
    let (root, point) = (left.next()?, left.next()?.replace("\\040", " "));
    let (fs_type, _source, options) = (right.next()?, right.next()?, right.next()?);
    let (version, controllers) = match fs_type {
        "cgroup2" => (Version::V2, Vec::new()),
        "cgroup" => {
            let known = |word: &&str| {
                word.starts_with("name=") || CONTROLLERS.iter().any(|(name, _)| name == word)
            };
            let words = options.split(',').filter(known).map(String::from);
            (Version::V1, words.collect::<Vec<_>>())
        }
        _ => return None,
    };

    // `4:memory:/a/b`, and `0::/a/b` for v2.
    let place = own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let same = match version {
            Version::V2 => names.is_empty(),
            Version::V1 => names
                .split(',')
                .any(|name| controllers.iter().any(|c| c == name)),
        };
        same.then_some(path)
    });
    // The mount may begin below the root of the tree, as it does in a container.
    let below = place
        .unwrap_or("/")
        .strip_prefix(root.trim_end_matches('/'));
    let point = PathBuf::from(point);
    let own = point.join(below.unwrap_or("").trim_matches('/'));
    Some(Hierarchy {
        version,
        controllers,
        own: own.components().collect(),
        point,
    })
}

/// Mounts a tree at `point`: `cgroup2`, or v1 controllers as `cpu,cpuacct`, or
/// `none,name=mine` for a v1 tree that only groups processes.
///
/// A v1 tree exists as long as it is mounted or has a cgroup below its root.
/// Mounting the same controllers again shows the same tree; mounting one that
/// another tree has gives EBUSY. There is nothing to "create": the mount does.
pub fn mount(explain: Explain, what: &str, point: &Path) -> Result<(), CallError> {
    let (fs_type, options) = match what {
        "cgroup2" => ("cgroup2", None),
        controllers => ("cgroup", Some(controllers)),
    };
    let told = options.map_or("NULL".into(), |options| format!("{options:?}"));
    explain.call(
        format!("mount(\"cgroup\", {point:?}, \"{fs_type}\", 0, {told})"),
        nix::mount::mount(
            Some("cgroup"),
            point,
            Some(fs_type),
            MsFlags::empty(),
            options,
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        31 1 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:3 - cgroup cgroup rw,cpu,cpuacct\n\
        33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
        34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        35 31 0:29 / /mnt/my\\040own rw - cgroup cgroup rw,cpu,cpuacct\n";
    const OWN: &str = "3:name=systemd:/\n2:cpu,cpuacct:/a/b\n0::/x\n";

    #[test]
    fn a_controllers_tree_and_ones_own_place_in_it_are_found() {
        let machine = Machine::from(HYBRID, OWN);
        assert_eq!(machine.hierarchies.len(), 3);
        let cpu = machine.find("cpuacct").unwrap();
        assert_eq!(cpu.point, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(cpu.own, Path::new("/sys/fs/cgroup/cpu,cpuacct/a/b"));
        assert_eq!(
            machine.v2().unwrap().own,
            Path::new("/sys/fs/cgroup/unified/x")
        );
        // Nobody has memory; freezing every v2 cgroup can.
        assert_eq!(machine.find("memory"), None);
        assert_eq!(machine.find("freezer"), machine.v2());
    }

    #[test]
    fn a_mount_of_a_part_of_the_tree_is_counted_from_there() {
        let machine = Machine::from(
            "9 1 0:28 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/docker/c1/inner\n",
        );
        assert_eq!(
            machine.hierarchies[0].own,
            Path::new("/sys/fs/cgroup/inner")
        );
    }

    #[test]
    fn blkio_and_io_are_one_controller() {
        let hierarchy = |version, name: &str| Hierarchy {
            version,
            controllers: vec![name.into()],
            point: "/".into(),
            own: "/".into(),
        };
        for name in ["io", "blkio"] {
            assert!(hierarchy(Version::V1, "blkio").has(name));
            assert!(hierarchy(Version::V2, "io").has(name));
            assert!(!hierarchy(Version::V2, "cpu").has(name));
        }
    }

    #[test]
    fn an_absolute_name_begins_at_the_root_of_the_tree() {
        let machine = Machine::from(HYBRID, OWN);
        let cpu = machine.find("cpu").unwrap();
        let path = |name| cpu.directory(name).path;
        assert_eq!(path("/a/"), Path::new("/sys/fs/cgroup/cpu,cpuacct/a"));
        assert_eq!(path("/"), Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    }
}
