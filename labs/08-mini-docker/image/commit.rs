//! A container becomes an image: its upper directory is one more layer, its
//! configuration the new image's.
//!
//! Read: docker-commit(1), OCI image specification (config)

use std::io::{BufWriter, Write};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::layout::{Descriptor, LAYER, Layout, Manifest};
use super::pack::{How, pack};
use super::reference::Reference;
use super::{changes, layers, names};
use crate::container::record::{Container, Status};
use crate::container::store;
use crate::container::wire::{self, Request};
use crate::engine::Engine;
use crate::format;

/// What `commit` is asked for.
#[derive(Debug)]
pub struct Wishes<'a> {
    pub author: &'a str,
    pub message: &'a str,
    /// Instructions of a Dockerfile.
    pub changes: &'a [String],
    pub name: Option<&'a Reference>,
    /// Whether processes stand still meanwhile: else a file may be half written.
    pub pause: bool,
}

/// Makes it, and gives its id.
///
/// # Errors
/// A change that is none; a full disk; an image that is damaged.
pub fn commit(engine: &Engine, container: &Container, wishes: &Wishes) -> anyhow::Result<String> {
    let layout = Layout::open(engine)?;
    let _lease = layout.lease(engine)?;
    let parent = names::lookup(&layout, &layout.index()?, &container.image)
        .context("the container's image is damaged")?;
    let manifest: Manifest = layout.document(&parent.digest)?;
    let mut image: Map<String, Value> = layout.document(&manifest.config.digest)?;

    // Before the work: a wrong word costs nothing then.
    let inherited = image.get("config").and_then(Value::as_object).cloned();
    let mut config = config(inherited.unwrap_or_default(), container)?;
    for change in wishes.changes {
        changes::apply(&mut config, change)?;
    }

    let layer = {
        let _still = wishes
            .pause
            .then(|| Still::keep(engine, container))
            .transpose()?;
        let mut blob = layout.writer()?;
        let mut buffered = BufWriter::with_capacity(1 << 20, &mut blob);
        let upper = engine.container(&container.id).join("diff");
        let how = How {
            layer: true,
            ..How::default()
        };
        pack(&upper, how, &mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        let (digest, size) = blob.finish(None)?;
        Descriptor::new(LAYER, digest, size)
    };
    // Two empty blocks: nothing has changed, so there is no layer, only a line.
    let empty = layer.size <= 1024;
    let mut diff_ids = names::diff_ids(&Value::Object(image.clone()));
    let mut all = manifest.layers;
    if !empty {
        diff_ids.push(layer.digest.clone());
        all.push(layer);
    }
    layers::ensure(engine, &layout, &all, &diff_ids)?;

    let now = format::now();
    let command: Vec<&str> = container
        .config
        .cmd
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let mut line = json!({ "created": now, "created_by": command.join(" ") });
    for (key, text) in [("author", wishes.author), ("comment", wishes.message)] {
        if !text.is_empty() {
            line[key] = json!(text);
        }
    }
    if empty {
        line["empty_layer"] = json!(true);
    }
    image.insert("created".into(), json!(now));
    match wishes.author {
        "" => image.remove("author"),
        author => image.insert("author".into(), json!(author)),
    };
    image.insert("config".into(), Value::Object(config));
    image.insert(
        "rootfs".into(),
        json!({ "type": "layers", "diff_ids": diff_ids }),
    );
    let history = image.entry("history").or_insert_with(|| json!([]));
    if let Some(history) = history.as_array_mut() {
        history.push(line);
    }
    let descriptor = names::assemble(&layout, &Value::Object(image), all)?;
    let name = wishes.name.map(Reference::tagged);
    names::set(engine, &layout, &descriptor, name.as_deref())?;
    names::id(&layout, &descriptor)
}

/// The container's configuration as an image's: what belongs to this container and
/// this machine (its hostname, its terminal) stays behind.
fn config(
    mut config: Map<String, Value>,
    container: &Container,
) -> anyhow::Result<Map<String, Value>> {
    let own = serde_json::to_value(&container.config)?;
    for key in [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Healthcheck",
    ] {
        let value = &own[key];
        let nothing = value.is_null()
            || value.as_str() == Some("")
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        match nothing {
            true => config.remove(key),
            false => config.insert(key.into(), value.clone()),
        };
    }
    Ok(config)
}

/// A container whose processes stand still until this is dropped.
struct Still<'a> {
    engine: &'a Engine,
    id: &'a str,
}

impl<'a> Still<'a> {
    /// `None` where nothing runs, or it stands still already.
    fn keep(engine: &'a Engine, container: &'a Container) -> anyhow::Result<Option<Self>> {
        let id = &container.id;
        if store::state(engine, id)?.status != Status::Running {
            return Ok(None);
        }
        match wire::ask(engine, id, Request::Pause) {
            Ok(_) => Ok(Some(Self { engine, id })),
            // It has just ended by itself.
            Err(_) if store::state(engine, id)?.status != Status::Running => Ok(None),
            Err(error) => Err(error.context("cannot pause it; --pause=false goes without")),
        }
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        if let Err(error) = wire::ask(self.engine, self.id, Request::Unpause) {
            eprintln!("mini-docker: {} is still paused: {error:#}", self.id);
        }
    }
}
