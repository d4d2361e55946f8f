//! YAML files of the course: read into a type, with errors that name the file,
//! the line and the column.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;

/// Reads and parses one file. `remedy` ends the error, after a semicolon.
pub fn read<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
            _ => plain(&error),
        };
        anyhow!("{}: {reason}; {remedy}", path.display())
    })?;
    parse(&text, path, remedy)
}

/// Parses `text`, which was read from `path`.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path, remedy: &str) -> Result<T> {
    serde_yaml::from_str(text).map_err(|error| {
        let file = path.display();
        let message = error.to_string();
        match error.location() {
            Some(at) => {
                let (line, column) = (at.line(), at.column());
                let place = format!(" at line {line} column {column}");
                let message = message.replacen(&place, "", 1);
                anyhow!("{file}:{line}:{column}: {}; {remedy}", one_line(&message))
            }
            None => anyhow!("{file}:1:1: {}; {remedy}", one_line(&message)),
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
