//! A seccomp policy as a program for the kernel.
//!
//! A policy is a list of names, each with what is to be done and perhaps conditions
//! on arguments. The kernel runs a program in classic BPF at every system call. A
//! comparison for each of four hundred names would be paid by every call; so the
//! calls are put in the order of their numbers, neighbours with the same answer are
//! one range, and the ranges are a search tree: eight comparisons for any call.
//!
//! Read: seccomp(2), bpf(2), config-linux.md ("Seccomp"), and the brick of chapter 5

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET,
    BPF_W, sock_filter,
};
use nix::errno::Errno;
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator,
};

use super::syscalls;

// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The machine's ELF number, 64-bit, little-endian.
#[cfg(target_arch = "x86_64")]
const OWN: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN: u32 = 0xc000_00b7;

/// x86-64 has a second table of the same calls from this number on (x32).
const X32: u32 = 0x4000_0000;

/// What is done at a call.
#[derive(Clone, Debug, PartialEq)]
enum Decision {
    /// A SECCOMP_RET_… value, whatever the arguments are.
    Plain(u32),
    /// The first rule whose conditions are all met; else the default.
    Rules(Vec<(Vec<LinuxSeccompArg>, u32)>),
}

/// A program, and the flags to load it with.
#[derive(Debug)]
pub struct Filter {
    program: Vec<sock_filter>,
    flags: u64,
}

impl Filter {
    /// Compiles a policy.
    ///
    /// # Errors
    /// An action or a condition that is none here.
    pub fn compile(policy: &LinuxSeccomp) -> anyhow::Result<Self> {
        let default = action(policy.default_action(), policy.default_errno_ret())?;
        let decisions = decisions(policy, default)?;
        let tree = tree(&ranges(&decisions, default), default);
        // Another table of calls has other numbers: not one of ours is checked there.
        let mut program = vec![
            load(ARCHITECTURE),
            jump(BPF_JEQ, OWN, 1, 0),
            ret(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
        ];
        if cfg!(target_arch = "x86_64") {
            program.push(jump(BPF_JGE, X32, 0, 1));
            program.push(ret(libc::SECCOMP_RET_KILL_PROCESS));
        }
        program.extend(tree);
        let mut flags = 0;
        for flag in policy.flags().iter().flatten() {
            flags |= match flag {
                LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
                LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => {
                    libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
                }
                // For other threads, of which there are none.
                LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
            };
        }
        Ok(Self { program, flags })
    }

    /// Puts the calling process under it, for ever, with all that come of it. Needs
    /// CAP_SYS_ADMIN or no_new_privs.
    ///
    /// # Errors
    /// EACCES without either of the two; EINVAL for a program that is too long.
    pub fn load(&self) -> anyhow::Result<()> {
        let program = libc::sock_fprog {
            len: self.program.len() as u16,
            filter: self.program.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel copies the program, which lives over the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                self.flags,
                &raw const program,
            )
        };
        Errno::result(done)
            .map(drop)
            .context("seccomp(SECCOMP_SET_MODE_FILTER)")
    }
}

/// The kernel's word for an action: the kind in the upper half, an errno below.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> anyhow::Result<u32> {
    let errno = errno.unwrap_or(libc::EPERM as u32) & 0xffff;
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            libc::SECCOMP_RET_KILL_THREAD
        }
        LinuxSeccompAction::ScmpActKillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => libc::SECCOMP_RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => libc::SECCOMP_RET_ERRNO | errno,
        LinuxSeccompAction::ScmpActTrace => libc::SECCOMP_RET_TRACE | errno,
        LinuxSeccompAction::ScmpActLog => libc::SECCOMP_RET_LOG,
        LinuxSeccompAction::ScmpActAllow => libc::SECCOMP_RET_ALLOW,
        LinuxSeccompAction::ScmpActNotify => {
            bail!("seccomp: SCMP_ACT_NOTIFY wants a listener, which this runtime has not")
        }
    })
}

/// What the policy says of each number. A rule without conditions beats those with.
fn decisions(policy: &LinuxSeccomp, default: u32) -> anyhow::Result<BTreeMap<u32, Decision>> {
    let mut decisions: BTreeMap<u32, Decision> = BTreeMap::new();
    for rule in policy.syscalls().iter().flatten() {
        let action = action(rule.action(), rule.errno_ret())?;
        let conditions = rule.args().clone().unwrap_or_default();
        if conditions.iter().any(|one| one.index() > 5) {
            bail!("seccomp: a system call has six arguments, 0 to 5");
        }
        if action == default {
            continue;
        }
        // Names of other architectures, or of a kernel to come, need no rule here.
        for number in rule
            .names()
            .iter()
            .filter_map(|name| syscalls::number(name))
        {
            if conditions.is_empty() {
                decisions.insert(number, Decision::Plain(action));
                continue;
            }
            let known = decisions
                .entry(number)
                .or_insert(Decision::Rules(Vec::new()));
            if let Decision::Rules(rules) = known {
                rules.push((conditions.clone(), action));
            }
        }
    }
    Ok(decisions)
}

/// From where on which decision holds; the gaps between the numbers are the default's.
fn ranges(decisions: &BTreeMap<u32, Decision>, default: u32) -> Vec<(u32, Decision)> {
    let mut ranges = vec![(0, Decision::Plain(default))];
    let mut add = |from: u32, decision: Decision| {
        if ranges.last().is_some_and(|(_, last)| *last == decision) {
            return;
        }
        // A range of no numbers: something else begins where it began.
        if ranges.last().is_some_and(|(begin, _)| *begin == from) {
            ranges.pop();
            if ranges.last().is_some_and(|(_, last)| *last == decision) {
                return;
            }
        }
        ranges.push((from, decision));
    };
    for (number, decision) in decisions {
        add(*number, decision.clone());
        add(number + 1, Decision::Plain(default));
    }
    ranges
}

/// A search tree over the ranges: less goes left, the rest right.
fn tree(ranges: &[(u32, Decision)], default: u32) -> Vec<sock_filter> {
    match ranges {
        [] => vec![ret(default)],
        [(_, Decision::Plain(action))] => vec![ret(*action)],
        [(_, Decision::Rules(rules))] => conditions(rules, default),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let begin = right[0].0;
            let (left, right) = (tree(left, default), tree(right, default));
            // A condition jumps 255 steps at most, an unconditional jump any number.
            let mut program = match u8::try_from(left.len()) {
                Ok(over) => vec![jump(BPF_JGE, begin, over, 0)],
                Err(_) => vec![
                    jump(BPF_JGE, begin, 0, 1),
                    step(BPF_JMP | BPF_JA, left.len() as u32, 0, 0),
                ],
            };
            program.extend(left);
            program.extend(right);
            program
        }
    }
}

/// The rules of one call, each tried until one's conditions are all met.
fn conditions(rules: &[(Vec<LinuxSeccompArg>, u32)], default: u32) -> Vec<sock_filter> {
    let mut program = Vec::new();
    for (conditions, action) in rules {
        let mut rest: Vec<sock_filter> = vec![ret(*action)];
        // From the last to the first: each has to know how far it is to the next rule.
        for condition in conditions.iter().rev() {
            let mut test = compare(condition, rest.len() as u8);
            test.append(&mut rest);
            rest = test;
        }
        program.append(&mut rest);
    }
    program.push(ret(default));
    program
}

/// One condition. Arguments have 64 bits, BPF's words 32: the upper half first.
/// Falls through when it is met, else jumps over the `rest` steps that follow.
fn compare(condition: &LinuxSeccompArg, rest: u8) -> Vec<sock_filter> {
    use LinuxSeccompOperator::*;
    let place = ARGUMENTS + 8 * condition.index() as u32;
    let (low, high) = (load(place), load(place + 4));
    let halves = |value: u64| (value as u32, (value >> 32) as u32);
    let (value_low, value_high) = halves(condition.value());
    let equal = |value| jump(BPF_JEQ, value, 0, 0);
    // `met` and `not` are jumps to behind the test, where the rest begins or ends.
    let finish = |mut steps: Vec<(sock_filter, Go, Go)>| -> Vec<sock_filter> {
        let length = steps.len();
        let resolve = |at: usize, go: Go| match go {
            Go::On => 0,
            Go::Met => (length - at - 1) as u8,
            Go::Not => (length - at - 1) as u8 + rest,
        };
        for (at, (step, yes, no)) in steps.iter_mut().enumerate() {
            (step.jt, step.jf) = (resolve(at, *yes), resolve(at, *no));
        }
        steps.into_iter().map(|(step, ..)| step).collect()
    };
    let plain = |step| (step, Go::On, Go::On);
    let ordered = |compare: u32, yes: Go, no: Go| {
        // The upper halves decide unless they are the same.
        vec![
            plain(high),
            (jump(BPF_JGT, value_high, 0, 0), yes, Go::On),
            (equal(value_high), Go::On, no),
            plain(low),
            (jump(compare, value_low, 0, 0), yes, no),
        ]
    };
    finish(match condition.op() {
        ScmpCmpEq => vec![
            plain(high),
            (equal(value_high), Go::On, Go::Not),
            plain(low),
            (equal(value_low), Go::Met, Go::Not),
        ],
        ScmpCmpNe => vec![
            plain(high),
            (equal(value_high), Go::On, Go::Met),
            plain(low),
            (equal(value_low), Go::Not, Go::Met),
        ],
        ScmpCmpMaskedEq => {
            let (wanted_low, wanted_high) = halves(condition.value_two().unwrap_or(0));
            vec![
                plain(high),
                plain(step(BPF_ALU | BPF_AND | BPF_K, value_high, 0, 0)),
                (equal(wanted_high), Go::On, Go::Not),
                plain(low),
                plain(step(BPF_ALU | BPF_AND | BPF_K, value_low, 0, 0)),
                (equal(wanted_low), Go::Met, Go::Not),
            ]
        }
        ScmpCmpGt => ordered(BPF_JGT, Go::Met, Go::Not),
        ScmpCmpGe => ordered(BPF_JGE, Go::Met, Go::Not),
        // Less is "not greater or equal".
        ScmpCmpLt => ordered(BPF_JGE, Go::Not, Go::Met),
        ScmpCmpLe => ordered(BPF_JGT, Go::Not, Go::Met),
    })
}

/// Where a step of a condition leads.
#[derive(Clone, Copy)]
enum Go {
    On,
    Met,
    Not,
}

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn load(offset: u32) -> sock_filter {
    step(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn jump(compare: u32, value: u32, jt: u8, jf: u8) -> sock_filter {
    step(BPF_JMP | compare | BPF_K, value, jt, jf)
}

fn ret(action: u32) -> sock_filter {
    step(BPF_RET | BPF_K, action, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A machine for these programs, to hold them against their policy.
    fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut word, mut at) = (0_u32, 0_usize);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            let over = |met: bool| usize::from(if met { step.jt } else { step.jf });
            match code {
                0x20 => {
                    word = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        place => {
                            let argument = arguments[(place as usize - 16) / 8];
                            (if place % 8 == 0 {
                                argument
                            } else {
                                argument >> 32
                            }) as u32
                        }
                    }
                }
                0x54 => word &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += over(word == step.k),
                0x25 => at += over(word > step.k),
                0x35 => at += over(word >= step.k),
                0x06 => return step.k,
                other => panic!("step {other:#x}"),
            }
        }
    }

    fn filter(policy: serde_json::Value) -> Filter {
        Filter::compile(&serde_json::from_value(policy).unwrap()).unwrap()
    }

    fn ask(filter: &Filter, name: &str, arguments: [u64; 6]) -> u32 {
        run(
            &filter.program,
            OWN,
            syscalls::number(name).unwrap(),
            arguments,
        )
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    #[test]
    fn what_is_named_is_allowed_and_nothing_else() {
        let filter = filter(json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [
                { "names": ["read", "write", "exit_group", "no_such_call"], "action": "SCMP_ACT_ALLOW" },
                { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 },
            ],
        }));
        for number in 0..1000 {
            let allowed = ["read", "write", "exit_group"];
            let expected = if allowed
                .iter()
                .any(|name| syscalls::number(name) == Some(number))
            {
                ALLOW
            } else if number == libc::SYS_clone3 as u32 {
                libc::SECCOMP_RET_ERRNO | 38
            } else {
                EPERM
            };
            assert_eq!(
                run(&filter.program, OWN, number, [0; 6]),
                expected,
                "{number}"
            );
        }
        let foreign = run(&filter.program, 0x4000_0003, 0, [0; 6]);
        assert_eq!(foreign, libc::SECCOMP_RET_KILL_PROCESS, "32-bit");
    }

    #[test]
    fn conditions_compare_all_64_bits() {
        let values = [0, 1, 5, 6, 7, 1 << 32, (1 << 32) + 6, u64::MAX];
        type Holds = fn(u64) -> bool;
        let holds: [(&str, Holds); 6] = [
            ("SCMP_CMP_EQ", |value| value == (1 << 32) + 6),
            ("SCMP_CMP_NE", |value| value != (1 << 32) + 6),
            ("SCMP_CMP_LT", |value| value < (1 << 32) + 6),
            ("SCMP_CMP_LE", |value| value <= (1 << 32) + 6),
            ("SCMP_CMP_GE", |value| value >= (1 << 32) + 6),
            ("SCMP_CMP_GT", |value| value > (1 << 32) + 6),
        ];
        for (operator, holds) in holds {
            let filter = filter(json!({
                "defaultAction": "SCMP_ACT_ERRNO",
                "syscalls": [{
                    "names": ["socket"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [
                        { "index": 1, "value": (1_u64 << 32) + 6, "op": operator },
                        { "index": 0, "value": 6, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ" },
                    ],
                }],
            }));
            for value in values {
                let answer = ask(&filter, "socket", [5, value, 0, 0, 0, 0]);
                let expected = if holds(value) { ALLOW } else { EPERM };
                assert_eq!(answer, expected, "{value:#x} {operator}");
                assert_eq!(ask(&filter, "socket", [2, value, 0, 0, 0, 0]), EPERM);
            }
        }
    }
}
