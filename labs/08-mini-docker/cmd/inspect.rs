//! `mini-docker inspect`

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::ps;
use crate::container::store;
use crate::engine::Engine;
use crate::format::{Template, document, print};
use crate::{files, image, network, volume};

/// Return low-level information on containers, images, networks and volumes
///
/// Example: mini-docker inspect -f '{{ .NetworkSettings.IPAddress }}' web
#[derive(Debug, Args)]
pub struct Inspect {
    /// Format output with a Go template
    #[arg(short, long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Display total file sizes of containers
    #[arg(short, long)]
    pub size: bool,
    /// Only objects of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    #[arg(required = true, value_name = "NAME|ID")]
    pub names: Vec<String>,
}

/// `container inspect`, `image inspect`, …: the same, of one type.
#[derive(Debug, Args)]
pub struct InspectOne {
    /// Format output with a Go template
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Display total file sizes of containers
    #[arg(short, long)]
    size: bool,
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
}

/// What can be inspected, in the order in which a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

impl InspectOne {
    /// # Errors
    /// As [`Inspect::run`].
    pub fn run(self, engine: &Engine, kind: Kind) -> anyhow::Result<u8> {
        show(engine, &[kind], self.names, self.format, self.size)
    }
}

impl Inspect {
    /// # Errors
    /// A type that is none; a template that is wrong, in docker's words.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let kinds = match &self.kind {
            None => Kind::value_variants().to_vec(),
            Some(name) => match Kind::from_str(name, false) {
                Ok(kind) => vec![kind],
                Err(_) => bail!("{name:?} is not a valid value for --type"),
            },
        };
        show(engine, &kinds, self.names, self.format, self.size)
    }
}

/// Shows all that are there, then tells about those that are not: exit code 1.
fn show(
    engine: &Engine,
    kinds: &[Kind],
    names: Vec<String>,
    format: Option<String>,
    size: bool,
) -> anyhow::Result<u8> {
    let format = format.filter(|format| !format.is_empty());
    let template = format.as_deref().filter(|format| *format != "json");
    let template = match template.map(Template::new).transpose() {
        Ok(template) => template,
        Err(error) => {
            // docker's code for this one error.
            eprintln!("mini-docker: template parsing error: {error:#}");
            return Ok(64);
        }
    };
    let mut documents = Vec::new();
    let mut missing = Vec::new();
    for name in &names {
        match find(engine, kinds, name, size) {
            Ok(document) => documents.push(document),
            Err(error) => missing.push(error),
        }
    }
    match (&template, &format) {
        (Some(template), _) => {
            for document in &documents {
                let text = template
                    .render(document)
                    .context("template parsing error")?;
                print(&(text + "\n"))?;
            }
        }
        (None, Some(_)) => print(&(serde_json::to_string(&documents)? + "\n"))?,
        (None, None) => print(&(pretty(&documents)? + "\n"))?,
    }
    for error in &missing {
        eprintln!("mini-docker: {error:#}");
    }
    // With a template docker prints an empty line for the lot of them.
    if template.is_some() && documents.is_empty() {
        print("\n")?;
    }
    Ok(u8::from(!missing.is_empty()))
}

fn find(engine: &Engine, kinds: &[Kind], name: &str, size: bool) -> anyhow::Result<Value> {
    let mut error = anyhow::anyhow!("No such object: {name}");
    for kind in kinds {
        match of_kind(engine, *kind, name, size) {
            Ok(document) => return Ok(document),
            Err(what) if kinds.len() == 1 || damaged(&what) => error = what,
            Err(_) => {}
        }
    }
    Err(error)
}

/// Something is there and cannot be read: that is worth more than "no such object".
fn damaged(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    !text.contains("o such") && !text.contains("nvalid reference")
}

fn of_kind(engine: &Engine, kind: Kind, name: &str, size: bool) -> anyhow::Result<Value> {
    match kind {
        Kind::Container => {
            let found = store::find(engine, name)?;
            let state = store::state(engine, &found.id)?;
            let image = image::find(engine, &found.image).ok();
            let sizes = match size {
                true => {
                    let file = engine.container(&found.id).join("container.json");
                    ps::sizes(engine, &files::read_json(&file)?)
                }
                false => None,
            };
            Ok(document::container(
                engine,
                &found,
                &state,
                image.as_ref(),
                sizes,
            ))
        }
        Kind::Image => {
            // A name that could not be an image's is no image.
            let found = image::find(engine, name).map_err(|error| match damaged(&error) {
                true => error,
                // As it was given, without the tag that was meant.
                false => anyhow::anyhow!("No such image: {name}"),
            })?;
            Ok(document::image(engine, &found))
        }
        Kind::Network => {
            let found = network::definition::find(engine, name);
            let Ok(found) = found else {
                bail!("No such network: {name}");
            };
            document::network(engine, &found)
        }
        Kind::Volume => {
            let volume = volume::store::find(engine, name)?;
            let mut document = json!(volume);
            if let Some(members) = document.as_object_mut() {
                members.shift_remove("Anonymous");
            }
            Ok(document)
        }
    }
}

/// Indented by four, as docker does.
fn pretty(documents: &[Value]) -> anyhow::Result<String> {
    if documents.is_empty() {
        return Ok("[]".into());
    }
    let mut text = Vec::new();
    let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indented);
    serde::Serialize::serialize(documents, &mut serializer)?;
    Ok(String::from_utf8(text)?)
}
