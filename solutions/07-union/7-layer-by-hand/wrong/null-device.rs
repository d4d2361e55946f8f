// caught by: inside.machine.files./srv/layer/etc/secret
// An empty file is not a whiteout: it shows, empty.
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};

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
    fs::write("/srv/layer/etc/secret", "")?;
    mknod("/srv/layer/var", SFlag::S_IFCHR, Mode::empty(), 0)?;
    let options = "lowerdir=/srv/layer:/srv/image,userxattr";
    mount(
        Some("overlay"),
        "/srv/root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )?;

    Err(Command::new(program).args(rest).exec().into())
}
