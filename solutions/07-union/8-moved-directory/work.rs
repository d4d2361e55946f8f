//! Rename a directory of the image, in a container.
//!
//! To rename a merged directory without copying it, the upper layer would have
//! to say "this is /opt/old of the layers below". That note is an attribute,
//! overlay.redirect, and a lie in it would lead anywhere in the layers below:
//! with `userxattr`, where everybody could write it, overlayfs follows none.

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

    let options = "lowerdir=/srv/image,upperdir=/srv/upper,workdir=/srv/work,userxattr";
    mount(
        Some("overlay"),
        "/srv/root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )?;

    // Each file that moves is copied, whole, into the upper directory: this is
    // what a `RUN mv DIR OTHER` costs an image, the size of the directory again.
    fs::create_dir("/srv/root/opt/new")?;
    fs::copy("/srv/root/opt/old/app", "/srv/root/opt/new/app")?;

    // In the image it stays; the upper directory gets a whiteout.
    fs::remove_dir_all("/srv/root/opt/old")?;

    Err(Command::new(program).args(rest).exec().into())
}
