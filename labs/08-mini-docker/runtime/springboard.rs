//! The last image before the container's own program.
//!
//! `/proc/PID/exe` of the process that calls execve is, until that call is done,
//! the runtime's own binary. A container whose "program" is `/proc/self/exe`, or a
//! script that begins with `#!/proc/self/exe`, runs that binary inside, opens it
//! there and, when nobody executes it any more, writes to it: the next container
//! is started by the attacker's code, as the host's root (CVE-2019-5736).
//!
//! So the runtime does not execute the program. It executes a file in memory that
//! holds a hundred bytes of machine code, and *that* executes the program: what
//! `/proc/self/exe` leads to by then is worth nothing. All that was given up before
//! (ids, capabilities, seccomp filter, namespaces) stays given up over an exec. A
//! sealed copy of the whole binary (runc) or an exec of it from a read-only mount
//! would do the same, for a hundred times the pages.
//!
//! Read: memfd_create(2), execveat(2), proc_pid_exe(5), elf(5)

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

// Three system calls and their numbers. The stack at the entry of a program:
// argc, argv[0], argv[1], …, NULL, environment. argv[0] is the path to execute,
// what follows is the program's own argv.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .rodata",
    "springboard_begin:",
    // fcntl(gate, F_SETFD, FD_CLOEXEC): it had to survive the exec of this file,
    // and closed by the next one it tells that the program runs.
    "mov edi, dword ptr [rip + springboard_gate]",
    "mov esi, 2",
    "mov edx, 1",
    "mov eax, 72",
    "syscall",
    // execve(argv[0], argv + 1, environment)
    "mov rdi, [rsp + 8]",
    "lea rsi, [rsp + 16]",
    "mov rcx, [rsp]",
    "lea rdx, [rsp + rcx * 8 + 16]",
    "mov eax, 59",
    "syscall",
    // It is back, so it has failed: write(gate, &result, 8)
    "push rax",
    "mov edi, dword ptr [rip + springboard_gate]",
    "mov rsi, rsp",
    "mov edx, 8",
    "mov eax, 1",
    "syscall",
    // exit_group(255)
    "mov edi, 255",
    "mov eax, 231",
    "syscall",
    ".balign 4",
    "springboard_gate:",
    ".long 0",
    "springboard_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .rodata",
    ".balign 4",
    "springboard_begin:",
    "ldr w19, springboard_gate",
    // fcntl(gate, F_SETFD, FD_CLOEXEC)
    "mov w0, w19",
    "mov x1, #2",
    "mov x2, #1",
    "mov x8, #25",
    "svc #0",
    // execve(argv[0], argv + 1, environment)
    "ldr x0, [sp, #8]",
    "add x1, sp, #16",
    "ldr x3, [sp]",
    "add x2, x1, x3, lsl #3",
    "mov x8, #221",
    "svc #0",
    // write(gate, &result, 8)
    "str x0, [sp, #-16]!",
    "mov w0, w19",
    "mov x1, sp",
    "mov x2, #8",
    "mov x8, #64",
    "svc #0",
    // exit_group(255)
    "mov x0, #255",
    "mov x8, #94",
    "svc #0",
    "springboard_gate:",
    ".long 0",
    "springboard_end:",
    ".popsection",
);

unsafe extern "C" {
    static springboard_begin: u8;
    static springboard_end: u8;
}

/// Where the image is mapped: any address above the lowest pages.
const ADDRESS: u64 = 0x40_0000;
/// An ELF header and one program header.
const HEADERS: u64 = 64 + 56;

/// The machine's number in an ELF header.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// The file in memory, ready to be executed.
#[derive(Debug)]
pub struct Springboard(OwnedFd);

impl Springboard {
    /// `gate` is the descriptor that tells the outcome.
    ///
    /// # Errors
    /// No memory; a machine that allows no executable files in memory
    /// (`sysctl vm.memfd_noexec`).
    pub fn new(gate: &OwnedFd) -> anyhow::Result<Self> {
        let name = c"springboard";
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        // Since Linux 6.3 it wants to be told that it is for execution, before that
        // it does not know the flag.
        let executable = flags | MFdFlags::from_bits_retain(0x10);
        let fd = match memfd_create(name, executable) {
            Err(Errno::EINVAL) => memfd_create(name, flags),
            made => made,
        };
        let mut file = std::fs::File::from(fd.context(
            "memfd_create(MFD_EXEC): the container's program is started from a file in memory; \
             see `sysctl vm.memfd_noexec`",
        )?);
        file.write_all(&image(gate.as_raw_fd()))
            .context("write(memfd)")?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals | SealFlag::F_SEAL_SEAL))
            .context("fcntl(F_ADD_SEALS)")?;
        // The one descriptor that passes this exec.
        fcntl(gate, FcntlArg::F_SETFD(FdFlag::empty())).context("fcntl(F_SETFD)")?;
        Ok(Self(file.into()))
    }

    /// Executes it, and by it `program`. Comes back only with the errno that kept it.
    pub fn leap(&self, program: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
        let pointers = |strings: &mut dyn Iterator<Item = &CStr>| {
            let mut pointers: Vec<_> = strings.map(CStr::as_ptr).collect();
            pointers.push(std::ptr::null());
            pointers
        };
        let arguments = arguments.iter().map(CString::as_c_str);
        let argv = pointers(&mut std::iter::once(program).chain(arguments));
        let envp = pointers(&mut environment.iter().map(CString::as_c_str));
        // SAFETY: two arrays of C strings that end with NULL and live over the call;
        // the empty path with AT_EMPTY_PATH is the descriptor itself.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                argv.as_ptr(),
                envp.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        Errno::last()
    }
}

/// The code, with `gate` as its last four bytes.
fn image(gate: i32) -> Vec<u8> {
    // SAFETY: the two symbols are the ends of one piece of read-only data.
    let code = unsafe {
        let begin = &raw const springboard_begin;
        let length = (&raw const springboard_end).offset_from(begin);
        std::slice::from_raw_parts(begin, length as usize)
    };
    let mut image = program(code);
    let end = image.len() - 4;
    image[end..].copy_from_slice(&gate.to_le_bytes());
    image
}

/// A whole ELF program: the headers, and code that begins where it is entered.
pub(super) fn program(code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u64;
    let mut image = Vec::with_capacity(size as usize);
    // Magic, 64 bits, little-endian, version 1; the rest of the 16 bytes is 0.
    image.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |image: &mut Vec<u8>, number: u16| image.extend(number.to_le_bytes());
    half(&mut image, 2); // ET_EXEC
    half(&mut image, MACHINE);
    image.extend(1_u32.to_le_bytes());
    image.extend((ADDRESS + HEADERS).to_le_bytes()); // entry
    image.extend(64_u64.to_le_bytes()); // the program header follows
    image.extend(0_u64.to_le_bytes()); // no section headers
    image.extend(0_u32.to_le_bytes());
    for number in [64, 56, 1, 0, 0, 0] {
        half(&mut image, number);
    }
    image.extend(1_u32.to_le_bytes()); // PT_LOAD
    image.extend(5_u32.to_le_bytes()); // readable and executable
    for number in [0, ADDRESS, ADDRESS, size, size, 0x1000] {
        image.extend(number.to_le_bytes());
    }
    image.extend(code);
    image
}
