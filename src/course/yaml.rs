//! YAML files of the course: read into a type, with errors that name the file,
//! the line and the column.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;

use super::catalogue::distance;

/// Reads and parses one file. `remedy` ends the error, after a semicolon.
pub fn read<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<T> {
    let text = super::files::read_text(path)
        .map_err(|error| anyhow!("{}: {}; {remedy}", path.display(), plain(&error)))?;
    parse(&text, path, remedy)
}

/// Parses `text`, which was read from `path`.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path, remedy: &str) -> Result<T> {
    serde_yaml::from_str(text).map_err(|error| {
        let file = path.display();
        let message = error.to_string();
        if text.trim().is_empty() {
            return anyhow!("{file}:1:1: the file is empty; {remedy}");
        }
        match error.location() {
            Some(at) => {
                let (line, column) = (at.line(), at.column());
                let place = format!(" at line {line} column {column}");
                let message = message.replacen(&place, "", 1);
                if text.lines().nth(line - 1).is_some_and(is_indented_by_tab) {
                    let tab = "a tab character; YAML is indented with spaces";
                    return anyhow!("{file}:{line}:{column}: {tab}");
                }
                anyhow!("{file}:{line}:{column}: {}; {remedy}", clear(&message))
            }
            None => anyhow!("{file}:1:1: {}; {remedy}", clear(&message)),
        }
    })
}

/// The system's words for an error, without Rust's `(os error N)`.
pub fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => one_line(&error.to_string()),
    }
}

fn is_indented_by_tab(line: &str) -> bool {
    line[..line.len() - line.trim_start().len()].contains('\t')
}

/// The parser's message without its own path to the place, and for a
/// misspelt name the right one.
fn clear(message: &str) -> String {
    let message = one_line(message);
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| message.find(start));
    let Some(message) = unknown.map(|at| &message[at..]) else {
        return message;
    };
    let mut names = message.split('`').skip(1).step_by(2);
    let asked = names.next().unwrap_or_default();
    let nearest = names
        .map(|name| (distance(asked, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 2)
        .min();
    let what = message.split(", expected").next().unwrap_or(message);
    match nearest {
        Some((_, name)) => format!("{what}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_answered_with_the_right_one() {
        assert_eq!(
            clear(".[0]: unknown field `whne`, expected `when` or `hints`"),
            "unknown field `whne`; did you mean `when`?"
        );
        assert_eq!(
            clear("kind: unknown variant `perl`, expected one of `shell`, `rust`, `question`"),
            "unknown variant `perl`, expected one of `shell`, `rust`, `question`"
        );
        assert_eq!(clear("missing field `id`"), "missing field `id`");
    }
}
