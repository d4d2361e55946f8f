// caught by: inside
// Gives up all but one, and CAP_SETPCAP with it, before it sets the securebit.
use std::env;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NET_BIND_SERVICE: u32 = 10;
const SECBIT_NOROOT: libc::c_ulong = 1;

/// What the kernel answered, as a Result. These calls say -1 when they fail, and
/// leave the reason in errno, which is the thread's own.
fn check(answer: i64) -> io::Result<()> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The sets of this thread as capget(2) gives them: two halves, of which the
/// first has the capabilities 0 to 31: the other came with the 33rd. repr(C),
/// because the kernel reads and writes it: struct __user_cap_data_struct.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// struct __user_cap_header_struct: version 3 says that two halves follow.
/// Process 0 is the caller; another one could be read, and not be changed.
const HEADER: [u32; 2] = [0x2008_0522, 0];

/// Copies the sets out of the kernel. To change the copy changes nothing there.
fn capget() -> io::Result<[Half; 2]> {
    // Not constant: for a version that it does not know the kernel writes back
    // the one that it prefers.
    let (mut header, mut sets) = (HEADER, [Half::default(); 2]);
    // SAFETY: version 3 makes the kernel fill two halves.
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) })?;
    Ok(sets)
}

/// Makes them this thread's, or changes nothing and fails: EPERM when permitted
/// would grow, or when effective is more than permitted.
fn capset(sets: &[Half; 2]) -> io::Result<()> {
    let mut header = HEADER;
    // SAFETY: the kernel reads two halves.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr()) })
}

/// One call with many options: each has a man page, PR_...(2const).
fn prctl(option: i32, second: libc::c_ulong, third: libc::c_ulong) -> io::Result<()> {
    // Arguments that an option does not use have to be 0 for some of them, so
    // that they may mean something one day.
    let none: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers only.
    check(unsafe { libc::prctl(option, second, third, none, none) }.into())
}

/// The server: waits on port 80, and an execve leaves the socket open.
fn serve() -> io::Result<()> {
    // EACCES where others say EPERM: bind(2) has its own word for a missing
    // capability.
    let listener = TcpListener::bind("0.0.0.0:80")?;
    // Rust opens every file so that an execve closes it. Off with that flag.
    // SAFETY: the descriptor is the listener's; F_SETFD takes a number.
    check(unsafe { libc::fcntl(listener.into_raw_fd(), libc::F_SETFD, 0) }.into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // Second life: the server, with what the first has left it.
    if program == "serve" {
        serve()?;
        let (program, rest) = rest.split_first().ok_or("usage: work serve COMMAND...")?;
        return Err(Command::new(program).args(rest).exec().into());
    }

    let only = Half { effective: 1 << NET_BIND_SERVICE, permitted: 1 << NET_BIND_SERVICE, inheritable: 1 << NET_BIND_SERVICE };
    capset(&[only, Half::default()])?;
    prctl(libc::PR_SET_SECUREBITS, SECBIT_NOROOT, 0)?;
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong, NET_BIND_SERVICE.into())?;

    let server = Command::new("/proc/self/exe")
        .arg("serve")
        .args(&arguments)
        .exec();
    Err(server.into())
}
