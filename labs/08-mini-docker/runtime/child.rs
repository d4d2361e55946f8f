//! The inside of a launch: the order of everything, from the first step of the
//! container's first process to its last one before the program.
//!
//! Read: namespaces(7), credentials(7), PR_SET_PDEATHSIG(2const)

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::namespaces::{Kind, write_file};
use labs::network::{Netlink, set_up as set_up_device};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use oci_spec::runtime::{Linux, LinuxNamespaceType, Process};

use super::cgroup::Cgroup;
use super::{Launch, channel, hooks, process, rootfs};

/// Runs in the child and does not return: either the program takes its place, or
/// the error is told and the process ends.
pub fn run(
    launch: &Launch,
    linux: &Linux,
    cgroup: Option<&Cgroup>,
    socket: OwnedFd,
    console: Option<OwnedFd>,
) -> ! {
    let error = match set_up(launch, linux, cgroup, &socket, console) {
        Ok(ready) => {
            channel::tell(&socket, channel::READY);
            match gate(launch, socket) {
                Ok(gate) => {
                    // After the word, and before anything is given up.
                    let error = match start_hooks(launch) {
                        Ok(()) => ready.go(&gate),
                        Err(error) => error,
                    };
                    channel::tell_error(&gate, &error);
                    end()
                }
                Err(_) => end(),
            }
        }
        Err(error) => error,
    };
    channel::tell_error(&socket, &error);
    end()
}

/// Without the destructors and exit handlers of the parent, whose copy this is.
pub fn end() -> ! {
    // SAFETY: ends the process at once; nothing of it is used after.
    unsafe { libc::_exit(255) }
}

/// Waits for the go. The caller's end closed without it: nobody will ever start us.
fn gate(launch: &Launch, socket: OwnedFd) -> anyhow::Result<OwnedFd> {
    let socket = match launch.detached {
        None => socket,
        Some(detached) => {
            drop(socket);
            channel::accept(detached.gate)?
        }
    };
    match channel::heard(&socket) {
        Some(channel::GO) => Ok(socket),
        _ => bail!("the runtime has ended before the start"),
    }
}

/// In the container, as the last thing before its program.
fn start_hooks(launch: &Launch) -> anyhow::Result<()> {
    let Some(hooks) = launch.spec.hooks() else {
        return Ok(());
    };
    let pid = nix::unistd::getpid().as_raw();
    let state = hooks::state(launch.spec, launch.id, launch.bundle, "created", pid);
    hooks::run(hooks.start_container(), &state)
}

/// The order, and why, is told at each step. What it needs of the host (its /proc,
/// its devices, its cgroups) comes before `rootfs::enter`, after which there is none.
fn set_up<'a>(
    launch: &'a Launch,
    linux: &'a Linux,
    cgroup: Option<&Cgroup>,
    socket: &OwnedFd,
    console: Option<OwnedFd>,
) -> anyhow::Result<process::Ready<'a>> {
    let Some(process) = launch.spec.process() else {
        bail!("config.json has no `process`");
    };
    // Before anything that takes time: from here on a dead monitor leaves no orphan.
    if launch.detached.is_none() {
        process::die_with_parent()?;
    }
    // A terminal it takes later, when it has its own /dev/pts.
    process::take_stdio(&launch.stdio, false)?;

    // Ids first: without a map every later step is refused.
    let namespaces = linux.namespaces().iter().flatten();
    let is_new = |kind| {
        let mut all = linux.namespaces().iter().flatten();
        all.any(|one| one.typ() == kind && one.path().is_none())
    };
    // One that is joined: podman's pods and `--userns` have it.
    for one in namespaces.clone() {
        if one.typ() == LinuxNamespaceType::User && one.path().is_some() {
            join(one)?;
            process::become_root()?;
        }
    }
    if is_new(LinuxNamespaceType::User) {
        channel::tell(socket, channel::MAP);
        if channel::heard(socket) != Some(channel::GO) {
            bail!("the runtime has ended");
        }
        process::become_root()?;
    }

    // Into the cgroup before anything that costs, so that it is counted there; and
    // before the cgroup namespace, whose root is where its maker is.
    if let Some(cgroup) = cgroup {
        cgroup.enter()?;
    }
    if is_new(LinuxNamespaceType::Cgroup) {
        unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    }
    // Those of another container. The PID namespace is the parent's doing, the user
    // namespace was the first.
    for one in namespaces {
        let joined = !matches!(
            one.typ(),
            LinuxNamespaceType::User | LinuxNamespaceType::Pid
        );
        if joined && one.path().is_some() {
            join(one)?;
        }
    }
    // Only in a UTS namespace of its own: else the machine would be renamed.
    if is_new(LinuxNamespaceType::Uts) {
        set_names(launch)?;
    }
    // From here it is three calls; from outside a thread would have to go in.
    if is_new(LinuxNamespaceType::Network) {
        loopback()?;
    }
    // While /proc is the caller's: the container's own could lead elsewhere
    // (CVE-2025-52881).
    set_sysctls(linux)?;
    adjust_oom_score(process)?;

    join_keyring(launch.id)?;
    if let Some(hooks) = launch.spec.hooks() {
        // Those that run outside; the caller knows the PID that they are to see.
        channel::tell(socket, channel::HOOKS);
        if channel::heard(socket) != Some(channel::GO) {
            bail!("a hook has failed");
        }
        let state = hooks::state(launch.spec, launch.id, launch.bundle, "creating", 0);
        hooks::run(hooks.create_container(), &state)?;
    }
    // Who shares the PID namespace must not look into this process (/proc/PID/exe,
    // /proc/PID/root). An ordinary user's engine has to, until the network is wired.
    if !launch.rootless {
        nix::sys::prctl::set_dumpable(false).context("prctl(PR_SET_DUMPABLE)")?;
    }
    rootfs::enter(launch, linux, cgroup, console.as_ref())?;
    process::Ready::new(process, linux, launch)
}

/// Nobody else brings it up in a new network namespace.
fn loopback() -> anyhow::Result<()> {
    let explain = Explain::new(false);
    // The first interface of each namespace has the number 1.
    Ok(set_up_device(
        &mut Netlink::open(explain)?,
        explain,
        1,
        true,
    )?)
}

/// A session keyring of the container's own: it would inherit the caller's, and with
/// it keys (of file systems, of Kerberos) that root in it may read.
fn join_keyring(id: &str) -> anyhow::Result<()> {
    let name = std::ffi::CString::new(format!("_ses.{id}"))?;
    // By number: the C library has no function for it.
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: the name is a C string that lives over the call.
    let done =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    match nix::errno::Errno::result(done) {
        // A kernel without keys has none to give away.
        Ok(_) | Err(nix::errno::Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(errno)
            .context("keyctl(KEYCTL_JOIN_SESSION_KEYRING): see /proc/sys/kernel/keys/maxkeys"),
    }
}

/// `/proc/PID/ns/net`, or where one is kept.
fn join(namespace: &oci_spec::runtime::LinuxNamespace) -> anyhow::Result<()> {
    let Some(path) = namespace.path() else {
        return Ok(());
    };
    let kind = match namespace.typ() {
        LinuxNamespaceType::Mount => Kind::Mnt,
        LinuxNamespaceType::Cgroup => Kind::Cgroup,
        LinuxNamespaceType::Uts => Kind::Uts,
        LinuxNamespaceType::Ipc => Kind::Ipc,
        LinuxNamespaceType::User => Kind::User,
        LinuxNamespaceType::Pid => Kind::Pid,
        LinuxNamespaceType::Network => Kind::Net,
        LinuxNamespaceType::Time => Kind::Time,
    };
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .with_context(|| format!("open({}): no such namespace any more", path.display()))?;
    setns(file.as_fd(), kind.flag())
        .with_context(|| format!("setns({}, {})", path.display(), kind.flag_name()))
}

/// `hostname` and `domainname`: the second is NIS's, and `hostname -d` is another.
fn set_names(launch: &Launch) -> anyhow::Result<()> {
    if let Some(name) = launch.spec.hostname() {
        nix::unistd::sethostname(name).with_context(|| format!("sethostname({name:?})"))?;
    }
    if let Some(name) = launch.spec.domainname() {
        // SAFETY: a pointer and the length of what it points to; the kernel copies it.
        let done = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
        nix::errno::Errno::result(done).with_context(|| format!("setdomainname({name:?})"))?;
    }
    Ok(())
}

/// Those that belong to a namespace (net.*, kernel.shm*, fs.mqueue.*): the kernel
/// looks at the writer's namespaces, so the container's own are changed. Any other one
/// would be the machine's, and is for its root to say.
fn set_sysctls(linux: &Linux) -> anyhow::Result<()> {
    for (name, value) in linux.sysctl().iter().flatten() {
        // A name, and no way out of /proc/sys.
        if name.split(['.', '/']).any(str::is_empty) {
            bail!("invalid sysctl {name:?}");
        }
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        write_file(Explain::new(false), &path, value)
            .with_context(|| format!("sysctl {name}={value}"))?;
    }
    Ok(())
}

/// Who is to be ended first when memory runs out: 1000 first, -1000 never.
fn adjust_oom_score(process: &Process) -> anyhow::Result<()> {
    if let Some(score) = process.oom_score_adj() {
        write_file(
            Explain::new(false),
            "/proc/self/oom_score_adj",
            &score.to_string(),
        )?;
    }
    Ok(())
}
