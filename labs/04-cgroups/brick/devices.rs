//! devices: which device nodes may be opened and made.
//!
//! A container's root could `mknod` the host's disk and read it. This is what
//! stops him: the question is asked when the node is opened or made, whatever
//! its path, owner and mode.
//!
//! v1 has a list, written rule by rule. v2 has a BPF program, asked each time;
//! the same rules are compiled into one here.
//!
//! Read: cgroup-v1/devices, "Device controller" in admin-guide/cgroup-v2

use std::str::FromStr;

use anyhow::bail;

use super::bpf::{self, Instruction, Kind};
use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// The name of our program on v2.
pub const PROGRAM: &str = "vfs_devices";

/// What is allowed; all else is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Devices {
    All,
    Only(Vec<Rule>),
}

/// `c 1:3 rw`: a character device by number, to be read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `c` or `b`.
    pub kind: char,
    /// `None` is `*`.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    /// Some of r, w and m (mknod).
    pub access: String,
}

impl FromStr for Devices {
    type Err = anyhow::Error;

    /// `all`, `none`, or rules with commas between: `c 1:3 rw,c 136:* rw`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::Only(Vec::new())),
            rules => rules
                .split(',')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map(Self::Only),
        }
    }
}

impl FromStr for Rule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = |word: &str| match word {
            "*" => Some(None),
            word => word.parse().ok().map(Some),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [kind @ ("b" | "c"), device, access] = words[..]
            && let Some((major, minor)) = device.split_once(':')
            && let (Some(major), Some(minor)) = (number(major), number(minor))
            && access.chars().all(|c| "rwm".contains(c))
        {
            return Ok(Self {
                kind: if kind == "b" { 'b' } else { 'c' },
                major,
                minor,
                access: access.into(),
            });
        }
        bail!(
            "device rule {text:?}: wants `c MAJOR:MINOR rwm` or `b …`, as `c 1:3 rw` for /dev/null; `ls -l /dev` shows the numbers"
        )
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
        write!(
            f,
            "{} {}:{} {}",
            self.kind,
            number(self.major),
            number(self.minor),
            self.access
        )
    }
}

/// Allows these devices and no others.
pub fn set(explain: Explain, group: &Directory, devices: &Devices) -> Result<(), CallError> {
    match (group.version, devices) {
        (Version::V1, Devices::All) => group.write(explain, "devices.allow", "a"),
        (Version::V1, Devices::Only(rules)) => {
            // First nothing, then one by one: v1 starts with all, and a single
            // denial does not shrink the "all" in the list.
            group.write(explain, "devices.deny", "a")?;
            for rule in rules {
                group.write(explain, "devices.allow", &rule.to_string())?;
            }
            Ok(())
        }
        (Version::V2, Devices::All) => bpf::detach(explain, &group.path, Kind::Device, PROGRAM),
        (Version::V2, Devices::Only(rules)) => {
            bpf::attach(explain, &group.path, Kind::Device, PROGRAM, &program(rules))
        }
    }
}

/// The rules as a program. It gets three numbers: the access that is wanted and
/// the device's type in one, then major and minor. It answers 1 for yes.
pub fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        // r2: type (1 block, 2 character), r3: access (1 mknod, 2 read, 4 write)
        Instruction::load(2, 1, 0),
        Instruction::copy(3, 2),
        Instruction::and(2, 0xffff),
        Instruction::shift_right(3, 16),
        Instruction::load(4, 1, 4), // major
        Instruction::load(5, 1, 8), // minor
    ];
    for rule in rules {
        let mut tests: Vec<(u8, i32)> = vec![(2, if rule.kind == 'b' { 1 } else { 2 })];
        tests.extend(rule.major.map(|major| (4, major as i32)));
        tests.extend(rule.minor.map(|minor| (5, minor as i32)));
        // What is wanted beyond what the rule grants has to be nothing.
        let granted = [('m', 1), ('r', 2), ('w', 4)]
            .into_iter()
            .filter(|(letter, _)| rule.access.contains(*letter))
            .fold(0, |bits, (_, bit)| bits | bit);
        let mut yes = vec![
            Instruction::copy(0, 3),
            Instruction::and(0, !granted & 7),
            Instruction::skip_unless(0, 0, 2),
            Instruction::set(0, 1),
            Instruction::exit(),
        ];
        // Each test that fails jumps to the next rule, over what is left of this one.
        let mut rest = (tests.len() + yes.len()) as i16;
        for (register, value) in tests {
            rest -= 1;
            program.push(Instruction::skip_unless(register, value, rest));
        }
        program.append(&mut yes);
    }
    program.extend([Instruction::set(0, 0), Instruction::exit()]);
    program
}

/// What is allowed, for a person: v1 has a list, a v2 program only its name.
pub fn shown(group: &Directory) -> Option<String> {
    match group.version {
        Version::V1 => Some(group.read("devices.list").ok()?.replace('\n', ", ")),
        Version::V2 => {
            let programs = bpf::attached(&group.path, Kind::Device).ok()?;
            let names: Vec<String> = programs
                .iter()
                .map(|one| format!("program {} ({})", one.id, one.name))
                .collect();
            Some(if names.is_empty() {
                "all".into()
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
    fn rules_are_read_and_written_as_v1_has_them() {
        for text in ["c 1:3 rw", "b 8:* rwm", "c *:* m"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in ["1:3 rw", "c 1 rw", "c 1:3 rx", "c a:3 r", ""] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(
                error.contains("c MAJOR:MINOR rwm") && error.lines().count() == 1,
                "{error}"
            );
        }
        assert_eq!(
            "none".parse::<Devices>().unwrap(),
            Devices::Only(Vec::new())
        );
        let two: Devices = "c 1:3 rw, c 1:5 r".parse().unwrap();
        assert!(matches!(two, Devices::Only(rules) if rules.len() == 2));
    }

    #[test]
    fn on_v1_everything_is_denied_before_something_is_allowed() {
        let group = scene(Version::V1, &[("devices.deny", ""), ("devices.allow", "")]);
        set(Explain::new(false), &group.0, &"c 1:3 rw".parse().unwrap()).unwrap();
        assert_eq!(group.text("devices.deny"), "a");
        assert_eq!(group.text("devices.allow"), "c 1:3 rw");
    }

    /// A BPF machine of eight lines, to hold the program against its rules.
    fn run(program: &[Instruction], context: [u32; 3]) -> u32 {
        let mut registers = [0_u32; 11];
        let mut at = 0;
        loop {
            let [code, both, low, high, constant @ ..]: [u8; 8] =
                // SAFETY: eight plain bytes, of which each value is one.
                unsafe { std::mem::transmute(program[at]) };
            let (to, from) = ((both & 15) as usize, (both >> 4) as usize);
            let offset = i16::from_le_bytes([low, high]);
            let constant = i32::from_le_bytes(constant);
            at += 1;
            match code {
                0x61 => registers[to] = context[offset as usize / 4],
                0xb4 => registers[to] = constant as u32,
                0xbc => registers[to] = registers[from],
                0x54 => registers[to] &= constant as u32,
                0x74 => registers[to] >>= constant,
                0x55 if registers[to] != constant as u32 => at += offset as usize,
                0x55 => {}
                0x95 => return registers[0],
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_program_answers_as_the_rules_say() {
        let Devices::Only(rules) = "c 1:3 rw, b 8:* r".parse().unwrap() else {
            panic!()
        };
        let program = program(&rules);
        let ask = |access: u32, kind: u32, major, minor| {
            run(&program, [access << 16 | kind, major, minor])
        };
        assert_eq!(ask(2, 2, 1, 3), 1, "/dev/null may be read");
        assert_eq!(ask(6, 2, 1, 3), 1, "and written");
        assert_eq!(ask(1, 2, 1, 3), 0, "but not made");
        assert_eq!(ask(2, 2, 1, 5), 0, "/dev/zero is not named");
        assert_eq!(ask(2, 1, 1, 3), 0, "nor a block device of that number");
        assert_eq!(ask(2, 1, 8, 17), 1, "any disk may be read");
        assert_eq!(ask(4, 1, 8, 17), 0, "and not written");
        assert_eq!(run(&super::program(&[]), [2 << 16 | 2, 1, 3]), 0);
    }
}
