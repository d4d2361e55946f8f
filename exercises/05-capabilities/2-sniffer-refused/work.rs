//! A sniffer that the kernel refuses, before and after an execve.

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NET_RAW: u32 = 13;

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

/// Opens a socket that gets a copy of every frame, and that an execve leaves
/// open (no SOCK_CLOEXEC). Says so, or why not. EPERM here is what tcpdump(8)
/// tells as "You don't have permission to perform this capture".
fn sniff() {
    // SAFETY: socket takes numbers only.
    let socket = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW,
            (libc::ETH_P_ALL as u16).to_be().into(),
        )
    };
    match check(socket.into()) {
        Ok(()) => eprintln!("the sniffer listens"),
        Err(error) => eprintln!("the sniffer: socket(AF_PACKET): {error}"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    // TODO: take NET_RAW away, from this process and from what it will execute.

    sniff();

    Err(Command::new(program).args(rest).exec().into())
}
