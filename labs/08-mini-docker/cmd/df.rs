//! `mini-docker system df`

use std::collections::BTreeSet;

use clap::Args;

use super::ps::{self, bytes_below};
use crate::container::record::Status;
use crate::engine::Engine;
use crate::format::document::{self, image_size};
use crate::format::listing::{Listing, Row};
use crate::format::words::long_size as size;
use crate::format::{print, table};
use crate::image;
use crate::volume::store as volumes;

/// Show disk usage
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker system df -v")]
pub struct Df {
    /// Pretty-print with a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

const TITLES: [(&str, &str); 5] = [
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// One thing that takes space.
struct Thing {
    /// The cells of the detailed table.
    cells: Vec<String>,
    bytes: u64,
    active: bool,
}

impl Df {
    /// # Errors
    /// The store cannot be read; a template that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let containers = ps::read(engine, true)?;
        let used: BTreeSet<&str> = containers
            .iter()
            .map(|(brief, _)| brief.image.as_str())
            .collect();
        let mut images = Vec::new();
        for image in all_images(engine)? {
            let bytes = image_size(engine, &image);
            let active = used.contains(image.id.as_str());
            let name = document::tags(engine, &image).join(", ");
            images.push(Thing {
                cells: vec![
                    name,
                    crate::format::containers::short_id(&image.id).into(),
                    size(bytes),
                ],
                bytes,
                active,
            });
        }
        let mut running = Vec::new();
        for (brief, state) in &containers {
            let bytes = bytes_below(&engine.container(&brief.id).join("diff"));
            running.push(Thing {
                cells: vec![
                    crate::format::containers::short_id(&brief.id).into(),
                    brief.config.image.clone(),
                    size(bytes),
                    crate::format::containers::status(state),
                    brief.name.clone(),
                ],
                bytes,
                active: matches!(
                    state.status,
                    Status::Running | Status::Paused | Status::Restarting
                ),
            });
        }
        let mut kept = Vec::new();
        for volume in volumes::list(engine)? {
            let users = volumes::users(engine, &volume.name).len();
            let bytes = bytes_below(volume.mountpoint.as_ref());
            kept.push(Thing {
                cells: vec![volume.name, users.to_string(), size(bytes)],
                bytes,
                active: users > 0,
            });
        }
        if self.verbose {
            return details(&images, &running, &kept);
        }
        let rows = vec![
            sum("Images", &images, true),
            sum("Containers", &running, false),
            sum("Local Volumes", &kept, true),
            sum("Build Cache", &[], false),
        ];
        let listing = Listing {
            titles: &TITLES,
            table: &["Type", "TotalCount", "Active", "Size", "Reclaimable"],
            quiet: "Type",
        };
        listing.show(
            rows,
            self.format.as_deref().filter(|text| !text.is_empty()),
            false,
        )?;
        Ok(0)
    }
}

/// Each image once, however many names it has.
///
/// # Errors
/// The store cannot be read.
pub fn all_images(engine: &Engine) -> anyhow::Result<Vec<image::Image>> {
    let layout = image::layout::Layout::open(engine)?;
    let mut seen = BTreeSet::new();
    let manifests = layout.index()?.manifests;
    let digests = manifests
        .iter()
        .filter(|entry| !entry.removed())
        .map(|entry| &entry.digest);
    let new = digests.filter(|digest| seen.insert((*digest).clone()));
    new.map(|digest| image::find(engine, digest)).collect()
}

fn sum(kind: &str, things: &[Thing], percent: bool) -> Row {
    let total: u64 = things.iter().map(|thing| thing.bytes).sum();
    let free = things.iter().filter(|thing| !thing.active);
    let free: u64 = free.map(|thing| thing.bytes).sum();
    let mut row = Row::default();
    row.set("Type", kind);
    row.set("TotalCount", things.len().to_string());
    let active = things.iter().filter(|thing| thing.active).count();
    row.set("Active", active.to_string());
    row.set("Size", size(total));
    let part = (free * 100).checked_div(total);
    let text = match part {
        Some(part) if percent || part > 0 => format!("{} ({part}%)", size(free)),
        _ => size(free),
    };
    row.set("Reclaimable", text);
    row
}

fn details(images: &[Thing], containers: &[Thing], volumes: &[Thing]) -> anyhow::Result<u8> {
    let rows = |things: &[Thing]| -> Vec<Vec<String>> {
        things.iter().map(|thing| thing.cells.clone()).collect()
    };
    let images = table(&["REPOSITORY:TAG", "IMAGE ID", "SIZE"], &rows(images));
    let titles = ["CONTAINER ID", "IMAGE", "SIZE", "STATUS", "NAMES"];
    let containers = table(&titles, &rows(containers));
    let volumes = table(&["VOLUME NAME", "LINKS", "SIZE"], &rows(volumes));
    print(&format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\n\
         Local Volumes space usage:\n\n{volumes}"
    ))?;
    Ok(0)
}
