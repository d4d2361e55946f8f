//! `mini-docker network ls`

use clap::Args;

use crate::cmd::ps;
use crate::engine::Engine;
use crate::format::containers::{networks, short_id};
use crate::format::filter::{Filters, matches};
use crate::format::listing::{Listing, Row};
use crate::network::definition::{self, Network};

/// List networks
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network ls --filter type=custom")]
pub struct Ls {
    /// Provide filter values: KEY=VALUE (dangling, driver, id, label, name, scope, type)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Format output using a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

const TITLES: [(&str, &str); 8] = [
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

impl Ls {
    /// # Errors
    /// A filter or template that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let dangling = filters.flag("dangling")?;
        let mut rows = Vec::new();
        for network in definition::all(engine)? {
            let custom = !definition::built_in(&network.name);
            let wanted = filters.any("name", |name| matches(name, &network.name))
                && filters.any("id", |id| network.id.starts_with(id))
                && filters.any("driver", |driver| driver == network.driver)
                && filters.any("scope", |scope| scope == "local")
                && filters.any("type", |kind| (kind == "custom") == custom)
                && filters.labels(&network.labels);
            if !wanted {
                continue;
            }
            if let Some(wish) = dangling
                && (custom && !used(engine, &network)?) != wish
            {
                continue;
            }
            rows.push(self.row(&network));
        }
        let listing = Listing {
            titles: &TITLES,
            table: &["ID", "Name", "Driver", "Scope"],
            quiet: "ID",
        };
        let format = self.format.as_deref().filter(|text| !text.is_empty());
        listing.show(rows, format, self.quiet)?;
        Ok(0)
    }

    fn row(&self, network: &Network) -> Row {
        let mut row = Row::default();
        let labels: Vec<_> = network
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        row.methods = serde_json::json!({ "Label": network.labels });
        let id = match self.no_trunc {
            true => network.id.as_str(),
            false => short_id(&network.id),
        };
        row.set("ID", id);
        row.set("Name", network.name.as_str());
        row.set("Driver", network.driver.as_str());
        row.set("Scope", "local");
        row.set("IPv6", "false");
        row.set("Internal", network.internal.to_string());
        row.set("Labels", labels.join(","));
        row.set("CreatedAt", network.created.as_str());
        row
    }
}

/// Whether a container, running or not, wants to be on it.
pub fn used(engine: &Engine, network: &Network) -> anyhow::Result<bool> {
    let all = ps::read(engine, true)?;
    Ok(all
        .iter()
        .any(|(brief, state)| networks(brief, &state.networks).contains(&network.name)))
}
