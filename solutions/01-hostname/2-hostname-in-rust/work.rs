//! Run a command in a new UTS namespace, under the name tp-rust.
//!
//! The order matters: sethostname(2) writes to the caller's own namespace, so
//! the caller has to be in the new one first.

use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // Needs CAP_SYS_ADMIN. The new namespace starts as a copy of the old one.
    unshare(CloneFlags::CLONE_NEWUTS)?;

    // Needs CAP_SYS_ADMIN in the user namespace that owns this UTS namespace.
    sethostname("tp-rust")?;

    // exec replaces this program by the payload. It returns only on failure.
    Err(Command::new(program).args(rest).exec().into())
}
