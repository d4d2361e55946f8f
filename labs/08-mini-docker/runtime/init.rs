//! `--init`: a first process that does what the kernel expects of one.
//!
//! Orphans become children of PID 1, which has to wait for them; and the kernel
//! gives PID 1 no signal that it has no handler for. Most programs do neither. So a
//! small one is PID 1, starts the program, reaps, hands signals on, and ends as the
//! program does.
//!
//! docker binds a program of the host's (tini) at /sbin/docker-init. Here it is made
//! on the spot, a file of three hundred bytes: it runs in any image, with no library,
//! and it is not the engine's own binary, which must not be seen inside.
//!
//! Read: pid_namespaces(7), wait4(2), rt_sigtimedwait(2), tcsetpgrp(3), elf(5)

use super::springboard::program;

/// Where it is in the container.
pub const PATH: &str = "/sbin/docker-init";

// Called as `docker-init PATH ARGV0 ARGV1 …`: whom it starts has been found already.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .rodata",
    "init_begin:",
    "mov r12, rsp",
    "push -1", // a set of all signals, …
    "mov r13, rsp",
    "push 0", // … and a status
    "mov r14, rsp",
    // rt_sigprocmask(SIG_SETMASK, all): none is lost before it is waited for
    "mov edi, 2",
    "mov rsi, r13",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 14",
    "syscall",
    // fork()
    "mov eax, 57",
    "syscall",
    "test eax, eax",
    "jz init_child",
    "mov ebx, eax",
    "init_wait:", // rt_sigtimedwait(all, NULL, NULL)
    "mov rdi, r13",
    "xor esi, esi",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 128",
    "syscall",
    "cmp eax, 17", // SIGCHLD
    "je init_reap",
    "test eax, eax",
    "js init_wait",
    // kill(child, signal)
    "mov esi, eax",
    "mov edi, ebx",
    "mov eax, 62",
    "syscall",
    "jmp init_wait",
    "init_reap:", // wait4(-1, &status, WNOHANG, NULL), until there is none
    "mov rdi, -1",
    "mov rsi, r14",
    "mov edx, 1",
    "xor r10d, r10d",
    "mov eax, 61",
    "syscall",
    "test eax, eax",
    "jle init_wait",
    "cmp eax, ebx",
    "jne init_reap",
    // As a shell has it: the exit code, or 128 and the signal.
    "mov edi, [r14]",
    "mov eax, edi",
    "shr edi, 8",
    "and edi, 255",
    "and eax, 127",
    "jz init_exit",
    "lea edi, [rax + 128]",
    "init_exit:", // exit_group
    "mov eax, 231",
    "syscall",
    "init_child:", // setpgid(0, 0): Ctrl-C is for the program, not for both
    "xor edi, edi",
    "xor esi, esi",
    "mov eax, 109",
    "syscall",
    // ioctl(0, TIOCSPGRP, &getpid()): ENOTTY where there is no terminal
    "mov eax, 39",
    "syscall",
    "mov [r14], eax",
    "xor edi, edi",
    "mov esi, 0x5410",
    "mov rdx, r14",
    "mov eax, 16",
    "syscall",
    // rt_sigprocmask(SIG_SETMASK, none)
    "mov qword ptr [r13], 0",
    "mov edi, 2",
    "mov rsi, r13",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 14",
    "syscall",
    // execve(argv[1], argv + 2, environment)
    "mov rdi, [r12 + 16]",
    "lea rsi, [r12 + 24]",
    "mov rcx, [r12]",
    "lea rdx, [r12 + rcx * 8 + 16]",
    "mov eax, 59",
    "syscall",
    "mov edi, 127",
    "jmp init_exit",
    "init_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .rodata",
    ".balign 4",
    "init_begin:",
    "mov x19, sp",
    "sub sp, sp, #32",
    "mov x20, sp",
    "mov x0, #-1", // a set of all signals at x20, a status behind it
    "str x0, [x20]",
    "mov x0, #2", // rt_sigprocmask(SIG_SETMASK, all)
    "mov x1, x20",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #135",
    "svc #0",
    "mov x0, #17", // clone(SIGCHLD)
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220",
    "svc #0",
    "cbz x0, init_child",
    "mov x21, x0",
    "init_wait:", // rt_sigtimedwait(all, NULL, NULL)
    "mov x0, x20",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #137",
    "svc #0",
    "cmp w0, #17",
    "b.eq init_reap",
    "cmp w0, #0",
    "b.lt init_wait",
    "mov w1, w0", // kill(child, signal)
    "mov w0, w21",
    "mov x8, #129",
    "svc #0",
    "b init_wait",
    "init_reap:", // wait4(-1, &status, WNOHANG, NULL)
    "mov x0, #-1",
    "add x1, x20, #8",
    "mov x2, #1",
    "mov x3, #0",
    "mov x8, #260",
    "svc #0",
    "cmp w0, #0",
    "b.le init_wait",
    "cmp w0, w21",
    "b.ne init_reap",
    "ldr w2, [x20, #8]",
    "ubfx w0, w2, #8, #8",
    "ands w1, w2, #0x7f",
    "b.eq init_exit",
    "add w0, w1, #128",
    "init_exit:", // exit_group
    "mov x8, #94",
    "svc #0",
    "init_child:", // setpgid(0, 0)
    "mov x0, #0",
    "mov x1, #0",
    "mov x8, #154",
    "svc #0",
    "mov x8, #172", // ioctl(0, TIOCSPGRP, &getpid())
    "svc #0",
    "str w0, [x20, #8]",
    "mov x0, #0",
    "mov x1, #0x5410",
    "add x2, x20, #8",
    "mov x8, #29",
    "svc #0",
    "str xzr, [x20]", // rt_sigprocmask(SIG_SETMASK, none)
    "mov x0, #2",
    "mov x1, x20",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #135",
    "svc #0",
    "ldr x0, [x19, #16]", // execve(argv[1], argv + 2, environment)
    "add x1, x19, #24",
    "ldr x3, [x19]",
    "add x2, x19, #16",
    "add x2, x2, x3, lsl #3",
    "mov x8, #221",
    "svc #0",
    "mov w0, #127",
    "b init_exit",
    "init_end:",
    ".popsection",
);

unsafe extern "C" {
    static init_begin: u8;
    static init_end: u8;
}

/// The file.
pub fn image() -> Vec<u8> {
    // SAFETY: the two symbols are the ends of one piece of read-only data.
    let code = unsafe {
        let begin = &raw const init_begin;
        let length = (&raw const init_end).offset_from(begin);
        std::slice::from_raw_parts(begin, length as usize)
    };
    program(code)
}
