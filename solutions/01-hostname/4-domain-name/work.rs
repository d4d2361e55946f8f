//! Run a command in a new UTS namespace whose domain name is lab.example.
//!
//! The name is of NIS (once called Yellow Pages) and has nothing to do with
//! DNS: resolvers read /etc/resolv.conf, not this field.

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// setdomainname(2), as a Rust function: 0 is success, -1 is an error in errno.
fn setdomainname(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and the length are of one live string, which the
    // kernel only reads.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // One flag for both names: they are two fields of one kernel structure.
    unshare(CloneFlags::CLONE_NEWUTS)?;

    // The hostname stays as it was copied.
    setdomainname("lab.example")?;

    // exec replaces this program by the payload. It returns only on failure.
    Err(Command::new(program).args(rest).exec().into())
}
