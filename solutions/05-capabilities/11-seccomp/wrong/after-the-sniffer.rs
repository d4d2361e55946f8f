// caught by: inside.machine.listening
// A filter is asked for calls to come; this socket is open.
use std::env;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

const NET_RAW: u32 = 13;

// Where things are in struct seccomp_data: the call's number, the machine whose
// table it is of, and the arguments, of 8 bytes each, the lower half first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

// AUDIT_ARCH_... of <linux/audit.h>: the machine's number in ELF files, with a
// bit each for 64-bit and for little-endian.
#[cfg(target_arch = "x86_64")]
const OWN: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN: u32 = 0xc000_00b7;

// The three instructions that a small filter needs: load a word, compare it
// (and skip `yes` or `no` steps), end with an answer.
const fn load(offset: u32) -> sock_filter {
    step(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}
const fn if_equal(value: u32, yes: u8, no: u8) -> sock_filter {
    step(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
}
const fn answer(value: u32) -> sock_filter {
    step(BPF_RET | BPF_K, value, 0, 0)
}
const fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

// The errno is in the lower half of the answer. SECCOMP_RET_KILL_PROCESS would
// be the harder one: a program can go on after EPERM, and say what it missed.
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

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

/// The server: waits on a port, and an execve leaves the socket open.
fn serve() -> io::Result<()> {
    // EACCES where others say EPERM: bind(2) has its own word for a missing
    // capability.
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    // Rust opens every file so that an execve closes it. Off with that flag.
    // SAFETY: the descriptor is the listener's; F_SETFD takes a number.
    check(unsafe { libc::fcntl(listener.into_raw_fd(), libc::F_SETFD, 0) }.into())
}

/// Leaves NET_RAW to this process and to what it executes, and nothing else.
fn keep_net_raw() -> io::Result<()> {
    for capability in (0..64).filter(|number| *number != NET_RAW.into()) {
        // One by one, for there is no call for all. EINVAL: the kernel has no
        // more of them.
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            result => result?,
        }
    }
    let only = Half {
        effective: 1 << NET_RAW,
        permitted: 1 << NET_RAW,
        inheritable: 0,
    };
    capset(&[only, Half::default()])
}

/// Hands a filter to the kernel. EACCES: neither CAP_SYS_ADMIN nor no_new_privs.
/// EINVAL: a jump beyond the end, an unknown step, or no answer as the last one;
/// the kernel checks all that once, so that it can run the filter unchecked.
fn seccomp(filter: &mut [sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel copies the program during the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    keep_net_raw()?;
    sniff();
    // A filter on somebody else's privileged program could make it believe that
    // a call had worked; so it is this, or CAP_SYS_ADMIN.
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;

    // The numbers behind if_equal count the steps to skip.
    seccomp(&mut [
        load(ARCHITECTURE),
        if_equal(OWN, 0, 5),
        load(NUMBER),
        if_equal(libc::SYS_socket as u32, 0, 2),
        load(FIRST_ARGUMENT),
        if_equal(libc::AF_PACKET as u32, 1, 0),
        answer(ALLOW),
        answer(REFUSE),
    ])?;
    serve()?;

    Err(Command::new(program).args(rest).exec().into())
}
