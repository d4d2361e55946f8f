//! Give a file a name in one layer, and its bytes in another.

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

    // The mount is to be the payload's only; the layers are for everybody.
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    let file = c"/srv/names/etc/motd";
    // The value is empty (or a digest to check the bytes against): it is the mark
    // itself that says "look below for the bytes".
    set_attribute(file, c"user.overlay.metacopy", b"")?;
    // From the root of the layer below, not of the machine. Without it the bytes
    // would be looked for under the same name.
    set_attribute(file, c"user.overlay.redirect", b"/blobs/1")?;

    // The double colon begins the data-only layers: their names show nowhere, and
    // only a redirect leads into them. That is why overlayfs follows this one even
    // with userxattr (Linux 6.16), which it does between ordinary layers never.
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
