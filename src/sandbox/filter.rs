//! The seccomp filter that turns one magic `prctl` into "look now", and the
//! runner's end of it. seccomp_unotify(2).
//!
//! The kernel itself stops the caller and names it to the runner. Nothing of
//! this is inherited as a descriptor and nothing of it can be forged inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::checkpoint::LOOK_NOW;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// Longest checkpoint name that is read from a caller's memory, in bytes.
const MAX_NAME: usize = 64;

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump_unless_equal(k: u32, otherwise: u8) -> libc::sock_filter {
    jump(libc::BPF_JEQ, k, 0, otherwise)
}

fn jump(test: u32, k: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | test | libc::BPF_K) as u16,
        jt: then,
        jf: otherwise,
        k,
    }
}

/// Puts a filter on the calling thread, for all that it will start, against
/// what no namespace holds: keyrings, which are the user's and outlive the
/// sandbox; vsock, which reaches the machine below a virtual one; and the
/// other system call tables (32 bit), where the same calls have other numbers.
pub fn close_ways_out() -> io::Result<()> {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let answer = libc::BPF_RET | libc::BPF_K;
    let refuse = |errno: i32| statement(answer, libc::SECCOMP_RET_ERRNO | errno as u32);
    // x32 shares the architecture and sets this bit; elsewhere no call has it.
    const X32: u32 = 0x4000_0000;
    let mut filter = [
        statement(load, 4),
        jump_unless_equal(AUDIT_ARCH, 10),
        statement(load, 0),
        jump(libc::BPF_JGE, X32, 8, 0),
        jump(libc::BPF_JEQ, libc::SYS_add_key as u32, 7, 0),
        jump(libc::BPF_JEQ, libc::SYS_request_key as u32, 6, 0),
        jump(libc::BPF_JEQ, libc::SYS_keyctl as u32, 5, 0),
        jump_unless_equal(libc::SYS_socket as u32, 3),
        statement(load, 16),
        jump_unless_equal(libc::AF_VSOCK as u32, 1),
        refuse(libc::EAFNOSUPPORT),
        statement(answer, libc::SECCOMP_RET_ALLOW),
        refuse(libc::ENOSYS),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program outlives the call, which copies it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Puts the filter on the calling thread and returns the listener. Needs
/// CAP_SYS_ADMIN in the caller's user namespace (no_new_privs would be the
/// other way, but that would itself change the state that is observed).
///
/// # Errors
/// `EINVAL` on kernels before 5.0; `EBUSY` below another listener.
pub fn install() -> io::Result<OwnedFd> {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let answer = libc::BPF_RET | libc::BPF_K;
    // Offsets into struct seccomp_data: nr 0, arch 4, args[0] 16.
    let mut filter = [
        statement(load, 4),
        jump_unless_equal(AUDIT_ARCH, 5),
        statement(load, 0),
        jump_unless_equal(libc::SYS_prctl as u32, 3),
        statement(load, 16),
        jump_unless_equal(LOOK_NOW, 1),
        statement(answer, libc::SECCOMP_RET_USER_NOTIF),
        statement(answer, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // From Linux 5.19 on a signal cannot interrupt a caller that is being looked at.
    const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
    for flags in [listener | WAIT_KILLABLE_RECV, listener] {
        // SAFETY: the program outlives the call, which copies it.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        if fd >= 0 {
            // SAFETY: a fresh descriptor that nobody else owns.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        }
        if Errno::last() != Errno::EINVAL {
            break;
        }
    }
    Err(io::Error::last_os_error())
}

/// A process that stands at a checkpoint, stopped by the kernel.
#[derive(Debug)]
pub struct Stop {
    cookie: u64,
    /// The caller, as the runner's PID namespace counts.
    pub pid: i32,
    /// The name it gave; empty for none.
    pub name: String,
    /// The securebits it reported of itself.
    pub securebits: u32,
}

/// Takes the next stopped process; `None` when it has died meanwhile.
pub fn receive(listener: &OwnedFd) -> io::Result<Option<Stop>> {
    // SAFETY: an all-zero seccomp_notif is what the kernel asks for.
    let mut notification: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the kernel fills the structure that is passed.
        let got = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut notification,
            )
        };
        match (got, Errno::last()) {
            (0, _) => break,
            (_, Errno::EINTR) => {}
            (_, Errno::ENOENT) => return Ok(None),
            _ => return Err(io::Error::last_os_error()),
        }
    }
    let pid = notification.pid as i32;
    let name = read_name(pid, notification.data.args[1]);
    // The PID was read before it could be reused only if the call still waits.
    if !still_waiting(listener, notification.id) {
        return Ok(None);
    }
    Ok(Some(Stop {
        cookie: notification.id,
        pid,
        name: name.unwrap_or_default(),
        securebits: notification.data.args[2] as u32,
    }))
}

/// Whether the process still stands at its checkpoint (it may be killed at
/// any time, and its PID be given to another).
pub fn still_stopped(listener: &OwnedFd, stop: &Stop) -> bool {
    still_waiting(listener, stop.cookie)
}

fn still_waiting(listener: &OwnedFd, cookie: u64) -> bool {
    // SAFETY: the kernel reads one u64.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            SECCOMP_IOCTL_NOTIF_ID_VALID,
            &raw const cookie,
        ) == 0
    }
}

/// Lets the process go on: its `prctl` returns 0.
pub fn resume(listener: &OwnedFd, stop: &Stop) {
    let mut response = libc::seccomp_notif_resp {
        id: stop.cookie,
        val: 0,
        error: 0,
        flags: 0,
    };
    // A caller that has died meanwhile (ENOENT) needs no answer.
    // SAFETY: the kernel reads the structure that is passed.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        );
    }
}

/// The NUL-terminated string at `address` of the process, `None` if there is none.
fn read_name(pid: i32, address: u64) -> Option<String> {
    if address == 0 {
        return None;
    }
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = Vec::new();
    // A page at a time, because the next one may not be mapped.
    const PAGE: u64 = 4096;
    while bytes.len() < MAX_NAME && !bytes.contains(&0) {
        let at = address.checked_add(bytes.len() as u64)?;
        let rest_of_page = (PAGE - at % PAGE) as usize;
        let mut piece = [0; MAX_NAME];
        let piece = &mut piece[..rest_of_page.min(MAX_NAME - bytes.len())];
        memory.read_exact_at(piece, at).ok()?;
        bytes.extend_from_slice(piece);
    }
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(crate::observe::visible(
        String::from_utf8_lossy(name).into_owned(),
    ))
}

// _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, …_resp), _IOW('!', 2, u64)
const SECCOMP_IOCTL_NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const SECCOMP_IOCTL_NOTIF_SEND: libc::c_ulong = 0xc018_2101;
const SECCOMP_IOCTL_NOTIF_ID_VALID: libc::c_ulong = 0x4008_2102;
