//! Write a layer that says what `docker diff` has said.

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

    fs::create_dir("/srv/layer/etc")?;
    fs::write("/srv/layer/etc/motd", "changed")?;
    fs::write("/srv/layer/etc/new", "new")?;

    // TODO: two deletions. In a layer that is a file of a kind of its own.

    // TODO: mount both layers on /srv/root, read-only.

    Err(Command::new(program).args(rest).exec().into())
}
