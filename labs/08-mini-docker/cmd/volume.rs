//! `mini-docker volume`

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::inspect::{InspectOne, Kind};
use super::prune::{self, agreed};
use super::ps::bytes_below;
use crate::container::rootless;
use crate::engine::Engine;
use crate::format::filter::{Filters, matches};
use crate::format::listing::{Listing, Row};
use crate::format::print;
use crate::volume::store::{self, Wish};

/// Manage volumes
///
/// Example: mini-docker volume create --label keep dbdata
#[derive(Debug, Args)]
pub struct Volume {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    /// Display detailed information on one or more volumes
    Inspect(InspectOne),
    #[command(visible_alias = "list")]
    Ls(Ls),
    Prune(Prune),
    #[command(visible_alias = "remove")]
    Rm(Rm),
}

impl Volume {
    /// # Errors
    /// No such volume; one that is in use; a name that cannot be: in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self.command {
            Command::Create(command) => command.run(engine),
            Command::Inspect(command) => command.run(engine, Kind::Volume),
            Command::Ls(command) => command.run(engine),
            Command::Prune(command) => command.run(engine),
            Command::Rm(command) => command.run(engine),
        }
    }
}

/// Create a volume
#[derive(Debug, Args)]
struct Create {
    /// Volume driver: only `local` is there
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Metadata, KEY=VALUE
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Another way to give the name
    #[arg(long, value_name = "NAME", hide = true)]
    name: Option<String>,
    /// Driver options: `type=tmpfs`, `device=tmpfs`, `o=size=1m`; `type=none`, `device=DIR`, `o=bind`
    #[arg(short, long = "opt", value_name = "KEY=VALUE")]
    opt: Vec<String>,
    #[arg(value_name = "VOLUME")]
    volume: Option<String>,
}

impl Create {
    fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let name = match (self.name, self.volume) {
            (Some(_), Some(_)) => {
                bail!(
                    "conflicting options: either specify --name or provide positional arg, not both"
                )
            }
            (name, volume) => name.or(volume).unwrap_or_default(),
        };
        let pairs = |list: &[String]| -> BTreeMap<String, String> {
            let pairs = list
                .iter()
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect()
        };
        let wish = Wish {
            name,
            driver: self.driver,
            labels: Some(pairs(&self.label)),
            options: Some(pairs(&self.opt)),
            anonymous: false,
        };
        let volume = store::create(engine, wish)?;
        print(&(volume.name + "\n"))?;
        Ok(0)
    }
}

/// List volumes
#[derive(Debug, Args)]
struct Ls {
    /// Filter output: KEY=VALUE (dangling, driver, label, name)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Pretty-print volumes with a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

const TITLES: [(&str, &str); 7] = [
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
];

impl Ls {
    fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &["dangling", "driver", "label", "name"])?;
        let dangling = filters.flag("dangling")?;
        let mut rows = Vec::new();
        for volume in store::list(engine)? {
            let labels = volume.labels.unwrap_or_default();
            let unused = || store::users(engine, &volume.name).is_empty();
            if !filters.any("name", |name| matches(name, &volume.name))
                || !filters.any("driver", |driver| driver == volume.driver)
                || !filters.labels(&labels)
                || dangling.is_some_and(|wish| unused() != wish)
            {
                continue;
            }
            let mut row = Row {
                methods: serde_json::json!({ "Label": labels }),
                ..Row::default()
            };
            let labels: Vec<String> = labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            row.set("Name", volume.name);
            row.set("Driver", volume.driver);
            row.set("Scope", volume.scope);
            row.set("Mountpoint", volume.mountpoint);
            row.set("Labels", labels.join(","));
            // Counted by `system df` alone.
            row.set("Links", "N/A");
            row.set("Size", "N/A");
            rows.push(row);
        }
        let listing = Listing {
            titles: &TITLES,
            table: &["Driver", "Name"],
            quiet: "Name",
        };
        listing.show(
            rows,
            self.format.as_deref().filter(|text| !text.is_empty()),
            self.quiet,
        )?;
        Ok(0)
    }
}

/// Remove one or more volumes
#[derive(Debug, Args)]
struct Rm {
    /// A volume that is not there is no error
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Rm {
    fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        // Files of a container's other users are those of a user's subordinate ids.
        rootless::enter(engine)?;
        let mut code = 0;
        for name in &self.volumes {
            match store::remove(engine, name) {
                Err(_) if self.force && store::find(engine, name).is_err() => {
                    print(&format!("{name}\n"))?;
                }
                Err(error) => {
                    eprintln!("mini-docker: {error:#}");
                    code = 1;
                }
                Ok(()) => print(&format!("{name}\n"))?,
            }
        }
        Ok(code)
    }
}

/// Remove unused volumes: anonymous ones, with --all named ones too
#[derive(Debug, Args)]
struct Prune {
    /// Provide filter values: KEY=VALUE (label)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Also named volumes, as docker before version 23
    #[arg(short, long)]
    all: bool,
}

impl Prune {
    fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &["label", "label!", "all"])?;
        let warning = match self.all {
            true => {
                "WARNING! This will remove all local volumes not used by at least one container."
            }
            false => {
                "WARNING! This will remove anonymous local volumes not used by at least one container."
            }
        };
        rootless::enter(engine)?;
        let mut bytes = 0;
        if self.force || agreed(warning)? {
            let (removed, freed) = volumes(engine, &filters, self.all)?;
            bytes = freed;
            prune::told("Deleted Volumes:", &removed)?;
        }
        prune::reclaimed(bytes)?;
        Ok(0)
    }
}

/// Removes those that nobody uses: their names, and how many bytes they had.
///
/// # Errors
/// The folder of volumes cannot be read.
pub fn volumes(
    engine: &Engine,
    filters: &Filters,
    all: bool,
) -> anyhow::Result<(Vec<String>, u64)> {
    let (mut removed, mut bytes) = (Vec::new(), 0);
    for volume in store::list(engine)? {
        let labels = volume.labels.unwrap_or_default();
        let wanted =
            (all || volume.anonymous) && filters.labels(&labels) && filters.without_labels(&labels);
        if !wanted || !store::users(engine, &volume.name).is_empty() {
            continue;
        }
        let size = bytes_below(volume.mountpoint.as_ref());
        // One that somebody has taken since is left alone.
        if store::remove(engine, &volume.name).is_ok() {
            removed.push(volume.name);
            bytes += size;
        }
    }
    Ok((removed, bytes))
}
