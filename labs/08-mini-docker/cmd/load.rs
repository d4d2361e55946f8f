//! `mini-docker load`

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::container::events::emit;
use crate::container::rootless;
use crate::engine::Engine;
use crate::format;
use crate::image::layout::Layout;
use crate::image::{compress, load, names, progress};

/// Load images from a tar archive or STDIN
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker load -i images.tar")]
pub struct Load {
    /// Read from an archive file, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// No progress bar
    #[arg(short, long)]
    quiet: bool,
}

impl Load {
    /// # Errors
    /// Not an archive of images; a digest that lies; a hostile layer. Then no name
    /// has changed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let (input, length): (Box<dyn Read + Send>, u64) = match &self.input {
            Some(path) => {
                let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
                let length = file.metadata()?.len();
                (Box::new(file), length)
            }
            None if io::stdin().is_terminal() => {
                bail!("requested load from stdin, but stdin is empty")
            }
            None => (Box::new(io::stdin()), 0),
        };
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        let _lease = layout.lease(engine)?;
        let bar = progress::bar(length, self.quiet);
        let input = BufReader::with_capacity(256 << 10, bar.wrap_read(input));
        let loaded = load::load(engine, &layout, compress::reader(input)?);
        bar.finish_and_clear();
        for image in loaded? {
            if image.names.is_empty() {
                names::set(engine, &layout, &image.manifest, None)?;
                format::print(&format!("Loaded image ID: {}\n", image.id))?;
            }
            for name in &image.names {
                let before = names::set(engine, &layout, &image.manifest, Some(name))?;
                if let Some(before) = before {
                    let id = names::id(&layout, &before)?;
                    format::print(&format!(
                        "The image {name} already exists, renaming the old one with ID {id} to \
                         empty string\n"
                    ))?;
                }
                format::print(&format!("Loaded image: {name}\n"))?;
            }
            let name = image.names.first().unwrap_or(&image.id).clone();
            let attributes = [("name".to_owned(), name)].into();
            emit(engine, "image", "load", &image.id, &attributes);
        }
        Ok(0)
    }
}
