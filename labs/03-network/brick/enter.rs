//! Into a network namespace, and what a program in it expects around it.
//!
//! `setns` alone changes the network and nothing else. But `/sys/class/net`
//! shows the interfaces of the namespace in which that sysfs was *mounted*, and
//! `/etc/resolv.conf` names a server that the new network may not reach. Both
//! are files; so a mount namespace is what gives this process other ones.
//!
//! Read: "ip netns exec" in ip-netns(8), sysfs(5), setns(2)

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::explain::{CallError, Explain};
use crate::namespaces::{Propagation, set_propagation};

const NONE: Option<&str> = None;

/// Moves the caller into an open network namespace, and nothing else.
///
/// EPERM without CAP_SYS_ADMIN, both in the user namespace that owns it and in
/// the caller's own. Sockets that are open already stay where they were opened.
pub fn setns_net(explain: Explain, namespace: &OwnedFd) -> Result<(), CallError> {
    explain.call(
        format!("setns({}, CLONE_NEWNET)", namespace.as_raw_fd()),
        setns(namespace, CloneFlags::CLONE_NEWNET),
    )
}

/// Does something in another network namespace, while the caller stays where it is.
///
/// setns(2) moves a thread, not a process, and the way back may be barred: an
/// ordinary user's process may enter a network that its user namespace owns, but
/// not the machine's again. So a thread goes, and ends there. What it opens (a
/// netlink socket, a listening one) belongs to that namespace for good.
pub fn inside<T: Send>(
    explain: Explain,
    namespace: &OwnedFd,
    work: impl FnOnce() -> T + Send,
) -> Result<T, CallError> {
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| {
            setns_net(explain, namespace)?;
            Ok(work())
        });
        // It panics when `work` does, and that is the caller's panic.
        gone.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Moves the caller into an open network namespace called `name`, with a /sys
/// and an /etc that belong to it. Others see nothing of these mounts.
pub fn enter(explain: Explain, name: &str, namespace: &OwnedFd) -> Result<(), CallError> {
    // First the network: sysfs looks at who mounts it.
    setns_net(explain, namespace)?;
    // Then mounts of its own, without which the next steps would be the host's.
    explain.call("unshare(CLONE_NEWNS)", unshare(CloneFlags::CLONE_NEWNS))?;
    // Slave, not private: names that are deleted outside must go here too, or
    // this process would keep their namespaces alive.
    set_propagation(explain, Propagation::Slave)?;
    mount_sys(explain, name)?;
    bind_etc(explain, name)
}

/// Mounts the sysfs of the network namespace that the caller is in on /sys.
pub fn mount_sys(explain: Explain, source: &str) -> Result<(), CallError> {
    let mut flags = MsFlags::empty();
    let detached = explain.call(
        "umount2(\"/sys\", MNT_DETACH)",
        umount2("/sys", MntFlags::MNT_DETACH),
    );
    // Without root it is locked: a copy that a user namespace got may not be
    // taken off, as it could hide something. Another goes on top then; and if
    // the old one is read-only, the kernel gives no new one that is not.
    if detached.is_err()
        && statvfs("/sys").is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
    {
        flags = MsFlags::MS_RDONLY;
    }
    // The source of a sysfs is only a word, and shows in /proc/self/mountinfo. With
    // the name of the namespace there, one can tell these mounts apart.
    let told = if flags.is_empty() { "0" } else { "MS_RDONLY" };
    explain.call(
        format!("mount({source:?}, \"/sys\", \"sysfs\", {told}, NULL)"),
        mount(Some(source), "/sys", Some("sysfs"), flags, NONE),
    )
}

/// Each file of /etc/netns/NAME, such as a resolv.conf, covers that of /etc.
fn bind_etc(explain: Explain, name: &str) -> Result<(), CallError> {
    let folder = Path::new("/etc/netns").join(name);
    // Most namespaces have no such folder, and that is no error.
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    for file in files {
        let over = Path::new("/etc").join(file.file_name().unwrap_or_default());
        let bound = explain.call(
            format!("mount({file:?}, {over:?}, NULL, MS_BIND, NULL)"),
            mount(Some(&file), &over, NONE, MsFlags::MS_BIND, NONE),
        );
        // A mount needs something to be mounted on, and /etc is not ours to add
        // to. ip-netns(8) goes on likewise, so that the command runs.
        match bound {
            Err(error) if error.errno == Errno::ENOENT => eprintln!("warning: {error}"),
            other => other?,
        }
    }
    Ok(())
}
