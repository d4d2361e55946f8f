//! `mini-docker history`

use clap::{ArgAction, Args};
use serde_json::Value;

use crate::container::rootless;
use crate::engine::Engine;
use crate::format::containers::{ellipsis, short_id};
use crate::format::listing::{Listing, Row};
use crate::format::{ago, seconds_since, size};
use crate::image::{find, layers, names};

/// Show the history of an image
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker history --no-trunc base")]
pub struct History {
    /// Format output using a Go template
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true")]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "IMAGE")]
    image: String,
}

const TITLES: [(&str, &str); 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

impl History {
    /// # Errors
    /// No such image; a template that is wrong.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        rootless::enter(engine)?;
        let image = find(engine, &self.image)?;
        let chain = layers::chain_ids(&names::diff_ids(&image.raw));
        let sizes = chain
            .iter()
            .map(|id| layers::get(engine, id).unwrap_or_default().size);
        let mut sizes = sizes.collect::<Vec<_>>().into_iter();
        let mut rows = Vec::new();
        for line in image.raw["history"].as_array().into_iter().flatten() {
            let empty = line["empty_layer"].as_bool().unwrap_or_default();
            let bytes = if empty {
                0
            } else {
                sizes.next().unwrap_or_default()
            };
            rows.push(self.row(line, bytes));
        }
        // Layers that nobody has written a line about.
        rows.extend(sizes.map(|bytes| self.row(&Value::Null, bytes)));
        rows.reverse();
        if let Some(top) = rows.first_mut() {
            let id = if self.no_trunc {
                &image.id
            } else {
                short_id(&image.id)
            };
            top.set("ID", id);
        }
        let listing = Listing {
            titles: &TITLES,
            table: match self.human {
                true => &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
                false => &["ID", "CreatedAt", "CreatedBy", "Size", "Comment"],
            },
            quiet: "ID",
        };
        listing.show(rows, self.format.as_deref(), self.quiet)?;
        Ok(0)
    }

    fn row(&self, line: &Value, bytes: u64) -> Row {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let created = text("created");
        let mut row = Row::default();
        // The images below have had ids where they were built; here they have none.
        row.set("ID", "<missing>");
        row.set("CreatedAt", created);
        let since = seconds_since(created).map(|seconds| format!("{} ago", ago(seconds)));
        row.set("CreatedSince", since.unwrap_or_else(|| "N/A".into()));
        let by = text("created_by").replace('\t', " ");
        row.set(
            "CreatedBy",
            if self.no_trunc { by } else { ellipsis(&by, 45) },
        );
        row.set(
            "Size",
            if self.human {
                size(bytes)
            } else {
                bytes.to_string()
            },
        );
        row.set("Comment", text("comment"));
        row
    }
}
