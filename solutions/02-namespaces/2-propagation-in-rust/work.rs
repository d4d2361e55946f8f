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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;
    fs::create_dir_all("/run/private")?;

    unshare(CloneFlags::CLONE_NEWNS)?;

    // MS_REC because propagation is kept by each mount, not by the namespace:
    // MS_PRIVATE alone would change `/` and leave /run, /proc and the rest.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )?;

    // The source of a tmpfs is a free word: nothing stands behind it but memory.
    mount(
        Some("scratch"),
        "/run/private",
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )?;

    Err(Command::new(program).args(rest).exec().into())
}
