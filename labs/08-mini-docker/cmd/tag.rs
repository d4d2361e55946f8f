//! `mini-docker tag`

use clap::Args;

use crate::container::rootless;
use crate::engine::Engine;
use crate::image::layout::Layout;
use crate::image::reference::Reference;
use crate::image::{base, find, names};

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker tag base team/shell:1.0")]
pub struct Tag {
    /// A name, an id, or the beginning of one
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// The further name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Tag {
    /// # Errors
    /// No such image; a name that has not the form of one.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let target = Reference::parse(&self.target)?;
        if target.digest.is_some() {
            anyhow::bail!("refusing to create a tag with a digest reference");
        }
        rootless::enter(engine)?;
        let layout = Layout::open(engine)?;
        if base::is_meant(&self.source) {
            // It is made when it is asked for.
            find(engine, &self.source)?;
        }
        let descriptor = names::lookup(&layout, &layout.index()?, &self.source)?;
        names::set(engine, &layout, &descriptor, Some(&target.tagged()))?;
        Ok(0)
    }
}
