//! `mini-runtime list`

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::state::shown;
use super::store::Store;

/// List the containers of --root
#[derive(Debug, Args)]
pub struct List {
    /// Ids only
    #[arg(short, long)]
    quiet: bool,
    #[arg(short, long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

impl List {
    /// # Errors
    /// None but of printing.
    pub fn run(self, store: &Store) -> anyhow::Result<u8> {
        let states: Vec<Value> = store
            .all()
            .iter()
            .map(|record| shown(store, record))
            .collect();
        let word = |state: &Value, name: &str| match &state[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match (self.quiet, self.format) {
            (true, _) => states
                .iter()
                .for_each(|state| println!("{}", word(state, "id"))),
            (false, Format::Json) => println!("{}", serde_json::to_string(&states)?),
            (false, Format::Table) => {
                let names = ["id", "pid", "status", "bundle", "created", "owner"];
                let header = names.map(str::to_uppercase);
                let header = header.each_ref().map(String::as_str);
                let rows = states
                    .iter()
                    .map(|state| names.map(|name| word(state, name)).to_vec());
                print!(
                    "{}",
                    crate::format::table(&header, &rows.collect::<Vec<_>>())
                );
            }
        }
        Ok(0)
    }
}
