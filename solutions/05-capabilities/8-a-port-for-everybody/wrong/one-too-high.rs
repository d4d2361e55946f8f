// caught by: inside
// 81 is the first free port, and 80 is not: bind fails.
use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

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

/// Gives up every capability, and with the bounding set the way back to them.
fn give_up_everything() -> io::Result<()> {
    for capability in 0..64 {
        // One by one, for there is no call for all. EINVAL: the kernel has no
        // more of them.
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            result => result?,
        }
    }
    capset(&[Half::default(); 2])
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "81")?;
    give_up_everything()?;
    serve()?;

    Err(Command::new(program).args(rest).exec().into())
}
