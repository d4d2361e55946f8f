//! Reading a log: from the end, from a time on, and what comes after.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::logs::{self, Entry};

/// What of a log is wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    pub follow: bool,
    /// The last lines; `None` for all.
    pub tail: Option<usize>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub timestamps: bool,
}

/// How far a log has been read: which file, and how much of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    inode: u64,
    offset: u64,
}

impl Wanted {
    /// Prints what is there; gives the place where the next reading begins.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn print(&self, path: &Path) -> anyhow::Result<Place> {
        let mut place = Place::default();
        let mut entries = Vec::new();
        for file in logs::files(path) {
            let Ok(open) = File::open(&file) else {
                continue;
            };
            place = self.read(open, 0, |entry| entries.push(entry))?;
        }
        let skip = self.tail.map_or(0, |tail| start_of_tail(&entries, tail));
        for entry in &entries[skip..] {
            self.show(entry)?;
        }
        Ok(place)
    }

    /// Prints what has been written since.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn more(&self, path: &Path, place: Place) -> anyhow::Result<Place> {
        let Ok(open) = File::open(path) else {
            return Ok(place);
        };
        let metadata = open.metadata()?;
        let mut offset = place.offset;
        if metadata.ino() != place.inode {
            // The files have taken turns: first the rest of the one that we were at.
            let older = logs::files(path).into_iter().rev().skip(1);
            for file in older {
                let Ok(open) = File::open(file) else { continue };
                if open.metadata()?.ino() == place.inode {
                    self.read(open, offset, |entry| drop(self.show(&entry)))?;
                    break;
                }
            }
            offset = 0;
        }
        self.read(open, offset, |entry| drop(self.show(&entry)))
    }

    /// Whether `until` has come.
    pub fn past(&self) -> bool {
        self.until.is_some_and(|until| Timestamp::now() > until)
    }

    fn read(
        &self,
        mut file: File,
        offset: u64,
        mut each: impl FnMut(Entry),
    ) -> anyhow::Result<Place> {
        let inode = file.metadata()?.ino();
        file.seek(SeekFrom::Start(offset))?;
        let mut place = Place { inode, offset };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line)?;
            // Half an entry is read again when the other half is there.
            if count == 0 || !line.ends_with(b"\n") {
                return Ok(place);
            }
            place.offset += count as u64;
            // One line that a full disk has cut does not keep the others from us.
            if let Ok(entry) = serde_json::from_slice::<Entry>(&line)
                && self.between(&entry)
            {
                each(entry);
            }
        }
    }

    fn between(&self, entry: &Entry) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Ok(time) = entry.time.parse::<Timestamp>() else {
            return true;
        };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
    }

    fn show(&self, entry: &Entry) -> std::io::Result<()> {
        let text = match self.timestamps {
            true => format!("{} {}", whole(&entry.time), entry.log),
            false => entry.log.clone(),
        };
        match entry.stream.as_str() {
            "stderr" => std::io::stderr().write_all(text.as_bytes()),
            _ => {
                let mut out = std::io::stdout();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
        }
    }
}

/// docker's timestamps of `logs -t` have all nine digits, so that they line up.
fn whole(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => format!("{time:.9}"),
        Err(_) => time.into(),
    }
}

/// Where the last `tail` lines begin: an entry without a newline is a part of one.
fn start_of_tail(entries: &[Entry], tail: usize) -> usize {
    let mut lines = 0;
    for (index, entry) in entries.iter().enumerate().rev() {
        let ends = entry.log.ends_with('\n') || index + 1 == entries.len();
        lines += usize::from(ends);
        if lines > tail {
            return index + 1;
        }
    }
    0
}

/// `2026-01-02T03:04:05Z`, a date, seconds since 1970, or `42m` ago.
///
/// # Errors
/// None of these.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    let invalid = || format!("invalid value for time: {text:?}");
    if let Ok(ago) = crate::cmd::options::duration(text) {
        let now = Timestamp::now().as_nanosecond();
        return Timestamp::from_nanosecond(now - i128::from(ago)).with_context(invalid);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Timestamp::from_nanosecond((seconds * 1e9) as i128).with_context(invalid);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // Without a zone: the machine's, as docker's client reads it; here UTC.
    for rest in ["Z", ":00Z", ":00:00Z", "T00:00:00Z"] {
        if let Ok(time) = format!("{text}{rest}").parse::<Timestamp>() {
            return Ok(time);
        }
    }
    bail!(invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(texts: &[&str]) -> Vec<Entry> {
        let entry = |text: &&str| Entry {
            log: text.to_string(),
            stream: "stdout".into(),
            time: String::new(),
        };
        texts.iter().map(entry).collect()
    }

    #[test]
    fn a_tail_counts_lines_and_not_entries() {
        let log = entries(&["a\n", "b", "b\n", "c\n", "d"]);
        assert_eq!(start_of_tail(&log, 0), 5);
        assert_eq!(start_of_tail(&log, 1), 4);
        assert_eq!(start_of_tail(&log, 2), 3);
        assert_eq!(start_of_tail(&log, 3), 1);
        assert_eq!(start_of_tail(&log, 9), 0);
    }

    #[test]
    fn a_time_is_absolute_or_ago() {
        let day = time("2026-01-02").unwrap();
        assert_eq!(day, time("2026-01-02T00:00:00Z").unwrap());
        assert_eq!(day, time("1767312000").unwrap());
        assert!(time("1h").unwrap() < Timestamp::now());
        assert!(time("yesterday").is_err());
    }
}
