//! What exercises may ask of a machine beyond the sandbox itself, and what
//! `tp doctor` looks at: each a probe that tries the thing, with its remedy.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getegid, geteuid};

use crate::observe::host;
use crate::sandbox::cgroup::Cgroup;
use crate::sandbox::{Limits, Plan, Sandbox, Unsupported};

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It works; a few words of detail.
    Works(String),
    /// It does not: the reason, and what to do about it.
    Missing { reason: String, remedy: String },
}

use Finding::{Missing, Works};

/// One thing that a machine may or may not be able to do.
pub struct Feature {
    /// As in `needs:` of exercise.yaml.
    pub name: &'static str,
    /// Without it nothing runs at all.
    pub for_all: bool,
    pub probe: fn() -> Finding,
}

/// Every feature, those that everything needs first.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "kernel",
        for_all: true,
        probe: kernel,
    },
    Feature {
        name: "user-namespace",
        for_all: true,
        probe: user_namespace,
    },
    Feature {
        name: "sandbox",
        for_all: true,
        probe: sandbox,
    },
    Feature {
        name: "rust",
        for_all: false,
        probe: rust,
    },
    Feature {
        name: "overlay",
        for_all: false,
        probe: overlay,
    },
    Feature {
        name: "overlay-opaque",
        for_all: false,
        probe: overlay_opaque,
    },
    Feature {
        name: "overlay-data-layer",
        for_all: false,
        probe: overlay_data_layer,
    },
    Feature {
        name: "time-namespace",
        for_all: false,
        probe: time_namespace,
    },
    Feature {
        name: "mqueue",
        for_all: false,
        probe: mqueue,
    },
    Feature {
        name: "cgroup",
        for_all: false,
        probe: cgroup,
    },
    Feature {
        name: "subordinate-ids",
        for_all: false,
        probe: subordinate_ids,
    },
    Feature {
        name: "util-linux",
        for_all: false,
        probe: util_linux,
    },
    Feature {
        name: "pivot-root",
        for_all: false,
        probe: pivot_root,
    },
    Feature {
        name: "idmapped-mount",
        for_all: false,
        probe: idmapped_mount,
    },
    Feature {
        name: "iproute2",
        for_all: false,
        probe: iproute2,
    },
    Feature {
        name: "ping",
        for_all: false,
        probe: ping,
    },
    Feature {
        name: "nftables",
        for_all: false,
        probe: nftables,
    },
    Feature {
        name: "hostname",
        for_all: false,
        probe: hostname,
    },
];

/// Fails with [`Unsupported`] when this machine lacks the feature, or with
/// another error when there is no such feature.
pub fn require(name: &str) -> Result<()> {
    let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
        let known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        bail!(
            "exercise.yaml: needs: there is no feature `{name}`; there are {}",
            known.join(", ")
        );
    };
    match (feature.probe)() {
        Works(_) => Ok(()),
        Missing { reason, remedy } => Err(Unsupported(format!("{reason}: {remedy}")).into()),
    }
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 14) {
        return Works(release.to_owned());
    }
    Missing {
        reason: format!("this kernel is {release}"),
        remedy: "update the system, or use a virtual machine with a newer one".to_owned(),
    }
}

fn user_namespace() -> Finding {
    match host::user_namespaces() {
        Ok(()) => Works("one can be made".to_owned()),
        Err(why) => refused(&why),
    }
}

/// The observer's line is `CALL: ERRNO: why: remedy`, or ends with the why.
fn refused(why: &str) -> Finding {
    let (reason, remedy) = why
        .rsplit_once(": ")
        .unwrap_or((why, "use a virtual machine"));
    Missing {
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn sandbox() -> Finding {
    let plan = Plan {
        argv: vec!["/bin/true".to_owned()],
        ..Plan::default()
    };
    let started = std::time::Instant::now();
    match Sandbox::open(&plan) {
        Ok((sandbox, _)) => {
            sandbox.close();
            Works(format!(
                "opened and closed in {} ms",
                started.elapsed().as_millis()
            ))
        }
        Err(error) => Missing {
            reason: format!("{error:#}"),
            remedy: "try on another machine, or in a virtual machine".to_owned(),
        },
    }
}

fn rust() -> Finding {
    command(
        "cargo",
        "install Rust: the Rust exercises are built with it",
    )
}

fn overlay() -> Finding {
    works_or(
        in_user_namespace(|| layers() && overlay_mount(USUAL)),
        "mount(overlay) is refused in a user namespace",
        "Linux 5.11 or newer with CONFIG_OVERLAY_FS: sudo modprobe overlay",
    )
}

/// Whether a directory that was deleted can be made again: it has to be marked.
fn overlay_opaque() -> Finding {
    let works = in_user_namespace(|| {
        let again = Path::new("/tmp/merged/again");
        layers()
            && overlay_mount(USUAL)
            && fs::remove_dir(again).is_ok()
            && fs::create_dir(again).is_ok()
    });
    works_or(
        works,
        "an overlay on a tmpfs cannot mark a directory as opaque",
        "Linux 6.6 or newer, whose tmpfs keeps user.* attributes",
    )
}

/// Whether a file of a layer may have its bytes in a data-only layer.
fn overlay_data_layer() -> Finding {
    let works = in_user_namespace(|| {
        layers()
            && fs::write("/tmp/upper/bytes", "bytes").is_ok()
            && fs::write("/tmp/lower/name", "").is_ok()
            && set_attribute(c"/tmp/lower/name", c"user.overlay.metacopy", b"")
            && set_attribute(c"/tmp/lower/name", c"user.overlay.redirect", b"/bytes")
            && overlay_mount("lowerdir=/tmp/lower::/tmp/upper,userxattr")
            && fs::read("/tmp/merged/name").is_ok_and(|bytes| bytes == b"bytes")
    });
    works_or(
        works,
        "overlayfs follows no file into a data-only layer in a user namespace",
        "Linux 6.16 or newer",
    )
}

const USUAL: &str = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr";

/// Directories for an overlay on a tmpfs, as a sandbox has it.
fn layers() -> bool {
    mount(
        Some("tmpfs"),
        "/tmp",
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .is_ok()
        && ["lower", "lower/again", "upper", "work", "merged"]
            .iter()
            .all(|name| fs::create_dir(Path::new("/tmp").join(name)).is_ok())
}

fn overlay_mount(options: &str) -> bool {
    mount(
        Some("overlay"),
        "/tmp/merged",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )
    .is_ok()
}

/// setxattr(2)
fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> bool {
    let (data, length) = (value.as_ptr().cast(), value.len());
    // SAFETY: two C strings, and as many bytes as the length says.
    unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), data, length, 0) == 0 }
}

fn time_namespace() -> Finding {
    works_or(
        Path::new("/proc/self/ns/time").exists(),
        "this kernel has no time namespaces",
        "Linux 5.6 or newer with CONFIG_TIME_NS",
    )
}

fn mqueue() -> Finding {
    let types = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    works_or(
        types.lines().any(|line| line.ends_with("mqueue")),
        "this kernel has no POSIX message queues",
        "a kernel with CONFIG_POSIX_MQUEUE",
    )
}

fn cgroup() -> Finding {
    let own = (geteuid().as_raw(), getegid().as_raw());
    let asked = ["memory", "pids"].map(str::to_owned);
    match Cgroup::create(&Limits::default(), &asked, own) {
        Ok(_) => Works(format!("cgroup {}", host::cgroup_version())),
        Err(error) => {
            let told = format!("{error:#}");
            let (reason, remedy) = told
                .split_once(": ")
                .unwrap_or((&told, "look at cgroups(7)"));
            Missing {
                reason: format!("{reason}; without one the sandbox watches memory itself"),
                remedy: remedy.to_owned(),
            }
        }
    }
}

fn subordinate_ids() -> Finding {
    let name = nix::unistd::User::from_uid(geteuid())
        .ok()
        .flatten()
        .map(|user| user.name);
    let uid = geteuid().to_string();
    let listed = ["/etc/subuid", "/etc/subgid"].iter().all(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| {
            let owner = line.split(':').next();
            owner.is_some() && (owner == name.as_deref() || owner == Some(uid.as_str()))
        })
    });
    let tools = find("newuidmap").is_some() && find("newgidmap").is_some();
    match (listed, tools) {
        (true, true) => Works("a range of ids is yours to map".to_owned()),
        (false, _) => Missing {
            reason: "no range of ids is yours in /etc/subuid and /etc/subgid".to_owned(),
            remedy: "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"
                .to_owned(),
        },
        (true, false) => Missing {
            reason: "newuidmap and newgidmap are not installed".to_owned(),
            remedy: "sudo apt install uidmap (shadow-utils elsewhere)".to_owned(),
        },
    }
}

fn util_linux() -> Finding {
    ["unshare", "nsenter", "mount"]
        .into_iter()
        .map(|name| command(name, "sudo apt install util-linux mount"))
        .find(|finding| matches!(finding, Missing { .. }))
        .unwrap_or_else(|| Works("unshare, nsenter, mount".to_owned()))
}

fn pivot_root() -> Finding {
    command("pivot_root", "sudo apt install util-linux")
}

/// Of a tmpfs that was mounted in a user namespace, as in the sandbox.
fn idmapped_mount() -> Finding {
    works_or(
        in_user_namespace(|| {
            let tmpfs = mount(
                Some("tmpfs"),
                "/tmp",
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            );
            tmpfs.is_ok() && idmap(c"/tmp").is_some()
        }),
        "this kernel gives a tmpfs no id map of a mount's own",
        "Linux 6.3 or newer",
    )
}

/// A copy of the mount with an id map, that of a user namespace made for it: the
/// one that owns the file system will not do.
fn idmap(path: &std::ffi::CStr) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    let users = other_user_namespace()?;
    // SAFETY: the path is a C string; a descriptor that comes back is ours alone;
    // all-zero is a valid mount_attr, of which the kernel reads as much as is passed.
    unsafe {
        let tree = libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC,
        );
        let tree = OwnedFd::from_raw_fd(i32::try_from(tree).ok().filter(|fd| *fd >= 0)?);
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
        attributes.userns_fd = users.as_raw_fd() as u64;
        let done = libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        );
        (done == 0).then_some(tree)
    }
}

/// A user namespace below the caller's, in which 0 is 0.
fn other_user_namespace() -> Option<fs::File> {
    use nix::sys::signal::{Signal, kill, raise};
    use nix::sys::wait::WaitPidFlag;
    // SAFETY: the runner is single-threaded, so the child may run anything.
    let child = match unsafe { fork() }.ok()? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            if unshare(CloneFlags::CLONE_NEWUSER).is_ok() {
                let _ = raise(Signal::SIGSTOP);
            }
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(1) }
        }
    };
    let stopped = matches!(
        waitpid(child, Some(WaitPidFlag::WUNTRACED)),
        Ok(WaitStatus::Stopped(..))
    );
    let file = |name: &str| format!("/proc/{child}/{name}");
    let namespace = (stopped
        && fs::write(file("uid_map"), "0 0 1").is_ok()
        && fs::write(file("setgroups"), "deny").is_ok()
        && fs::write(file("gid_map"), "0 0 1").is_ok())
    .then(|| fs::File::open(file("ns/user")).ok())
    .flatten();
    if stopped {
        let _ = kill(child, Signal::SIGKILL);
        let _ = waitpid(child, None);
    }
    namespace
}

fn iproute2() -> Finding {
    command("ip", "sudo apt install iproute2")
}

fn ping() -> Finding {
    command("ping", "sudo apt install iputils-ping")
}

/// The program, and a kernel that takes NAT rules from it.
fn nftables() -> Finding {
    let installed = command("nft", "sudo apt install nftables");
    let Works(path) = &installed else {
        return installed;
    };
    let works = in_user_namespace(|| {
        let rules = "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; \
                     add rule ip t c masquerade";
        let nft = find("nft").unwrap_or_default();
        unshare(CloneFlags::CLONE_NEWNET).is_ok()
            && std::process::Command::new(nft)
                .arg(rules)
                .stderr(std::process::Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    });
    match works {
        true => Works(path.clone()),
        false => Missing {
            reason: "nft cannot make a NAT rule in a user namespace".to_owned(),
            remedy: "a kernel with CONFIG_NF_TABLES and CONFIG_NFT_MASQ: sudo modprobe nft_masq"
                .to_owned(),
        },
    }
}

fn hostname() -> Finding {
    command("hostname", "sudo apt install hostname")
}

fn works_or(works: bool, reason: &str, remedy: &str) -> Finding {
    if works {
        Works("there".to_owned())
    } else {
        Missing {
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

fn command(name: &str, remedy: &str) -> Finding {
    match find(name) {
        Some(path) => Works(path),
        None => Missing {
            reason: format!("`{name}` is not installed"),
            remedy: remedy.to_owned(),
        },
    }
}

/// The command's path, as the sandbox or the user would find it.
fn find(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|directory| format!("{directory}/{name}"))
        .find(|path| nix::unistd::access(path.as_str(), nix::unistd::AccessFlags::X_OK).is_ok())
}

/// Whether `body` succeeds in a child that is root of a new user and mount
/// namespace. Nothing that it mounts outlives it.
fn in_user_namespace(body: fn() -> bool) -> bool {
    let (uid, gid) = (geteuid(), getegid());
    // SAFETY: the runner is single-threaded, so the child may run anything.
    match unsafe { fork() } {
        Err(_) => false,
        Ok(ForkResult::Parent { child }) => {
            matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0)))
        }
        Ok(ForkResult::Child) => {
            let works = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).is_ok()
                && fs::write("/proc/self/setgroups", "deny").is_ok()
                && fs::write("/proc/self/uid_map", format!("0 {uid} 1")).is_ok()
                && fs::write("/proc/self/gid_map", format!("0 {gid} 1")).is_ok()
                && mount(
                    None::<&str>,
                    "/",
                    None::<&str>,
                    MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                    None::<&str>,
                )
                .is_ok()
                && body();
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!works)) }
        }
    }
}
