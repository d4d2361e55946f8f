//! A listing: rows of named cells, shown as docker's table, as the user's template, or
//! as a table of the user's columns (`table {{.ID}}\t{{.Names}}`).

use anyhow::Context;
use serde_json::{Map, Value};

use super::{Template, align, print};

/// The columns of a command's own table, in order: a cell's name and its title.
pub type Columns<'a> = &'a [(&'a str, &'a str)];

/// What `--format` may name beside the table's own columns.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Every cell that a template can name, with its title.
    pub titles: Columns<'a>,
    /// The table's own columns.
    pub table: &'a [&'a str],
    /// The cell that `-q` prints.
    pub quiet: &'a str,
}

/// One row: its cells, and what calls with an argument give (`{{.Label "a"}}`).
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub cells: Map<String, Value>,
    pub methods: Value,
}

impl Row {
    /// Sets a cell.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.cells.insert(name.into(), value.into());
    }
}

impl Listing<'_> {
    /// Prints the rows: with `quiet` one cell each, else by `format` where there is one.
    ///
    /// # Errors
    /// A template that is wrong.
    pub fn show(&self, rows: Vec<Row>, format: Option<&str>, quiet: bool) -> anyhow::Result<()> {
        print(&self.text(rows, format, quiet)?)
    }

    /// # Errors
    /// A template that is wrong.
    pub fn text(
        &self,
        rows: Vec<Row>,
        format: Option<&str>,
        quiet: bool,
    ) -> anyhow::Result<String> {
        let format = format.unwrap_or("table").trim_matches(' ');
        let format = format.replace("\\t", "\t").replace("\\n", "\n");
        if quiet && (format == "table" || format == "raw") {
            let cell = |row: &Row| text(row.cells.get(self.quiet)) + "\n";
            return Ok(rows.iter().map(cell).collect());
        }
        match format.strip_prefix("table") {
            Some("") => Ok(self.own_table(&rows)),
            Some(template) if template.starts_with([' ', '\t']) => {
                self.user_table(rows, template.trim_matches(' '))
            }
            _ if format == "json" => Self::lines(rows, "{{json .}}"),
            _ => Self::lines(rows, &format),
        }
    }

    fn own_table(&self, rows: &[Row]) -> String {
        let mut lines = vec![self.table.iter().map(|cell| self.title(cell)).collect()];
        for row in rows {
            let cells = self.table.iter().map(|cell| text(row.cells.get(*cell)));
            lines.push(cells.collect());
        }
        align(&lines)
    }

    fn user_table(&self, rows: Vec<Row>, template: &str) -> anyhow::Result<String> {
        let mut titles = Map::new();
        for (cell, title) in self.titles {
            titles.insert((*cell).into(), (*title).into());
        }
        let template = Template::new(template).context("failed to parse template")?;
        let mut text = template.header(&Value::Object(titles)).context(FAILED)?;
        for row in rows {
            text.push('\n');
            text.push_str(&rendered(&template, row)?);
        }
        let cells = |line: &str| line.split('\t').map(String::from).collect();
        Ok(align(&text.split('\n').map(cells).collect::<Vec<_>>()))
    }

    fn lines(rows: Vec<Row>, template: &str) -> anyhow::Result<String> {
        let template = Template::new(template).context("failed to parse template")?;
        let mut text = String::new();
        for mut row in rows {
            // `{{json .}}` gives the cells in the order of their names.
            row.cells.sort_keys();
            text.push_str(&rendered(&template, row)?);
            text.push('\n');
        }
        Ok(text)
    }

    fn title(&self, cell: &str) -> String {
        let found = self.titles.iter().find(|(name, _)| *name == cell);
        found.map_or(cell, |(_, title)| title).to_string()
    }
}

const FAILED: &str = "failed to execute template";

fn rendered(template: &Template, row: Row) -> anyhow::Result<String> {
    let text = template.render_with(&Value::Object(row.cells), &row.methods);
    text.context(FAILED)
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
