//! Run a command in a new UTS namespace whose domain name is lab.example.

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// setdomainname(2), as a Rust function: 0 is success, -1 is an error in errno.
fn setdomainname(name: &str) -> io::Result<()> {
    // TODO: call libc::setdomainname in an `unsafe` block, with the address of
    // the first byte (`name.as_ptr().cast()`) and the number of bytes.
    // When it returns -1, return io::Error::last_os_error().
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: a new UTS namespace, then the domain name.

    // exec replaces this program by the payload. It returns only on failure.
    Err(Command::new(program).args(rest).exec().into())
}
