//! Run a command in the namespaces that a neighbour has left.
//!
//! To join a namespace takes CAP_SYS_ADMIN in the user namespace that owns it.
//! The owner of a user namespace may join that one with nothing in hand, and
//! has every capability there afterwards. So the user namespace comes first.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

/// capset(2) with empty sets: what an ordinary user's process holds.
fn drop_capabilities() -> io::Result<()> {
    // Version 3 of the structures, and process 0: the caller.
    let header: [u32; 2] = [0x2008_0522, 0];
    let nothing = [0_u32; 6];
    // SAFETY: the kernel reads two live structures of the size of version 3.
    match unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), nothing.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;
    drop_capabilities()?;

    // An open file of nsfs *is* the namespace, wherever it is found: a bind
    // mount serves as well as /proc/PID/ns.
    let open = |name: &str| File::open(format!("/run/neighbour/{name}"));

    // The flag is a check, not a choice: the kernel compares it with the type
    // of the file that it is given.
    setns(open("user")?, CloneFlags::CLONE_NEWUSER)?;

    // Owned by the namespace just joined: what was EPERM before is allowed now.
    setns(open("uts")?, CloneFlags::CLONE_NEWUTS)?;
    setns(open("ipc")?, CloneFlags::CLONE_NEWIPC)?;
    setns(open("net")?, CloneFlags::CLONE_NEWNET)?;

    // Nothing was set or brought up: the payload finds the neighbour's state.
    Err(Command::new(program).args(rest).exec().into())
}
