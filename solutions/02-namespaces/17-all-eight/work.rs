//! Run a command in eight new namespaces.
//!
//! One call makes them all, the user namespace first. Five take effect on the
//! caller; PID and time wait for its child. What needs ids comes after the
//! maps, what needs to be process 1 comes after the fork.

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

// One bit each; CLONE_NEWTIME is the one that clone(2) does not take.
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
    // A mount namespace in a new user namespace gets slaves, not peers: nothing
    // would be sent to the machine, but what it mounts would arrive here.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    // The parent could not do this: it is not in the new PID namespace.
    // No program is run from there, and no device is opened.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, NONE)?;

    Err(Command::new(program).args(rest).exec().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // SAFETY: unshare takes a number. With CLONE_NEWUSER among the flags no
    // privilege is needed: the rest is made by root of the new user namespace.
    Errno::result(unsafe { libc::unshare(EIGHT) })?;

    // Given, as before: the kernel wants it before gid_map is written.
    fs::write("/proc/self/setgroups", "deny")?;
    // Without them execve would drop every capability: only a mapped 0 is root.
    fs::write("/proc/self/uid_map", "0 0 1")?;
    fs::write("/proc/self/gid_map", "0 0 1")?;

    // Before the fork: once a process is in the namespace its clocks are fixed.
    fs::write("/proc/self/timens_offsets", "boottime 3600 0")?;

    // Each writes to a namespace that took effect at once. The child could do
    // these two as well; the namespaces are ours already.
    sethostname("eight")?;
    loopback_up()?;

    // The child is process 1; when it ends, its namespaces end with it.
    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => become_payload(program, rest),
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}
