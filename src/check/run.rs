//! One run of one exercise, from its file to its verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;

use super::build::{Builder, Built, loaded};
use super::verdict::{Check, ExerciseResult, Explanation, Status};
use crate::course::catalogue::{Catalogue, Exercise, Kind};
use crate::course::files;
use crate::course::yaml::plain;
use crate::expect::Texts;
use crate::expect::{self, Expected, Run};
use crate::observe::host;
use crate::sandbox::{self, Ended, Event, Limits, Plan, Sandbox, StagedFile, Unsupported};
use crate::state::facts::{Exit, Machine, Observation};

/// Checkpoints that are looked at in one run; a program that loops over more
/// is let through without a look, until its time is over.
const MOST_CHECKPOINTS: usize = 32;

/// The most bytes that a Rust exercise's program may have.
const PROGRAM: u64 = 64 << 20;

/// Everything that checks of one course share.
pub struct Checker<'a> {
    pub catalogue: &'a Catalogue,
    pub texts: &'a Texts,
    pub builder: Builder,
}

/// What is checked: the student's file, or one that stands in for it.
pub enum Work<'a> {
    /// The exercise's own file.
    Student,
    /// Another file of the same kind, such as the solution.
    File(&'a Path),
    /// A text that lies nowhere; the path is how messages name it.
    Text(&'a str, &'a Path),
}

/// What a program did, before it is held against anything.
pub struct Recorded {
    pub run: Run,
    pub ended: Ended,
    /// Why it could not be observed to its end.
    pub unseen: Option<String>,
    pub output: String,
    pub truncated: bool,
}

impl<'a> Checker<'a> {
    pub fn new(catalogue: &'a Catalogue, texts: &'a Texts) -> Self {
        Self {
            catalogue,
            texts,
            builder: Builder::new(catalogue),
        }
    }

    /// The verdict on `work`. Never fails: what goes wrong on our side is the
    /// verdict `error`.
    pub fn check(&mut self, exercise: &Exercise, work: &Work) -> ExerciseResult {
        let started = Instant::now();
        let mut result = self.judge(exercise, work).unwrap_or_else(|error| {
            let (status, reason) = match error.downcast_ref::<Unsupported>() {
                Some(Unsupported(reason)) => (Status::Unsupported, reason.clone()),
                None => (Status::Error, crate::ui::error_line(&error)),
            };
            ExerciseResult {
                status,
                reason: Some(reason),
                ..blank(exercise)
            }
        });
        result.duration_ms = started.elapsed().as_millis() as u64;
        result
    }

    fn judge(&mut self, exercise: &Exercise, work: &Work) -> Result<ExerciseResult> {
        self.require(exercise)?;
        let expected = self.expected(exercise)?;
        let text = self.read(exercise, work)?;
        let mut answers = None;
        if exercise.kind == Kind::Question {
            match expect::parse_answers(&text, &self.label(exercise, work)) {
                Ok(parsed) => answers = Some(parsed),
                Err(error) => return Ok(self.is_no_answer(exercise, &error.to_string())),
            }
        }
        let program = match self.program(exercise, work, &text)? {
            Ok(program) => program,
            Err(message) => return Ok(self.does_not_build(exercise, &expected, message)),
        };
        let recorded = self.record(exercise, program)?;
        let options = self.options(exercise);
        let mut checks = match &answers {
            Some(answers) => expect::answers(answers, &recorded.run, &options),
            None => expect::compare(&expected, &recorded.run, &options),
        };
        nothing_for_nothing(&mut checks);
        self.apply_limits(&mut checks, &recorded);
        Ok(self.verdict(exercise, checks, recorded.output, recorded.truncated))
    }

    /// Runs the program in a sandbox and records all that was seen.
    pub fn record(&self, exercise: &Exercise, program: StagedFile) -> Result<Recorded> {
        record(&self.plan(exercise, program)?)
    }

    /// What runs in the sandbox for this exercise, with this program.
    pub fn plan(&self, exercise: &Exercise, program: StagedFile) -> Result<Plan> {
        let mut plan = plan(exercise, program)?;
        for program in &exercise.spec.programs {
            plan.files.push(StagedFile {
                path: format!("{}/{}", sandbox::root::TOOLS, program.name()),
                mode: 0o755,
                content: loaded(&self.builder.program(*program)?)?,
            });
        }
        Ok(plan)
    }

    /// The exercise's expected snapshot.
    pub fn expected(&self, exercise: &Exercise) -> Result<Expected> {
        let path = exercise.dir.join("expected.yaml");
        let shown = self.catalogue.relative(&path);
        let text = files::read_text(&path).map_err(|error| {
            let (file, why) = (shown.display(), plain(&error));
            anyhow!(
                "{file}: {why}; `tp dev snapshot {}` records it",
                exercise.id
            )
        })?;
        Ok(expect::parse(&text, shown)?)
    }

    /// What is put into the sandbox to be run; `Err` with what the compiler
    /// said when it does not build.
    pub fn program(
        &mut self,
        exercise: &Exercise,
        work: &Work,
        text: &str,
    ) -> Result<Result<StagedFile, String>> {
        let script = |content: &str, name: &str| StagedFile {
            path: format!("{}/{name}", sandbox::root::WORK),
            mode: 0o755,
            content: content.as_bytes().to_vec(),
        };
        Ok(Ok(match exercise.kind {
            Kind::Shell => script(text, "work.sh"),
            Kind::Question => {
                let path = exercise.dir.join("scenario.sh");
                let scenario =
                    files::read_text(&path).with_context(|| format!("read {}", path.display()))?;
                script(&scenario, "scenario.sh")
            }
            Kind::Rust => {
                let built = match work {
                    Work::Student => self.builder.exercise(exercise)?,
                    _ => self.builder.variant(text, &self.label(exercise, work))?,
                };
                let program = match built {
                    Built::Program(program) => program,
                    Built::Refused(message) => return Ok(Err(message)),
                };
                let content = files::read(&program, PROGRAM)
                    .with_context(|| format!("read {}", program.display()))?;
                StagedFile {
                    path: format!("{}/work", sandbox::root::WORK),
                    mode: 0o755,
                    content,
                }
            }
        }))
    }

    /// The text that is checked.
    pub fn read(&self, exercise: &Exercise, work: &Work) -> Result<String> {
        let path = match work {
            Work::Text(text, _) => return Ok((*text).to_owned()),
            Work::File(path) => path.to_path_buf(),
            Work::Student => exercise.work_file(),
        };
        // A stray byte, in a comment say, is for the shell or the compiler to judge.
        let bytes = files::read(&path, files::TEXT).map_err(|error| {
            let (file, why) = (self.catalogue.relative(&path).display(), plain(&error));
            match work {
                Work::Student if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    anyhow!("{file}: {why}; `chmod u+rw` makes it yours to read")
                }
                Work::Student => anyhow!("{file}: {why}; `tp reset {}` restores it", exercise.id),
                _ => anyhow!("{file}: {why}"),
            }
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How the exercise wants to be compared.
    pub fn options(&self, exercise: &Exercise) -> expect::Options {
        expect::Options {
            weights: exercise.spec.weights.clone(),
            ignore: exercise.spec.ignore.clone(),
            texts: self.texts.clone(),
        }
    }

    fn label(&self, exercise: &Exercise, work: &Work) -> PathBuf {
        match work {
            Work::Student => self.catalogue.relative(&exercise.work_file()).to_path_buf(),
            Work::File(path) | Work::Text(_, path) => self.catalogue.relative(path).to_path_buf(),
        }
    }

    fn require(&self, exercise: &Exercise) -> Result<()> {
        let unsupported = &exercise.spec.unsupported;
        let (version, reason) = match host::controlled_by_v1() {
            true => ("v1", &unsupported.v1),
            false => ("v2", &unsupported.v2),
        };
        if let Some(reason) = reason {
            let texts = [("version", version), ("reason", reason)];
            let told = self.texts.message("check.unsupported_version", &texts);
            return Err(Unsupported(told).into());
        }
        for feature in &exercise.spec.needs {
            super::needs::require(feature)?;
        }
        Ok(())
    }

    fn does_not_build(
        &self,
        exercise: &Exercise,
        expected: &Expected,
        message: String,
    ) -> ExerciseResult {
        let options = self.options(exercise);
        let mut checks = expect::compare(expected, &Run::default(), &options);
        for check in &mut checks {
            check.status = Status::Skipped;
            check.points = 0.0;
            check.explanation = None;
        }
        let mut build = self.condition("build", Status::Fail);
        if let Some(explanation) = &mut build.explanation {
            explanation.what = message.trim_end().to_owned();
        }
        checks.insert(0, build);
        self.verdict(exercise, checks, String::new(), false)
    }

    /// An answer file that cannot be read is the student's to mend. What it
    /// would have been worth is told by the solution.
    fn is_no_answer(&self, exercise: &Exercise, mistake: &str) -> ExerciseResult {
        let solution = exercise.solution_file();
        let solution = fs::read_to_string(&solution)
            .ok()
            .and_then(|text| expect::parse_answers(&text, &solution).ok());
        let mut checks = solution.map_or_else(Vec::new, |answers| {
            expect::answers(&answers, &Run::default(), &self.options(exercise))
        });
        for check in &mut checks {
            // The solution's values are not for the student's eyes.
            (check.status, check.expected) = (Status::Skipped, None);
            (check.points, check.explanation) = (0.0, None);
        }
        let mut answer = self.condition("answer", Status::Fail);
        if let Some(explanation) = &mut answer.explanation {
            explanation.what = mistake.to_owned();
        }
        checks.insert(0, answer);
        self.verdict(exercise, checks, String::new(), false)
    }

    /// A run that was ended by a limit fails on that limit; the facts that it
    /// did not come to show are skipped, not a second red.
    fn apply_limits(&self, checks: &mut Vec<Check>, recorded: &Recorded) {
        let id = match recorded.ended {
            Ended::Exited(_) => return,
            Ended::TimeLimit => "time_limit",
            Ended::MemoryLimit => "memory_limit",
            Ended::Interrupted => "interrupted",
            Ended::Unobservable => "unobservable",
            Ended::InitKilled => "init_killed",
        };
        let reached: Vec<&str> = recorded
            .run
            .checkpoints
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        for check in checks
            .iter_mut()
            .filter(|check| check.status == Status::Fail)
        {
            let checkpoint = check.id.split('.').next().unwrap_or_default();
            if !reached.contains(&checkpoint) {
                check.status = Status::Skipped;
                check.explanation = None;
            }
        }
        let mut condition = self.condition(id, Status::Fail);
        if let (Some(explanation), Some(unseen)) = (&mut condition.explanation, &recorded.unseen) {
            explanation.what.clone_from(unseen);
        }
        checks.insert(0, condition);
    }

    /// A check on the run itself; it carries no points of its own.
    fn condition(&self, id: &str, status: Status) -> Check {
        let text = |part: &str| self.texts.message(&format!("condition.{id}.{part}"), &[]);
        Check {
            id: id.to_owned(),
            title: text("title"),
            status,
            points: 0.0,
            out_of: 0.0,
            expected: None,
            found: None,
            explanation: Some(Explanation {
                what: text("what"),
                meaning: text("meaning"),
                cause: text("cause"),
                man: Vec::new(),
            }),
        }
    }

    fn verdict(
        &self,
        exercise: &Exercise,
        checks: Vec<Check>,
        output: String,
        truncated: bool,
    ) -> ExerciseResult {
        let passed = checks.iter().all(|check| check.status == Status::Pass);
        ExerciseResult {
            status: if passed { Status::Pass } else { Status::Fail },
            points: checks.iter().map(|check| check.points).sum(),
            out_of: checks.iter().map(|check| check.out_of).sum(),
            checks,
            output,
            output_truncated: truncated,
            ..blank(exercise)
        }
    }
}

/// What the exercise's own files say.
fn plan(exercise: &Exercise, program: StagedFile) -> Result<Plan> {
    let mut argv = match exercise.kind {
        Kind::Rust => vec![program.path.clone()],
        Kind::Shell | Kind::Question => vec!["/bin/sh".to_owned(), program.path.clone()],
    };
    argv.extend(exercise.spec.arguments.iter().cloned());
    let mut files = vec![program];
    let setup = exercise.dir.join("setup.sh");
    let mut argv_of_setup = None;
    if setup.exists() {
        let path = "/opt/tp/setup.sh".to_owned();
        let content = files::read(&setup, files::TEXT)
            .with_context(|| format!("read {}", setup.display()))?;
        argv_of_setup = Some(vec!["/bin/sh".to_owned(), path.clone()]);
        files.push(StagedFile {
            path,
            mode: 0o755,
            content,
        });
    }
    Ok(Plan {
        files,
        setup: argv_of_setup,
        argv,
        limits: limits(exercise),
        terminal: false,
        rootfs: exercise.spec.rootfs,
        watch: exercise.spec.watch.clone(),
        watch_inside: exercise.spec.watch_inside.clone(),
        cgroups: exercise
            .spec
            .cgroups
            .iter()
            .map(|controller| controller.name().to_owned())
            .collect(),
    })
}

/// The exercise's limits; what it does not say is the default. `TP_PATIENCE=10`
/// gives ten times the seconds: they are meant for real machines, and an
/// emulated one is slower.
pub fn limits(exercise: &Exercise) -> Limits {
    let limits = &exercise.spec.limits;
    let patience = std::env::var("TP_PATIENCE").ok();
    let patience = patience.and_then(|times| times.parse::<u64>().ok());
    Limits {
        time: Duration::from_secs(limits.seconds.saturating_mul(patience.unwrap_or(1).max(1))),
        memory: limits.memory,
        processes: limits.processes,
        ..Limits::default()
    }
}

/// Opens a sandbox, runs the plan to its end, and keeps what was seen.
pub fn record(plan: &Plan) -> Result<Recorded> {
    let (mut sandbox, start) = Sandbox::open(plan)?;
    let baseline = sandbox
        .observe(&start)?
        .context("the program ended before it began")?;
    sandbox.resume(&start);
    let mut run = Run {
        baseline,
        ..Run::default()
    };
    // The baseline could be observed: what cannot now is the program's doing.
    let mut unseen = None;
    let mut ended = loop {
        match sandbox.next_event(&[], |_| Ok(()))? {
            Event::Ended(ended) => break ended,
            Event::Checkpoint(stop) => {
                // The first to reach a name is the one that is looked at.
                let known = run.checkpoints.iter().any(|(name, _)| *name == stop.name);
                if !known && run.checkpoints.len() < MOST_CHECKPOINTS {
                    match sandbox.observe(&stop) {
                        Ok(Some(seen)) => run.checkpoints.push((stop.name.clone(), seen)),
                        // Killed while it was looked at.
                        Ok(None) => {}
                        Err(error) => {
                            unseen = Some(format!("{error:#}"));
                            break Ended::Unobservable;
                        }
                    }
                }
                sandbox.resume(&stop);
            }
        }
    };
    if let Ended::Exited(status) = ended {
        match sandbox.observe_machine() {
            Ok(machine) => run.after = Some(after(machine, status)),
            Err(error) => {
                unseen = Some(format!("{error:#}"));
                ended = Ended::Unobservable;
            }
        }
    }
    let (printed, truncated) = (std::mem::take(&mut sandbox.printed), sandbox.truncated);
    sandbox.close();
    Ok(Recorded {
        run,
        ended,
        unseen,
        output: printable(&printed),
        truncated,
    })
}

/// Doing nothing changes nothing else and ends well; that alone earns nothing.
fn nothing_for_nothing(checks: &mut [Check]) {
    let is_fact = |check: &Check| check.id.contains(".process.") || check.id.contains(".machine.");
    let done = checks
        .iter()
        .any(|check| is_fact(check) && check.status == Status::Pass);
    let asked = checks.iter().any(is_fact);
    for check in checks.iter_mut().filter(|_| asked && !done) {
        check.points = 0.0;
    }
}

/// What is seen after the program's end; status as wait(2) gives it.
fn after(machine: Machine, status: i32) -> Observation {
    let exit = if libc::WIFSIGNALED(status) {
        let signal = Signal::try_from(libc::WTERMSIG(status)).map_or("?", Signal::as_str);
        Exit {
            signal: Some(signal.trim_start_matches("SIG").to_owned()),
            status: None,
        }
    } else {
        Exit {
            status: Some(libc::WEXITSTATUS(status)),
            signal: None,
        }
    };
    Observation {
        process: None,
        machine: Some(machine),
        exit: Some(exit),
    }
}

/// Text without anything that a terminal would act on.
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|char| !char.is_control() || matches!(char, '\n' | '\t'))
        .collect()
}

fn blank(exercise: &Exercise) -> ExerciseResult {
    ExerciseResult {
        id: exercise.id.clone(),
        name: exercise.name.clone(),
        version: exercise.spec.version,
        status: Status::Error,
        points: 0.0,
        out_of: 0.0,
        reason: None,
        checks: Vec::new(),
        output: String::new(),
        output_truncated: false,
        duration_ms: 0,
    }
}
