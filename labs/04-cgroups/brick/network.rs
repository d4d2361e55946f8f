//! net_cls and net_prio: packets that say which cgroup they come from.
//!
//! A cgroup does not limit bandwidth. It **marks** what its sockets send, and tc(8)
//! or nftables, which see all packets of an interface, divide by the mark.
//!
//! - net_cls writes a class, `MAJOR:MINOR` of a tc class, that filters can match
//!   (`tc filter … cgroup`, `nft … meta cgroup`).
//! - net_prio writes the priority of a packet, by interface.
//!
//! v2 has neither. A BPF program at the cgroup's exit writes the same fields; or
//! nftables matches the path itself, `socket cgroupv2 level 1 "students"`.
//!
//! Read: cgroup-v1/net_cls, cgroup-v1/net_prio, tc(8), tc-htb(8), nft(8)

use super::bpf::{self, Instruction, Kind};
use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// The name of the program that stands for net_cls.
pub const CLASS: &str = "vfs_class";

/// The name of the one that stands for net_prio, for an interface by its index.
pub fn priority_program(index: u32) -> String {
    format!("vfs_prio_{index}")
}

/// Fields of `struct __sk_buff`, what a program sees of a packet.
const PRIORITY: i16 = 32;
const INTERFACE: i16 = 40;

/// Marks what the group sends with a tc class; 0 takes the mark away.
///
/// `0x00010002` is 1:2. On v2 the packet's *priority* is set to it: a classful
/// queueing discipline with the handle 1: takes such a packet into its class 1:2
/// without any filter.
pub fn set_class(explain: Explain, group: &Directory, class: u32) -> Result<(), CallError> {
    match (group.version, class) {
        (Version::V1, class) => group.write(explain, "net_cls.classid", &class.to_string()),
        (Version::V2, 0) => bpf::detach(explain, &group.path, Kind::Egress, CLASS),
        (Version::V2, class) => {
            let program = mark(None, class);
            bpf::attach(explain, &group.path, Kind::Egress, CLASS, &program)
        }
    }
}

/// Sets the priority of what the group sends over one interface.
///
/// v1 looks the name up among the interfaces of the machine's first network
/// namespace, whichever the caller is in; a program goes by the index here.
pub fn set_priority(
    explain: Explain,
    group: &Directory,
    interface: &str,
    priority: u32,
) -> Result<(), CallError> {
    match group.version {
        Version::V1 => group.write(
            explain,
            "net_prio.ifpriomap",
            &format!("{interface} {priority}"),
        ),
        Version::V2 => {
            let index = explain.call_returning(
                format!("if_nametoindex({interface:?})"),
                nix::net::if_::if_nametoindex(interface),
                |index| i64::from(*index),
            )?;
            let name = priority_program(index);
            match priority {
                0 => bpf::detach(explain, &group.path, Kind::Egress, &name),
                priority => {
                    let program = mark(Some(index), priority);
                    bpf::attach(explain, &group.path, Kind::Egress, &name, &program)
                }
            }
        }
    }
}

/// `if (packet->ifindex == interface) packet->priority = value; return 1;`, where
/// 1 lets the packet pass.
fn mark(interface: Option<u32>, value: u32) -> Vec<Instruction> {
    let mut program = Vec::new();
    if let Some(index) = interface {
        program.push(Instruction::load(2, 1, INTERFACE));
        program.push(Instruction::skip_unless(2, index as i32, 2));
    }
    program.extend([
        Instruction::set(2, value as i32),
        Instruction::store(1, PRIORITY, 2),
        Instruction::set(0, 1),
        Instruction::exit(),
    ]);
    program
}

/// The class of v1, or the programs that stand for it.
pub fn shown(group: &Directory) -> Option<String> {
    match group.version {
        Version::V1 => {
            let class = group.number("net_cls.classid")?;
            Some(format!("{:x}:{:x}", class >> 16, class & 0xffff))
        }
        Version::V2 => {
            let programs = bpf::attached(&group.path, Kind::Egress).ok()?;
            let names: Vec<String> = programs
                .iter()
                .map(|one| format!("program {} ({})", one.id, one.name))
                .collect();
            Some(if names.is_empty() {
                "0:0".into()
            } else {
                names.join(", ")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn v1_has_a_file_for_each() {
        let files = [("net_cls.classid", "0\n"), ("net_prio.ifpriomap", "lo 0\n")];
        let group = scene(Version::V1, &files);
        let explain = Explain::new(false);
        set_class(explain, &group.0, 0x10002).unwrap();
        set_priority(explain, &group.0, "lo", 5).unwrap();
        assert_eq!(group.text("net_cls.classid"), "65538");
        assert_eq!(shown(&group.0).unwrap(), "1:2");
        assert_eq!(group.text("net_prio.ifpriomap"), "lo 5");
    }

    #[test]
    fn another_interface_leaves_out_the_two_instructions_that_mark() {
        let program = mark(Some(3), 5);
        assert_eq!(program.len(), 6);
        assert_eq!(program[1], Instruction::skip_unless(2, 3, 2));
        assert_eq!(program[3], Instruction::store(1, PRIORITY, 2));
        assert_eq!(program[4], Instruction::set(0, 1));
    }
}
