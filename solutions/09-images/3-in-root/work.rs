//! Unpack one file of a layer: `etc/conf`.
//!
//! Names and links in a layer are a stranger's. The kernel follows them, so the kernel
//! has to be told where `/` is.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::Mode;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // Held open, it stays this directory, whatever becomes of its name.
    let root = open("/srv/root", OFlag::O_PATH, Mode::empty())?;
    // One call looks up and opens, links and all, with `/` and `..` in the root: there is
    // no moment between a check and a use.
    let inside = OpenHow::new()
        .flags(OFlag::O_PATH)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let folder = openat2(&root, "etc", inside)?;
    // In the directory that is open, and not at its path. O_EXCL: what is there, be it a
    // link, is not written to.
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let file = openat(&folder, "conf", flags, Mode::from_bits_truncate(0o644))?;
    File::from(file).write_all(b"container\n")?;

    Err(Command::new(program).args(rest).exec().into())
}
