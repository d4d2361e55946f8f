//! Break out of a chroot, as root.

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
    // TODO: move the root to a directory below, so that the working directory is
    // outside of it.

    // TODO: walk up. More steps than needed do no harm: `..` of the topmost
    // directory is that directory.

    // TODO: make where you stand the root.
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    lock_in()?;
    break_out()?;

    Err(Command::new(program).args(rest).exec().into())
}
