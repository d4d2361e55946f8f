//! Delete a file of the image, in the container alone.
//!
//! An upper directory cannot *not have* a file that a lower one has: the names
//! of both are shown. So a deletion is something that is there, a whiteout.

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

    // All options are one string, and the kernel looks at one page of it. The
    // work directory must be on the file system of the upper one, as a file is
    // made there and then moved over: rename(2) is what makes it all or nothing.
    let options = "lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr";
    mount(
        Some("overlay"),
        "/srv/root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )?;

    // unlink(2) on the merged directory. overlayfs sees that a lower layer has
    // the name, and leaves a character device 0:0 under it in the upper one.
    fs::remove_file("/srv/root/etc/secret")?;

    Err(Command::new(program).args(rest).exec().into())
}
