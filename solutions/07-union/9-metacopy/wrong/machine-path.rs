// caught by: inside.machine.files./srv/names/etc/motd
// A redirect as the machine's root would count it.
use std::env;
use std::error::Error;
use std::ffi::CStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
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
    let file = c"/srv/names/etc/motd";
    set_attribute(file, c"user.overlay.metacopy", b"")?;
    set_attribute(file, c"user.overlay.redirect", b"/srv/data/blobs/1")?;
    let options = "lowerdir=/srv/names::/srv/data,userxattr";
    mount(
        Some("overlay"),
        "/srv/root",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )?;

    Err(Command::new(program).args(rest).exec().into())
}

/// setxattr(2), which nix does not have.
fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> nix::Result<()> {
    let (data, length) = (value.as_ptr().cast(), value.len());
    // SAFETY: two C strings, and as many bytes as the length says.
    Errno::result(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), data, length, 0) })?;
    Ok(())
}
