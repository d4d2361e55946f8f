// caught by: inside.process.namespaces.net
//! Make a network namespace with a name, as `ip netns add blue` does.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

const DIRECTORY: &str = "/run/netns";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    fs::create_dir(DIRECTORY)?;
    // A mount point of its own, so that its propagation can be one of its own:
    // whoever copied the mounts before gets to know names that come later, and
    // lets go of those that are deleted.
    mount(Some(DIRECTORY), DIRECTORY, NONE, MsFlags::MS_BIND, NONE)?;

    // A mount needs a file to cover.
    File::create("/run/netns/blue")?;
    // Before the way back is needed, as it has no name in /proc afterwards.
    let home = File::open("/proc/self/ns/net")?;

    // There is no call that makes a namespace and hands out its file: the
    // caller has to go there itself, and is then its first inhabitant.
    unshare(CloneFlags::CLONE_NEWNET)?;
    // The mount is a reference of its own; /proc/self/ns/net is ours only as
    // long as we are here.
    let ours = Some("/proc/self/ns/net");
    mount(ours, "/run/netns/blue", NONE, MsFlags::MS_BIND, NONE)?;
    let _ = home; // never used: the payload starts in the new namespace

    Err(Command::new(program).args(rest).exec().into())
}
