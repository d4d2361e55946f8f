//! `cpu=50%`, `memory=64M`: one word for v1 and v2, and raw files for the rest.
//!
//! A word says what is *meant*; which file that is, and in which number, depends
//! on where the controller is mounted. Where the two worlds mean different things
//! (memory-high) the word is v2's, and its brick tells what v1 has instead.

use anyhow::{Context, bail};

use super::devices::{self, Devices};
use super::files::Directory;
use super::group::Group;
use super::io::{self, Rate};
use super::{cpu, cpuset, freezer, memory, network, pids};
use crate::explain::Explain;

/// Every word: its controller, what its value looks like, what it does.
pub const WORDS: [(&str, &str, &str, &str); 16] = [
    (
        "cpu",
        "cpu",
        "50%",
        "share of the processors, against the siblings",
    ),
    (
        "cpu-max",
        "cpu",
        "50% | max",
        "most processor time, 100% is one processor",
    ),
    ("cpuset", "cpuset", "0-1,3", "processors that may be used"),
    (
        "mems",
        "cpuset",
        "0",
        "NUMA nodes that memory may come from",
    ),
    (
        "memory",
        "memory",
        "64M | max",
        "memory limit: above it the OOM killer comes",
    ),
    (
        "memory-high",
        "memory",
        "48M | max",
        "memory above which it is slowed down (v1: soft limit)",
    ),
    ("swap", "memory", "0 | 64M | max", "swap beside the memory"),
    ("pids", "pids", "20 | max", "processes and threads"),
    (
        "disk",
        "blkio",
        "50%",
        "share of each disk, against the siblings",
    ),
    (
        "disk-read",
        "blkio",
        "/dev/sda:1M",
        "bytes a second read from a disk; 8:0:max for none",
    ),
    (
        "disk-write",
        "blkio",
        "/dev/sda:1M",
        "bytes a second written to it",
    ),
    ("disk-read-ops", "blkio", "/dev/sda:100", "reads a second"),
    ("disk-write-ops", "blkio", "/dev/sda:100", "writes a second"),
    ("freeze", "freezer", "yes | no", "all processes stand still"),
    (
        "devices",
        "devices",
        "c 1:3 rw,… | none | all",
        "device nodes that may be used, and no others",
    ),
    (
        "net-class",
        "net_cls",
        "1:2",
        "tc class that packets are marked with; 0:0 for none",
    ),
];

/// The word that names an interface too, and so has no one value to show.
const NET_PRIO: (&str, &str, &str) = ("net-prio", "net_prio", "eth0:5");

/// One setting as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    CpuShare(u32),
    CpuMax(Option<u32>),
    Cpuset(String),
    Mems(String),
    Memory(Option<u64>),
    MemoryHigh(Option<u64>),
    Swap(Option<u64>),
    Pids(Option<u64>),
    DiskShare(u32),
    DiskMax(Rate, String, Option<u64>),
    Freeze(bool),
    Devices(Devices),
    NetClass(u32),
    NetPrio(String, u32),
    /// A file of the kernel's, and what to write into it.
    Raw(String, String),
}

impl Setting {
    /// `WORD=VALUE` or `FILE=VALUE`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let Some((word, value)) = text.split_once('=') else {
            bail!("setting {text:?}: wants WORD=VALUE, as cpu=50%, or FILE=VALUE, as pids.max=20");
        };
        Self::of(word.trim(), value.trim())
    }

    pub fn of(word: &str, value: &str) -> anyhow::Result<Self> {
        // The kernel's files have a dot in their names, the words have none.
        if word.contains('.') && !word.contains('/') {
            return Ok(Self::Raw(word.into(), value.into()));
        }
        let form = WORDS
            .iter()
            .find(|(known, ..)| *known == word)
            .map(|(_, _, form, _)| *form);
        let form = match (form, word == NET_PRIO.0) {
            (Some(form), _) => form,
            (None, true) => NET_PRIO.2,
            (None, false) => {
                let words: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
                bail!(
                    "{word}: no such word; there are {}, {}, and the kernel's files by name, as pids.max",
                    words.join(", "),
                    NET_PRIO.0
                )
            }
        };
        Self::parsed(word, value)
            .with_context(|| format!("{word}={value}: wants a value such as {form}"))
    }

    fn parsed(word: &str, value: &str) -> anyhow::Result<Self> {
        Ok(match word {
            "cpu" => Self::CpuShare(share(value)?),
            "cpu-max" => Self::CpuMax(or_max(value, percent)?),
            "cpuset" => Self::Cpuset(value.into()),
            "mems" => Self::Mems(value.into()),
            "memory" => Self::Memory(or_max(value, bytes)?),
            "memory-high" => Self::MemoryHigh(or_max(value, bytes)?),
            "swap" => Self::Swap(or_max(value, bytes)?),
            "pids" => Self::Pids(or_max(value, count)?),
            "disk" => Self::DiskShare(share(value)?),
            "freeze" => Self::Freeze(match value {
                "yes" => true,
                "no" => false,
                _ => bail!("neither yes nor no"),
            }),
            "devices" => Self::Devices(value.parse()?),
            "net-class" => Self::NetClass(class(value)?),
            "net-prio" => {
                let (interface, priority) = value.rsplit_once(':').context("no interface")?;
                Self::NetPrio(interface.into(), priority.parse().context("no number")?)
            }
            rate => {
                let (device, limit) = value.rsplit_once(':').context("no device")?;
                let rate = match rate {
                    "disk-read" => Rate::ReadBytes,
                    "disk-write" => Rate::WriteBytes,
                    "disk-read-ops" => Rate::ReadOperations,
                    _ => Rate::WriteOperations,
                };
                Self::DiskMax(rate, io::device_number(device)?, or_max(limit, bytes)?)
            }
        })
    }

    /// The controller whose directory it is written in.
    fn controller(&self) -> &str {
        match self {
            Self::CpuShare(_) | Self::CpuMax(_) => "cpu",
            Self::Cpuset(_) | Self::Mems(_) => "cpuset",
            Self::Memory(_) | Self::MemoryHigh(_) | Self::Swap(_) => "memory",
            Self::Pids(_) => "pids",
            Self::DiskShare(_) | Self::DiskMax(..) => "blkio",
            Self::Freeze(_) => "freezer",
            Self::Devices(_) => "devices",
            Self::NetClass(_) => "net_cls",
            Self::NetPrio(..) => "net_prio",
            Self::Raw(file, _) => file.split('.').next().unwrap_or(file),
        }
    }

    pub fn apply(&self, explain: Explain, group: &Group) -> anyhow::Result<()> {
        let directory = match self {
            Self::Raw(file, _) => directory_of_file(group, file)?,
            _ => group.directory(self.controller())?,
        };
        match self {
            Self::CpuShare(percent) => cpu::set_share(explain, directory, *percent),
            Self::CpuMax(percent) => cpu::set_max(explain, directory, *percent),
            Self::Cpuset(list) => cpuset::set_cpus(explain, directory, list),
            Self::Mems(list) => cpuset::set_mems(explain, directory, list),
            Self::Memory(bytes) => memory::set_max(explain, directory, *bytes),
            Self::MemoryHigh(bytes) => memory::set_high(explain, directory, *bytes),
            Self::Swap(bytes) => memory::set_swap(explain, directory, *bytes),
            Self::Pids(count) => pids::set_max(explain, directory, *count),
            Self::DiskShare(percent) => io::set_share(explain, directory, *percent),
            Self::DiskMax(rate, device, limit) => {
                io::set_max(explain, directory, *rate, device, *limit)
            }
            Self::Freeze(freeze) => freezer::freeze(explain, directory, *freeze),
            Self::Devices(devices) => devices::set(explain, directory, devices),
            Self::NetClass(class) => network::set_class(explain, directory, *class),
            Self::NetPrio(interface, priority) => {
                network::set_priority(explain, directory, interface, *priority)
            }
            Self::Raw(file, value) => directory.write(explain, file, value),
        }?;
        Ok(())
    }
}

/// The directory of a group in which a file of the kernel's lies.
pub fn directory_of_file<'a>(group: &'a Group, file: &str) -> anyhow::Result<&'a Directory> {
    match group
        .directories()
        .into_iter()
        .find(|directory| directory.has(file))
    {
        Some(directory) => Ok(directory),
        // Nobody has it: the directory of its controller gives the best error.
        None => group.directory(file.split('.').next().unwrap_or(file)),
    }
}

/// The value of a word in a group, as `set` would take it; a file's text as it is.
pub fn shown(group: &Group, word: &str) -> anyhow::Result<Option<String>> {
    if word.contains('.') {
        return Ok(Some(directory_of_file(group, word)?.read(word)?));
    }
    let Some((_, controller, ..)) = WORDS.iter().find(|(known, ..)| *known == word) else {
        // For its list of words.
        Setting::of(word, "")?;
        bail!("{word} has no one value; read its file, net_prio.ifpriomap");
    };
    let group = group.directory(controller)?;
    let lines = |rate| Some(io::max(group, rate).join(", "));
    let or_max = |number: Option<String>| Some(number.unwrap_or("max".into()));
    // The root has no limits, and its directory no files for them.
    Ok(match word {
        "cpu" => cpu::share(group).map(|percent| format!("{percent}%")),
        "cpu-max" if has_any(group, &["cpu.max", "cpu.cfs_quota_us"]) => {
            or_max(cpu::max(group).map(|percent| format!("{percent}%")))
        }
        "cpuset" => group.read("cpuset.cpus").ok(),
        "mems" => group.read("cpuset.mems").ok(),
        "memory" if has_any(group, &["memory.max", "memory.limit_in_bytes"]) => {
            or_max(memory::max(group).map(size))
        }
        "memory-high" if has_any(group, &["memory.high", "memory.soft_limit_in_bytes"]) => {
            or_max(memory::high(group).map(size))
        }
        "swap" => swap(group),
        "pids" if group.has("pids.max") => or_max(pids::max(group).map(|n| n.to_string())),
        "disk" => io::share(group).map(|percent| format!("{percent}%")),
        "disk-read" => lines(Rate::ReadBytes),
        "disk-write" => lines(Rate::WriteBytes),
        "disk-read-ops" => lines(Rate::ReadOperations),
        "disk-write-ops" => lines(Rate::WriteOperations),
        "freeze" => {
            freezer::is_frozen(group).map(|frozen| if frozen { "yes" } else { "no" }.into())
        }
        "devices" => devices::shown(group),
        "net-class" => network::shown(group),
        _ => None,
    })
}

fn has_any(group: &Directory, files: &[&str]) -> bool {
    files.iter().any(|file| group.has(file))
}

fn swap(group: &Directory) -> Option<String> {
    let both = group
        .number("memory.memsw.limit_in_bytes")
        .filter(|bytes| *bytes < 1 << 62);
    match (both, memory::max(group)) {
        (Some(both), Some(memory)) => Some(size(both.saturating_sub(memory))),
        _ if group.has("memory.memsw.limit_in_bytes") => Some("max".into()),
        _ => match group.read("memory.swap.max").ok()?.parse() {
            Ok(bytes) => Some(size(bytes)),
            Err(_) => Some("max".into()),
        },
    }
}

/// Whole binary units where it comes out even, bytes else.
pub fn size(bytes: u64) -> String {
    for (shift, unit) in [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

fn or_max<T>(value: &str, parse: impl Fn(&str) -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match value {
        "max" => Ok(None),
        value => parse(value).map(Some),
    }
}

fn count(value: &str) -> anyhow::Result<u64> {
    value.parse().context("not a number")
}

/// `50%`, or as a number of processors, `0.5`.
fn percent(value: &str) -> anyhow::Result<u32> {
    let percent = match value.strip_suffix('%') {
        Some(number) => number.parse::<f64>().context("not a number before %")?,
        None => value.parse::<f64>().context("not a number")? * 100.0,
    };
    // The kernel takes no quota below 1 ms of its 100 ms.
    match percent.is_finite() && (1.0..=1e6).contains(&percent) {
        true => Ok(percent.round() as u32),
        false => bail!("not between 1% and 1000000%"),
    }
}

/// A share: from 1% to 100% of what the siblings have together.
fn share(value: &str) -> anyhow::Result<u32> {
    let number = value.strip_suffix('%').context("no % at the end")?;
    let number: u32 = number.parse().context("not a number before %")?;
    match (1..=100).contains(&number) {
        true => Ok(number),
        false => bail!("not between 1% and 100%"),
    }
}

/// `64M`, `1G`, `4096`: binary units, as the kernel's files take them.
pub fn bytes(value: &str) -> anyhow::Result<u64> {
    let (number, shift) = match value.char_indices().last() {
        Some((at, 'K' | 'k')) => (&value[..at], 10),
        Some((at, 'M' | 'm')) => (&value[..at], 20),
        Some((at, 'G' | 'g')) => (&value[..at], 30),
        Some((at, 'T' | 't')) => (&value[..at], 40),
        _ => (value, 0),
    };
    let number: u64 = number
        .parse()
        .context("not a number, with K, M, G or T after it")?;
    number
        .checked_mul(1 << shift)
        .filter(|n| *n < 1 << 62)
        .context("too large")
}

/// `1:2` in tc's hexadecimal.
fn class(value: &str) -> anyhow::Result<u32> {
    let (major, minor) = value.split_once(':').context("no colon")?;
    let part = |text| u16::from_str_radix(text, 16).context("not a hexadecimal number of 16 bits");
    Ok(u32::from(part(major)?) << 16 | u32::from(part(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_with_its_unit() {
        for (text, meant) in [
            ("cpu=50%", Setting::CpuShare(50)),
            ("cpu-max=0.5", Setting::CpuMax(Some(50))),
            ("cpu-max=150%", Setting::CpuMax(Some(150))),
            ("memory=64M", Setting::Memory(Some(64 << 20))),
            ("memory=max", Setting::Memory(None)),
            ("pids=20", Setting::Pids(Some(20))),
            ("freeze=yes", Setting::Freeze(true)),
            ("net-class=1:2", Setting::NetClass(0x10002)),
            ("net-prio=eth0:5", Setting::NetPrio("eth0".into(), 5)),
            (
                "disk-read=8:0:1M",
                Setting::DiskMax(Rate::ReadBytes, "8:0".into(), Some(1 << 20)),
            ),
            (
                "cpu.weight=50",
                Setting::Raw("cpu.weight".into(), "50".into()),
            ),
        ] {
            assert_eq!(Setting::parse(text).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_a_value_that_is_right() {
        for (text, says) in [
            ("cpu", "WORD=VALUE"),
            ("cpu=50", "50%"),
            ("cpu=0%", "between 1% and 100%"),
            ("cpu-max=nan", "between 1%"),
            ("memory=lots", "64M"),
            ("memory=99999999T", "too large"),
            ("freeze=maybe", "yes | no"),
            ("disk-read=1M", "/dev/sda:1M"),
            ("net-class=70000:1", "1:2"),
            ("cpus=50%", "there are cpu, cpu-max"),
            ("../cpu.max=1", "no such word"),
        ] {
            let error = format!("{:#}", Setting::parse(text).unwrap_err());
            assert!(
                error.contains(says) && error.lines().count() == 1,
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn every_word_is_understood() {
        let values = ["50%", "max", "0", "yes", "none", "1:2", "8:0:max"];
        for (word, ..) in WORDS {
            let understood = values.iter().any(|value| Setting::of(word, value).is_ok());
            assert!(understood, "{word}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for text in ["64M", "1G", "1023", "0", "3K"] {
            assert_eq!(size(bytes(text).unwrap()), text);
        }
    }
}
