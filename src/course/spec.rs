//! One `exercise.yaml`, typed.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::yaml;

/// What an exercise is and how it is run: `exercise.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Counts up when what is asked changes, so that an old pass no longer counts.
    #[serde(deserialize_with = "at_least_one")]
    pub version: u32,
    pub kind: Kind,
    /// Features of the machine beyond the sandbox itself: `overlay`, `time-namespace`.
    #[serde(default)]
    pub needs: Vec<String>,
    #[serde(default)]
    pub limits: Limits,
    /// The arguments that the work is given.
    #[serde(default = "default_arguments")]
    pub arguments: Vec<String>,
    /// Whether a small root file system is offered at `/srv/rootfs`.
    #[serde(default)]
    pub rootfs: bool,
    /// Programs of this workspace that are put into the machine, on its PATH.
    #[serde(default)]
    pub programs: Vec<Program>,
    /// Directories whose files are told, as the machine sees them: `/srv/upper`.
    #[serde(default, deserialize_with = "directories")]
    pub watch: Vec<String>,
    /// The same, as the process at the checkpoint sees them.
    #[serde(default, deserialize_with = "directories")]
    pub watch_inside: Vec<String>,
    /// Cgroup controllers of which the machine gets a delegated subtree at
    /// `/sys/fs/cgroup`: `memory`, `pids`, `io`, `freezer`, ….
    #[serde(default)]
    pub cgroups: Vec<Controller>,
    /// Why it cannot be run where cgroups are of that version.
    #[serde(default)]
    pub unsupported: ByVersion,
    /// Points by fact path; a fact that is not named here counts 1.
    #[serde(default, deserialize_with = "weights")]
    pub weights: BTreeMap<String, f64>,
    /// Fact paths, with `*`, that vary from run to run.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Man pages to read: `unshare(1)`.
    #[serde(default)]
    pub man: Vec<String>,
}

/// A reason for each cgroup version that an exercise cannot be run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByVersion {
    #[serde(rename = "cgroup-v1", skip_serializing_if = "Option::is_none")]
    pub v1: Option<String>,
    #[serde(rename = "cgroup-v2", skip_serializing_if = "Option::is_none")]
    pub v2: Option<String>,
}

/// What the student writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Shell,
    Rust,
    Question,
}

impl Kind {
    /// The file that the student edits.
    pub fn work_file(self) -> &'static str {
        match self {
            Self::Shell => "work.sh",
            Self::Rust => "work.rs",
            Self::Question => "answer.yaml",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Rust => "rust",
            Self::Question => "question",
        }
    }
}

/// What one run may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Wall time.
    #[serde(deserialize_with = "at_least_one")]
    pub seconds: u64,
    /// In bytes; written `256M`.
    #[serde(with = "bytes")]
    pub memory: u64,
    #[serde(deserialize_with = "at_least_one")]
    pub processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seconds: 10,
            memory: 256 << 20,
            processes: 64,
        }
    }
}

/// A controller that an exercise may ask for, by its name on cgroup v2 where it
/// has one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    Cpu,
    Cpuacct,
    Cpuset,
    Devices,
    Freezer,
    Io,
    Memory,
    NetCls,
    NetPrio,
    PerfEvent,
    Pids,
}

impl Controller {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
            Self::PerfEvent => "perf_event",
            Self::Pids => "pids",
        }
    }
}

/// A program of this workspace that an exercise may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    MiniDocker,
}

impl Program {
    /// The name of the program, and of its package.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniDocker => "mini-docker",
        }
    }
}

/// A size in bytes, written `256M` (K, M and G are powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(char, u32); 3] = [('G', 30), ('M', 20), ('K', 10)];

impl Bytes {
    /// `None` for what is not a size, or is 0, or does not fit.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, shift) = UNITS
            .iter()
            .find_map(|&(unit, shift)| Some((text.strip_suffix(unit)?, shift)))
            .unwrap_or((text, 0));
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let bytes = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
        (bytes > 0).then_some(Self(bytes))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in UNITS {
            if self.0 > 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => number.to_string(),
            Ok(Written::Text(text)) => text,
            Err(_) => return Err(de::Error::custom("not a size, such as 64K, 256M or 1G")),
        };
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a size, such as 64K, 256M or 1G"))
        })
    }
}

impl Spec {
    /// Reads `exercise.yaml`.
    pub fn read(path: &Path) -> Result<Self> {
        yaml::read(path, "see CONTRIBUTING.md for the keys of exercise.yaml")
    }
}

fn default_arguments() -> Vec<String> {
    vec!["checkpoint".into(), "inside".into()]
}

/// By `NonZeroU64`, whose error knows its place in the file.
fn at_least_one<'de, D: Deserializer<'de>, N: TryFrom<u64>>(
    deserializer: D,
) -> Result<N, D::Error> {
    let number = NonZeroU64::deserialize(deserializer)?.get();
    N::try_from(number).map_err(|_| de::Error::custom(format!("{number} is too great")))
}

/// A number of bytes, written as [`Bytes`].
mod bytes {
    use super::{Bytes, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Bytes(*bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        Bytes::deserialize(deserializer).map(|bytes| bytes.0)
    }
}

/// Absolute paths as mounts are told: without `.`, `..` or a slash at the end.
fn directories<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Directory(String);

    impl TryFrom<String> for Directory {
        type Error = String;

        fn try_from(path: String) -> Result<Self, String> {
            let mut names = path.strip_prefix('/').unwrap_or_default().split('/');
            match names.all(|name| !["", ".", ".."].contains(&name)) {
                true => Ok(Self(path)),
                false => Err(format!(
                    "`{path}` is not the absolute path of a directory, such as /srv/upper"
                )),
            }
        }
    }
    let paths = Vec::<Directory>::deserialize(deserializer)?;
    Ok(paths.into_iter().map(|Directory(path)| path).collect())
}

fn weights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let weights = BTreeMap::<String, f64>::deserialize(deserializer)?;
    match weights
        .iter()
        .find(|(_, points)| !points.is_finite() || **points <= 0.0)
    {
        Some((fact, points)) => Err(de::Error::custom(format!(
            "{points} points for {fact}: a weight is above 0"
        ))),
        None => Ok(weights),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Spec> {
        yaml::parse(text, Path::new("exercise.yaml"), "see CONTRIBUTING.md")
    }

    #[test]
    fn two_keys_are_enough_and_the_rest_has_defaults() {
        let spec = parse("version: 1\nkind: shell\n").unwrap();
        assert_eq!(
            spec.limits,
            Limits {
                seconds: 10,
                memory: 268_435_456,
                processes: 64
            }
        );
        assert_eq!(spec.arguments, ["checkpoint", "inside"]);
        assert!(!spec.rootfs && spec.needs.is_empty() && spec.weights.is_empty());
    }

    #[test]
    fn every_key_is_read_and_written_back() {
        let text = "version: 2\nkind: rust\nneeds: [overlay]\nlimits: {seconds: 3, memory: 64M, processes: 9}\n\
                    arguments: [sh, -c, checkpoint inside]\nrootfs: true\ncgroups: [memory, freezer]\n\
                    programs: [mini-docker]\n\
                    unsupported: {cgroup-v2: why}\n\
                    watch: [/srv/upper]\nwatch_inside: [/merged]\nweights: {inside.process.hostname: 2}\n\
                    ignore: ['*.pids']\nman: [unshare(1)]\n";
        let spec = parse(text).unwrap();
        assert_eq!(spec.limits.memory, 64 << 20);
        assert_eq!(spec.weights["inside.process.hostname"], 2.0);
        let again = parse(&serde_yaml::to_string(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        for (text, place, words) in [
            (
                "version: 1\nkind: shell\ncolour: red\n",
                "exercise.yaml:3:1: ",
                "unknown field `colour`",
            ),
            (
                "version: 1\nkind: shell\nwatch: [srv/upper]\n",
                "exercise.yaml:3:",
                "`srv/upper` is not the absolute path",
            ),
            ("version: 1\nkind: perl\n", "exercise.yaml:2:7: ", "perl"),
            (
                "version: 0\nkind: shell\n",
                "exercise.yaml:1:10: ",
                "nonzero",
            ),
            (
                "version: 1\nkind: shell\nlimits: {memory: 12X}\n",
                "exercise.yaml:3:",
                "`12X` is not a size",
            ),
            (
                "version: 1\nkind: shell\nlimits: {seconds: -1}\n",
                "exercise.yaml:3:",
                "-1",
            ),
            (
                "version: 1\nkind: shell\nweights: {a: 0}\n",
                "exercise.yaml:",
                "above 0",
            ),
            (
                "version: 1\nkind: shell\ncgroups: [ram]\n",
                "exercise.yaml:3:",
                "unknown variant `ram`",
            ),
            (
                "version: 1\nkind: shell\nprograms: [docker]\n",
                "exercise.yaml:3:",
                "unknown variant `docker`",
            ),
            (
                "version: 1\nkind: shell\nman: [a\n",
                "exercise.yaml:4:1: ",
                "did not find",
            ),
            ("", "exercise.yaml:1:1: ", ""),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
            assert!(error.contains(words), "{error}");
            assert!(error.ends_with("; see CONTRIBUTING.md"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(Bytes::parse("256M"), Some(Bytes(256 << 20)));
        assert_eq!(Bytes::parse("4096"), Some(Bytes(4096)));
        for nonsense in ["", "M", "0", "1.5G", "+3K", "99999999999G", "3 M", "3m"] {
            assert_eq!(Bytes::parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(Bytes(64 << 10).to_string(), "64K");
        assert_eq!(Bytes(1000).to_string(), "1000");
    }
}
