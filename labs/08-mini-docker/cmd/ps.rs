//! `mini-docker ps`
//!
//! Nobody keeps a list of containers: it is read from their files each time. With
//! thousands of them that is most of the work, so a stopped container's second file is
//! read only when it is shown, and several threads read at once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;

use crate::container::record::{State, Status};
use crate::container::store;
use crate::engine::Engine;
use crate::files;
use crate::format::containers::{Brief, Sizes, networks, row, short_id, word};
use crate::format::document;
use crate::format::filter::{Filters, matches};
use crate::format::listing::Listing;
use crate::image;

/// List containers
///
/// Example: mini-docker ps -a --filter status=exited --format '{{.Names}}: {{.Status}}'
#[derive(Debug, Default, Args)]
pub struct Ps {
    /// Show all containers, not only those that run
    #[arg(short, long)]
    pub all: bool,
    /// Filter output: KEY=VALUE (id, name, label, exited, status, ancestor, before, since,
    /// volume, network, publish, expose, health, is-task)
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Pretty-print containers with a Go template
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Show the N containers that were created last (in any state)
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true, default_value_t = -1)]
    pub last: i64,
    /// Show the container that was created last (in any state)
    #[arg(short, long)]
    pub latest: bool,
    /// Don't truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    pub size: bool,
}

const FILTERS: [&str; 14] = [
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name",
    "network", "publish", "since", "status", "volume",
];

const TITLES: [(&str, &str); 14] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];

const TABLE: [&str; 8] = [
    "ID",
    "Image",
    "Command",
    "RunningFor",
    "Status",
    "Ports",
    "Names",
    "Size",
];

impl Ps {
    /// # Errors
    /// A filter or template that is wrong, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let last = if self.latest && self.last < 0 {
            1
        } else {
            self.last
        };
        // Whoever asks for a state wants it also from those that do not run.
        let all = self.all || last > 0 || filters.has("status");
        let wishes = Wishes::new(engine, filters)?;
        let mut found = read(engine, all)?;
        found.retain(|(brief, state)| wishes.hold(engine, brief, state));
        if last > 0 {
            found.truncate(last as usize);
        }
        let with_size = self.size
            || self
                .format
                .as_ref()
                .is_some_and(|text| text.contains(".Size"));
        let mut names = ImageNames::default();
        let mut rows = Vec::new();
        for (brief, state) in &found {
            let image = names.now(engine, brief, !self.no_trunc);
            let sizes = if with_size {
                sizes(engine, brief)
            } else {
                None
            };
            rows.push(row(brief, state, &image, sizes, !self.no_trunc));
        }
        let columns = if self.size { &TABLE[..] } else { &TABLE[..7] };
        let listing = Listing {
            titles: &TITLES,
            table: columns,
            quiet: "ID",
        };
        let format = self.format.as_deref().filter(|text| !text.is_empty());
        listing.show(rows, format, self.quiet)?;
        Ok(0)
    }
}

/// The containers, the newest first; without `all` those that run.
///
/// # Errors
/// The store cannot be read. A damaged record is told about and left out.
pub fn read(engine: &Engine, all: bool) -> anyhow::Result<Vec<(Brief, State)>> {
    let ids = store::ids(engine)?;
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let part = ids.len().div_ceil(threads).max(64);
    let mut found: Vec<(Brief, State)> = std::thread::scope(|scope| {
        let parts: Vec<_> = ids
            .chunks(part)
            .map(|ids| scope.spawn(|| ids.iter().filter_map(|id| one(engine, id, all)).collect()))
            .collect();
        let done = parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|_| Vec::new()));
        done.flatten().collect()
    });
    found.sort_by_cached_key(|(brief, _)| Reverse(brief.created.clone()));
    Ok(found)
}

fn one(engine: &Engine, id: &str, all: bool) -> Option<(Brief, State)> {
    let read = || -> anyhow::Result<Option<(Brief, State)>> {
        let state = store::state(engine, id)?;
        let runs = matches!(
            state.status,
            Status::Running | Status::Paused | Status::Restarting
        );
        if !runs && !all {
            return Ok(None);
        }
        let brief = files::read_json(&engine.container(id).join("container.json"))?;
        Ok(Some((brief, state)))
    };
    match read() {
        Ok(found) => found,
        // One that was removed while we read the list is no error.
        Err(_) if !engine.container(id).exists() => None,
        Err(error) => {
            eprintln!("mini-docker: {}: {error:#}", short_id(id));
            None
        }
    }
}

/// The filters, with what they need looked up once.
struct Wishes {
    filters: Filters,
    before: Option<String>,
    since: Option<String>,
    /// Ids and lowest layers of `ancestor`.
    ancestors: Vec<image::Image>,
}

impl Wishes {
    fn new(engine: &Engine, filters: Filters) -> anyhow::Result<Self> {
        for status in filters.get("status") {
            let known = [
                "created",
                "running",
                "paused",
                "restarting",
                "removing",
                "exited",
                "dead",
            ];
            if !known.contains(&status.as_str()) {
                bail!("Invalid filter 'status={status}'");
            }
        }
        for code in filters.get("exited") {
            let parsed = code.parse::<i32>();
            parsed
                .ok()
                .with_context(|| format!("strconv.Atoi: parsing {code:?}: invalid syntax"))?;
        }
        for health in filters.get("health") {
            if !["none", "starting", "healthy", "unhealthy"].contains(&health.as_str()) {
                bail!("Unrecognised filter value for health: {health}");
            }
        }
        for kind in ["publish", "expose"] {
            for value in filters.get(kind) {
                port_range(value)
                    .with_context(|| format!("error while looking up for {kind} {value}"))?;
            }
        }
        filters.flag("is-task").ok().with_context(|| {
            format!(
                "Invalid filter 'is-task=[{}]'",
                filters.get("is-task").join(" ")
            )
        })?;
        let created = |key: &str| -> anyhow::Result<Option<String>> {
            let Some(name) = filters.get(key).first() else {
                return Ok(None);
            };
            let found = store::find(engine, name).ok();
            let found = found.with_context(|| format!("no such container {name}"))?;
            Ok(Some(found.created))
        };
        let (before, since) = (created("before")?, created("since")?);
        let ancestors = filters.get("ancestor").iter();
        // An image that is not there is nobody's ancestor.
        let ancestors = ancestors
            .filter_map(|name| image::find(engine, name).ok())
            .collect();
        Ok(Self {
            filters,
            before,
            since,
            ancestors,
        })
    }

    fn hold(&self, engine: &Engine, brief: &Brief, state: &State) -> bool {
        let filters = &self.filters;
        let stopped = !matches!(
            state.status,
            Status::Running | Status::Paused | Status::Created
        );
        let health = state
            .health
            .as_ref()
            .map_or("none", |health| health.status.as_str());
        let volume = |wish: &str| {
            let mut mounts = brief.mounts.iter();
            mounts.any(|mount| {
                [&mount.name, &mount.source, &mount.destination].contains(&&wish.to_string())
            })
        };
        let network = |wish: &str| {
            let ids = state
                .networks
                .values()
                .map(|endpoint| endpoint.network_id.clone());
            networks(brief, &state.networks)
                .iter()
                .any(|name| name == wish)
                || ids
                    .into_iter()
                    .any(|id| !id.is_empty() && id.starts_with(wish))
        };
        filters.any("id", |id| matches(id, &brief.id))
            && filters.any("name", |name| {
                matches(name, &brief.name) || matches(name, &format!("/{}", brief.name))
            })
            && filters.any("status", |status| status == word(state.status))
            && filters.any("exited", |code| {
                stopped && code.parse() == Ok(state.exit_code)
            })
            && filters.any("health", |wish| wish == health)
            && filters.any("is-task", |value| matches!(value, "false" | "0"))
            && filters.any("volume", volume)
            && filters.any("network", network)
            && filters.any("publish", |range| published(range, state))
            && filters.any("expose", |range| exposed(range, brief))
            && filters.labels(&brief.config.labels)
            && self
                .before
                .as_ref()
                .is_none_or(|time| brief.created < *time)
            && self.since.as_ref().is_none_or(|time| brief.created > *time)
            && (!filters.has("ancestor") || self.descends(engine, brief))
    }

    /// Whether its image is one of the ancestors, or built on one.
    fn descends(&self, engine: &Engine, brief: &Brief) -> bool {
        let own = image::find(engine, &brief.image)
            .map(|image| image.layers)
            .unwrap_or_default();
        self.ancestors.iter().any(|ancestor| {
            let layers = &ancestor.layers;
            ancestor.id == brief.image || (!layers.is_empty() && own.starts_with(layers))
        })
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`
fn port_range(text: &str) -> anyhow::Result<(u16, u16, &str)> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| {
        let parsed = text.parse::<u16>().ok();
        parsed.with_context(|| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
    };
    Ok((number(first)?, number(last)?, protocol))
}

fn published(range: &str, state: &State) -> bool {
    let Ok((first, last, protocol)) = port_range(range) else {
        return false;
    };
    state.ports.iter().any(|(port, bindings)| {
        let mut numbers = bindings
            .iter()
            .flatten()
            .filter_map(|binding| binding.host_port.parse::<u16>().ok());
        port.ends_with(protocol) && numbers.any(|number| (first..=last).contains(&number))
    })
}

fn exposed(range: &str, brief: &Brief) -> bool {
    let Ok((first, last, protocol)) = port_range(range) else {
        return false;
    };
    brief.config.exposed_ports.keys().any(|port| {
        let (number, own) = port.split_once('/').unwrap_or((port, "tcp"));
        own == protocol
            && number
                .parse::<u16>()
                .is_ok_and(|number| (first..=last).contains(&number))
    })
}

/// How images are called now. A container keeps its image when the name goes to another
/// one; then `ps` shows the image's id.
#[derive(Default)]
struct ImageNames {
    ids: BTreeMap<String, Option<String>>,
}

impl ImageNames {
    fn now(&mut self, engine: &Engine, brief: &Brief, truncate: bool) -> String {
        let name = &brief.config.image;
        let id = self
            .ids
            .entry(name.clone())
            .or_insert_with(|| image::find(engine, name).ok().map(|image| image.id));
        match id {
            Some(id) if *id != brief.image => match truncate {
                true => short_id(&brief.image).into(),
                false => brief.image.clone(),
            },
            _ => name.clone(),
        }
    }
}

/// Bytes of the container's own layer and of its image.
pub fn sizes(engine: &Engine, brief: &Brief) -> Sizes {
    let own = bytes_below(&engine.container(&brief.id).join("diff"));
    let image = image::find(engine, &brief.image).ok();
    let image = image.map(|image| document::image_size(engine, &image));
    Some((own, image.unwrap_or(0)))
}

/// The lengths of all files below, each counted once however many names it has.
pub fn bytes_below(folder: &Path) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    let mut sum = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.nlink() < 2 || seen.insert((metadata.dev(), metadata.ino())) {
                sum += metadata.len();
            }
        }
    }
    sum
}
