//! The command `checkpoint`: a whole program of some forty bytes of code.
//!
//! It has to work as PID 1 of a bare root, without a dynamic linker, without
//! /proc and with every descriptor closed, so it is a static ELF file that
//! makes two system calls and ends. The code is the assembly below; what is
//! written into the sandbox is those bytes, taken from this program's own
//! text, behind an ELF header.

use std::arch::global_asm;

/// The `prctl(2)` option that means "look now". The kernel knows no such
/// option; the sandbox's seccomp filter stops the call and tells the runner.
pub const LOOK_NOW: u32 = 0x7470_0001; // "tp", 1

/// Length of the message when the call is not trapped, in bytes.
const NOBODY: usize = "checkpoint: nobody is looking (tp is not running this)\n".len();

// prctl(LOOK_NOW, argv[1], prctl(PR_GET_SECUREBITS)); exit(result != 0).
// Securebits ride along because no file under /proc shows them.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata.tp_checkpoint, \"a\"",
    ".globl tp_checkpoint_start, tp_checkpoint_end",
    "tp_checkpoint_start:",
    "mov eax, 157", // prctl
    "mov edi, 27",  // PR_GET_SECUREBITS
    "syscall",
    "mov rdx, rax",
    "mov rsi, [rsp + 16]", // argv[1]
    "mov edi, {look_now}",
    "mov eax, 157",
    "syscall",
    "xor edi, edi",
    "test rax, rax",
    "jz 2f",
    "lea rsi, [rip + 3f]",
    "mov edx, {length}",
    "mov edi, 2",
    "mov eax, 1", // write
    "syscall",
    "mov edi, 1",
    "2:",
    "mov eax, 231", // exit_group
    "syscall",
    // Exactly NOBODY bytes.
    "3: .ascii \"checkpoint: nobody is looking (tp is not running this)\\n\"",
    "tp_checkpoint_end:",
    ".popsection",
    look_now = const LOOK_NOW,
    length = const NOBODY,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata.tp_checkpoint, \"a\"",
    ".globl tp_checkpoint_start, tp_checkpoint_end",
    ".balign 8",
    "tp_checkpoint_start:",
    "mov x8, #167", // prctl
    "mov x0, #27",  // PR_GET_SECUREBITS
    "svc #0",
    "mov x2, x0",
    "ldr x1, [sp, #16]", // argv[1]
    "movz w0, #{low}",
    "movk w0, #{high}, lsl #16",
    "mov x8, #167",
    "svc #0",
    "cbz x0, 2f",
    "adr x1, 3f",
    "mov x2, #{length}",
    "mov x0, #2",
    "mov x8, #64", // write
    "svc #0",
    "mov x0, #1",
    "2:",
    "mov x8, #94", // exit_group
    "svc #0",
    // Exactly NOBODY bytes.
    "3: .ascii \"checkpoint: nobody is looking (tp is not running this)\\n\"",
    "tp_checkpoint_end:",
    ".popsection",
    low = const LOOK_NOW & 0xffff,
    high = const LOOK_NOW >> 16,
    length = const NOBODY,
);

unsafe extern "C" {
    static tp_checkpoint_start: u8;
    static tp_checkpoint_end: u8;
}

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62; // EM_X86_64
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183; // EM_AARCH64

/// The file `checkpoint`: an ELF header, one program header, the code. elf(5).
pub fn program() -> Vec<u8> {
    // SAFETY: both symbols delimit the bytes assembled above, in this
    // program's own read-only data.
    let code = unsafe {
        let start = &raw const tp_checkpoint_start;
        let end = &raw const tp_checkpoint_end;
        std::slice::from_raw_parts(start, end.offset_from_unsigned(start))
    };
    const HEADERS: u64 = 64 + 56;
    const BASE: u64 = 0x40_0000;
    let length = HEADERS + code.len() as u64;

    let mut elf = Vec::with_capacity(length as usize);
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]); // 64 bit, little endian
    elf.extend([0; 8]);
    elf.extend(2u16.to_le_bytes()); // ET_EXEC
    elf.extend(MACHINE.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    elf.extend((BASE + HEADERS).to_le_bytes()); // entry point
    elf.extend(64u64.to_le_bytes()); // program headers start here
    elf.extend(0u64.to_le_bytes()); // no section headers
    elf.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1u32.to_le_bytes()); // PT_LOAD
    elf.extend(5u32.to_le_bytes()); // readable, executable
    for word in [0, BASE, BASE, length, length, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn without_a_runner_the_command_says_so_and_fails() {
        let path = std::env::temp_dir().join(format!("checkpoint-{}", std::process::id()));
        std::fs::write(&path, program()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = std::process::Command::new(&path).arg("inside").output();
        std::fs::remove_file(&path).unwrap();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "checkpoint: nobody is looking (tp is not running this)\n"
        );
    }
}
