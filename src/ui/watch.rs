//! Watch mode: the exercise, its verdict, and a new check whenever the file
//! is saved.
//!
//! Single-threaded, because a check forks: keys are polled with a timeout and
//! the file is looked at by stat(2) between two polls. An editor may write a
//! file in place or rename a new one over it, so size, inode and time count.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, style, terminal};

use super::{list, markdown, verdict, wrap};
use crate::check::verdict::{ExerciseResult, Status};
use crate::course::catalogue::{Catalogue, Exercise};
use crate::course::hints::Hints;
use crate::course::progress::{Event, Log};
use crate::course::shipped;
use crate::expect::Texts;
use crate::sandbox::INTERRUPTED;

/// How long one wait for a key takes; the file is looked at this often.
const TICK: Duration = Duration::from_millis(200);

/// A scroll position: as far as the verdict, on a screen too small for both.
const TO_VERDICT: usize = usize::MAX;

/// What the watch mode asks of the rest of the program.
pub trait Runner {
    /// Checks the student's file. An error is the runner's, not the student's.
    fn check(&mut self, exercise: &Exercise) -> Result<ExerciseResult>;
    /// Opens the sandbox by hand, on the terminal as it was before.
    fn shell(&mut self, exercise: &Exercise) -> Result<()>;
}

/// Works through the course from `start` until the student quits.
///
/// # Errors
/// When the terminal cannot be used.
pub fn run(
    catalogue: &Catalogue,
    log: &mut Log,
    texts: &Texts,
    runner: &mut impl Runner,
    start: &Exercise,
) -> Result<()> {
    let at = catalogue
        .exercises
        .iter()
        .position(|exercise| exercise.id == start.id)
        .unwrap_or(0);
    let mut watch = Watch {
        catalogue,
        log,
        texts,
        at,
        body: String::new(),
        note: String::new(),
        scroll: 0,
        mode: Mode::Exercise,
        seen: None,
        passed: false,
    };
    restore_on_panic();
    let _screen = Screen::enter()?;
    watch.check(runner)?;
    watch.scroll = 0;
    while !INTERRUPTED.load(Ordering::Relaxed) {
        watch.draw()?;
        if !wait()? {
            if watch.mode == Mode::Exercise && stamp(&watch.exercise().work_file()) != watch.seen {
                watch.check(runner)?;
            }
            continue;
        }
        if let Input::Key(key) = event::read().context("read a key")?
            && key.kind != KeyEventKind::Release
            && watch.key(key, runner)?
        {
            break;
        }
    }
    Ok(())
}

/// Whether something was typed before the tick was over. A signal ends a wait.
fn wait() -> Result<bool> {
    match event::poll(TICK) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        other => other.context("wait for a key"),
    }
}

/// The terminal in raw mode on its other screen, restored when dropped.
struct Screen;

impl Screen {
    fn enter() -> Result<Self> {
        terminal::enable_raw_mode().context("terminal")?;
        let screen = Self;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).context("terminal")?;
        Ok(screen)
    }

    fn leave() {
        // On the way out nothing is left to be done about an error.
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Self::leave();
    }
}

/// A panic's message is to be readable: the terminal is restored before it.
fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        Screen::leave();
        before(panic);
    }));
}

/// What tells one version of a file from another.
type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    Exercise,
    /// The list, with the row that is chosen and what is searched for.
    List {
        row: usize,
        search: String,
        typing: bool,
    },
    AskReset,
    Help,
}

struct Watch<'a> {
    catalogue: &'a Catalogue,
    log: &'a mut Log,
    texts: &'a Texts,
    /// The exercise, as an index.
    at: usize,
    /// The verdict, or a hint.
    body: String,
    /// One line of news.
    note: String,
    scroll: usize,
    mode: Mode,
    seen: Option<Stamp>,
    passed: bool,
}

impl Watch<'_> {
    fn exercise(&self) -> &Exercise {
        &self.catalogue.exercises[self.at]
    }

    fn say(&mut self, key: &str, values: &[(&str, &str)]) {
        self.note = self.texts.message(key, values);
    }

    fn check(&mut self, runner: &mut impl Runner) -> Result<()> {
        // Taken before the check: what is saved during it is checked again.
        self.seen = stamp(&self.exercise().work_file());
        self.say("watch.checking", &[]);
        self.draw()?;
        self.scroll = TO_VERDICT;
        match runner.check(&self.exercise().clone()) {
            Ok(result) => {
                self.log.attempt(&result);
                self.passed = result.status == Status::Pass;
                self.body = verdict::render(&result, self.texts);
                self.note.clear();
            }
            Err(error) => {
                self.passed = false;
                self.body = format!(
                    "{}\n",
                    wrap(
                        &super::sanitise(&format!("error: {error:#}")),
                        super::width(),
                        ""
                    )
                );
                self.note.clear();
            }
        }
        if self.passed && self.log.progress().needs_final_check(self.catalogue) {
            self.check_all(runner)?;
        }
        Ok(())
    }

    fn check_all(&mut self, runner: &mut impl Runner) -> Result<()> {
        let mut failed = Vec::new();
        let mut ids = Vec::new();
        self.scroll = 0;
        self.body.clear();
        let exercises = &self.catalogue.exercises;
        for exercise in exercises {
            if INTERRUPTED.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.note = format!(
                "{} {}",
                self.texts.message("watch.checking", &[]),
                exercise.id
            );
            self.draw()?;
            let status = match runner.check(exercise) {
                Ok(result) => {
                    self.log.attempt(&result);
                    result.status
                }
                Err(_) => Status::Error,
            };
            self.body += &format!(
                "{} {} {}\n",
                verdict::symbol(status),
                exercise.id,
                exercise.name
            );
            if status == Status::Fail {
                failed.push(exercise.name.clone());
            }
            if status != Status::Pass {
                ids.push(exercise.id.clone());
            }
        }
        self.log.append(&Event::AllChecked { failed });
        self.seen = stamp(&self.exercise().work_file());
        if ids.is_empty() {
            self.say("watch.all_pass", &[("count", &exercises.len().to_string())]);
        } else {
            self.say("watch.some_fail", &[("ids", &ids.join(", "))]);
        }
        Ok(())
    }

    fn go(&mut self, at: usize, runner: &mut impl Runner) -> Result<()> {
        self.at = at;
        self.mode = Mode::Exercise;
        self.passed = false;
        self.body.clear();
        self.check(runner)?;
        // A new exercise begins with its statement.
        self.scroll = 0;
        Ok(())
    }

    /// One key; `true` quits.
    fn key(&mut self, key: KeyEvent, runner: &mut impl Runner) -> Result<bool> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return Ok(matches!(key.code, KeyCode::Char('c' | 'd')));
        }
        match self.mode.clone() {
            Mode::Exercise => return self.exercise_key(key.code, runner),
            Mode::Help => self.mode = Mode::Exercise,
            Mode::AskReset => {
                self.mode = Mode::Exercise;
                self.note.clear();
                if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                    self.reset(runner)?;
                }
            }
            Mode::List {
                row,
                search,
                typing,
            } => return self.list_key(key.code, row, search, typing, runner),
        }
        Ok(false)
    }

    fn exercise_key(&mut self, code: KeyCode, runner: &mut impl Runner) -> Result<bool> {
        match code {
            KeyCode::Char('q') => return Ok(true),
            KeyCode::Char('n') => self.next(runner)?,
            KeyCode::Char('h') => self.hint(),
            KeyCode::Char('l') => {
                self.mode = Mode::List {
                    row: self.at,
                    search: String::new(),
                    typing: false,
                }
            }
            KeyCode::Char('c') => self.check_all(runner)?,
            KeyCode::Char('r') => {
                let id = self.exercise().id.clone();
                self.say("watch.reset_ask", &[("id", &id)]);
                self.mode = Mode::AskReset;
            }
            KeyCode::Char('s') => self.shell(runner)?,
            KeyCode::Char('x') => {
                self.log.append(&Event::skip(self.exercise()));
                self.go_to_next(runner)?;
            }
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Enter => self.check(runner)?,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll = self.scroll.saturating_add(10),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            _ => {}
        }
        Ok(false)
    }

    fn next(&mut self, runner: &mut impl Runner) -> Result<()> {
        if self.passed || self.log.progress().passed(self.exercise()) {
            return self.go_to_next(runner);
        }
        let id = self.exercise().id.clone();
        self.say("watch.not_passed", &[("id", &id)]);
        Ok(())
    }

    /// The next open exercise behind this one, else the first that is open.
    fn go_to_next(&mut self, runner: &mut impl Runner) -> Result<()> {
        let progress = self.log.progress();
        let open = |exercise: &Exercise| !progress.passed(exercise) && !progress.skipped(exercise);
        let behind = (self.at + 1..self.catalogue.exercises.len())
            .find(|at| open(&self.catalogue.exercises[*at]));
        let first = progress.next(self.catalogue).and_then(|next| {
            self.catalogue
                .exercises
                .iter()
                .position(|e| e.id == next.id)
        });
        match behind.or(first) {
            Some(at) => self.go(at, runner),
            None => self.check_all(runner),
        }
    }

    fn hint(&mut self) {
        let exercise = self.exercise().clone();
        match Hints::read(&exercise) {
            Ok(hints) => {
                let hint = hints.next(&exercise, &self.log.progress());
                if hint.of > 0 {
                    self.log.append(&Event::hint(&exercise, &hint));
                }
                self.body = format!("{}\n{}", hint.render(&exercise, self.texts), self.body);
                self.scroll = 0;
            }
            Err(error) => self.note = super::sanitise(&format!("error: {error:#}")),
        }
    }

    fn reset(&mut self, runner: &mut impl Runner) -> Result<()> {
        let exercise = self.exercise().clone();
        match shipped::reset(self.catalogue, &exercise) {
            Ok(backup) => {
                self.log.append(&Event::reset(&exercise));
                self.check(runner)?;
                match backup {
                    Some(path) => self.say(
                        "reset.done",
                        &[
                            ("id", &exercise.id),
                            ("backup", &path.display().to_string()),
                        ],
                    ),
                    None => self.say("reset.unchanged", &[("id", &exercise.id)]),
                }
            }
            Err(error) => self.note = super::sanitise(&format!("error: {error:#}")),
        }
        Ok(())
    }

    fn shell(&mut self, runner: &mut impl Runner) -> Result<()> {
        let exercise = self.exercise().clone();
        Screen::leave();
        let ended = runner.shell(&exercise);
        terminal::enable_raw_mode().context("terminal")?;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).context("terminal")?;
        if let Err(error) = ended {
            self.note = super::sanitise(&format!("error: {error:#}"));
        }
        Ok(())
    }

    fn list_key(
        &mut self,
        code: KeyCode,
        mut row: usize,
        mut search: String,
        mut typing: bool,
        runner: &mut impl Runner,
    ) -> Result<bool> {
        match code {
            KeyCode::Esc if typing || !search.is_empty() => {
                (search, typing) = (String::new(), false)
            }
            KeyCode::Esc => {
                self.mode = Mode::Exercise;
                return Ok(false);
            }
            KeyCode::Enter => {
                let rows = self.matching(&search);
                if rows.contains(&row) {
                    self.go(row, runner)?;
                    return Ok(false);
                }
                typing = false;
            }
            KeyCode::Backspace if typing => {
                search.pop();
            }
            KeyCode::Char(c) if typing => search.push(c),
            KeyCode::Char('/') => typing = true,
            KeyCode::Char('q' | 'l') => {
                self.mode = Mode::Exercise;
                return Ok(false);
            }
            KeyCode::Down | KeyCode::Char('j') => {
                row = self
                    .matching(&search)
                    .into_iter()
                    .find(|at| *at > row)
                    .unwrap_or(row)
            }
            KeyCode::Up | KeyCode::Char('k') => {
                row = self
                    .matching(&search)
                    .into_iter()
                    .rev()
                    .find(|at| *at < row)
                    .unwrap_or(row)
            }
            _ => {}
        }
        let rows = self.matching(&search);
        if !rows.contains(&row) {
            row = rows.first().copied().unwrap_or(row);
        }
        self.mode = Mode::List {
            row,
            search,
            typing,
        };
        Ok(false)
    }

    /// The exercises that have `search` in their number, name or title.
    fn matching(&self, search: &str) -> Vec<usize> {
        let search = search.to_lowercase();
        let fits = |exercise: &Exercise| {
            format!("{} {} {}", exercise.id, exercise.name, exercise.title)
                .to_lowercase()
                .contains(&search)
        };
        (0..self.catalogue.exercises.len())
            .filter(|at| fits(&self.catalogue.exercises[*at]))
            .collect()
    }

    fn draw(&mut self) -> Result<()> {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        let (columns, rows) = (usize::from(columns).max(1), usize::from(rows).max(1));
        let lines = self.screen(columns, rows);
        let mut out = io::stdout().lock();
        queue!(out, terminal::BeginSynchronizedUpdate, cursor::MoveTo(0, 0)).context("draw")?;
        for (at, line) in lines.iter().enumerate() {
            let line = fit(line, columns);
            queue!(
                out,
                cursor::MoveTo(0, u16::try_from(at).unwrap_or(u16::MAX)),
                style::Print(line),
                style::ResetColor,
                style::SetAttribute(style::Attribute::Reset),
                terminal::Clear(terminal::ClearType::UntilNewLine)
            )
            .context("draw")?;
        }
        queue!(
            out,
            terminal::Clear(terminal::ClearType::FromCursorDown),
            terminal::EndSynchronizedUpdate
        )
        .context("draw")?;
        out.flush().context("draw")
    }

    /// The lines of the screen: the body, scrolled, and the foot below it.
    fn screen(&mut self, columns: usize, rows: usize) -> Vec<String> {
        let wide = columns.clamp(20, 100);
        let progress = self.log.progress();
        let passed = self
            .catalogue
            .exercises
            .iter()
            .filter(|exercise| progress.passed(exercise))
            .count();
        let mut foot = vec![list::bar(
            passed,
            self.catalogue.exercises.len(),
            self.texts,
            columns,
        )];
        let keys = match &self.mode {
            Mode::List {
                search,
                typing: true,
                ..
            } => self.texts.message("watch.search", &[("text", search)]),
            Mode::List { .. } => self.texts.message("watch.list_keys", &[]),
            _ if columns < 60 => self.texts.message("watch.keys_short", &[]),
            _ => self.texts.message("watch.keys", &[]),
        };
        if !self.note.is_empty() {
            foot.extend(
                wrap(&self.note, wide, "")
                    .lines()
                    .take(rows / 3)
                    .map(str::to_owned),
            );
        }
        foot.push(keys);
        let room = rows.saturating_sub(foot.len());
        let mut lines = match &self.mode {
            Mode::List { row, search, .. } => {
                let found = self.matching(search);
                let place = found.iter().position(|at| at == row).unwrap_or(0);
                let first = place
                    .saturating_sub(room.saturating_sub(1) / 2)
                    .min(found.len().saturating_sub(room));
                let line = |at: &usize| {
                    let mark = if at == row { "> " } else { "  " };
                    format!(
                        "{mark}{}",
                        list::row(&self.catalogue.exercises[*at], &progress, self.texts)
                    )
                };
                found.iter().skip(first).take(room).map(line).collect()
            }
            Mode::Help => wrap(&self.texts.message("watch.help", &[]), wide, "")
                .lines()
                .map(str::to_owned)
                .collect(),
            _ => {
                let text = std::fs::read_to_string(self.exercise().readme()).unwrap_or_default();
                let file = self.exercise().work_file();
                let file = self.catalogue.relative(&file).display().to_string();
                let edit = wrap(
                    &self.texts.message("stand.edit", &[("file", &file)]),
                    wide,
                    "",
                );
                let page = format!(
                    "{} {}\n{edit}\n\n{}",
                    self.exercise().id,
                    markdown::render(&text, wide),
                    self.body
                );
                let lines: Vec<String> = page.lines().map(str::to_owned).collect();
                if self.scroll == TO_VERDICT {
                    self.scroll = lines.len().saturating_sub(self.body.lines().count());
                }
                self.scroll = self.scroll.min(lines.len().saturating_sub(room));
                lines[self.scroll..].to_vec()
            }
        };
        lines.truncate(room);
        lines.resize(room, String::new());
        lines.extend(foot);
        lines
    }
}

/// At most `columns` of a line; escape sequences are kept whole.
fn fit(line: &str, columns: usize) -> String {
    if super::columns(line) <= columns {
        return line.to_owned();
    }
    let mut kept = String::new();
    for c in line.chars() {
        kept.push(c);
        if super::columns(&kept) > columns {
            kept.pop();
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::catalogue::tests::Course;

    #[test]
    fn a_file_that_is_written_or_replaced_has_another_stamp() {
        let course = Course::new("stamp");
        let file = course.0.join("work.sh");
        std::fs::write(&file, "a").unwrap();
        let first = stamp(&file);
        std::fs::write(&file, "ab").unwrap();
        assert_ne!(stamp(&file), first);
        let second = stamp(&file);
        course.write("new", "ab");
        std::fs::rename(course.0.join("new"), &file).unwrap();
        assert_ne!(stamp(&file), second);
        assert_eq!(stamp(&course.0.join("nothing")), None);
    }

    #[test]
    fn every_screen_fits_its_terminal() {
        let course = Course::new("screen");
        let catalogue = course.load().unwrap();
        let texts = Texts::english();
        let mut log = Log::at(&course.0.join("state"));
        let mut watch = Watch {
            catalogue: &catalogue,
            log: &mut log,
            texts: &texts,
            at: 0,
            body: "verdict\n".into(),
            note: "news".into(),
            scroll: 0,
            mode: Mode::Exercise,
            seen: None,
            passed: false,
        };
        for mode in [
            Mode::Exercise,
            Mode::Help,
            Mode::AskReset,
            Mode::List {
                row: 2,
                search: "mount".into(),
                typing: true,
            },
        ] {
            watch.mode = mode;
            for (columns, rows) in [(20, 24), (80, 24), (200, 60), (20, 5), (1, 1)] {
                let lines = watch.screen(columns, rows);
                assert!(lines.len() <= rows.max(3), "{columns}x{rows}");
                assert!(
                    lines
                        .iter()
                        .all(|line| super::super::columns(&fit(line, columns)) <= columns)
                );
            }
        }
        assert!(
            watch
                .screen(80, 24)
                .iter()
                .any(|line| line.contains("> ") && line.contains("2.2"))
        );
    }
}
