//! `mini-docker events`
//!
//! A line of the store's `events` file is an event. Those to come are waited for with
//! inotify: the kernel tells when the file grows.
//!
//! Read: inotify(7), docker-system-events(1)

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::{Value, json};

use crate::container::store;
use crate::engine::Engine;
use crate::format::filter::Filters;
use crate::format::{Template, print};

/// Get real time events from the engine
#[derive(Debug, Args)]
#[command(
    after_help = "Example:  mini-docker events --since 10m --until 0s --filter type=container"
)]
pub struct Events {
    /// Filter output: KEY=VALUE (container, event, image, label, network, type, volume)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Format the output with a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show all events since a time (RFC 3339, seconds since 1970, or a span: 10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Stream events until a time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

const FILTERS: [&str; 12] = [
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "service",
    "type",
    "volume",
];

impl Events {
    /// # Errors
    /// A time, filter or template that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let since = self.since.as_deref().map(time).transpose()?;
        let until = self.until.as_deref().map(time).transpose()?;
        let format = self.format.as_deref().filter(|text| !text.is_empty());
        let format = if format == Some("json") {
            Some("{{json .}}")
        } else {
            format
        };
        let template = format.map(Template::new).transpose()?;
        let path = engine.run.join("events");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(&path, AddWatchFlags::IN_MODIFY)?;
        let now = Timestamp::now();
        let mut lines = Lines::new(file);
        loop {
            while let Some(event) = lines.advance()? {
                let at = stamp(&event);
                // Without --since only what is still to come.
                if at < since.unwrap_or(now) || !wanted(engine, &filters, &event) {
                    continue;
                }
                if until.is_some_and(|until| at > until) {
                    return Ok(0);
                }
                print(&(shown(&event, template.as_ref())? + "\n"))?;
            }
            if !wait(&inotify, until)? {
                return Ok(0);
            }
        }
    }
}

/// Whole lines of a file that others append to.
struct Lines {
    reader: BufReader<File>,
    begun: Vec<u8>,
}

impl Lines {
    fn new(file: File) -> Self {
        Self {
            reader: BufReader::new(file),
            begun: Vec::new(),
        }
    }

    /// The next event; `None` where the file ends for now.
    fn advance(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            self.reader.read_until(b'\n', &mut self.begun)?;
            if self.begun.last() != Some(&b'\n') {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.begun);
            // A line that a full disk has cut is nobody's event.
            if let Ok(event) = serde_json::from_slice(&line) {
                return Ok(Some(event));
            }
        }
    }
}

/// Waits until the file has grown; false when `until` comes first.
fn wait(inotify: &Inotify, until: Option<Timestamp>) -> anyhow::Result<bool> {
    loop {
        let left = until.map(|until| until.as_millisecond() - Timestamp::now().as_millisecond());
        let timeout = match left {
            Some(left) if left <= 0 => return Ok(false),
            Some(left) => PollTimeout::try_from(left.min(60_000)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut ready = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, timeout)? > 0 {
            let _ = inotify.read_events();
            return Ok(true);
        }
    }
}

fn stamp(event: &Value) -> Timestamp {
    let nanoseconds = event["timeNano"].as_i64().unwrap_or(0);
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// `2026-11-28T21:16:48.152530766Z container start ID (image=base, name=web)`
fn shown(event: &Value, template: Option<&Template>) -> anyhow::Result<String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_string();
    let actor = &event["Actor"];
    let attributes = actor["Attributes"].as_object().cloned().unwrap_or_default();
    let Some(template) = template else {
        let mut pairs: Vec<String> = attributes
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        pairs.sort();
        let id = actor["ID"].as_str().unwrap_or_default();
        let pairs = match pairs.is_empty() {
            true => String::new(),
            false => format!(" ({})", pairs.join(", ")),
        };
        let time = format!("{:.9}", stamp(event));
        return Ok(format!(
            "{time} {} {} {id}{pairs}",
            text("Type"),
            text("Action")
        ));
    };
    // docker repeats these for clients from before version 1.10.
    let mut document = json!({ "status": text("Action"), "id": actor["ID"] });
    if text("Type") == "container" {
        document["from"] = attributes
            .get("image")
            .cloned()
            .unwrap_or_else(|| "".into());
    }
    if let (Value::Object(document), Value::Object(event)) = (&mut document, event) {
        if event["Type"] != "container" && event["Type"] != "image" {
            document.clear();
        }
        document.extend(event.clone());
    }
    template.render(&document)
}

fn wanted(engine: &Engine, filters: &Filters, event: &Value) -> bool {
    let actor = &event["Actor"];
    let id = actor["ID"].as_str().unwrap_or_default();
    let attribute = |name: &str| actor["Attributes"][name].as_str().unwrap_or_default();
    let kind = event["Type"].as_str().unwrap_or_default();
    let action = event["Action"].as_str().unwrap_or_default();
    let object = |filter: &str, names: &[&str]| {
        filters.any(filter, |wish| {
            kind == filter && (id.starts_with(wish) || names.contains(&wish))
        })
    };
    let container = || {
        filters.any("container", |wish| {
            let other = attribute("container");
            let by_id = |id: &str| {
                id.starts_with(wish) || store::find(engine, wish).is_ok_and(|found| found.id == id)
            };
            (kind == "container" && (by_id(id) || attribute("name") == wish))
                || (!other.is_empty() && by_id(other))
        })
    };
    let image = |wish: &str| {
        let names = [attribute("image"), attribute("name"), id];
        let untagged = |name: &str| name.split_once(':').is_some_and(|(name, _)| name == wish);
        ["container", "image"].contains(&kind)
            && names.iter().any(|name| *name == wish || untagged(name))
    };
    let labels = filters
        .get("label")
        .iter()
        .all(|wish| match wish.split_once('=') {
            Some((key, value)) => attribute(key) == value && !attribute(key).is_empty(),
            None => !actor["Attributes"][wish.as_str()].is_null(),
        });
    filters.any("type", |wish| wish == kind)
        // `exec_start` is written with its command behind it.
        && filters.any("event", |wish| wish == action || action.starts_with(&format!("{wish}:")))
        && filters.any("image", image)
        && object("network", &[attribute("name")])
        && object("volume", &[])
        && container()
        && labels
}

/// RFC 3339, seconds since 1970 with or without a fraction, a date, or a span before now.
///
/// # Errors
/// docker's words for what is none of these.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(Timestamp::from_nanosecond((seconds * 1e9) as i128)?);
    }
    if let Ok(nanoseconds) = super::options::duration(text) {
        return Ok(Timestamp::from_nanosecond(
            Timestamp::now().as_nanosecond() - i128::from(nanoseconds),
        )?);
    }
    let zoned = [
        text.to_string(),
        format!("{text}Z"),
        format!("{text}:00Z"),
        format!("{text}T00:00:00Z"),
    ];
    match zoned.iter().find_map(|text| text.parse().ok()) {
        Some(time) => Ok(time),
        None => bail!("failed to parse value as time or duration: {text:?}"),
    }
}
