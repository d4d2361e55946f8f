//! `mini-docker images`

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use crate::container::rootless;
use crate::engine::Engine;
use crate::format::containers::short_id;
use crate::format::filter::Filters;
use crate::format::listing::{Listing, Row};
use crate::format::{ago, go_time, seconds_since, size};
use crate::image::layout::{Descriptor, Layout, Manifest};
use crate::image::reference::Reference;
use crate::image::{layers, names};

/// List images
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker images --filter dangling=true -q")]
pub struct Images {
    /// Show all images (there are no hidden ones here)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output: KEY=VALUE (before, dangling, label, reference, since, until)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Format output using a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Only those of this name, in which * and ? may stand
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

const FILTERS: [&str; 7] = [
    "before",
    "dangling",
    "label",
    "label!",
    "reference",
    "since",
    "until",
];

const TITLES: [(&str, &str); 11] = [
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Containers", "CONTAINERS"),
];

/// A line of the list: an image under one of its names.
struct Line {
    descriptor: Descriptor,
    id: String,
    created: String,
    labels: BTreeMap<String, String>,
    size: u64,
}

impl Images {
    /// # Errors
    /// A filter or template that is wrong, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        let index = layout.index()?;
        let mut lines = Vec::new();
        for descriptor in index.manifests.iter().filter(|entry| !entry.removed()) {
            match Line::read(engine, &layout, descriptor) {
                Ok(line) => lines.push(line),
                // One that is damaged does not hide the others.
                Err(error) => eprintln!("mini-docker: {error:#}"),
            }
        }
        lines.sort_by_key(|line| (Reverse(line.created.clone()), line.id.clone()));
        let time = |key: &str| -> anyhow::Result<Option<String>> {
            let Some(image) = filters.get(key).first() else {
                return Ok(None);
            };
            let found = names::lookup(&layout, &index, image)?;
            let line = lines
                .iter()
                .find(|line| line.descriptor.digest == found.digest);
            Ok(line.map(|line| line.created.clone()))
        };
        let (before, since) = (time("before")?, time("since")?);
        let until = super::prune::until(&filters)?;
        let dangling = filters.flag("dangling")?;
        lines.retain(|line| {
            let name = line.descriptor.name();
            let created = line.created.parse::<jiff::Timestamp>().ok();
            dangling.is_none_or(|wanted| wanted == name.is_none())
                && before.as_ref().is_none_or(|time| line.created < *time)
                && since.as_ref().is_none_or(|time| line.created > *time)
                && until.is_none_or(|until| created.is_none_or(|created| created < until))
                && filters.labels(&line.labels)
                && filters.without_labels(&line.labels)
                && filters.any("reference", |pattern| fits(pattern, name))
                && self.name.as_ref().is_none_or(|pattern| fits(pattern, name))
        });
        if self.quiet {
            // An id once, whatever names it has.
            let mut seen = std::collections::BTreeSet::new();
            lines.retain(|line| seen.insert(line.id.clone()));
        }
        let rows = lines.iter().map(|line| self.row(line)).collect();
        let listing = Listing {
            titles: &TITLES,
            table: match self.digests {
                true => &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"],
                false => &["Repository", "Tag", "ID", "CreatedSince", "Size"],
            },
            quiet: "ID",
        };
        listing.show(rows, self.format.as_deref(), self.quiet)?;
        Ok(0)
    }

    fn row(&self, line: &Line) -> Row {
        let name = line
            .descriptor
            .name()
            .and_then(|name| name.rsplit_once(':'));
        let (repository, tag) = name.unwrap_or(("<none>", "<none>"));
        let mut row = Row::default();
        row.set("Repository", repository);
        row.set("Tag", tag);
        row.set("Digest", &*line.descriptor.digest);
        row.set(
            "ID",
            if self.no_trunc {
                &line.id
            } else {
                short_id(&line.id)
            },
        );
        let since = seconds_since(&line.created).map(|seconds| format!("{} ago", ago(seconds)));
        row.set("CreatedSince", since.unwrap_or_else(|| "N/A".into()));
        row.set("CreatedAt", go_time(&line.created));
        row.set("Size", size(line.size));
        row.set("VirtualSize", size(line.size));
        for cell in ["SharedSize", "UniqueSize", "Containers"] {
            row.set(cell, "N/A");
        }
        row
    }
}

impl Line {
    fn read(engine: &Engine, layout: &Layout, descriptor: &Descriptor) -> anyhow::Result<Self> {
        let manifest: Manifest = layout.document(&descriptor.digest)?;
        let config: Value = layout.document(&manifest.config.digest)?;
        let chain = layers::chain_ids(&names::diff_ids(&config));
        let labels = config["config"]["Labels"].as_object().into_iter().flatten();
        Ok(Self {
            descriptor: descriptor.clone(),
            id: manifest.config.digest,
            created: config["created"].as_str().unwrap_or_default().into(),
            labels: labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().into()))
                .collect(),
            size: chain
                .iter()
                .map(|id| layers::get(engine, id).unwrap_or_default().size)
                .sum(),
        })
    }
}

/// Whether a name is meant by a pattern: with a tag both, without one the name alone.
fn fits(pattern: &str, name: Option<&str>) -> bool {
    let Some((repository, tag)) = name.and_then(|name| name.rsplit_once(':')) else {
        return false;
    };
    if let Ok(reference) = Reference::parse(pattern) {
        return reference.name == repository && reference.tag.is_none_or(|wanted| wanted == tag);
    }
    match pattern.rsplit_once(':') {
        Some((name, wanted)) => {
            glob(name.as_bytes(), repository.as_bytes()) && glob(wanted.as_bytes(), tag.as_bytes())
        }
        None => glob(pattern.as_bytes(), repository.as_bytes()),
    }
}

/// `*` any letters but a slash, `?` one of them.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob(rest, text)
                || matches!(text, [first, after @ ..] if *first != b'/' && glob(pattern, after))
        }
        ([b'?', rest @ ..], [first, after @ ..]) => *first != b'/' && glob(rest, after),
        ([one, rest @ ..], [first, after @ ..]) => one == first && glob(rest, after),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_name_or_name_and_tag() {
        assert!(fits("base", Some("base:1")));
        assert!(!fits("base:2", Some("base:1")));
        assert!(fits("team/*:1*", Some("team/web:1.0")));
        assert!(!fits("*", Some("team/web:1.0")));
        assert!(!fits("base", None));
    }
}
