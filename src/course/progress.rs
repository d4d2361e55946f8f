//! How far the student is: an append-only log of events, and what it folds to.
//!
//! The log is `progress.jsonl` in the state folder. Each event is one line,
//! appended by one write under a lock and synced. A run that is killed can
//! tear the last line at most; such a line is passed over when reading and
//! ended by the next append, so that nothing else is lost.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalogue::{Catalogue, Exercise};
use super::hints::Hint;
use super::yaml::plain;
use crate::check::verdict::{Check, ExerciseResult, Status};

/// The first line of a log names its format.
const FORMAT: &str = "tp-progress/v1";

/// Something that happened to an exercise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Attempt {
        exercise: String,
        version: u32,
        status: Status,
        points: f64,
        out_of: f64,
        /// The ids of the facts that failed.
        failed: Vec<String>,
        ms: u64,
    },
    Pass {
        exercise: String,
        version: u32,
    },
    /// `layer` of the hints for the fact `when`, from 1.
    Hint {
        exercise: String,
        version: u32,
        when: String,
        layer: usize,
    },
    Reset {
        exercise: String,
        version: u32,
    },
    Skip {
        exercise: String,
        version: u32,
    },
    SolutionSeen {
        exercise: String,
        version: u32,
    },
    /// All were checked again; `failed` holds the names of those that no longer pass.
    AllChecked {
        failed: Vec<String>,
    },
}

impl Event {
    pub fn hint(exercise: &Exercise, hint: &Hint) -> Self {
        let (name, version) = key(exercise);
        Self::Hint {
            exercise: name,
            version,
            when: hint.when.clone(),
            layer: hint.layer,
        }
    }

    pub fn reset(exercise: &Exercise) -> Self {
        let (exercise, version) = key(exercise);
        Self::Reset { exercise, version }
    }

    pub fn skip(exercise: &Exercise) -> Self {
        let (exercise, version) = key(exercise);
        Self::Skip { exercise, version }
    }

    pub fn solution(exercise: &Exercise) -> Self {
        let (exercise, version) = key(exercise);
        Self::SolutionSeen { exercise, version }
    }
}

/// Names stay when exercises are renumbered; a new version begins anew.
fn key(exercise: &Exercise) -> (String, u32) {
    (exercise.name.clone(), exercise.spec.version)
}

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// The log of one course.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Said once; after it the runner goes on without a log.
    broken: bool,
}

impl Log {
    /// The log of the course `id`. It is made when the first event comes.
    pub fn open(id: &str) -> Self {
        Self::at(&state_directory(id))
    }

    /// The log in the folder `directory`.
    pub fn at(directory: &Path) -> Self {
        Self {
            path: directory.join("progress.jsonl"),
            broken: false,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one event. When that fails, a warning is printed, once.
    pub fn append(&mut self, event: &Event) {
        if self.broken {
            return;
        }
        if let Err(error) = self.try_append(event) {
            self.broken = true;
            crate::ui::warn(&format!(
                "warning: {}: {}; progress of this run is not kept (set TP_STATE_DIR to a folder that you may write to)",
                self.path.display(),
                plain(&error)
            ));
        }
    }

    /// Writes an attempt down, and a pass when it is one.
    pub fn attempt(&mut self, result: &ExerciseResult) {
        // A run that was interrupted says nothing of the work.
        if result.checks.iter().any(|check| check.id == "interrupted") {
            return;
        }
        let failed = result
            .checks
            .iter()
            .filter(|check| check.status == Status::Fail);
        self.append(&Event::Attempt {
            exercise: result.name.clone(),
            version: result.version,
            status: result.status,
            points: result.points,
            out_of: result.out_of,
            failed: failed.flat_map(facts).collect(),
            ms: result.duration_ms,
        });
        if result.status == Status::Pass {
            self.append(&Event::Pass {
                exercise: result.name.clone(),
                version: result.version,
            });
        }
    }

    fn try_append(&self, event: &Event) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        // Two runners at once: without the lock both could mend the same torn line.
        let mut file = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        let mut text = String::new();
        match last_byte(&mut file)? {
            None => text += &format!("{{\"format\":\"{FORMAT}\"}}\n"),
            Some(b'\n') => {}
            Some(_) => text.push('\n'),
        }
        let time = now();
        text += &serde_json::to_string(&Line { time: &time, event })?;
        text.push('\n');
        // One write, not `write_all`: a short one is a full disk.
        match file.write(text.as_bytes())? {
            written if written == text.len() => file.sync_data(),
            _ => Err(io::Error::from_raw_os_error(nix::libc::ENOSPC)),
        }
    }

    /// What the log folds to. A log that cannot be read is an empty one, and
    /// a warning.
    pub fn progress(&self) -> Progress {
        match fs::read(&self.path) {
            Ok(bytes) => Progress::fold(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Progress::default(),
            Err(error) => {
                if !self.broken {
                    crate::ui::warn(&format!(
                        "warning: {}: {}; going on as if nothing was done yet",
                        self.path.display(),
                        plain(&error)
                    ));
                }
                Progress::default()
            }
        }
    }
}

fn last_byte(file: &mut File) -> io::Result<Option<u8>> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(Some(byte[0]))
}

/// The facts that a failed check is about: its own, or, when something was
/// there that nobody expected, the paths of what was.
fn facts(check: &Check) -> Vec<String> {
    let Some(checkpoint) = check.id.strip_suffix(".nothing_else") else {
        return vec![check.id.clone()];
    };
    let mut paths = Vec::new();
    if let Some(found) = &check.found {
        leaves(found, checkpoint, &mut paths);
    }
    paths.push(check.id.clone());
    paths
}

/// The paths of the leaves of nested tables.
fn leaves(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value.as_object() {
        Some(table) if !table.is_empty() => {
            for (name, value) in table {
                leaves(value, &format!("{path}.{name}"), paths);
            }
        }
        _ => paths.push(path.to_owned()),
    }
}

/// What became of one exercise.
#[derive(Clone, Debug, Default, PartialEq)]
struct Standing {
    passed: bool,
    skipped: bool,
    unsupported: bool,
    attempts: u32,
    failed: Vec<String>,
    /// Hint layers shown, by fact.
    hints: BTreeMap<String, usize>,
}

/// The log, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    standings: BTreeMap<(String, u32), Standing>,
    /// Nothing was passed anew since all were checked and did pass.
    all_checked: bool,
}

impl Progress {
    /// Folds a log; lines that are no event are passed over.
    pub fn fold(log: &[u8]) -> Self {
        let mut progress = Self::default();
        for line in log.split(|byte| *byte == b'\n') {
            if let Ok(event) = serde_json::from_slice(line) {
                progress.apply(event);
            }
        }
        progress
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Attempt {
                exercise,
                version,
                status,
                failed,
                ..
            } => {
                let standing = self.standing(exercise, version);
                standing.attempts += 1;
                standing.failed = failed;
                standing.unsupported = status == Status::Unsupported;
            }
            Event::Pass { exercise, version } => {
                let standing = self.standing(exercise, version);
                let news = !standing.passed;
                standing.passed = true;
                standing.skipped = false;
                self.all_checked &= !news;
            }
            Event::Hint {
                exercise,
                version,
                when,
                layer,
            } => {
                let shown = self
                    .standing(exercise, version)
                    .hints
                    .entry(when)
                    .or_default();
                *shown = layer.max(*shown);
            }
            Event::Reset { exercise, version } => self.standing(exercise, version).failed.clear(),
            Event::Skip { exercise, version } => self.standing(exercise, version).skipped = true,
            Event::SolutionSeen { .. } => {}
            Event::AllChecked { failed } => {
                self.all_checked = failed.is_empty();
                for ((name, _), standing) in &mut self.standings {
                    standing.passed &= !failed.contains(name);
                }
            }
        }
    }

    fn standing(&mut self, exercise: String, version: u32) -> &mut Standing {
        self.standings.entry((exercise, version)).or_default()
    }

    fn of(&self, exercise: &Exercise) -> Option<&Standing> {
        self.standings.get(&key(exercise))
    }

    pub fn passed(&self, exercise: &Exercise) -> bool {
        self.of(exercise).is_some_and(|standing| standing.passed)
    }

    /// Left for later, and not passed since.
    pub fn skipped(&self, exercise: &Exercise) -> bool {
        self.of(exercise).is_some_and(|standing| standing.skipped)
    }

    /// This machine could not run it, the last time.
    pub fn unsupported(&self, exercise: &Exercise) -> bool {
        self.of(exercise)
            .is_some_and(|standing| standing.unsupported)
    }

    pub fn attempts(&self, exercise: &Exercise) -> u32 {
        self.of(exercise).map_or(0, |standing| standing.attempts)
    }

    /// The facts that the last attempt failed on.
    pub fn failed(&self, exercise: &Exercise) -> &[String] {
        self.of(exercise).map_or(&[], |standing| &standing.failed)
    }

    /// How many layers of the hints for `when` were shown.
    pub fn hints_shown(&self, exercise: &Exercise, when: &str) -> usize {
        self.of(exercise)
            .and_then(|standing| standing.hints.get(when))
            .copied()
            .unwrap_or(0)
    }

    /// The next exercise to do: the first that is open, then those that were
    /// left for later or that this machine could not run.
    pub fn next<'a>(&self, catalogue: &'a Catalogue) -> Option<&'a Exercise> {
        let open = || {
            catalogue
                .exercises
                .iter()
                .filter(|exercise| !self.passed(exercise))
        };
        open()
            .find(|exercise| !self.skipped(exercise) && !self.unsupported(exercise))
            .or_else(|| open().find(|exercise| !self.unsupported(exercise)))
            .or_else(|| open().next())
    }

    /// Everything that this machine can run is passed, and was not checked as
    /// a whole since.
    pub fn needs_final_check(&self, catalogue: &Catalogue) -> bool {
        let done = |exercise| self.passed(exercise) || self.unsupported(exercise);
        !self.all_checked
            && catalogue
                .exercises
                .iter()
                .any(|exercise| self.passed(exercise))
            && catalogue.exercises.iter().all(done)
    }
}

/// Where the state of the course `id` is kept: `TP_STATE_DIR/ID`, else
/// `$XDG_STATE_HOME/tp/ID` (XDG Base Directory Specification).
pub fn state_directory(id: &str) -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || {
        variable("HOME").or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid());
            user.ok().flatten().map(|user| user.dir)
        })
    };
    variable("TP_STATE_DIR")
        .or_else(|| {
            variable("XDG_STATE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("tp"))
        })
        .unwrap_or_else(|| home().unwrap_or_else(|| "/".into()).join(".local/state/tp"))
        .join(id)
}

/// The time of day, RFC 3339, UTC, in seconds.
pub fn now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    rfc3339(seconds)
}

/// Days to a date by the calendar that repeats every 400 years (146097 days),
/// with years that begin in March, so that the leap day comes last.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::Course;
    use super::*;

    fn attempt(name: &str, status: Status, failed: &[&str]) -> Event {
        Event::Attempt {
            exercise: name.into(),
            version: 1,
            status,
            points: 0.0,
            out_of: 1.0,
            failed: failed.iter().map(|id| (*id).to_owned()).collect(),
            ms: 3,
        }
    }

    fn pass(name: &str) -> Event {
        Event::Pass {
            exercise: name.into(),
            version: 1,
        }
    }

    #[test]
    fn what_nobody_expected_is_told_by_its_paths_so_that_a_hint_fits() {
        let check = |id: &str, found| Check {
            id: id.into(),
            title: String::new(),
            status: Status::Fail,
            points: 0.0,
            out_of: 1.0,
            expected: None,
            found,
            explanation: None,
        };
        let leak = serde_json::json!({"machine": {"hostname": "x", "mounts": {"/run/x": {"type": "tmpfs"}}}});
        assert_eq!(
            facts(&check("inside.nothing_else", Some(leak))),
            [
                "inside.machine.hostname",
                "inside.machine.mounts./run/x.type",
                "inside.nothing_else"
            ]
        );
        assert_eq!(
            facts(&check("inside.process.pids", None)),
            ["inside.process.pids"]
        );
    }

    #[test]
    fn a_log_cut_at_any_byte_loads_and_takes_the_next_event() {
        let course = Course::new("cut");
        let mut log = Log::at(&course.0.join("state"));
        log.append(&attempt(
            "own-hostname",
            Status::Fail,
            &["inside.process.hostname"],
        ));
        log.append(&pass("own-hostname"));
        log.append(&attempt("unshare", Status::Fail, &[]));
        let whole = fs::read(log.path()).unwrap();
        let catalogue = course.load().unwrap();
        let exercise = |id: &str| catalogue.exercise(id).unwrap();
        for length in 0..=whole.len() {
            let kept = &whole[..length];
            fs::write(log.path(), kept).unwrap();
            let complete = kept.iter().filter(|byte| **byte == b'\n').count();
            let before = log.progress();
            // A line that lacks nothing but its end counts, too.
            let seen = before.passed(exercise("1.1"));
            assert!(seen || complete < 3, "{length}");
            log.append(&pass("mount-propagation"));
            let after = log.progress();
            assert!(after.passed(exercise("2.2")), "{length}");
            assert_eq!(after.passed(exercise("1.1")), seen, "{length}");
            assert_eq!(
                after.attempts(exercise("1.1")),
                before.attempts(exercise("1.1")),
                "{length}"
            );
            assert!(!log.broken);
        }
    }

    #[test]
    fn runners_side_by_side_lose_nothing() {
        let course = Course::new("side");
        let directory = course.0.join("state");
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut log = Log::at(&directory);
                    start.wait();
                    for _ in 0..25 {
                        log.append(&attempt("unshare", Status::Fail, &[]));
                    }
                });
            }
        });
        let catalogue = course.load().unwrap();
        let log = Log::at(&directory);
        assert_eq!(
            log.progress()
                .attempts(catalogue.exercise("unshare").unwrap()),
            100
        );
        let text = fs::read_to_string(log.path()).unwrap();
        assert_eq!(text.matches(FORMAT).count(), 1);
        assert_eq!(text.lines().count(), 101);
    }

    #[test]
    fn a_log_that_cannot_be_written_does_not_stop_the_run() {
        let mut log = Log::at(Path::new("/dev/null/x"));
        log.append(&pass("unshare"));
        assert!(log.broken);
        log.append(&pass("unshare"));
        assert_eq!(log.progress(), Progress::default());
        let mut full = Log {
            path: "/dev/full".into(),
            broken: false,
        };
        full.append(&pass("unshare"));
        assert!(full.broken);
    }

    #[test]
    fn the_next_exercise_is_the_first_open_one_then_those_left_for_later() {
        let course = Course::new("next");
        let catalogue = course.load().unwrap();
        let mut progress = Progress::default();
        let next = |progress: &Progress| progress.next(&catalogue).map(|e| e.id.clone());
        assert_eq!(next(&progress).as_deref(), Some("1.1"));
        progress.apply(Event::Skip {
            exercise: "own-hostname".into(),
            version: 1,
        });
        assert_eq!(next(&progress).as_deref(), Some("2.1"));
        progress.apply(pass("unshare"));
        progress.apply(attempt("mount-propagation", Status::Unsupported, &[]));
        assert_eq!(next(&progress).as_deref(), Some("1.1"));
        assert!(!progress.needs_final_check(&catalogue));
        progress.apply(pass("own-hostname"));
        assert_eq!(next(&progress).as_deref(), Some("2.2"));
        // What this machine cannot run does not block the end.
        assert!(progress.needs_final_check(&catalogue));
        progress.apply(pass("mount-propagation"));
        assert_eq!(next(&progress), None);
        assert!(progress.needs_final_check(&catalogue));
        progress.apply(Event::AllChecked {
            failed: vec!["unshare".into()],
        });
        assert_eq!(next(&progress).as_deref(), Some("2.1"));
        progress.apply(pass("unshare"));
        assert!(progress.needs_final_check(&catalogue));
        progress.apply(Event::AllChecked { failed: vec![] });
        assert!(!progress.needs_final_check(&catalogue));
    }

    #[test]
    fn a_pass_of_an_older_version_does_not_count() {
        let course = Course::new("version");
        course.write(
            "exercises/01-hostname/1-own-hostname/exercise.yaml",
            "version: 2\nkind: shell\n",
        );
        let catalogue = course.load().unwrap();
        let mut progress = Progress::default();
        progress.apply(pass("own-hostname"));
        assert!(!progress.passed(&catalogue.exercises[0]));
    }

    #[test]
    fn times_are_dates_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
