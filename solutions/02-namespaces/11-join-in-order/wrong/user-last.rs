// caught by: inside
// Without a capability in the owner of the UTS namespace setns fails (EPERM).
use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

fn drop_capabilities() -> io::Result<()> {
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

    for name in ["uts", "ipc", "net", "user"] {
        let file = File::open(format!("/run/neighbour/{name}"))?;
        setns(file, CloneFlags::empty())?;
    }

    Err(Command::new(program).args(rest).exec().into())
}
