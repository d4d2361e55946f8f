//! `mini-docker create`

use clap::Args;

use super::options::Options;
use crate::container::{create, store};
use crate::engine::Engine;
use crate::image;

/// Create a new container
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example:  mini-docker create --name web -p 80:8080 base httpd -f"
)]
pub struct Create {
    #[command(flatten)]
    pub options: Options,
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// IMAGE [COMMAND] [ARG...]
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Create {
    /// Prints the id of the new container.
    ///
    /// # Errors
    /// As docker: no such image, a name in use, a value that cannot be.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let (image, command) = super::run::image_and_command(&self.words)?;
        let container = self.options.container(image, command)?;
        let cidfile = self.options.cidfile.as_deref();
        let made = create::create(engine, container, self.options.name.as_deref(), cidfile)?;
        // Somebody may have removed the image between our look and our record of it: from
        // now on `rmi` sees that it is in use.
        if let Err(error) = image::find(engine, &made.image) {
            store::remove(engine, &made)?;
            return Err(error);
        }
        println!("{}", made.id);
        Ok(0)
    }
}
