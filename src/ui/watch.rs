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

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use colored::Colorize;
use crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, style, terminal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{list, markdown, verdict, wrap};
use crate::check::verdict::{ExerciseResult, Status};
use crate::course::catalogue::{Catalogue, Exercise};
use crate::course::hints::{Hint, Hints};
use crate::course::progress::{Event, Log};
use crate::course::shipped;
use crate::expect::Texts;
use crate::sandbox::INTERRUPTED;

/// How long one wait for a key takes, in milliseconds; the file is looked at
/// this often.
const TICK: u8 = 200;

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
    let mut watch = Watch::new(catalogue, log, texts, at);
    restore_on_panic();
    let _screen = Screen::enter()?;
    watch.check(runner)?;
    watch.scroll = 0;
    while !INTERRUPTED.load(Ordering::Relaxed) {
        watch.draw()?;
        let Some(typed) = wait()? else { break };
        if !typed {
            if watch.mode == Mode::Exercise && stamp(&watch.exercise().work_file()) != watch.seen {
                watch.check(runner)?;
            }
            continue;
        }
        let quit = match event::read().context("read a key")? {
            Input::Key(key) => key.kind != KeyEventKind::Release && watch.key(key, runner)?,
            Input::Resize(..) => {
                // A terminal may have wrapped or cut what it showed.
                watch.shown.clear();
                false
            }
            _ => false,
        };
        if quit {
            break;
        }
    }
    Ok(())
}

/// Whether something was typed before the tick was over; `None` when the
/// terminal has gone. Not everybody whose terminal goes gets a SIGHUP, and
/// crossterm would read on from one that has gone for ever.
fn wait() -> Result<Option<bool>> {
    let stdin = io::stdin();
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    // First without waiting, for keys that crossterm has read already.
    for patience in [PollTimeout::ZERO, PollTimeout::from(TICK)] {
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, patience) {
            // A signal ends a wait.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("wait for a key"),
        }
        if fds[0]
            .revents()
            .is_some_and(|events| events.intersects(gone))
        {
            return Ok(None);
        }
        match event::poll(Duration::ZERO) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("wait for a key"),
            Ok(true) => return Ok(Some(true)),
            Ok(false) => {}
        }
    }
    Ok(Some(false))
}

/// The terminal in raw mode on its other screen, restored when dropped.
struct Screen;

impl Screen {
    fn enter() -> Result<Self> {
        terminal::enable_raw_mode().context("terminal")?;
        let screen = Self;
        super::hold_warnings();
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).context("terminal")?;
        Ok(screen)
    }

    fn leave() {
        // On the way out nothing is left to be done about an error.
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
        super::release_warnings();
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
    /// The last verdict; wrapped anew for each screen, which may be resized.
    result: Option<ExerciseResult>,
    hint: Option<Hint>,
    /// What is told in place of a verdict: an error, or the table of all.
    table: String,
    /// What the terminal shows, so that only news are drawn.
    shown: Vec<String>,
    /// One line of news.
    note: String,
    scroll: usize,
    mode: Mode,
    seen: Option<Stamp>,
    passed: bool,
}

impl<'a> Watch<'a> {
    fn new(catalogue: &'a Catalogue, log: &'a mut Log, texts: &'a Texts, at: usize) -> Self {
        Self {
            catalogue,
            log,
            texts,
            at,
            result: None,
            hint: None,
            table: String::new(),
            shown: Vec::new(),
            note: String::new(),
            scroll: 0,
            mode: Mode::Exercise,
            seen: None,
            passed: false,
        }
    }

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
        (self.result, self.hint) = (None, None);
        self.table.clear();
        match runner.check(&self.exercise().clone()) {
            Ok(result) => {
                self.log.attempt(&result);
                self.passed = result.status == Status::Pass;
                self.note.clear();
                if self.passed {
                    let id = result.id.clone();
                    self.say("watch.passed", &[("id", &id)]);
                }
                self.result = Some(result);
            }
            Err(error) => {
                self.passed = false;
                self.table = format!(
                    "{}\n",
                    super::sanitise(&format!("error: {}", super::error_line(&error)))
                );
                self.note.clear();
            }
        }
        if self.passed && self.log.progress().needs_final_check(self.catalogue) {
            self.say("watch.all_again", &[]);
            self.draw()?;
            self.check_all(runner)?;
        }
        Ok(())
    }

    fn check_all(&mut self, runner: &mut impl Runner) -> Result<()> {
        let mut failed = Vec::new();
        let (mut ids, mut unsupported) = (Vec::new(), Vec::new());
        self.scroll = 0;
        (self.result, self.hint) = (None, None);
        self.table.clear();
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
            self.table += &format!(
                "{} {} {}\n",
                verdict::symbol(status),
                exercise.id,
                exercise.name
            );
            match status {
                Status::Pass => {}
                Status::Unsupported => unsupported.push(exercise.id.clone()),
                Status::Fail => {
                    failed.push(exercise.name.clone());
                    ids.push(exercise.id.clone());
                }
                Status::Skipped | Status::Error => ids.push(exercise.id.clone()),
            }
        }
        if ids.len() == failed.len() {
            self.log.append(&Event::AllChecked { failed });
        }
        self.seen = stamp(&self.exercise().work_file());
        if ids.is_empty() && !unsupported.is_empty() {
            self.say("watch.rest_pass", &[("ids", &unsupported.join(", "))]);
        } else if ids.is_empty() {
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
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = TO_VERDICT - 1,
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
        let open = |exercise: &Exercise| {
            !progress.passed(exercise)
                && !progress.skipped(exercise)
                && !progress.unsupported(exercise)
        };
        let behind = (self.at + 1..self.catalogue.exercises.len())
            .find(|at| open(&self.catalogue.exercises[*at]));
        let first = progress
            .next(self.catalogue)
            .filter(|next| !progress.unsupported(next))
            .and_then(|next| {
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
                self.hint = Some(hint);
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
        super::hold_warnings();
        self.shown.clear();
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
        let mut lines = self.screen(columns, rows);
        lines.truncate(rows);
        let lines: Vec<String> = lines.iter().map(|line| fit(line, columns)).collect();
        if lines == self.shown {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        queue!(out, terminal::BeginSynchronizedUpdate).context("draw")?;
        for (at, line) in lines.iter().enumerate() {
            // Cleared first: behind a full line there is no place to clear from.
            queue!(
                out,
                cursor::MoveTo(0, u16::try_from(at).unwrap_or(u16::MAX)),
                terminal::Clear(terminal::ClearType::CurrentLine),
                style::Print(line),
                style::ResetColor,
                style::SetAttribute(style::Attribute::Reset)
            )
            .context("draw")?;
        }
        queue!(out, terminal::EndSynchronizedUpdate).context("draw")?;
        out.flush().context("draw")?;
        drop(out);
        self.shown = lines;
        Ok(())
    }

    /// Sign, word, number and title: what is known at a glance.
    fn head(&self) -> String {
        let exercise = self.exercise();
        let title = format!("{} {}", exercise.id, exercise.title);
        match &self.result {
            Some(result) => format!("{} {title}", verdict::mark(result.status, self.texts)),
            None => title,
        }
    }

    /// The hint and the verdict, wrapped.
    fn body(&self, wide: usize) -> String {
        let hint = self.hint.as_ref();
        let hint =
            hint.map(|hint| format!("{}\n", hint.render_at(self.exercise(), self.texts, wide)));
        let result = self.result.as_ref();
        let result = result.map(|result| verdict::render_at(result, self.texts, wide));
        let table: Vec<String> = self
            .table
            .lines()
            .map(|line| wrap(line, wide, ""))
            .collect();
        format!(
            "{}{}{}",
            hint.unwrap_or_default(),
            result.unwrap_or_default(),
            table.join("\n")
        )
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
        let count = self.catalogue.exercises.len();
        let mut foot = vec![list::bar(passed, count, self.texts, columns)];
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
                    .take(if self.mode == Mode::AskReset {
                        rows
                    } else {
                        rows / 3
                    })
                    .map(str::to_owned),
            );
        }
        foot.push(keys);
        let room = rows.saturating_sub(foot.len());
        let mut lines: Vec<String> = match &self.mode {
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
                // The title is in the head, which does not scroll.
                let text = match text.trim_start().split_once('\n') {
                    Some((first, rest)) if first.starts_with("# ") => rest,
                    _ => &text,
                };
                let body = self.body(wide);
                let page = format!("{edit}\n\n{}\n{body}", markdown::render(text, wide));
                let lines: Vec<String> = page.lines().map(str::to_owned).collect();
                let room = room.saturating_sub(1);
                if self.scroll == TO_VERDICT {
                    self.scroll = lines.len().saturating_sub(body.lines().count());
                }
                self.scroll = self.scroll.min(lines.len().saturating_sub(room));
                let head = self.head().bold().to_string();
                std::iter::once(head)
                    .chain(lines.into_iter().skip(self.scroll))
                    .collect()
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
        let mut watch = Watch::new(&catalogue, &mut log, &texts, 0);
        watch.table = "verdict\n".into();
        watch.note = "news".into();
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
