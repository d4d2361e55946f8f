//! The verdict on an exercise, and the document `tp-result/v1` that holds it.
//!
//! Every other format (tables, JUnit, marks) is made from this one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the result document that this program writes.
pub const FORMAT: &str = "tp-result/v1";

/// What became of a check, or of a whole exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pass,
    Fail,
    /// Not looked at, because something that it depends on failed.
    Skipped,
    /// This machine cannot run it; never the student's fault.
    Unsupported,
    /// The runner's or the course's own fault; never the student's.
    Error,
}

/// One fact held against the kernel's state, or one condition of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Stable English identifier: the fact's path, `inside.process.hostname`;
    /// `build`, `time_limit`, `inside` (the checkpoint was reached) and
    /// `inside.nothing_else` (strictness) are the conditions of the run.
    pub id: String,
    /// A few words for people, in the language in use.
    pub title: String,
    pub status: Status,
    pub points: f64,
    pub out_of: f64,
    /// As in the expected snapshot; absent where nothing was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What the kernel held, in symbols; absent where it did not differ from
    /// the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// Why a check did not pass, in kernel terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the kernel holds, against what was expected.
    pub what: String,
    /// What that means.
    pub meaning: String,
    /// The likely cause, and where there is one the call or command that mends it.
    pub cause: String,
    /// Where to read on: `unshare(2)`.
    pub man: Vec<String>,
}

/// The verdict on one exercise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExerciseResult {
    /// `2.3`
    pub id: String,
    /// `mount-propagation`
    pub name: String,
    pub version: u32,
    pub status: Status,
    pub points: f64,
    pub out_of: f64,
    /// One line when the whole is unsupported or an error: reason and remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub checks: Vec<Check>,
    /// What the program printed, both streams as they came, cut to a limit and
    /// free of control characters.
    pub output: String,
    pub output_truncated: bool,
    /// Wall time in milliseconds; for information, never a criterion.
    pub duration_ms: u64,
}

/// What the machine is, as far as it bears on a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `uname -r`
    pub kernel: String,
    pub architecture: String,
    /// `v1`, `v2`, `hybrid` or `none`
    pub cgroup: String,
    /// `available`, or why not
    pub user_namespaces: String,
    /// Whether the runner itself was root.
    pub root: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CourseRef {
    pub id: String,
    pub version: String,
}

/// The result document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    /// [`FORMAT`]
    pub format: String,
    /// The program that wrote it: `tp 0.1.0`.
    pub generator: String,
    pub course: CourseRef,
    pub host: HostFacts,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    pub points: f64,
    pub out_of: f64,
    pub exercises: Vec<ExerciseResult>,
}
