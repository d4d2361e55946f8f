//! `mini-docker network rm`

use clap::Args;

use crate::engine::Engine;
use crate::format::print;
use crate::network::{self, definition};

/// Remove one or more networks
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker network rm back")]
pub struct Rm {
    /// A network that is not there is no error
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

impl Rm {
    /// # Errors
    /// Standard output is closed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let mut code = 0;
        for name in &self.networks {
            let found = definition::find(engine, name);
            match found.and_then(|found| network::remove(engine, &found).map(|()| found)) {
                Ok(found) => {
                    super::event(engine, &found, "destroy", None);
                    print(&format!("{name}\n"))?;
                }
                Err(_) if self.force && definition::find(engine, name).is_err() => {}
                Err(error) => {
                    eprintln!("mini-docker: {error:#}");
                    code = 1;
                }
            }
        }
        Ok(code)
    }
}
