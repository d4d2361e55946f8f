//! `mini-docker prune`, and what `container prune`, `image prune`, `volume prune`
//! and `system prune` have in common: a question, a list, a sum.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

use anyhow::Context;
use clap::Args;

use super::ps::{self, bytes_below};
use super::{rm, volume};
use crate::container::record::Status;
use crate::container::{rootless, store};
use crate::engine::Engine;
use crate::format::filter::Filters;
use crate::format::{containers as rows, document, print, size};
use crate::image::layout::Layout;
use crate::image::names;
use crate::network::definition;

/// Remove unused data: stopped containers, unused networks, dangling images
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker prune -f --volumes")]
pub struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values: KEY=VALUE (label, until)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune volumes too
    #[arg(long)]
    volumes: bool,
}

pub const FILTERS: [&str; 3] = ["label", "label!", "until"];

impl Prune {
    /// # Errors
    /// A filter that is wrong; what cannot be removed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        if !self.force && !agreed(&self.warning())? {
            return Ok(0);
        }
        let mut bytes = 0;
        let (removed, freed) = containers(engine, &filters)?;
        told("Deleted Containers:", &removed)?;
        bytes += freed;
        let networks = networks(engine, &filters)?;
        told("Deleted Networks:", &networks)?;
        if self.volumes {
            let (removed, freed) = volume::volumes(engine, &filters, false)?;
            told("Deleted Volumes:", &removed)?;
            bytes += freed;
        }
        let (removed, freed) = images(engine, &filters, self.all)?;
        told("Deleted Images:", &removed)?;
        reclaimed(bytes + freed)?;
        Ok(0)
    }

    fn warning(&self) -> String {
        let mut what = vec![
            "all stopped containers",
            "all networks not used by at least one container",
        ];
        if self.volumes {
            what.push("all anonymous volumes not used by at least one container");
        }
        what.push(match self.all {
            true => "all images without at least one container associated to them",
            false => "all dangling images",
        });
        let lines: Vec<String> = what.iter().map(|what| format!("  - {what}\n")).collect();
        format!("WARNING! This will remove:\n{}", lines.concat())
    }
}

/// Remove all stopped containers
#[derive(Debug, Args)]
pub struct ContainerPrune {
    /// Provide filter values: KEY=VALUE (label, until)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl ContainerPrune {
    /// # Errors
    /// A filter that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let mut bytes = 0;
        if self.force || agreed("WARNING! This will remove all stopped containers.")? {
            let (removed, freed) = containers(engine, &filters)?;
            told("Deleted Containers:", &removed)?;
            bytes = freed;
        }
        reclaimed(bytes)?;
        Ok(0)
    }
}

/// Removes the containers that do not run: their ids, and the bytes of their layers.
///
/// # Errors
/// The store cannot be read; a time that is wrong.
pub fn containers(engine: &Engine, filters: &Filters) -> anyhow::Result<(Vec<String>, u64)> {
    let until = until(filters)?;
    // Before any thread: a user namespace is entered by one thread alone.
    rootless::enter(engine)?;
    let (mut removed, mut bytes) = (Vec::new(), 0);
    for (brief, state) in ps::read(engine, true)? {
        let stopped = matches!(
            state.status,
            Status::Created | Status::Exited | Status::Dead
        );
        let labels = &brief.config.labels;
        let created = brief.created.parse::<jiff::Timestamp>().ok();
        let old = until.is_none_or(|until| created.is_none_or(|created| created < until));
        if !stopped || !old || !filters.labels(labels) || !filters.without_labels(labels) {
            continue;
        }
        let freed = bytes_below(&engine.container(&brief.id).join("diff"));
        // One that somebody has started or removed since is left alone.
        if store::find(engine, &brief.id).is_ok()
            && rm::remove(engine, &brief.id, false, false).is_ok()
        {
            removed.push(brief.id);
            bytes += freed;
        }
    }
    Ok((removed, bytes))
}

/// Remove unused images
#[derive(Debug, Args)]
pub struct ImagePrune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values: KEY=VALUE (dangling, label, until)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl ImagePrune {
    /// # Errors
    /// A filter that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let known = ["dangling", "label", "label!", "until"];
        let filters = Filters::parse(&self.filter, &known)?;
        let all = self.all || filters.flag("dangling")? == Some(false);
        let warning = match all {
            true => {
                "WARNING! This will remove all images without at least one container associated to them."
            }
            false => "WARNING! This will remove all dangling images.",
        };
        let mut bytes = 0;
        if self.force || agreed(warning)? {
            let (removed, freed) = images(engine, &filters, all)?;
            told("Deleted Images:", &removed)?;
            bytes = freed;
        }
        reclaimed(bytes)?;
        Ok(0)
    }
}

/// Removes the images that no container has: those without a name, or `all`. What was
/// removed, in docker's words, and the bytes of the layers that are gone.
///
/// # Errors
/// The store cannot be read; a time that is wrong.
pub fn images(engine: &Engine, filters: &Filters, all: bool) -> anyhow::Result<(Vec<String>, u64)> {
    let until = until(filters)?;
    // No container finds an image meanwhile that is about to go.
    let _alone = names::alone(engine)?;
    let used: BTreeSet<String> = ps::read(engine, true)?
        .into_iter()
        .map(|(brief, _)| brief.image)
        .collect();
    let before = bytes_below(&engine.root.join("layers"));
    let (mut removed, mut manifests) = (Vec::new(), BTreeSet::new());
    for image in super::df::all_images(engine)? {
        let names = document::tags(engine, &image);
        let labels = image.defaults()?.labels;
        let created = image.raw["created"]
            .as_str()
            .and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let old = until.is_none_or(|until| created.is_none_or(|created| created < until));
        let wanted = (all || names.is_empty()) && old && !used.contains(&image.id);
        if wanted && filters.labels(&labels) && filters.without_labels(&labels) {
            removed.extend(names.iter().map(|name| format!("untagged: {name}")));
            removed.push(format!("deleted: {}", image.id));
            manifests.insert(image.manifest);
        }
    }
    {
        let layout = Layout::open(engine)?;
        let _lock = engine.lock("images")?;
        let mut index = layout.index()?;
        index
            .manifests
            .retain(|entry| !manifests.contains(&entry.digest));
        layout.write_index(&index)?;
        names::collect(engine, &layout)?;
    }
    let after = bytes_below(&engine.root.join("layers"));
    Ok((removed, before.saturating_sub(after)))
}

/// Removes the networks that no container has asked for.
///
/// # Errors
/// The store cannot be read.
pub fn networks(engine: &Engine, filters: &Filters) -> anyhow::Result<Vec<String>> {
    let mut used = BTreeSet::new();
    for (brief, state) in ps::read(engine, true)? {
        used.extend(rows::networks(&brief, &state.networks));
    }
    let mut removed = Vec::new();
    for network in definition::all(engine)? {
        let labels = &network.labels;
        let unused = !definition::built_in(&network.name) && !used.contains(&network.name);
        if unused && filters.labels(labels) && filters.without_labels(labels) {
            crate::network::remove(engine, &network)?;
            removed.push(network.name);
        }
    }
    Ok(removed)
}

/// `until=24h`: what was made before.
///
/// # Errors
/// A time that is none.
pub fn until(filters: &Filters) -> anyhow::Result<Option<jiff::Timestamp>> {
    let until = filters.get("until").first();
    until.map(|text| super::events::time(text)).transpose()
}

/// Asks as docker does. No answer, as from a script, is a no.
///
/// # Errors
/// Standard input cannot be read.
pub fn agreed(warning: &str) -> anyhow::Result<bool> {
    print(&format!(
        "{warning}\nAre you sure you want to continue? [y/N] "
    ))?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("reading the answer")?;
    if !std::io::stdin().is_terminal() {
        std::io::stdout().flush()?;
    }
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// The list under its title, and an empty line; nothing where nothing was removed.
///
/// # Errors
/// A full disk.
pub fn told(title: &str, removed: &[String]) -> anyhow::Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    print(&format!("{title}\n{}\n\n", removed.join("\n")))
}

/// `Total reclaimed space: 4.26MB`
///
/// # Errors
/// A full disk.
pub fn reclaimed(bytes: u64) -> anyhow::Result<()> {
    print(&format!("Total reclaimed space: {}\n", size(bytes)))
}
