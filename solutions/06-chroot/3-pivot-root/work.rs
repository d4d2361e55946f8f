//! Enter a root that cannot be left.
//!
//! chroot moves one pointer of one process. pivot_root exchanges the root *mount*
//! of the mount namespace, and what is then unmounted is not there for anyone.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot, pivot_root};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

/// The escape from chroot. Leave it as it is.
fn attack() -> Result<(), Box<dyn Error>> {
    fs::create_dir("/hole")?;
    chroot("/hole")?;
    for _ in 0..16 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}

/// A root with nothing above it.
fn enter_root() -> Result<(), Box<dyn Error>> {
    // The root of a mount namespace belongs to all who are in it: without one of its
    // own the machine would lose its root.
    unshare(CloneFlags::CLONE_NEWNS)?;

    // pivot_root refuses shared mounts (EINVAL): it would move the root of the
    // peers as well.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    // Only a mount can become the root mount. A bind of a directory on itself is one.
    let rootfs = "/srv/rootfs";
    mount(Some(rootfs), rootfs, NONE, MsFlags::MS_BIND, NONE)?;

    // The new root, and on top of it, at the same point, the old one: so no directory
    // for it is needed in there. The working directory decides what "." is, and
    // lies in the new root; resolving "." does not cross to what is stacked on it...
    chdir(rootfs)?;
    pivot_root(".", ".")?;

    // ...but umount2 takes the topmost mount of that point. MNT_DETACH, because
    // programs still run from the old root, this one first of all: EBUSY without.
    umount2(".", MntFlags::MNT_DETACH)?;

    // The working directory came along; be explicit that it is in the new root.
    chdir("/")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    enter_root()?;
    attack()?;

    Err(Command::new(program).args(rest).exec().into())
}
