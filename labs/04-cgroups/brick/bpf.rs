//! bpf(2): a small program of ours, run by the kernel for a cgroup.
//!
//! v2 has no files for devices and for the network. What v1 did by tables in the
//! kernel, v2 leaves to a program that you load and attach to the cgroup's
//! directory. Runtimes do that too: `docker run --device` ends in such a program.
//!
//! A program is an array of 8-byte instructions for a machine with registers r0
//! to r10. It gets its context in r1 and answers in r0. Before it takes one, the
//! kernel *verifies* it: every path ends, no register is read before it is set,
//! no memory is touched that is not the program's. So this code, run inside the
//! kernel, cannot harm it, and needs no module.
//!
//! Read: bpf(2), Documentation/bpf; struct bpf_attr in <linux/bpf.h>

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::explain::{CallError, Explain};

/// `struct bpf_insn`: an operation on a destination and a source register, with
/// an offset (of a jump, or into memory) and a constant.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    constant: i32,
}

/// The few instructions that the two programs of this chapter are made of. The
/// numbers are those of <linux/bpf.h>: class, size or operation, source.
impl Instruction {
    const fn new(code: u8, to: u8, from: u8, offset: i16, constant: i32) -> Self {
        let registers = from << 4 | to;
        Self {
            code,
            registers,
            offset,
            constant,
        }
    }
    /// `to = *(u32 *)(from + offset)`
    pub const fn load(to: u8, from: u8, offset: i16) -> Self {
        Self::new(0x61, to, from, offset, 0)
    }
    /// `*(u32 *)(to + offset) = from`
    pub const fn store(to: u8, offset: i16, from: u8) -> Self {
        Self::new(0x63, to, from, offset, 0)
    }
    /// `to = constant`
    pub const fn set(to: u8, constant: i32) -> Self {
        Self::new(0xb4, to, 0, 0, constant)
    }
    /// `to = from`
    pub const fn copy(to: u8, from: u8) -> Self {
        Self::new(0xbc, to, from, 0, 0)
    }
    /// `to &= constant`
    pub const fn and(to: u8, constant: i32) -> Self {
        Self::new(0x54, to, 0, 0, constant)
    }
    /// `to >>= constant`
    pub const fn shift_right(to: u8, constant: i32) -> Self {
        Self::new(0x74, to, 0, 0, constant)
    }
    /// `if register != constant`, leave out the next `offset` instructions.
    pub const fn skip_unless(register: u8, constant: i32, offset: i16) -> Self {
        Self::new(0x55, register, 0, offset, constant)
    }
    /// `return r0`
    pub const fn exit() -> Self {
        Self::new(0x95, 0, 0, 0, 0)
    }
}

/// What a program is for, and where in the kernel it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Asked at every open and mknod of a device.
    Device,
    /// Asked for every packet that a socket of the cgroup sends.
    Egress,
}

impl Kind {
    fn program_type(self) -> (u32, &'static str) {
        match self {
            Self::Device => (15, "BPF_PROG_TYPE_CGROUP_DEVICE"),
            Self::Egress => (8, "BPF_PROG_TYPE_CGROUP_SKB"),
        }
    }
    fn attach_type(self) -> (u32, &'static str) {
        match self {
            Self::Device => (6, "BPF_CGROUP_DEVICE"),
            Self::Egress => (1, "BPF_CGROUP_INET_EGRESS"),
        }
    }
}

/// A program that hangs on a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    pub id: u32,
    pub name: String,
}

const BPF_PROG_LOAD: u32 = 5;
const BPF_PROG_ATTACH: u32 = 8;
const BPF_PROG_DETACH: u32 = 9;
const BPF_PROG_GET_FD_BY_ID: u32 = 13;
const BPF_OBJ_GET_INFO_BY_FD: u32 = 15;
const BPF_PROG_QUERY: u32 = 16;

/// Several programs side by side, all of which have to agree, those of the
/// cgroups above included. Without it a child could replace what binds it.
const BPF_F_ALLOW_MULTI: u32 = 2;

/// `union bpf_attr` as far as it is used here: 16 words of 8 bytes. Each command
/// reads its own layout from the start, and wants zeros after it.
#[derive(Default)]
struct Attributes([u64; 16]);

impl Attributes {
    /// Puts a 32-bit value at a byte offset of the structure.
    fn put(&mut self, offset: usize, value: u32) {
        let shift = offset % 8 * 8;
        self.0[offset / 8] |= u64::from(value) << shift;
    }
    fn get(&self, offset: usize) -> u32 {
        (self.0[offset / 8] >> (offset % 8 * 8)) as u32
    }
}

fn bpf(command: u32, attributes: &mut Attributes) -> nix::Result<i64> {
    // SAFETY: the pointer and the size belong to one live structure. The pointers
    // that callers put into it point to memory that lives until the call is over.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.0.as_mut_ptr(),
            std::mem::size_of::<Attributes>(),
        )
    };
    Errno::result(result)
}

fn descriptor(number: i64) -> OwnedFd {
    // SAFETY: a descriptor that the kernel has just given, and ours alone.
    unsafe { OwnedFd::from_raw_fd(number as i32) }
}

/// Attaches a program to the cgroup, in place of the one of the same name if
/// there is one. The new one is there before the old one goes, so there is no
/// moment without a rule.
pub fn attach(
    explain: Explain,
    cgroup: &Path,
    kind: Kind,
    name: &str,
    program: &[Instruction],
) -> Result<(), CallError> {
    let directory = open_directory(explain, cgroup)?;
    let old = attached_to(&directory, kind);
    let (program_type, type_name) = kind.program_type();
    let license = c"GPL";
    let mut attributes = Attributes::default();
    attributes.put(0, program_type);
    attributes.put(4, program.len() as u32);
    attributes.0[1] = program.as_ptr() as u64;
    attributes.0[2] = license.as_ptr() as u64;
    // prog_name: 16 bytes at offset 48, the last of them 0.
    for (at, byte) in name.bytes().take(15).enumerate() {
        attributes.0[6 + at / 8] |= u64::from(byte) << (at % 8 * 8);
    }
    let loaded = explain.call_returning(
        format!(
            "bpf(BPF_PROG_LOAD, {{prog_type={type_name}, insn_cnt={}, prog_name={name:?}}})",
            program.len()
        ),
        bpf(BPF_PROG_LOAD, &mut attributes),
        |fd| *fd,
    )?;
    let loaded = descriptor(loaded);

    let (attach_type, attach_name) = kind.attach_type();
    let mut attributes = Attributes::default();
    attributes.put(0, directory.as_raw_fd() as u32);
    attributes.put(4, loaded.as_raw_fd() as u32);
    attributes.put(8, attach_type);
    attributes.put(12, BPF_F_ALLOW_MULTI);
    explain.call(
        format!(
            "bpf(BPF_PROG_ATTACH, {{target_fd={}, attach_bpf_fd={}, attach_type={attach_name}, \
             attach_flags=BPF_F_ALLOW_MULTI}})",
            directory.as_raw_fd(),
            loaded.as_raw_fd()
        ),
        bpf(BPF_PROG_ATTACH, &mut attributes),
    )?;
    // Closing the program's descriptor does not end it: the cgroup holds it now,
    // and it goes with the cgroup.
    detach_all(explain, &directory, kind, name, old?)
}

/// Takes our program of this name away, if it is there.
pub fn detach(explain: Explain, cgroup: &Path, kind: Kind, name: &str) -> Result<(), CallError> {
    let directory = open_directory(explain, cgroup)?;
    let old = attached_to(&directory, kind)?;
    detach_all(explain, &directory, kind, name, old)
}

/// What hangs on this cgroup itself. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for
/// the names.
pub fn attached(cgroup: &Path, kind: Kind) -> Result<Vec<Attached>, CallError> {
    attached_to(&open_directory(Explain::new(false), cgroup)?, kind)
}

fn open_directory(explain: Explain, cgroup: &Path) -> Result<OwnedFd, CallError> {
    explain.call_returning(
        format!("open({cgroup:?}, O_RDONLY|O_DIRECTORY|O_CLOEXEC)"),
        open(
            cgroup,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ),
        |fd| fd.as_raw_fd().into(),
    )
}

fn attached_to(directory: &OwnedFd, kind: Kind) -> Result<Vec<Attached>, CallError> {
    let quiet = Explain::new(false);
    let mut ids = [0_u32; 64];
    let mut attributes = Attributes::default();
    attributes.put(0, directory.as_raw_fd() as u32);
    attributes.put(4, kind.attach_type().0);
    attributes.0[2] = ids.as_mut_ptr() as u64;
    attributes.put(24, ids.len() as u32);
    quiet.call(
        format!(
            "bpf(BPF_PROG_QUERY, {{attach_type={}}})",
            kind.attach_type().1
        ),
        bpf(BPF_PROG_QUERY, &mut attributes),
    )?;
    ids[..attributes.get(24) as usize]
        .iter()
        .map(|id| {
            let (_, name) = by_id(*id)?;
            Ok(Attached { id: *id, name })
        })
        .collect()
}

/// A descriptor of a loaded program, and its name.
fn by_id(id: u32) -> Result<(OwnedFd, String), CallError> {
    let quiet = Explain::new(false);
    let mut attributes = Attributes::default();
    attributes.put(0, id);
    let program = quiet.call_returning(
        format!("bpf(BPF_PROG_GET_FD_BY_ID, {{prog_id={id}}})"),
        bpf(BPF_PROG_GET_FD_BY_ID, &mut attributes),
        |fd| *fd,
    )?;
    let program = descriptor(program);

    // struct bpf_prog_info; its name is 16 bytes at offset 64.
    let mut info = [0_u8; 80];
    let mut attributes = Attributes::default();
    attributes.put(0, program.as_raw_fd() as u32);
    attributes.put(4, info.len() as u32);
    attributes.0[1] = info.as_mut_ptr() as u64;
    quiet.call(
        format!(
            "bpf(BPF_OBJ_GET_INFO_BY_FD, {{bpf_fd={}}})",
            program.as_raw_fd()
        ),
        bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes),
    )?;
    let name = info[64..]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    Ok((program, String::from_utf8_lossy(name).into_owned()))
}

fn detach_all(
    explain: Explain,
    directory: &OwnedFd,
    kind: Kind,
    name: &str,
    old: Vec<Attached>,
) -> Result<(), CallError> {
    for one in old.iter().filter(|one| one.name == name) {
        let (program, _) = by_id(one.id)?;
        let (attach_type, attach_name) = kind.attach_type();
        let mut attributes = Attributes::default();
        attributes.put(0, directory.as_raw_fd() as u32);
        attributes.put(4, program.as_raw_fd() as u32);
        attributes.put(8, attach_type);
        explain.call(
            format!(
                "bpf(BPF_PROG_DETACH, {{target_fd={}, attach_bpf_fd={}, attach_type={attach_name}}})",
                directory.as_raw_fd(),
                program.as_raw_fd()
            ),
            bpf(BPF_PROG_DETACH, &mut attributes),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_eight_bytes_as_the_kernel_reads_them() {
        assert_eq!(std::mem::size_of::<Instruction>(), 8);
        // r3 = *(u32 *)(r1 + 4)
        let load = Instruction::load(3, 1, 4);
        assert_eq!((load.code, load.registers, load.offset), (0x61, 0x13, 4));
    }

    #[test]
    fn a_value_lands_at_its_offset() {
        let mut attributes = Attributes::default();
        attributes.put(4, 7);
        attributes.put(8, 9);
        assert_eq!(attributes.0[..2], [7 << 32, 9]);
        assert_eq!(attributes.get(4), 7);
    }
}
