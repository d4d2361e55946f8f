//! Run a command in eight new namespaces.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, sethostname};

/// What nix takes where mount(2) takes a null pointer.
const NONE: Option<&str> = None;

const EIGHT: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWTIME;

/// Brings up the interface lo of the caller's network namespace. netdevice(7).
fn loopback_up() -> io::Result<()> {
    // SAFETY: a zeroed ifreq is valid; the kernel reads the name and the flags
    // from it, and the socket is closed before it goes.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        let result = libc::ioctl(socket, libc::SIOCSIFFLAGS, &request);
        let error = io::Error::last_os_error();
        libc::close(socket);
        if result == -1 { Err(error) } else { Ok(()) }
    }
}

/// What is left to do for the process that is number 1 in its namespace.
fn become_payload(program: &str, rest: &[String]) -> Result<(), Box<dyn Error>> {
    // TODO: private mounts, then a new /proc.

    Err(Command::new(program).args(rest).exec().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: libc::unshare(EIGHT), and with Errno::result its error.

    // Given, as before: the kernel wants it before gid_map is written.
    fs::write("/proc/self/setgroups", "deny")?;
    // TODO: the maps (0 is to be 0), the offset, the name, the loopback.

    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => become_payload(program, rest),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
