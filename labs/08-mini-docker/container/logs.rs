//! A container's output on disk, in the form of docker's `json-file` driver:
//! `{"log":"a line\n","stream":"stdout","time":"…"}`, in files that take turns.
//!
//! `ID-json.log` is written to; full, it becomes `ID-json.log.1`, that one `.2`, and
//! the last one goes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::record::{Container, LogConfig};
use crate::engine::Engine;
use crate::format;

/// docker's limit of a line: longer ones are several entries.
const LONGEST: usize = 16 * 1024;

/// One entry.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    /// With its newline, unless it is a part of a longer line.
    pub log: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// RFC 3339.
    pub time: String,
}

/// Writes entries.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    /// Opened with the first entry: many containers never say anything.
    file: Option<File>,
    length: u64,
    max_size: Option<u64>,
    max_file: u32,
    /// Whether anything is kept at all.
    keeps: bool,
    /// Of each stream what has no newline yet.
    lines: [Vec<u8>; 2],
}

/// Where a container's log is.
pub fn path(engine: &Engine, id: &str) -> PathBuf {
    engine.container(id).join(format!("{id}-json.log"))
}

/// The file before that, and the one before that …
fn turned(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// All files of a log, the oldest first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    for number in 1.. {
        let next = turned(path, number);
        if !next.exists() {
            break;
        }
        files.insert(0, next);
    }
    files
}

/// The options of a log: the most bytes in a file, and the most files.
///
/// # Errors
/// docker's words for an unknown driver or option, or a value that is none.
pub fn options(config: &LogConfig) -> anyhow::Result<(Option<u64>, u32)> {
    let driver = config.kind.as_str();
    if !matches!(driver, "" | "json-file" | "none" | "local") {
        bail!("logger: no log driver named '{driver}' is registered");
    }
    let (mut max_size, mut max_file) = (None, 1);
    for (name, value) in &config.config {
        match name.as_str() {
            "max-size" => max_size = log_size(value)?,
            "max-file" => {
                max_file = value
                    .parse()
                    .with_context(|| format!("invalid value for max-file: {value}"))?;
                if max_file == 0 {
                    bail!("max-file cannot be less than 1");
                }
            }
            "labels" | "env" | "tag" | "mode" | "compress" | "max-buffer-size" => {}
            other => bail!("unknown log opt '{other}' for json-file log driver"),
        }
    }
    if max_size.is_none() && max_file > 1 && config.config.contains_key("max-file") {
        bail!("max-file must be used with max-size");
    }
    Ok((max_size, max_file))
}

fn log_size(value: &str) -> anyhow::Result<Option<u64>> {
    if value == "-1" {
        return Ok(None);
    }
    let bytes = crate::cmd::options::bytes(value)
        .with_context(|| format!("invalid value for max-size: {value}"))?;
    u64::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes > 0)
        .map(Some)
        .with_context(|| format!("max-size must be a positive number: {value}"))
}

impl Writer {
    /// The log of a container; one that is there goes on.
    ///
    /// # Errors
    /// As [`options`].
    pub fn of(engine: &Engine, container: &Container) -> anyhow::Result<Self> {
        let config = &container.host_config.log_config;
        let (max_size, max_file) = options(config)?;
        let path = path(engine, &container.id);
        Ok(Self {
            length: fs::metadata(&path).map_or(0, |metadata| metadata.len()),
            path,
            file: None,
            max_size,
            max_file,
            keeps: config.kind != "none",
            lines: Default::default(),
        })
    }

    /// Bytes of stream 1 or 2. A disk that is full loses the log, not the container.
    pub fn write(&mut self, stream: u8, data: &[u8]) {
        if !self.keeps {
            return;
        }
        let mut line = std::mem::take(&mut self.lines[usize::from(stream - 1)]);
        let mut entries = Vec::new();
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            while line.len() >= LONGEST || line.ends_with(b"\n") {
                let rest = line.split_off(line.len().min(LONGEST));
                entry(&mut entries, stream, &line);
                line = rest;
                // No file is longer than its limit and one entry.
                let length = self.length + entries.len() as u64;
                if self.max_size.is_some_and(|most| length >= most) {
                    let _ = self.append(&entries);
                    entries.clear();
                }
            }
        }
        self.lines[usize::from(stream - 1)] = line;
        let _ = self.append(&entries);
    }

    /// A stream has ended: what has no newline is an entry as well.
    pub fn end(&mut self, stream: u8) {
        let line = std::mem::take(&mut self.lines[usize::from(stream - 1)]);
        if !line.is_empty() {
            let mut entries = Vec::new();
            entry(&mut entries, stream, &line);
            let _ = self.append(&entries);
        }
    }

    /// One write for all: a reader never sees half an entry in the middle.
    fn append(&mut self, entries: &[u8]) -> std::io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        if self.max_size.is_some_and(|most| self.length >= most) {
            self.turn();
        }
        if self.file.is_none() {
            let open = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(&self.path)?;
            self.length = open.metadata()?.len();
            self.file = Some(open);
        }
        if let Some(file) = &mut self.file {
            file.write_all(entries)?;
            self.length += entries.len() as u64;
        }
        Ok(())
    }

    /// The next file's turn.
    fn turn(&mut self) {
        self.file = None;
        self.length = 0;
        if self.max_file < 2 {
            // Not truncated: a reader that has it open would read on in the middle.
            let _ = fs::remove_file(&self.path);
            return;
        }
        for number in (1..self.max_file - 1).rev() {
            let _ = fs::rename(turned(&self.path, number), turned(&self.path, number + 1));
        }
        let _ = fs::rename(&self.path, turned(&self.path, 1));
    }
}

fn entry(entries: &mut Vec<u8>, stream: u8, line: &[u8]) {
    let entry = Entry {
        log: String::from_utf8_lossy(line).into_owned(),
        stream: if stream == 1 { "stdout" } else { "stderr" }.into(),
        time: format::now(),
    };
    if serde_json::to_writer(&mut *entries, &entry).is_ok() {
        entries.push(b'\n');
    }
}
