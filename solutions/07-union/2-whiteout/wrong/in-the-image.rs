// caught by: inside.machine.files./srv/upper/etc
// Mounts the overlay, and deletes the file in the image all the same.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;
    let options = "lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr";
    mount(
        Some("overlay"),
        "/srv/root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )?;
    fs::remove_file("/srv/image/etc/secret")?;

    Err(Command::new(program).args(rest).exec().into())
}
