//! The observer: a short-lived process that joins namespaces and tells what
//! they show to one inside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, pipe2};
use serde::{Deserialize, Serialize};

use super::proc::{Namespace, ProcDir, read_at, visible};
use super::{files, ipc, mounts, network};
use crate::state::facts::{self, Ipc, NamespaceKind, Network};

/// The most that the observer may tell.
const TELL_LIMIT: u64 = 32 << 20;
/// How many named network namespaces are looked into.
const NETWORKS: usize = 64;
/// How long the observer may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the observer is asked to look at.
#[derive(Default)]
pub struct Request<'a> {
    pub join_user: Option<BorrowedFd<'a>>,
    /// Joined first, as the rest needs a mount namespace that the capabilities
    /// reach; its mounts are told when `read_mounts` is set.
    pub mnt: Option<&'a Namespace>,
    pub read_mounts: bool,
    pub uts: Vec<&'a Namespace>,
    pub net: Vec<&'a Namespace>,
    pub ipc: Vec<&'a Namespace>,
    /// Directories whose files to tell, in the mount namespace joined, and
    /// below the root directory of a process.
    pub files: &'a [String],
    pub files_inside: Option<(&'a ProcDir, &'a [String])>,
    /// The mount namespace of a process whose root is not its root: it is told
    /// from the namespace's own root, where setns(2) puts the observer.
    pub chrooted: Option<&'a Namespace>,
    /// Whose id maps to read from inside this user namespace.
    pub maps: Option<(&'a ProcDir, &'a Namespace)>,
}

/// What the observer saw, by the inode of the namespace.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Host name and domain name.
    pub uts: BTreeMap<u64, (String, String)>,
    pub net: BTreeMap<u64, Network>,
    /// The address families that are forwarded there.
    pub forwarding: BTreeMap<u64, BTreeSet<String>>,
    pub ipc: BTreeMap<u64, Ipc>,
    pub mountinfo: Option<String>,
    pub files: BTreeMap<String, facts::File>,
    pub files_inside: BTreeMap<String, facts::File>,
    /// The same of [`Request::chrooted`].
    pub chrooted: Option<String>,
    /// `uid_map` and `gid_map`, outside as the user namespace joined counts.
    pub maps: Option<(String, String)>,
}

/// Forks the observer and hears what it tells.
pub fn look(request: &Request<'_>) -> Result<Seen> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    let parent = std::process::id();
    // SAFETY: the child only looks, writes to the pipe and leaves through
    // _exit; it never returns into the caller's code.
    let child = match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(read);
            observer(request, write, parent);
        }
        ForkResult::Parent { child } => child,
    };
    drop(write);
    let told = hear(read);
    if told.is_err() {
        let _ = kill(child, Signal::SIGKILL);
    }
    let _ = waitpid(child, None);
    let told = told?;
    serde_json::from_str::<Result<Seen, String>>(&told)
        .map_err(|_| anyhow!("the observer ended before it had told what it saw"))?
        .map_err(|error| anyhow!(error))
}

/// Reads the pipe to its end, within the limits of size and time.
fn hear(pipe: OwnedFd) -> Result<String> {
    let mut told = Vec::with_capacity(16 << 10);
    let timeout = PollTimeout::try_from(PATIENCE).context("poll")?;
    let mut pipe = File::from(pipe);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let ready = poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout);
        match ready {
            Ok(0) => return Err(anyhow!("the observer did not answer in time")),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(anyhow!("poll: {errno}")),
        }
        let size = pipe.read(&mut chunk).context("read(observer)")?;
        if size == 0 {
            return Ok(String::from_utf8_lossy(&told).into_owned());
        }
        told.extend_from_slice(&chunk[..size]);
        if told.len() as u64 > TELL_LIMIT {
            return Err(anyhow!("the namespaces hold more than can be told"));
        }
    }
}

/// The observer's whole life.
fn observer(request: &Request<'_>, pipe: OwnedFd, parent: u32) -> ! {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // What it looks at must not be able to look at it, nor outlive its caller.
        nix::sys::prctl::set_dumpable(false).ok();
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).ok();
        if nix::unistd::getppid().as_raw() != parent as i32 {
            return;
        }
        let seen = see(request).map_err(|error| format!("{error:#}"));
        if let Ok(text) = serde_json::to_vec(&seen) {
            let _ = File::from(pipe).write_all(&text);
        }
    }));
    // SAFETY: ends this process at once: nothing of the caller's runs twice.
    unsafe { libc::_exit(i32::from(told.is_err())) }
}

fn see(request: &Request<'_>) -> Result<Seen> {
    // The host's /proc must be in hand before another root is: opened by path
    // later, it would be whatever the namespace has mounted there.
    let procfs = nix::fcntl::open(
        "/proc",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| anyhow!("open(\"/proc\"): {errno}"))?;
    // In hand before the way to it is closed, or leads elsewhere.
    let process_root = match request.files_inside {
        Some((process, watched)) if !watched.is_empty() => {
            let root = files::root_at(process.as_fd(), "root");
            Some((
                root.map_err(|errno| anyhow!("open(\"/proc/{}/root\"): {errno}", process.pid))?,
                watched,
            ))
        }
        _ => None,
    };
    let own = |kind| Namespace::own(kind).map(|own| own.id.0);
    let (own_mnt, own_uts, own_net, own_ipc, own_user) = (
        own(NamespaceKind::Mnt)?,
        own(NamespaceKind::Uts)?,
        own(NamespaceKind::Net)?,
        own(NamespaceKind::Ipc)?,
        own(NamespaceKind::User)?,
    );
    let mut user = own_user;
    if let Some(fd) = request.join_user {
        let fd = fd.try_clone_to_owned().context("dup")?;
        let namespace = Namespace::from_fd(fd)?;
        // Joining the one that one is in is EINVAL.
        if namespace.id.0 != own_user {
            join(&namespace, CloneFlags::CLONE_NEWUSER, "user")?;
            user = namespace.id.0;
        }
    }

    let mut seen = Seen::default();
    let mut named = Vec::new();
    if let Some(mnt) = request.mnt {
        let joined = match mnt.id.0 == own_mnt {
            true => Ok(()),
            false => join(mnt, CloneFlags::CLONE_NEWNS, "mnt"),
        };
        if request.read_mounts {
            joined?;
            let text = read_at(procfs.as_fd(), "self/mountinfo")
                .map_err(|errno| anyhow!("open(\"/proc/self/mountinfo\"): {errno}"))?;
            named = named_networks(&text, procfs.as_fd());
            seen.mountinfo = Some(text);
            if !request.files.is_empty() {
                let root = files::root_at(procfs.as_fd(), "/")
                    .map_err(|errno| anyhow!("open(\"/\"): {errno}"))?;
                seen.files = files::read(root.as_fd(), procfs.as_fd(), request.files)?;
            }
        }
    }
    if let Some((root, watched)) = process_root {
        seen.files_inside = files::read(root.as_fd(), procfs.as_fd(), watched)?;
    }
    for namespace in own_first(&request.uts, own_uts) {
        enter(namespace, own_uts, CloneFlags::CLONE_NEWUTS, "uts")?;
        seen.uts.insert(namespace.id.0, names()?);
    }
    for namespace in own_first(&request.net, own_net) {
        enter(namespace, own_net, CloneFlags::CLONE_NEWNET, "net")?;
        seen.net
            .insert(namespace.id.0, network::read(procfs.as_fd())?);
        let forwarding = network::forwarding(procfs.as_fd());
        seen.forwarding.insert(namespace.id.0, forwarding);
    }
    for namespace in named {
        // One that another user namespace owns is closed, and is left out.
        if !seen.net.contains_key(&namespace.id.0)
            && setns(&namespace.fd, CloneFlags::CLONE_NEWNET).is_ok()
        {
            seen.net
                .insert(namespace.id.0, network::read(procfs.as_fd())?);
        }
    }
    for namespace in own_first(&request.ipc, own_ipc) {
        enter(namespace, own_ipc, CloneFlags::CLONE_NEWIPC, "ipc")?;
        seen.ipc.insert(namespace.id.0, ipc::read(procfs.as_fd())?);
    }
    if let Some(mnt) = request.chrooted {
        let at = request.mnt.map_or(own_mnt, |joined| joined.id.0);
        if mnt.id.0 == at || join(mnt, CloneFlags::CLONE_NEWNS, "mnt").is_ok() {
            seen.chrooted = read_at(procfs.as_fd(), "self/mountinfo").ok();
        }
    }
    // Last, as there is no way back to the capabilities that it leaves behind.
    if let Some((process, parent)) = request.maps {
        let inside = parent.id.0 == user || join(parent, CloneFlags::CLONE_NEWUSER, "user").is_ok();
        if inside
            && let (Ok(uid), Ok(gid)) = (
                read_at(process.as_fd(), "uid_map"),
                read_at(process.as_fd(), "gid_map"),
            )
        {
            seen.maps = Some((uid, gid));
        }
    }
    Ok(seen)
}

/// The network namespaces that have a name in the mount namespace that the
/// observer is in. What lies over a mount in the meantime is not opened.
fn named_networks(mountinfo: &str, procfs: BorrowedFd<'_>) -> Vec<Namespace> {
    let open = |point: &str| -> Option<Namespace> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path = nix::fcntl::open(point, flags, Mode::empty()).ok()?;
        let kind = nix::sys::statfs::fstatfs(&path).ok()?.filesystem_type();
        if kind != nix::sys::statfs::NSFS_MAGIC {
            return None;
        }
        let again = format!("self/fd/{}", path.as_raw_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::openat(procfs, again.as_str(), flags, Mode::empty()).ok()?;
        Namespace::from_fd(fd).ok()
    };
    mounts::network_namespaces(&mounts::parse(mountinfo))
        .take(NETWORKS)
        .filter_map(|(point, _)| open(point))
        .collect()
}

/// Each namespace once, the observer's own first: it can leave that one, but
/// may lack the right to come back.
fn own_first<'a>(namespaces: &[&'a Namespace], own: u64) -> Vec<&'a Namespace> {
    let mut all = namespaces.to_vec();
    all.sort_by_key(|namespace| (namespace.id.0 != own, namespace.id));
    all.dedup_by_key(|namespace| namespace.id);
    all
}

fn enter(namespace: &Namespace, own: u64, flag: CloneFlags, name: &str) -> Result<()> {
    if namespace.id.0 == own {
        return Ok(());
    }
    join(namespace, flag, name)
}

fn join(namespace: &Namespace, flag: CloneFlags, name: &str) -> Result<()> {
    setns(&namespace.fd, flag).map_err(|errno| match errno {
        Errno::EPERM => anyhow!(
            "setns({name}): {errno}: to look inside takes CAP_SYS_ADMIN over that namespace; look as its owner or as root"
        ),
        errno => anyhow!("setns({name}): {errno}"),
    })
}

/// Host name and domain name, as uname(2) tells them.
fn names() -> Result<(String, String)> {
    let uname = nix::sys::utsname::uname().context("uname")?;
    let text = |name: &std::ffi::OsStr| visible(name.to_string_lossy().into_owned());
    Ok((text(uname.nodename()), text(uname.domainname())))
}
