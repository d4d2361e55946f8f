//! Make a network namespace with a name, as `ip netns add blue` does.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

const DIRECTORY: &str = "/run/netns";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    fs::create_dir(DIRECTORY)?;
    // TODO: make the folder a mount point, by a bind mount on itself.

    // A mount needs a file to cover.
    File::create("/run/netns/blue")?;
    let home = File::open("/proc/self/ns/net")?;

    // TODO: go into a new network namespace, mount its file on the name, and
    // come back to where `home` is.

    Err(Command::new(program).args(rest).exec().into())
}
