//! `tp dev check`, the authors' gate: what has to be true of an exercise
//! before a student sees it.
//!
//! A check that cannot fail is worth nothing, so most of this is about
//! failing: the exercise as shipped, the untouched sandbox, each known wrong
//! answer, and the solution with any one step taken out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::build::Built;
use super::run::{Checker, Work};
use super::steps::steps;
use super::verdict::{Check, ExerciseResult, Status};
use crate::course::catalogue::{Catalogue, Exercise, Kind};
use crate::course::hints::Hints;
use crate::course::yaml::plain;
use crate::expect::{self, Run};
use crate::state::vocabulary::{Shape, places};
use crate::ui::error_line;

/// What the gate found wrong; empty when all is well.
pub type Complaints = Vec<String>;

/// What the gate has to say of one exercise.
#[derive(Debug, Default)]
pub struct Finding {
    pub complaints: Complaints,
    /// Why it could not be run here; then it is neither good nor bad.
    pub unsupported: Option<String>,
}

/// Files that belong to an exercise, besides the work file itself.
const EXERCISE_FILES: [&str; 6] = [
    "README.md",
    "exercise.yaml",
    "expected.yaml",
    "hints.yaml",
    "setup.sh",
    "scenario.sh",
];

/// Hints that each exercise has at least, one behind the other.
const LEAST_HINTS: usize = 3;

/// Known wrong answers that each exercise has at least.
const LEAST_WRONG: usize = 2;

/// Runs the gate over one exercise. The solution has to pass `times` times of
/// `times`. In brief, the solution is not run with single steps taken out: that
/// is most of the time, and says the same on any machine.
///
/// # Errors
/// Only for what stops the gate itself, such as an unreadable directory.
pub fn exercise(
    checker: &mut Checker,
    exercise: &Exercise,
    times: usize,
    brief: bool,
) -> Result<Finding> {
    let mut finding = Finding::default();
    let complaints = &mut finding.complaints;
    files(exercise, complaints)?;
    links(&exercise.dir.join("README.md"), complaints);
    links(&exercise.solution_dir.join("README.md"), complaints);

    let solution_file = exercise.solution_file();
    let solution = match fs::read_to_string(&solution_file) {
        Ok(solution) => solution,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            complaints.push(format!("{}: there is no solution", solution_file.display()));
            return Ok(finding);
        }
        Err(error) => {
            complaints.push(format!("{}: {}", solution_file.display(), plain(&error)));
            return Ok(finding);
        }
    };
    if let Err(error) = checker.expected(exercise) {
        complaints.push(error_line(&error));
        return Ok(finding);
    }
    let known = solved(checker, exercise, times, complaints);
    if let Some(result) = &known {
        hints(exercise, result, complaints);
    }
    if let Some(result) = known
        && result.status == Status::Unsupported
    {
        finding.unsupported = Some(result.reason.unwrap_or_default());
        return Ok(finding);
    }
    untouched(checker, exercise, complaints);
    // Where it is missing, that has been told.
    if let Ok(shipped) = fs::read_to_string(exercise.work_file()) {
        let result = checker.check(exercise, &Work::Text(&shipped, &exercise.work_file()));
        if result.status != Status::Fail {
            complaints.push(format!("as shipped it should fail, but: {}", told(&result)));
        }
        if !brief {
            without_a_step(checker, exercise, &shipped, &solution, complaints);
        }
    }
    wrong_answers(checker, exercise, complaints)?;
    Ok(finding)
}

/// Builds what the gate in brief runs of an exercise in Rust, for a machine on
/// which nothing can be built.
///
/// # Errors
/// When a file cannot be read or cargo cannot be run. What the compiler refuses
/// is left out: the gate will complain of it.
pub fn build(checker: &mut Checker, exercise: &Exercise) -> Result<Vec<PathBuf>> {
    if exercise.kind != Kind::Rust {
        return Ok(Vec::new());
    }
    let mut files = vec![exercise.solution_file(), exercise.work_file()];
    files.extend(sorted(&exercise.solution_dir.join("wrong"))?);
    let mut programs = Vec::new();
    for file in files.iter().filter(|file| file.exists()) {
        let text = checker.read(exercise, &Work::File(file))?;
        let label = checker.catalogue.relative(file).to_path_buf();
        if let Built::Program(program) = checker.builder.variant(&text, &label)? {
            programs.push(program);
        }
    }
    Ok(programs)
}

/// What has to be true of the course as a whole: no folder astray in the two
/// trees, and links that lead somewhere.
///
/// # Errors
/// As [`exercise`].
pub fn course(catalogue: &Catalogue, complaints: &mut Complaints) -> Result<()> {
    let known: BTreeSet<PathBuf> = catalogue
        .exercises
        .iter()
        .flat_map(|exercise| [exercise.dir.clone(), exercise.solution_dir.clone()])
        .collect();
    for tree in ["exercises", "solutions"] {
        for chapter in sorted(&catalogue.root.join(tree))? {
            if !chapter.is_dir() {
                let name = name_of(&chapter);
                if !["Cargo.toml", "Cargo.lock", "lib.rs", ".gitignore"].contains(&name.as_str()) {
                    complaints.push(format!(
                        "{}: a file that does not belong here",
                        chapter.display()
                    ));
                }
                continue;
            }
            if name_of(&chapter) == "target" {
                continue;
            }
            for folder in sorted(&chapter)? {
                if !known.contains(&folder) {
                    complaints.push(format!(
                        "{}: not an exercise of the course",
                        folder.display()
                    ));
                }
            }
        }
    }
    let mut pages = vec![
        "README.md",
        "course.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
    ]
    .into_iter()
    .map(|name| catalogue.root.join(name))
    .collect::<Vec<_>>();
    for chapter in sorted(&catalogue.root.join("labs"))? {
        pages.push(chapter.join("README.md"));
    }
    for page in &pages {
        links(page, complaints);
    }
    Ok(())
}

/// The solution passes, every time.
fn solved(
    checker: &mut Checker,
    exercise: &Exercise,
    times: usize,
    complaints: &mut Complaints,
) -> Option<ExerciseResult> {
    let file = exercise.solution_file();
    let mut last = None;
    for time in 1..=times.max(1) {
        let result = checker.check(exercise, &Work::File(&file));
        let status = result.status;
        if status != Status::Pass {
            if status != Status::Unsupported {
                complaints.push(format!(
                    "the solution, run {time} of {times}: {}",
                    told(&result)
                ));
            }
            return Some(result);
        }
        last = Some(result);
    }
    last
}

/// No expected snapshot accepts a sandbox in which nothing was done.
fn untouched(checker: &mut Checker, exercise: &Exercise, complaints: &mut Complaints) {
    let accepted = || -> Result<bool> {
        let expected = checker.expected(exercise)?;
        let program = crate::sandbox::StagedFile {
            path: format!("{}/work.sh", crate::sandbox::root::WORK),
            mode: 0o755,
            content: b"exit 0\n".to_vec(),
        };
        let mut plan = checker.plan(exercise, program.clone())?;
        plan.argv = vec!["/bin/sh".to_owned(), program.path];
        let idle = super::run::record(&plan)?.run;
        let names = expected.checkpoints.iter().map(|(name, _)| name.clone());
        let names = names.filter(|name| name != expect::AFTER);
        let run = Run {
            checkpoints: names.map(|name| (name, idle.baseline.clone())).collect(),
            ..idle
        };
        let options = checker.options(exercise);
        let checks = expect::compare(&expected, &run, &options);
        Ok(checks.iter().all(|check| check.status == Status::Pass))
    };
    match accepted() {
        Ok(false) => {}
        Ok(true) => complaints.push("expected.yaml accepts the untouched sandbox".to_owned()),
        Err(error) => complaints.push(format!("the untouched sandbox: {}", error_line(&error))),
    }
}

/// Each known wrong answer fails on the fact that it names.
fn wrong_answers(
    checker: &mut Checker,
    exercise: &Exercise,
    complaints: &mut Complaints,
) -> Result<()> {
    let directory = exercise.solution_dir.join("wrong");
    let files = sorted(&directory)?;
    if files.len() < LEAST_WRONG {
        complaints.push(format!(
            "{}: {} known wrong answers; there should be {LEAST_WRONG} or more",
            directory.display(),
            files.len()
        ));
    }
    for path in files {
        let name = path.display();
        let text = fs::read_to_string(&path).with_context(|| format!("read {name}"))?;
        let Some(fact) = text.lines().find_map(|line| line.split_once("caught by: ")) else {
            complaints.push(format!(
                "{name}: no line `caught by: FACT` tells what catches it"
            ));
            continue;
        };
        let fact = fact.1.trim();
        let result = checker.check(exercise, &Work::Text(&text, &path));
        let caught = result
            .checks
            .iter()
            .any(|check| check.status == Status::Fail && catches(check, fact));
        if result.status != Status::Fail || !caught {
            complaints.push(format!(
                "{name}: should fail on {fact}, but: {}",
                told(&result)
            ));
        }
    }
    Ok(())
}

/// Taking any single step out of the solution makes the check fail.
fn without_a_step(
    checker: &mut Checker,
    exercise: &Exercise,
    shipped: &str,
    solution: &str,
    complaints: &mut Complaints,
) {
    if exercise.kind == Kind::Question {
        // Each answer is a fact of its own: a wrong one cannot go unnoticed.
        return;
    }
    let file = exercise.solution_file();
    let steps = steps(exercise.kind, shipped, solution);
    if steps.is_empty() {
        complaints.push("the solution adds nothing to the exercise".to_owned());
    }
    for step in steps {
        let text = step.taken_out_of(solution);
        let result = checker.check(exercise, &Work::Text(&text, &file));
        if result.status != Status::Fail {
            complaints.push(format!(
                "{}:{}: without `{}` it should fail, but: {}",
                file.display(),
                step.lines.start + 1,
                step.text(solution),
                told(&result)
            ));
        }
    }
}

/// Everything that should be there is, and nothing else.
fn files(exercise: &Exercise, complaints: &mut Complaints) -> Result<()> {
    let work = exercise.kind.work_file();
    let mut allowed: BTreeSet<&str> = EXERCISE_FILES.into();
    if exercise.kind != Kind::Question {
        allowed.remove("scenario.sh");
    }
    allowed.insert(work);
    for path in sorted(&exercise.dir)? {
        let name = name_of(&path);
        if !allowed.contains(untranslated(&name).as_str()) {
            complaints.push(format!(
                "{}: a file that does not belong here",
                path.display()
            ));
        }
    }
    for path in sorted(&exercise.solution_dir)? {
        let name = name_of(&path);
        if ![work, "README.md", "wrong"].contains(&untranslated(&name).as_str()) {
            complaints.push(format!(
                "{}: a file that does not belong here",
                path.display()
            ));
        }
    }
    let mut needed = vec![
        "README.md",
        "exercise.yaml",
        "expected.yaml",
        "hints.yaml",
        work,
    ];
    if exercise.kind == Kind::Question {
        needed.push("scenario.sh");
    }
    for name in needed {
        let path = exercise.dir.join(name);
        if !path.exists() {
            complaints.push(format!("{}: missing", path.display()));
        }
    }
    Ok(())
}

/// Whether this may be found at this checkpoint, though nobody expects it: what
/// leaks fails a run too, and wants a hint.
fn may_fail(checkpoint: &str, fact: &str) -> bool {
    let Some(path) = fact
        .strip_prefix(checkpoint)
        .and_then(|rest| rest.strip_prefix('.'))
    else {
        return false;
    };
    places().iter().any(|(place, field)| {
        let group = matches!(field.shape, Shape::Group(_));
        let mut place = place.split('.');
        path.split('.').all(|name| match place.next() {
            Some(known) => known == "*" || known == name,
            // The key of an entry, and what is below it.
            None => !group,
        })
    })
}

/// Hints are there, in layers, and for facts that exist.
fn hints(exercise: &Exercise, result: &ExerciseResult, complaints: &mut Complaints) {
    let hints = match Hints::read(exercise) {
        Ok(hints) => hints,
        Err(error) => {
            complaints.push(error_line(&error));
            return;
        }
    };
    let most = hints
        .entries
        .iter()
        .map(|entry| entry.hints.len())
        .max()
        .unwrap_or(0);
    if most < LEAST_HINTS {
        complaints.push(format!(
            "hints.yaml: {most} layers of hints; there should be {LEAST_HINTS} or more"
        ));
    }
    for entry in &hints.entries {
        let known = entry.when == "any"
            || ["build", "answer", "time_limit", "memory_limit"].contains(&entry.when.as_str())
            || result
                .checks
                .iter()
                .any(|check| names(&check.id, &entry.when) || may_fail(&check.id, &entry.when));
        // Without a run there are no checks to hold it against.
        if !known && !result.checks.is_empty() {
            complaints.push(format!(
                "hints.yaml: `when: {}` is no fact of this exercise",
                entry.when
            ));
        }
    }
}

/// Every relative link of a Markdown file leads somewhere.
pub fn links(file: &Path, complaints: &mut Complaints) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    let directory = file.parent().unwrap_or(Path::new("."));
    for link in link_targets(&text) {
        let path = link.split('#').next().unwrap_or_default();
        if !path.is_empty() && !link.contains("://") && !directory.join(path).exists() {
            complaints.push(format!(
                "{}: the link to {link} leads nowhere",
                file.display()
            ));
        }
    }
}

/// The targets of `[text](target)` and `![text](target)`, code blocks left out.
fn link_targets(text: &str) -> Vec<&str> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    prose
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

/// Whether a check's id is this fact, or lies below it.
pub fn names(id: &str, fact: &str) -> bool {
    id.strip_prefix(fact)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a failed check is about this fact: it is the fact, or the fact is
/// among the changes that nobody expected.
fn catches(check: &Check, fact: &str) -> bool {
    let unexpected = || {
        let checkpoint = check.id.strip_suffix(".nothing_else")?;
        let path = fact.strip_prefix(checkpoint)?.strip_prefix('.')?;
        path.split('.')
            .try_fold(check.found.as_ref()?, |value, key| value.get(key))
    };
    names(&check.id, fact) || unexpected().is_some()
}

/// A verdict in one line, for the author.
fn told(result: &ExerciseResult) -> String {
    let failed: Vec<&str> = result
        .checks
        .iter()
        .filter(|check| check.status != Status::Pass)
        .map(|check| check.id.as_str())
        .collect();
    let mut told = format!("{:?}", result.status).to_lowercase();
    if let Some(reason) = &result.reason {
        told += &format!(": {reason}");
    }
    if !failed.is_empty() {
        told += &format!(" ({})", failed.join(", "));
    }
    if let Some(what) = result
        .checks
        .iter()
        .find(|check| check.status == Status::Fail)
        .and_then(|check| check.explanation.as_ref())
    {
        told += &format!(": {}", what.what.replace('\n', " "));
    }
    told
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("read {}", directory.display()))?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// `README.fr.md` is a translation of `README.md`, and belongs where it does.
fn untranslated(name: &str) -> String {
    match name.split('.').collect::<Vec<_>>()[..] {
        [stem, language, extension] if language.len() == 2 => format!("{stem}.{extension}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_may_speak_of_any_fact_that_could_leak_and_of_no_other() {
        for (fact, may) in [
            ("inside.machine.mounts", true),
            ("inside.machine.mounts./run/x", true),
            ("inside.machine", true),
            ("inside.process.interfaces.lo.state", true),
            ("inside.process.hostnam", false),
            ("inside.machine.pids", false),
            ("later.machine.mounts", false),
        ] {
            assert_eq!(may_fail("inside", fact), may, "{fact}");
        }
    }
}
