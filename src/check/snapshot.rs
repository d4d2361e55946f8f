//! `tp dev snapshot`: records an expected snapshot from the solution, never
//! by hand, and shows the change for review.

use std::fs;

use anyhow::{Context, Result, bail};
use similar::{ChangeTag, TextDiff};

use super::run::{Checker, Work};
use crate::course::catalogue::{Exercise, Kind};
use crate::expect;
use crate::sandbox::Ended;

/// Runs of the solution that have to give the same snapshot.
const RUNS: usize = 3;

/// A snapshot beside the one that is there.
pub struct Change {
    pub old: Option<String>,
    pub new: String,
}

impl Change {
    pub fn is_none(&self) -> bool {
        self.old.as_deref() == Some(self.new.as_str())
    }

    /// The change line by line, `+` and `-` in front.
    pub fn diff(&self) -> String {
        diff(self.old.as_deref().unwrap_or_default(), &self.new)
    }
}

/// Records the exercise's solution (for a question, its scenario).
///
/// # Errors
/// When the solution does not build or come to its end, or when two runs of
/// it differ: such a fact cannot be expected of a student.
pub fn record(checker: &mut Checker, exercise: &Exercise) -> Result<Change> {
    let file = exercise.solution_file();
    let work = Work::File(&file);
    let text = match exercise.kind {
        Kind::Question => String::new(),
        _ => checker.read(exercise, &work)?,
    };
    let path = exercise.dir.join("expected.yaml");
    let old = fs::read_to_string(&path).ok();
    // What an author loosened to a matcher stays loose.
    let previous = old
        .as_deref()
        .and_then(|text| expect::parse(text, &path).ok());
    let mut recorded: Option<String> = None;
    for run in 1..=RUNS {
        let program = match checker.program(exercise, &work, &text)? {
            Ok(program) => program,
            Err(message) => bail!("{}: does not build:\n{message}", file.display()),
        };
        let seen = checker.record(exercise, program)?;
        if !matches!(seen.ended, Ended::Exited(_)) {
            bail!(
                "{}: did not come to its end ({:?}); it printed:\n{}",
                file.display(),
                seen.ended,
                seen.output
            );
        }
        if seen.run.checkpoints.is_empty() {
            bail!(
                "{}: reached no checkpoint; it printed:\n{}",
                file.display(),
                seen.output
            );
        }
        let new = expect::record(&seen.run, previous.as_ref(), &exercise.spec.ignore)?;
        match &recorded {
            Some(first) if *first != new => bail!(
                "run {run} of the solution gave another snapshot than the first; make the exercise \
                 deterministic, or name the fact in `ignore:` of exercise.yaml\n{}",
                diff(first, &new)
            ),
            _ => recorded = Some(new),
        }
    }
    Ok(Change {
        old,
        new: recorded.context("no run")?,
    })
}

/// Puts the new snapshot in place of the old, whole or not at all.
pub fn accept(exercise: &Exercise, change: &Change) -> Result<()> {
    let path = exercise.dir.join("expected.yaml");
    let temporary = exercise.dir.join(".expected.yaml.new");
    fs::write(&temporary, &change.new)
        .and_then(|()| fs::rename(&temporary, &path))
        .with_context(|| format!("write {}", path.display()))
}

fn diff(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .iter_all_changes()
        .map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            format!("{sign}{}", change.value())
        })
        .collect()
}
