//! Write a layer that says what `docker diff` has said.

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

    // The mount is to be the payload's only; the layer is for everybody.
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    // A directory is merged with that of the image: only what differs is in it.
    // Added or changed makes no difference here: both are files of the layer.
    fs::create_dir("/srv/layer/etc")?;
    fs::write("/srv/layer/etc/motd", "changed")?;
    fs::write("/srv/layer/etc/new", "new")?;

    // A device file takes CAP_MKNOD, which root of a user namespace has in vain;
    // but 0:0 is no device, and everybody may make it (Linux 5.8). Of /var one
    // whiteout is enough: what is below a deleted directory is gone with it.
    mknod("/srv/layer/etc/secret", SFlag::S_IFCHR, Mode::empty(), 0)?;
    mknod("/srv/layer/var", SFlag::S_IFCHR, Mode::empty(), 0)?;

    // Without upperdir there is nowhere to write to: read-only. Two layers are
    // the least that such an overlay takes, and the first is the topmost.
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
