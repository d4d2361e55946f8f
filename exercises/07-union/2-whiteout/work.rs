//! Delete a file of the image, in the container alone.

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

    // TODO: mount the overlay on /srv/root, and delete the file *there*. This
    // deletes it for every container on the image.
    fs::remove_file("/srv/image/etc/secret")?;

    Err(Command::new(program).args(rest).exec().into())
}
