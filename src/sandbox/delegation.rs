//! Where the runner may make cgroups: below its own in each hierarchy of
//! cgroup v1, and on v2 below the nearest cgroup on the way up from its own
//! that hands the controllers on. cgroups(7), "Cgroups delegation"

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, geteuid};

use super::Unsupported;
use crate::observe::cgroups::{self, Own};

/// The cgroup into which the runner moves, with all that is beside it, where
/// cgroup v2 lets no process be: in one that hands controllers on.
const LEAF: &str = "tp-runner";

/// One hierarchy in which a sandbox gets a cgroup.
#[derive(Debug)]
pub struct Site {
    /// The controllers of a v1 hierarchy; none on v2.
    pub controllers: Vec<String>,
    /// Where the cgroup is to be made.
    pub parent: PathBuf,
    /// Whether the machine gets a subtree of its own in it.
    pub delegate: bool,
}

/// Controllers that have another name in v1, or are none in v2. What v2 has in
/// every cgroup without a controller is `""`; what it does not have, `None`.
fn names(controller: &str) -> (&str, Option<&str>) {
    match controller {
        "io" | "blkio" => ("blkio", Some("io")),
        "freezer" => ("freezer", Some("")),
        "cpuacct" => ("cpuacct", Some("")),
        "devices" | "net_cls" | "net_prio" => (controller, None),
        _ => (controller, Some(controller)),
    }
}

/// The name that a controller has on cgroup v2; `None` where it needs none.
pub fn v2_name(controller: &str) -> Option<&str> {
    names(controller).1.filter(|name| !name.is_empty())
}

/// Where to make a sandbox's cgroups: in the hierarchies that limit it, as far
/// as that can be had, and in those that the exercise asks for.
///
/// # Errors
/// [`Unsupported`] when the exercise asks for what is not delegated here.
pub fn sites(limits: &[&str], asked: &[String]) -> Result<Vec<Site>, Unsupported> {
    let own = cgroups::own();
    if own.iter().any(|own| !own.is_unified()) {
        sites_v1(&own, limits, asked)
    } else {
        sites_v2(&own, limits, asked)
    }
}

fn sites_v1(own: &[Own], limits: &[&str], asked: &[String]) -> Result<Vec<Site>, Unsupported> {
    let has = |own: &Own, controller: &str| own.controllers.iter().any(|name| name == controller);
    for controller in asked {
        let (name, _) = names(controller);
        let Some(own) = own.iter().find(|own| has(own, name)) else {
            return Err(Unsupported(format!(
                "the cgroup controller {name} is not mounted here (cgroup v1): \
                 sudo mount -t cgroup -o {name} cgroup /sys/fs/cgroup/{name}"
            )));
        };
        if !writable(&own.directory) {
            let all: Vec<&str> = asked.iter().map(|name| names(name).0).collect();
            let all = all.join(",");
            return Err(Unsupported(format!(
                "no cgroup of {name} is delegated to you (cgroup v1): \
                 sudo cgcreate -t $USER -a $USER -g {all}:tp; cgexec -g {all}:tp tp"
            )));
        }
    }
    let sites = own.iter().filter_map(|own| {
        let delegate = asked.iter().any(|name| has(own, names(name).0));
        let limited = limits.iter().any(|name| has(own, name));
        (delegate || limited).then(|| Site {
            controllers: own.controllers.clone(),
            parent: own.directory.clone(),
            delegate,
        })
    });
    Ok(sites.collect())
}

fn sites_v2(own: &[Own], limits: &[&str], asked: &[String]) -> Result<Vec<Site>, Unsupported> {
    let site = |parent: &Path, delegate| {
        vec![Site {
            controllers: Vec::new(),
            parent: parent.to_owned(),
            delegate,
        }]
    };
    let Some(own) = own.first() else {
        return match asked {
            [] => Ok(Vec::new()),
            _ => Err(Unsupported(
                "no cgroup hierarchy is mounted here: sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup"
                    .to_owned(),
            )),
        };
    };
    if asked.is_empty() {
        // Any of the limits is better than none.
        let found = limits
            .iter()
            .find_map(|controller| handing_on(own, &[controller]));
        return Ok(found.map_or_else(Vec::new, |parent| site(&parent, false)));
    }
    let mut wanted = Vec::new();
    for controller in asked {
        match names(controller).1 {
            Some("") => {}
            Some(name) => wanted.push(name),
            None => {
                return Err(Unsupported(format!(
                    "{controller} is no controller of cgroup v2: use a machine with cgroup v1"
                )));
            }
        }
    }
    let both: Vec<&str> = wanted.iter().chain(limits).copied().collect();
    if let Some(parent) = handing_on(own, &both).or_else(|| handing_on(own, &wanted)) {
        return Ok(site(&parent, true));
    }
    let top = words(&own.mount.join("cgroup.controllers"));
    if let Some(name) = wanted
        .iter()
        .find(|name| !top.iter().any(|one| one == *name))
    {
        return Err(Unsupported(format!(
            "the cgroup controller {name} is not to be had here (cgroup v2): \
             a kernel that has it, and cgroup_no_v1={name} on its command line"
        )));
    }
    if hand_on(&own.directory, &both)
        && handing_on(own, &wanted).is_some_and(|parent| parent == own.directory)
    {
        return Ok(site(&own.directory, true));
    }
    let user = if geteuid().is_root() { "" } else { "--user " };
    Err(Unsupported(format!(
        "no cgroup with {} is delegated to you (cgroup v2): \
         systemd-run {user}--scope -p Delegate=yes tp",
        wanted.join(", ")
    )))
}

/// The nearest cgroup, from one's own up, that may be written and hands all of
/// these controllers on.
fn handing_on(own: &Own, wanted: &[&str]) -> Option<PathBuf> {
    own.directory
        .ancestors()
        .take_while(|directory| directory.starts_with(&own.mount) && writable(directory))
        .find(|directory| {
            let handed = words(&directory.join("cgroup.subtree_control"));
            wanted
                .iter()
                .all(|name| handed.iter().any(|one| one == name))
        })
        .map(Path::to_owned)
}

/// Makes one's own cgroup hand on what it can of these controllers. On v2 a
/// cgroup that does so may hold no process but for the root: where this one is
/// delegated, its processes move into a leaf.
fn hand_on(own: &Path, wanted: &[&str]) -> bool {
    let file = own.join("cgroup.subtree_control");
    let is_root = cgroups::is_root("unified", own);
    let enable = || {
        // With processes in it the kernel would still take cpu, cpuset and pids, and
        // make the cgroup the root of a threaded subtree, which nobody asked for.
        if !is_root && !words(&own.join("cgroup.procs")).is_empty() {
            return false;
        }
        let mut busy = false;
        for name in wanted {
            let error = fs::write(&file, format!("+{name}")).err();
            busy |= error.and_then(|error| error.raw_os_error()) == Some(Errno::EBUSY as i32);
        }
        !busy
    };
    if enable() {
        return true;
    }
    if !is_delegated(own) {
        return false;
    }
    let leaf = own.join(LEAF);
    if !leaf.exists() && fs::create_dir(&leaf).is_err() {
        return false;
    }
    // Those that fork meanwhile are found the next time.
    for _ in 0..8 {
        for pid in words(&own.join("cgroup.procs")) {
            let _ = fs::write(leaf.join("cgroup.procs"), pid);
        }
        if enable() {
            return true;
        }
    }
    false
}

/// An ordinary user owns only what was delegated; for root systemd marks it.
fn is_delegated(directory: &Path) -> bool {
    if !geteuid().is_root() {
        return fs::metadata(directory).is_ok_and(|it| it.uid() == geteuid().as_raw());
    }
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_encoded_bytes()) else {
        return false;
    };
    let mut value = [0u8; 1];
    // SAFETY: the kernel writes at most the one byte that it is offered.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"trusted.delegate".as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    length == 1 && value == *b"1"
}

/// Whether cgroups can be made there and processes moved to them.
fn writable(directory: &Path) -> bool {
    access(directory, AccessFlags::W_OK).is_ok()
        && access(&directory.join("cgroup.procs"), AccessFlags::W_OK).is_ok()
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
