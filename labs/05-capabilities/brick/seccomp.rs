//! A seccomp filter: no capability, no user id, only the call and its numbers.
//!
//! The filter is a program in classic BPF that the kernel runs at the start of
//! every system call. It sees `struct seccomp_data`: the call's number, the
//! architecture, six arguments as numbers. What pointers lead to it cannot see,
//! because the caller could change that after the check.
//!
//! Read: seccomp(2), bpf(2), Documentation/userspace-api/seccomp_filter.rst

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};
use nix::errno::Errno;

use crate::explain::{CallError, Explain};

// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of the first argument: little-endian, as all that run this.
const FIRST_ARGUMENT: u32 = 16;

/// What <linux/audit.h> calls the machine: its ELF number, 64-bit, little-endian.
#[cfg(target_arch = "x86_64")]
const OWN: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN: u32 = 0xc000_00b7;

/// x86-64 has a second table of the same calls from this number on (x32).
const X32: u32 = 0x4000_0000;

const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
const IF_EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
const IF_AT_LEAST: u32 = BPF_JMP | BPF_JGE | BPF_K;
const RETURN: u32 = BPF_RET | BPF_K;

/// Makes `socket(AF_PACKET, …)` fail with EPERM, for this process and all that
/// descend from it, whatever capabilities they have or will get.
///
/// Needs no_new_privs or CAP_SYS_ADMIN (else EACCES): a setuid program that
/// runs under a stranger's filter could be made to believe that a call of its
/// own had worked.
pub fn refuse_packet_sockets(explain: Explain) -> Result<(), CallError> {
    let step = |code: u32, k: u32, jt: u8, jf: u8| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // `jt` and `jf` say how many steps to skip when it is so, and when not.
    let mut program = [
        // A call by another table has other numbers: 32-bit programs call
        // socket by 359. A filter that does not ask is passed by.
        step(LOAD, ARCHITECTURE, 0, 0),
        step(IF_EQUAL, OWN, 0, 6),
        step(LOAD, NUMBER, 0, 0),
        step(IF_AT_LEAST, X32, 4, 0),
        step(IF_EQUAL, libc::SYS_socket as u32, 0, 2),
        step(LOAD, FIRST_ARGUMENT, 0, 0),
        step(IF_EQUAL, libc::AF_PACKET as u32, 1, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
    ];
    // A length and a pointer, as for the socket filters that this language is from.
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program during the call; it lives until then.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const filter,
        )
    };
    explain.call(
        "seccomp(SECCOMP_SET_MODE_FILTER, 0, {socket(AF_PACKET): EPERM})",
        Errno::result(done).map(drop),
    )
}
