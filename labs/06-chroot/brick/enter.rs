//! Into the new root: by chroot(2), or by pivot_root(2).
//!
//! chroot moves a pointer of one process, and the old root is still above. After
//! pivot_root and umount2 it is not a mount of this namespace any more: not hidden,
//! gone. Either way what is open stays open, so that is closed.
//!
//! Read: chroot(2), pivot_root(2) (NOTES), umount2(2), close_range(2)

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, pivot_root};

use crate::explain::{CallError, Explain};

const NONE: Option<&str> = None;

/// Makes the directory a mount: pivot_root takes nothing else, and flags and
/// mounts of ours are then not the host's. To be called in a mount namespace of
/// one's own, with private mounts.
pub fn bind_root(explain: Explain, root: &Path) -> Result<(), CallError> {
    // MS_REC: without root the kernel refuses a bind that would uncover what lies
    // below a mount (EINVAL, "locked" in mount_namespaces(7)).
    explain.call(
        format!("mount({root:?}, {root:?}, NULL, MS_BIND|MS_REC, NULL)"),
        mount(
            Some(root),
            root,
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        ),
    )
}

/// The naive way, good for building and repairing systems, and no protection.
pub fn chroot_into(explain: Explain, root: &Path) -> Result<(), CallError> {
    // Needs CAP_SYS_CHROOT. Afterwards no user namespace can be made (EPERM): it
    // would give the capability back to whoever was locked in without.
    explain.call(format!("chroot({root:?})"), chroot(root))?;
    // chroot leaves the working directory where it was, outside.
    explain.call("chdir(\"/\")", chdir("/"))
}

/// Makes the mount `root` the root of this mount namespace, and leaves nothing of
/// the old one in it.
pub fn pivot_into(explain: Explain, root: &Path) -> Result<(), CallError> {
    explain.call(format!("chdir({root:?})"), chdir(root))?;
    // "." twice: the old root is put on the mount point of the new one, on top of
    // it, and needs no directory in there.
    explain.call("pivot_root(\".\", \".\")", pivot_root(".", "."))?;
    // The topmost mount of that point is the old root. Lazily: this very program
    // still runs from it.
    explain.call(
        "umount2(\".\", MNT_DETACH)",
        umount2(".", MntFlags::MNT_DETACH),
    )?;
    explain.call("chdir(\"/\")", chdir("/"))
}

/// Lets no descriptor but the standard three pass the exec: a directory that is
/// open leads out of any root (`fchdir`), and a leaked one has been the hole of more
/// than one runtime.
pub fn close_descriptors(explain: Explain) -> Result<(), CallError> {
    // At exec and not now: this process needs what it has open until then.
    // SAFETY: close_range takes numbers; no descriptor is closed under anyone here.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    explain.call(
        "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC)",
        Errno::result(done).map(drop),
    )
}
