//! `mini-docker rmi`

use std::collections::BTreeSet;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use crate::container::events::emit;
use crate::container::record::Container;
use crate::container::{rootless, store};
use crate::engine::Engine;
use crate::format;
use crate::format::containers::short_id;
use crate::image::layout::{Descriptor, Index, Layout, Manifest, REMOVED};
use crate::image::reference::Reference;
use crate::image::{layers, names};

/// Remove one or more images
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker rmi team/web:1.0")]
pub struct Rmi {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents (there are none here)
    #[arg(long)]
    no_prune: bool,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Rmi {
    /// Prints what was untagged and deleted.
    ///
    /// # Errors
    /// None: what failed is printed, and makes the exit code 1.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        let mut code = 0;
        for word in &self.images {
            match remove(engine, &layout, word, self.force) {
                Ok(lines) => format::print(&lines.concat())?,
                Err(_) if self.force && missing(&layout, word) => {}
                Err(error) => {
                    eprintln!("mini-docker: {error:#}");
                    code = 1;
                }
            }
        }
        Ok(code)
    }
}

fn missing(layout: &Layout, word: &str) -> bool {
    layout
        .index()
        .is_ok_and(|index| names::lookup(layout, &index, word).is_err())
}

/// A name goes first; the image goes with its last one.
fn remove(
    engine: &Engine,
    layout: &Layout,
    word: &str,
    force: bool,
) -> anyhow::Result<Vec<String>> {
    let _alone = names::alone(engine)?;
    let _lock = engine.lock("images")?;
    let mut index = layout.index()?;
    let found = names::lookup(layout, &index, word)?;
    // Of one that is damaged nobody knows the id: it may still be removed.
    let id = names::id(layout, &found).unwrap_or_else(|_| found.digest.clone());
    let named = Reference::parse(word).is_ok_and(|name| Some(&*name.tagged()) == found.name());
    let same = |entry: &&Descriptor| entry.digest == found.digest && !entry.removed();
    let all: Vec<String> = index
        .manifests
        .iter()
        .filter(same)
        .filter_map(|entry| entry.name().map(str::to_owned))
        .collect();
    let users: Vec<Container> = names::containers(engine)?
        .into_iter()
        .filter(|container| container.image == id)
        .collect();
    if named && all.len() > 1 {
        let name = found.name().unwrap_or_default().to_owned();
        index.manifests.retain(|entry| entry.name() != Some(&name));
        layout.write_index(&index)?;
        tell(engine, "untag", &id, &name);
        return Ok(vec![format!("Untagged: {name}\n")]);
    }
    let running = running(engine, &users)?;
    conflict(word, &id, named, force, all.len(), &users, running)?;
    let mut lines: Vec<String> = all
        .iter()
        .map(|name| format!("Untagged: {name}\n"))
        .collect();
    for name in &all {
        tell(engine, "untag", &id, name);
    }
    index.manifests.retain(|entry| entry.digest != found.digest);
    if !users.is_empty() {
        // Its containers go on: without a name where one of them runs, as docker has
        // it; else it is there for them alone, until the last is removed.
        let mut kept = found.clone().named(None);
        if running.is_none() {
            kept.annotations.insert(REMOVED.into(), "true".into());
            lines.push(format!("Deleted: {id}\n"));
        }
        index.manifests.push(kept);
        layout.write_index(&index)?;
        return Ok(lines);
    }
    lines.push(format!("Deleted: {id}\n"));
    lines.extend(own_layers(layout, &index, &found).unwrap_or_default());
    layout.write_index(&index)?;
    tell(engine, "delete", &id, &id);
    names::collect(engine, layout)?;
    Ok(lines)
}

fn running<'a>(engine: &Engine, users: &'a [Container]) -> anyhow::Result<Option<&'a Container>> {
    for user in users {
        if store::live(store::state(engine, &user.id)?.status) {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Why it cannot be, in docker's words.
fn conflict(
    word: &str,
    id: &str,
    named: bool,
    force: bool,
    names: usize,
    users: &[Container],
    running: Option<&Container>,
) -> anyhow::Result<()> {
    let short = short_id(id);
    if named {
        return match users.first() {
            Some(user) if !force => bail!(
                "conflict: unable to remove repository reference \"{word}\" (must force) - \
                 container {} is using its referenced image {short}",
                short_id(&user.id)
            ),
            _ => Ok(()),
        };
    }
    if let Some(user) = running {
        bail!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by \
             running container {}",
            short_id(&user.id)
        );
    }
    if names > 1 && !force {
        bail!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in \
             multiple repositories"
        );
    }
    if let (Some(user), false) = (users.first(), force) {
        bail!(
            "conflict: unable to delete {short} (must be forced) - image is being used by \
             stopped container {}",
            short_id(&user.id)
        );
    }
    Ok(())
}

/// The layers that no other image has, the topmost first.
fn own_layers(layout: &Layout, index: &Index, gone: &Descriptor) -> anyhow::Result<Vec<String>> {
    let chain = |descriptor: &Descriptor| -> anyhow::Result<Vec<String>> {
        let manifest: Manifest = layout.document(&descriptor.digest)?;
        let config: Value = layout.document(&manifest.config.digest)?;
        Ok(layers::chain_ids(&names::diff_ids(&config)))
    };
    let mut kept = BTreeSet::new();
    for other in &index.manifests {
        kept.extend(chain(other).unwrap_or_default());
    }
    let own = chain(gone)?.into_iter().rev();
    Ok(own
        .filter(|layer| !kept.contains(layer))
        .map(|layer| format!("Deleted: {layer}\n"))
        .collect())
}

fn tell(engine: &Engine, action: &str, id: &str, name: &str) {
    let attributes = [("name".to_owned(), name.to_owned())].into();
    emit(engine, "image", action, id, &attributes);
}
