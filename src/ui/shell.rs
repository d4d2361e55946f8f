//! `tp shell`: the exercise's sandbox, opened by hand. Whoever types
//! `checkpoint` there is checked at once.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::check::run::{Checker, limits};
use crate::check::verdict::{ExerciseResult, Status};
use crate::course::catalogue::Exercise;
use crate::course::files;
use crate::expect::{self, Run};
use crate::sandbox::filter::Stop;
use crate::sandbox::{self, Event, Plan, Sandbox, StagedFile};

/// A person may take their time; the memory and process limits stay.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

/// Opens the sandbox of `exercise` on the caller's terminal; without one, the
/// standard input is run as a script.
///
/// # Errors
/// [`sandbox::Unsupported`] where it cannot be opened.
pub fn open(checker: &Checker, exercise: &Exercise) -> Result<()> {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut files = vec![StagedFile {
        path: format!("{}/{}", sandbox::root::WORK, exercise.kind.work_file()),
        mode: 0o755,
        content: files::read(&exercise.work_file(), files::TEXT).unwrap_or_default(),
    }];
    let mut argv = vec![shell().to_owned()];
    if !terminal {
        let mut script = Vec::new();
        io::stdin()
            .read_to_end(&mut script)
            .context("read the standard input")?;
        let path = "/opt/tp/typed.sh".to_owned();
        argv.push(path.clone());
        files.push(StagedFile {
            path,
            mode: 0o755,
            content: script,
        });
    }
    let program = files.remove(0);
    let mut plan = checker.plan(exercise, program)?;
    plan.files.extend(files);
    plan = Plan {
        argv,
        terminal,
        limits: limits(exercise),
        ..plan
    };
    if terminal {
        plan.limits.time = PATIENCE;
        crate::ui::print(&format!(
            "{}\n",
            checker.texts.message("shell.welcome", &[])
        ))?;
    }
    let (sandbox, start) = Sandbox::open(&plan)?;
    let mut session = Session {
        checker,
        exercise,
        run: Run::default(),
        terminal,
    };
    session.run.baseline = sandbox
        .observe(&start)?
        .context("the shell ended before it began")?;
    sandbox.resume(&start);
    session.follow(sandbox)
}

/// bash is kinder to a person than the plain shell, where there is one.
fn shell() -> &'static str {
    if std::path::Path::new("/usr/bin/bash").exists() {
        "/usr/bin/bash"
    } else {
        "/bin/sh"
    }
}

struct Session<'a> {
    checker: &'a Checker<'a>,
    exercise: &'a Exercise,
    run: Run,
    terminal: bool,
}

impl Session<'_> {
    fn follow(&mut self, mut sandbox: Sandbox) -> Result<()> {
        let mut shown = 0;
        let raw = RawTerminal::enter(self.terminal)?;
        let master = sandbox.terminal.take();
        let keyboard: OwnedFd = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("the standard input")?;
        let mut size = (0, 0);
        loop {
            let event = match &master {
                None => sandbox.next_event(&[], |_| Ok(()))?,
                Some(master) => {
                    follow_size(master, &mut size);
                    sandbox.next_event(&[&keyboard, master], |index| {
                        let (from, to) = if index == 0 {
                            (&keyboard, Some(master))
                        } else {
                            (master, None)
                        };
                        pass_on(from, to)
                    })?
                }
            };
            if !self.terminal {
                let new = &sandbox.printed[shown..];
                crate::ui::print(&crate::check::run::printable(new))?;
                shown = sandbox.printed.len();
            }
            match event {
                Event::Checkpoint(stop) => {
                    self.look(&sandbox, &stop)?;
                    sandbox.resume(&stop);
                }
                Event::Ended(_) => break,
            }
        }
        drop(raw);
        sandbox.close();
        Ok(())
    }

    /// Checks what the kernel holds now, against the checkpoint of that name.
    fn look(&mut self, sandbox: &Sandbox, stop: &Stop) -> Result<()> {
        let Some(seen) = sandbox.observe(stop)? else {
            return Ok(());
        };
        let expected = self.checker.expected(self.exercise)?;
        let names: Vec<&str> = expected
            .checkpoints
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| *name != expect::AFTER)
            .collect();
        let name = match stop.name.as_str() {
            "" => names.first().copied().unwrap_or("inside").to_owned(),
            name => name.to_owned(),
        };
        self.run.checkpoints.retain(|(known, _)| *known != name);
        self.run.checkpoints.push((name.clone(), seen));
        let options = self.checker.options(self.exercise);
        let checks: Vec<_> = expect::compare(&expected, &self.run, &options)
            .into_iter()
            .filter(|check| crate::check::gate::names(&check.id, &name))
            .collect();
        let status = if checks.is_empty() {
            let known = names.join(", ");
            self.say(&format!(
                "checkpoint {name}: this exercise has none of that name; it has {known}\n"
            ))?;
            return Ok(());
        } else if checks.iter().all(|check| check.status == Status::Pass) {
            Status::Pass
        } else {
            Status::Fail
        };
        let result = ExerciseResult {
            id: self.exercise.id.clone(),
            name: self.exercise.name.clone(),
            version: self.exercise.spec.version,
            status,
            points: checks.iter().map(|check| check.points).sum(),
            out_of: checks.iter().map(|check| check.out_of).sum(),
            reason: None,
            checks,
            output: String::new(),
            output_truncated: false,
            duration_ms: 0,
        };
        let shown = crate::ui::verdict::render(&result, self.checker.texts);
        self.say(&shown)
    }

    /// On a raw terminal a line feed alone does not return the carriage.
    fn say(&self, text: &str) -> Result<()> {
        let text = if self.terminal {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        };
        match crate::ui::print(&text) {
            // A terminal that has gone is noticed by the next read.
            Err(_) if self.terminal => Ok(()),
            printed => printed,
        }
    }
}

/// Moves what is there to the sandbox's terminal, or (without `to`) from it to ours.
fn pass_on(from: &OwnedFd, to: Option<&OwnedFd>) -> Result<()> {
    let mut buffer = [0; 4096];
    let mut from = File::from(from.try_clone()?);
    // EIO: the last process has closed the sandbox's terminal.
    let length = from.read(&mut buffer).unwrap_or(0);
    let text = &buffer[..length];
    match to {
        Some(to) => File::from(to.try_clone()?).write_all(text)?,
        None => {
            let mut out = io::stdout();
            out.write_all(text).and_then(|()| out.flush())?;
        }
    }
    if length == 0 && to.is_some() {
        // In raw mode Ctrl-D is a byte like any other: this is a hang-up.
        bail!("the terminal has gone");
    }
    if length == 0 {
        // Do not spin on a side that is at its end.
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Keeps the sandbox's terminal as large as ours.
fn follow_size(master: &OwnedFd, known: &mut (u16, u16)) {
    let Ok(size) = crossterm::terminal::size() else {
        return;
    };
    if std::mem::replace(known, size) != size {
        let window = libc::winsize {
            ws_col: size.0,
            ws_row: size.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the kernel reads the structure that is passed.
        unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const window) };
    }
}

/// The terminal in raw mode, until dropped.
struct RawTerminal(bool);

impl RawTerminal {
    fn enter(wanted: bool) -> Result<Self> {
        if wanted {
            crossterm::terminal::enable_raw_mode().context("the terminal")?;
        }
        Ok(Self(wanted))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if self.0 {
            // Nothing can be done about a terminal that has gone.
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}
