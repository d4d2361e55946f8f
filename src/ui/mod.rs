//! Everything that a person reads or types.

pub mod cli;
pub mod commands;
pub mod inspect;
pub mod list;
pub mod markdown;
pub mod shell;
pub mod verdict;
pub mod watch;

use std::io::{self, Write};
use std::sync::Mutex;

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::course::Language;
use crate::course::catalogue::find_root;
use crate::expect::Texts;

/// The texts of the language in use, for what needs no course: English where
/// there is none, or where the translation is broken, which `tp list` tells.
fn texts() -> Texts {
    find_root()
        .and_then(|root| Texts::load(Language::from_env().code(), &root))
        .unwrap_or_default()
}

/// Writes to the standard output at once. Unlike `print!`, no panic when that
/// cannot be done (a full disk).
///
/// # Errors
/// When the output cannot be written.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("write to the standard output")
}

/// Warnings that wait while a whole screen is drawn, which they would smear.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Writes a line to the standard error, or keeps it for later; where that is
/// gone, nobody is told.
pub fn warn(line: &str) {
    if let Ok(mut held) = HELD.lock()
        && let Some(lines) = held.as_mut()
    {
        lines.push(line.to_owned());
        return;
    }
    let _ = writeln!(io::stderr(), "{line}");
}

/// From now on warnings are kept.
fn hold_warnings() {
    if let Ok(mut held) = HELD.lock() {
        held.get_or_insert_default();
    }
}

/// Writes the warnings that were kept.
fn release_warnings() {
    let held = HELD.lock().ok().and_then(|mut held| held.take());
    for line in held.unwrap_or_default() {
        warn(&line);
    }
}

/// An error as one line: what was tried, the system's words for why not, and
/// the remedy where the reason alone has one.
pub fn error_line(error: &anyhow::Error) -> String {
    let mut line = format!("{error:#}");
    let number = error.chain().find_map(|cause| {
        let io = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| *errno as i32))
    });
    if let Some(number) = number {
        line = line.replace(&format!(" (os error {number})"), "");
    }
    line = line.replace("stream did not contain valid UTF-8", "not UTF-8 text");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match number.map(Errno::from_raw).and_then(remedy) {
        Some(remedy) if !line.contains("; ") => format!("{line}; {remedy}"),
        _ => line,
    }
}

/// What to do about a reason, wherever it comes up.
fn remedy(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOSPC | Errno::EDQUOT => "free some space there, or write elsewhere",
        Errno::EROFS => "it can only be read: write elsewhere, or remount it",
        Errno::EACCES | Errno::EPERM => "`ls -ld` on it and on the folders above tells who may",
        Errno::EMFILE | Errno::ENFILE => "too many files are open: see `ulimit -n`",
        Errno::ENOMEM => "end other programs first",
        _ => return None,
    })
}

/// The least and the greatest width that texts are wrapped to.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=100;

/// The width to wrap texts to: the terminal's, else `COLUMNS`, else 80.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let terminal = crossterm::terminal::size()
        .ok()
        .map(|(columns, _)| usize::from(columns));
    let width = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        terminal
    } else {
        columns
    };
    width
        .filter(|width| *width > 0)
        .unwrap_or(80)
        .clamp(*WIDTHS.start(), *WIDTHS.end())
}

/// Whether the locale can show more than ASCII.
pub fn is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|l| !l.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// How many columns a text takes: escape sequences take none, East Asian wide
/// characters and emoji two.
pub fn columns(text: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' => {}
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{1f300}'..='\u{1faff}' => count += 2,
            _ => count += 1,
        }
    }
    count
}

/// Wraps words to `width`, every line behind `indent`. A word that is longer
/// than a line is broken.
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let room = width.saturating_sub(columns(indent)).max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && columns(&line) + 1 + columns(&word) > room {
            lines.push(std::mem::take(&mut line));
        }
        while columns(&word) > room && !word.contains('\u{1b}') {
            let cut = word
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .take_while(|at| columns(&word[..*at]) <= room)
                .last();
            let rest = word.split_off(cut.unwrap_or(word.len()));
            lines.push(std::mem::replace(&mut word, rest));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &word;
    }
    lines.push(line);
    lines
        .iter()
        .map(|line| format!("{indent}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A text without what a terminal would take as a command.
pub fn sanitise(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => c,
            '\t' => ' ',
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                '\u{fffd}'
            }
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_the_systems_words_and_a_remedy() {
        let full = io::Error::from_raw_os_error(Errno::ENOSPC as i32);
        let error = anyhow::Error::from(full).context("write\nx");
        assert_eq!(
            error_line(&error),
            "write x: No space left on device; free some space there, or write elsewhere"
        );
        let gone = io::Error::from_raw_os_error(Errno::ENOENT as i32);
        let error = anyhow::Error::from(gone).context("read y");
        assert_eq!(error_line(&error), "read y: No such file or directory");
    }
}
