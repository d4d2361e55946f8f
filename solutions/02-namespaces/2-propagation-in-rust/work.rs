//! Run a command with a tmpfs on /run/private that the machine does not get.
//!
//! A new mount namespace isolates nothing by itself when the mounts are
//! shared, and systemd shares `/`. So: copy the table, cut the ties, mount.

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

    // The flag has no letter for "mount": in 2002 it was the only namespace, and
    // NEWNS just said "new namespace". Needs CAP_SYS_ADMIN.
    unshare(CloneFlags::CLONE_NEWNS)?;

    // MS_REC because propagation is kept by each mount, not by the namespace:
    // MS_PRIVATE alone would change `/` and leave /run, /proc and the rest.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    // The source of a tmpfs is a free word: nothing stands behind it but memory.
    mount(
        Some("scratch"),
        "/run/private",
        Some("tmpfs"),
        MsFlags::empty(),
        NONE,
    )?;

    Err(Command::new(program).args(rest).exec().into())
}
