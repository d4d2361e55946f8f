// caught by: inside.process.root
// Walks up without moving the root away: above the root `..` leads nowhere.
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::{chdir, chroot};

fn lock_in() -> Result<(), Box<dyn Error>> {
    chroot("/srv/rootfs")?;
    chdir("/")?;
    Command::new("/bin/checkpoint").arg("jail").status()?;
    Ok(())
}

fn break_out() -> Result<(), Box<dyn Error>> {
    for _ in 0..16 {
        chdir("..")?;
    }
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
