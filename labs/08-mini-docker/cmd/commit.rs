//! `mini-docker commit`

use clap::{ArgAction, Args};

use crate::container::events::emit;
use crate::container::{rootless, store};
use crate::engine::Engine;
use crate::format;
use crate::image::commit::{self, Wishes};
use crate::image::reference::Reference;

/// Create a new image from a container's changes
#[derive(Debug, Args)]
#[command(after_help = "Example: mini-docker commit -c 'CMD [\"httpd\", \"-f\"]' web team/web:1.0")]
pub struct Commit {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, default_value = "", hide_default_value = true)]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Pause container during commit
    #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true")]
    pause: bool,
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Commit {
    /// Prints the new image's id.
    ///
    /// # Errors
    /// No such container; a change or a name that is none; a full disk.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let name = self.name.as_deref().map(Reference::parse).transpose()?;
        rootless::enter(engine)?;
        let container = store::find(engine, &self.container)?;
        let wishes = Wishes {
            author: &self.author,
            message: &self.message,
            changes: &self.change,
            name: name.as_ref(),
            pause: self.pause,
        };
        let id = commit::commit(engine, &container, &wishes)?;
        let mut attributes = store::attributes(&container);
        attributes.insert("imageID".into(), id.clone());
        attributes.insert(
            "imageRef".into(),
            name.map(|name| name.tagged()).unwrap_or_default(),
        );
        emit(engine, "container", "commit", &container.id, &attributes);
        format::print(&format!("{id}\n"))?;
        Ok(0)
    }
}
