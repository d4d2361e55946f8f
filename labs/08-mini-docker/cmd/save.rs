//! `mini-docker save`

use std::path::PathBuf;

use clap::Args;

use crate::container::rootless;
use crate::engine::Engine;
use crate::image::layout::Layout;
use crate::image::output::Output;
use crate::image::{base, find, progress, save};

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker save -o base.tar base")]
pub struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which archive
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: save::Form,
    /// `name:tag` saves that image, `name` all its tags, an id the image without a name
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Save {
    /// # Errors
    /// No such image; a terminal as output; a full disk.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        for image in self.images.iter().filter(|image| base::is_meant(image)) {
            find(engine, image)?;
        }
        // Nothing that is being read is swept away meanwhile.
        let _lease = layout.lease(engine)?;
        let images = save::select(&layout, &self.images)?;
        let mut output = Output::open(self.output.as_deref(), "save")?;
        let bar = progress::bar(save::bytes(&layout, &images)?, self.output.is_none());
        save::save(&layout, &images, self.format, &mut output.file, &bar)?;
        bar.finish_and_clear();
        output.finish()?;
        Ok(0)
    }
}
