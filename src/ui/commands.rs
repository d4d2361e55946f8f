//! What each command does.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::cli::{
    ALL_PASS, CheckArgs, Command, DataFormat, Dev, NOTHING_RUN, NewKind, PageFormat, SOME_FAIL,
    USAGE, command,
};
use super::{error_line, inspect, list, markdown, print, shell, verdict, watch};
use crate::check::gate;
use crate::check::needs::{FEATURES, Finding};
use crate::check::run::{Checker, Work};
use crate::check::snapshot;
use crate::check::verdict::{CourseRef, ExerciseResult, FORMAT, HostFacts, ResultDocument, Status};
use crate::course::catalogue::{Catalogue, Exercise, Kind};
use crate::course::hints::Hints;
use crate::course::progress::{Event, Log};
use crate::course::{new, shipped};
use crate::expect::Texts;
use crate::observe::host;

/// Runs one command; without one, the course is opened where it was left.
///
/// # Errors
/// What is the caller's to mend: a name that is not known, a file that cannot
/// be read, a broken course.
pub fn run(asked: Option<Command>) -> Result<u8> {
    match asked {
        None => open(None),
        Some(Command::Watch { id }) => open(id.as_deref()),
        Some(Command::List { chapter, format }) => list_exercises(chapter.as_deref(), format),
        Some(Command::Read { id }) => read(id.as_deref()),
        Some(Command::Check(arguments)) => check(&arguments),
        Some(Command::Hint { id }) => hint(id.as_deref()),
        Some(Command::Reset { id }) => reset(&id),
        Some(Command::Shell { id }) => in_shell(id.as_deref()),
        Some(Command::Solution { id, anyway }) => solution(&id, anyway),
        Some(Command::Skip { id }) => skip(id.as_deref()),
        Some(Command::Inspect {
            pid,
            against,
            watch,
            format,
        }) => show(&inspect::inspect(
            pid,
            against,
            &watch,
            page(format),
            &super::texts(),
        )?),
        Some(Command::Diff { pid, other, format }) => {
            show(&inspect::diff(pid, other, page(format), &super::texts())?)
        }
        Some(Command::Doctor { format }) => doctor(format),
        Some(Command::Dev(Dev::Check { ids, times, brief })) => {
            dev_check(&ids, if brief { 1 } else { times }, brief)
        }
        Some(Command::Dev(Dev::Build { ids })) => dev_build(&ids),
        Some(Command::Dev(Dev::Snapshot {
            ids,
            accept,
            reject,
        })) => dev_snapshot(&ids, accept, reject),
        Some(Command::Dev(Dev::New { id, name, kind })) => dev_new(&id, &name, kind),
        Some(Command::Dev(Dev::Census { file })) => census(&file),
        Some(Command::Completions { shell }) => {
            // Into memory first: clap panics when it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "tp", &mut script);
            show(&String::from_utf8_lossy(&script))
        }
        Some(Command::Man { directory }) => man(&directory),
    }
}

/// The course, the student's progress in it, and the language in use.
struct Session {
    catalogue: Catalogue,
    log: Log,
    texts: Texts,
}

impl Session {
    fn open() -> Result<Self> {
        let catalogue = Catalogue::open()?;
        let texts = Texts::load(&catalogue.language, &catalogue.root)?;
        let log = Log::open(&catalogue.id);
        Ok(Self {
            catalogue,
            log,
            texts,
        })
    }

    /// The exercise that is meant; without a name, the next one to do.
    fn exercise(&self, id: Option<&str>) -> Result<&Exercise> {
        match id {
            Some(id) => self.catalogue.exercise(id),
            None => match self.log.progress().next(&self.catalogue) {
                Some(exercise) => Ok(exercise),
                None => self
                    .catalogue
                    .exercises
                    .last()
                    .context("the course has no exercises"),
            },
        }
    }

    fn checker(&self) -> Checker<'_> {
        Checker::new(&self.catalogue, &self.texts)
    }
}

fn open(id: Option<&str>) -> Result<u8> {
    let mut session = Session::open()?;
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return show(&list::where_you_stand(
            &session.catalogue,
            &session.log.progress(),
            &session.texts,
        ));
    }
    let start = session.exercise(id)?.clone();
    let Session {
        catalogue,
        log,
        texts,
    } = &mut session;
    let mut runner = Runner {
        checker: Checker::new(catalogue, texts),
    };
    watch::run(catalogue, log, texts, &mut runner, &start)?;
    Ok(ALL_PASS)
}

/// What the watch mode asks for.
struct Runner<'a> {
    checker: Checker<'a>,
}

impl watch::Runner for Runner<'_> {
    fn check(&mut self, exercise: &Exercise) -> Result<ExerciseResult> {
        Ok(self.checker.check(exercise, &Work::Student))
    }

    fn shell(&mut self, exercise: &Exercise) -> Result<()> {
        shell::open(&self.checker, exercise)
    }
}

fn list_exercises(chapter: Option<&str>, format: DataFormat) -> Result<u8> {
    let session = Session::open()?;
    let progress = session.log.progress();
    let exercises = match chapter {
        Some(chapter) => session.catalogue.find(chapter)?,
        None => session.catalogue.exercises.iter().collect(),
    };
    match format {
        DataFormat::Text => show(&list::table(
            &session.catalogue,
            &exercises,
            &progress,
            &session.texts,
        )),
        DataFormat::Json => {
            let rows: Vec<_> = exercises
                .iter()
                .map(|exercise| {
                    json!({
                        "id": exercise.id,
                        "name": exercise.name,
                        "title": exercise.title,
                        "kind": exercise.kind,
                        "passed": progress.passed(exercise),
                        "skipped": progress.skipped(exercise),
                        "attempts": progress.attempts(exercise),
                    })
                })
                .collect();
            show_json(&json!({"format": "tp-list/v1", "exercises": rows}))
        }
    }
}

fn read(id: Option<&str>) -> Result<u8> {
    let session = Session::open()?;
    let path = match id.and_then(|id| session.catalogue.chapter_text(id)) {
        Some(path) => path,
        None => session
            .catalogue
            .translated(&session.exercise(id)?.dir.join("README.md")),
    };
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    show(&markdown::render(&text, super::width()))
}

fn check(arguments: &CheckArgs) -> Result<u8> {
    let mut session = Session::open()?;
    let exercises: Vec<Exercise> = if arguments.all {
        session.catalogue.exercises.clone()
    } else if arguments.ids.is_empty() {
        vec![session.exercise(None)?.clone()]
    } else {
        let mut exercises = Vec::new();
        for id in &arguments.ids {
            exercises.extend(session.catalogue.find(id)?.into_iter().cloned());
        }
        exercises
    };
    let started = crate::course::progress::now();
    let mut results = Vec::new();
    let Session {
        catalogue,
        log,
        texts,
    } = &mut session;
    let mut checker = Checker::new(catalogue, texts);
    for exercise in &exercises {
        if crate::sandbox::INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed) {
            let (checked, count) = (results.len().to_string(), exercises.len().to_string());
            let values = [("checked", &*checked), ("count", &count)];
            bail!("{}", texts.message("check.interrupted", &values));
        }
        let solution = exercise.solution_file();
        let work = match arguments.solutions {
            true => Work::File(&solution),
            false => Work::Student,
        };
        let result = checker.check(exercise, &work);
        if !arguments.solutions {
            log.attempt(&result);
        }
        if arguments.format == DataFormat::Text {
            print(&verdict::render(&result, texts))?;
        }
        results.push(result);
    }
    let errors = results.iter().any(|result| result.status == Status::Error);
    if arguments.all && !arguments.solutions && !errors {
        let failed = results
            .iter()
            .filter(|result| result.status == Status::Fail)
            .map(|result| result.name.clone())
            .collect();
        session.log.append(&Event::AllChecked { failed });
    }
    let code = exit_code(&results);
    if arguments.format == DataFormat::Json {
        let document = document(&session.catalogue, started, results);
        show_json(&serde_json::to_value(&document)?)?;
    } else if exercises.len() > 1 {
        print(&verdict::summary(&results, &session.texts))?;
    }
    Ok(code)
}

fn exit_code(results: &[ExerciseResult]) -> u8 {
    let any = |status| results.iter().any(|result| result.status == status);
    if any(Status::Error) {
        USAGE
    } else if any(Status::Fail) {
        SOME_FAIL
    } else if any(Status::Pass) {
        ALL_PASS
    } else {
        NOTHING_RUN
    }
}

fn document(
    catalogue: &Catalogue,
    started: String,
    exercises: Vec<ExerciseResult>,
) -> ResultDocument {
    ResultDocument {
        format: FORMAT.to_owned(),
        generator: concat!("tp ", env!("CARGO_PKG_VERSION")).to_owned(),
        course: CourseRef {
            id: catalogue.id.clone(),
            version: catalogue.version.clone(),
        },
        host: HostFacts {
            kernel: host::kernel(),
            architecture: std::env::consts::ARCH.to_owned(),
            cgroup: host::cgroup_version().to_owned(),
            user_namespaces: host::user_namespaces()
                .err()
                .unwrap_or_else(|| "available".to_owned()),
            root: nix::unistd::geteuid().is_root(),
        },
        started,
        points: exercises.iter().map(|result| result.points).sum(),
        out_of: exercises.iter().map(|result| result.out_of).sum(),
        exercises,
    }
}

fn hint(id: Option<&str>) -> Result<u8> {
    let mut session = Session::open()?;
    let exercise = session.exercise(id)?.clone();
    let hints = Hints::read(&exercise)?;
    let progress = session.log.progress();
    let hint = hints.next(&exercise, &progress);
    session.log.append(&Event::hint(&exercise, &hint));
    show(&hint.render(&exercise, &session.texts))
}

fn reset(id: &str) -> Result<u8> {
    let mut session = Session::open()?;
    let exercise = session.catalogue.exercise(id)?.clone();
    let backup = shipped::reset(&session.catalogue, &exercise)?;
    session.log.append(&Event::reset(&exercise));
    let told = match backup {
        Some(backup) => session.texts.message(
            "reset.done",
            &[
                ("id", &exercise.id),
                ("backup", &backup.display().to_string()),
            ],
        ),
        None => session
            .texts
            .message("reset.unchanged", &[("id", &exercise.id)]),
    };
    show(&format!("{told}\n"))
}

fn in_shell(id: Option<&str>) -> Result<u8> {
    let session = Session::open()?;
    let exercise = session.exercise(id)?;
    shell::open(&session.checker(), exercise)?;
    Ok(ALL_PASS)
}

fn solution(id: &str, anyway: bool) -> Result<u8> {
    let mut session = Session::open()?;
    let exercise = session.catalogue.exercise(id)?.clone();
    if !session.log.progress().passed(&exercise) && !anyway {
        bail!(
            "{}",
            session
                .texts
                .message("solution.not_yet", &[("id", &exercise.id)])
        );
    }
    let file = exercise.solution_file();
    let work =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let why = session
        .catalogue
        .translated(&exercise.solution_dir.join("README.md"));
    let why = std::fs::read_to_string(why).unwrap_or_default();
    session.log.append(&Event::solution(&exercise));
    let language = if exercise.kind == Kind::Rust {
        "rust"
    } else {
        "sh"
    };
    show(&markdown::render(
        &format!("{why}\n```{language}\n{work}```\n"),
        super::width(),
    ))
}

fn skip(id: Option<&str>) -> Result<u8> {
    let mut session = Session::open()?;
    let exercise = session.exercise(id)?.clone();
    session.log.append(&Event::skip(&exercise));
    let next = session
        .log
        .progress()
        .next(&session.catalogue)
        .map(|next| next.id.clone());
    let next = next.unwrap_or_else(|| "-".to_owned());
    let told = session
        .texts
        .message("skip.done", &[("id", &exercise.id), ("next", &next)]);
    show(&format!("{told}\n"))
}

fn doctor(format: DataFormat) -> Result<u8> {
    let session = Session::open()?;
    let mut blocked_all = false;
    let mut rows = Vec::new();
    let mut text = String::new();
    for feature in FEATURES {
        let blocked: Vec<&str> = session
            .catalogue
            .exercises
            .iter()
            .filter(|exercise| {
                feature.for_all
                    || exercise.spec.needs.iter().any(|need| need == feature.name)
                    || (feature.name == "rust" && exercise.kind == Kind::Rust)
                    || (feature.name == "cgroup" && !exercise.spec.cgroups.is_empty())
            })
            .map(|exercise| exercise.id.as_str())
            .collect();
        let title = session
            .texts
            .message(&format!("feature.{}", feature.name), &[]);
        match (feature.probe)() {
            Finding::Works(detail) => {
                text += &format!("{} {title}: {detail}\n", verdict::symbol(Status::Pass));
                rows.push(json!({"feature": feature.name, "works": true, "detail": detail}));
            }
            Finding::Missing { reason, remedy } => {
                blocked_all |= feature.for_all;
                let blocks = match blocked.len() {
                    0 => session.texts.message("doctor.blocks_none", &[]),
                    _ => session
                        .texts
                        .message("doctor.blocks", &[("exercises", &blocked.join(", "))]),
                };
                text += &format!(
                    "{} {title}: {reason}\n    {blocks}\n    {}\n",
                    verdict::symbol(Status::Unsupported),
                    session
                        .texts
                        .message("doctor.remedy", &[("remedy", &remedy)]),
                );
                rows.push(json!({
                    "feature": feature.name, "works": false, "reason": reason,
                    "remedy": remedy, "blocks": blocked,
                }));
            }
        }
    }
    match format {
        DataFormat::Text => print(&text)?,
        DataFormat::Json => {
            show_json(&json!({"format": "tp-doctor/v1", "features": rows}))?;
        }
    }
    Ok(if blocked_all { NOTHING_RUN } else { ALL_PASS })
}

fn chosen<'a>(catalogue: &'a Catalogue, ids: &[String]) -> Result<Vec<&'a Exercise>> {
    if ids.is_empty() {
        return Ok(catalogue.exercises.iter().collect());
    }
    let mut exercises = Vec::new();
    for id in ids {
        exercises.extend(catalogue.find(id)?);
    }
    Ok(exercises)
}

fn dev_check(ids: &[String], times: usize, brief: bool) -> Result<u8> {
    let session = Session::open()?;
    let mut checker = session.checker();
    let (mut good, mut bad, mut not_run) = (0, 0, 0);
    let mut whole_course = Vec::new();
    if ids.is_empty() {
        gate::course(&session.catalogue, &mut whole_course)?;
    }
    for complaint in &whole_course {
        print(&format!("{} {complaint}\n", verdict::symbol(Status::Fail)))?;
    }
    for exercise in chosen(&session.catalogue, ids)? {
        let finding = gate::exercise(&mut checker, exercise, times, brief)?;
        let status = match (finding.complaints.is_empty(), &finding.unsupported) {
            (false, _) => Status::Fail,
            (true, Some(_)) => Status::Unsupported,
            (true, None) => Status::Pass,
        };
        match status {
            Status::Pass => good += 1,
            Status::Unsupported => not_run += 1,
            _ => bad += 1,
        }
        let symbol = verdict::symbol(status);
        print(&format!("{symbol} {} {}\n", exercise.id, exercise.name))?;
        for line in finding.complaints.iter().chain(&finding.unsupported) {
            print(&format!("    {line}\n"))?;
        }
    }
    let key = match not_run {
        0 => "dev.summary",
        _ => "dev.summary_not_run",
    };
    let counts = [good, bad, not_run].map(|count| count.to_string());
    let values = [
        ("good", &*counts[0]),
        ("bad", &counts[1]),
        ("not_run", &counts[2]),
    ];
    print(&format!("{}\n", session.texts.message(key, &values)))?;
    Ok(match (bad + whole_course.len(), good) {
        (0, 0) => NOTHING_RUN,
        (0, _) => ALL_PASS,
        _ => SOME_FAIL,
    })
}

fn dev_build(ids: &[String]) -> Result<u8> {
    let session = Session::open()?;
    let mut checker = session.checker();
    for exercise in chosen(&session.catalogue, ids)? {
        for program in gate::build(&mut checker, exercise)? {
            print(&format!("{}\n", program.display()))?;
        }
    }
    Ok(ALL_PASS)
}

fn dev_snapshot(ids: &[String], accept: bool, reject: bool) -> Result<u8> {
    let session = Session::open()?;
    let mut checker = session.checker();
    let (mut left, mut failed) = (0, 0);
    for exercise in chosen(&session.catalogue, ids)? {
        let change = match snapshot::record(&mut checker, exercise) {
            Ok(change) => change,
            Err(error) => {
                failed += 1;
                print(&format!(
                    "{} {}: {}\n",
                    exercise.id,
                    exercise.name,
                    told(&error)
                ))?;
                continue;
            }
        };
        if change.is_none() {
            let values = [("id", &*exercise.id), ("name", &exercise.name)];
            let text = session.texts.message("dev.unchanged", &values);
            print(&format!("{text}\n"))?;
            continue;
        }
        print(&format!(
            "{} {}:\n{}\n",
            exercise.id,
            exercise.name,
            change.diff()
        ))?;
        if accept || (!reject && ask(&session.texts)?) {
            snapshot::accept(exercise, &change)?;
        } else {
            left += 1;
        }
    }
    Ok(match (failed, left) {
        (0, 0) => ALL_PASS,
        (0, _) => SOME_FAIL,
        _ => USAGE,
    })
}

/// What a compiler or a program said keeps its lines; anything else is one.
fn told(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    if text.contains('\n') {
        text
    } else {
        error_line(error)
    }
}

/// A yes or no from a terminal; without one, no.
fn ask(texts: &Texts) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        print(&format!("{}\n", texts.message("dev.not_accepted", &[])))?;
        return Ok(false);
    }
    print(&format!("{} ", texts.message("dev.accept", &[])))?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("read the answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

fn dev_new(id: &str, name: &str, kind: NewKind) -> Result<u8> {
    let catalogue = Catalogue::open()?;
    let kind = match kind {
        NewKind::Shell => Kind::Shell,
        NewKind::Rust => Kind::Rust,
        NewKind::Question => Kind::Question,
    };
    for path in new::create(&catalogue, id, name, kind)? {
        print(&format!("{}\n", catalogue.relative(&path).display()))?;
    }
    let next = super::texts().message("dev.next", &[("id", id)]);
    print(&format!("{next}\n"))?;
    Ok(ALL_PASS)
}

/// The first call counts what is on the machine, the second compares.
fn census(file: &Path) -> Result<u8> {
    let temporary = std::env::temp_dir();
    let home = std::env::var("HOME").unwrap_or_default();
    let now = host::census(&[
        &temporary.join("tp-census"),
        &Path::new(&home).join(".local/state"),
    ]);
    if !file.exists() {
        std::fs::write(file, serde_json::to_vec(&now)?)
            .with_context(|| format!("write {}", file.display()))?;
        return Ok(ALL_PASS);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let before: host::Census =
        serde_json::from_str(&text).with_context(|| format!("{}: not a census", file.display()))?;
    let changes = before.left_behind(&now);
    for change in &changes {
        print(&format!("{change}\n"))?;
    }
    Ok(if changes.is_empty() {
        ALL_PASS
    } else {
        SOME_FAIL
    })
}

fn man(directory: &Path) -> Result<u8> {
    std::fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    clap_mangen::generate_to(command(), directory)
        .with_context(|| format!("write the man pages into {}", directory.display()))?;
    Ok(ALL_PASS)
}

fn page(format: PageFormat) -> inspect::Format {
    match format {
        PageFormat::Text => inspect::Format::Text,
        PageFormat::Yaml => inspect::Format::Yaml,
        PageFormat::Json => inspect::Format::Json,
    }
}

fn show(text: &str) -> Result<u8> {
    print(text)?;
    Ok(ALL_PASS)
}

fn show_json(value: &serde_json::Value) -> Result<u8> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    show(&text)
}
