//! Enter a root that cannot be left.

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

/// The naive way. attack() is out of it in no time.
fn enter_root() -> Result<(), Box<dyn Error>> {
    // TODO: a mount namespace of its own, with private mounts.

    // TODO: pivot_root wants a mount point, and /srv/rootfs is a directory like any
    // other: bind it on itself.

    // TODO: in place of chroot: chdir into it, pivot_root, umount2, chdir.
    chroot("/srv/rootfs")?;
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
