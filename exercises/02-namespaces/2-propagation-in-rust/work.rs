//! Run a command with a tmpfs on /run/private that the machine does not get.

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
    fs::create_dir_all("/run/private")?;

    unshare(CloneFlags::CLONE_NEWNS)?;

    // TODO: make every mount of this namespace private. mount(2) does that when
    // its flags are MS_PRIVATE, and MS_REC for "and all below": nothing is
    // mounted, so source, type and data are NONE, and "" will not do.

    // TODO: mount the tmpfs.

    Err(Command::new(program).args(rest).exec().into())
}
