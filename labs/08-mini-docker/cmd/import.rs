//! `mini-docker import`

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, json};

use crate::container::events::emit;
use crate::container::rootless;
use crate::engine::Engine;
use crate::format;
use crate::image::layout::{Descriptor, LAYER, Layout};
use crate::image::reference::Reference;
use crate::image::{base, changes, compress, layers, names, progress};

/// Import the contents from a tarball to create a filesystem image
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker import -c 'CMD [\"sh\"]' web.tar team/web:flat")]
pub struct Import {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// A file, or `-` for STDIN
    #[arg(value_name = "FILE|-")]
    source: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Import {
    /// Prints the new image's id.
    ///
    /// # Errors
    /// Not an archive, or a hostile one; a change or a name that is none; a full disk.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let name = self.name.as_deref().map(Reference::parse).transpose()?;
        let mut config = Map::new();
        for change in &self.change {
            changes::apply(&mut config, change)?;
        }
        let (input, length) = self.open()?;
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        let _lease = layout.lease(engine)?;

        let bar = progress::bar(length, false);
        let input = BufReader::with_capacity(256 << 10, bar.wrap_read(input));
        let mut blob = layout.writer()?;
        let mut buffered = BufWriter::with_capacity(1 << 20, &mut blob);
        // Kept without its compression: so the layer's two digests are one.
        io::copy(&mut compress::reader(input)?, &mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        bar.finish_and_clear();
        let (digest, size) = blob.finish(None)?;
        let layer = [Descriptor::new(LAYER, digest.clone(), size)];
        layers::ensure(engine, &layout, &layer, std::slice::from_ref(&digest))?;

        let now = format::now();
        let message = match &*self.message {
            "" => format!("Imported from {}", self.source),
            message => message.to_owned(),
        };
        let config = json!({
            "created": now,
            "architecture": base::architecture(),
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [digest] },
            "history": [{ "created": now, "comment": message }],
        });
        let descriptor = names::assemble(&layout, &config, layer.into())?;
        let name = name.map(|name| name.tagged());
        names::set(engine, &layout, &descriptor, name.as_deref())?;
        let id = names::id(&layout, &descriptor)?;
        let attributes = [("name".to_owned(), name.unwrap_or_default())].into();
        emit(engine, "image", "import", &id, &attributes);
        format::print(&format!("{id}\n"))?;
        Ok(0)
    }

    fn open(&self) -> anyhow::Result<(Box<dyn Read + Send>, u64)> {
        let source = &*self.source;
        if source == "-" {
            if io::stdin().is_terminal() {
                bail!("an archive is read from standard input: redirect it");
            }
            return Ok((Box::new(io::stdin()), 0));
        }
        if ["http://", "https://", "ftp://"]
            .iter()
            .any(|scheme| source.starts_with(scheme))
        {
            bail!("{source}: nothing is fetched here: download it, and import the file");
        }
        let file = File::open(source).with_context(|| format!("open {source}"))?;
        let length = file.metadata()?.len();
        Ok((Box::new(file), length))
    }
}
