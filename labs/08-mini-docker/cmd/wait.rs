//! `mini-docker wait`

use clap::Args;

use crate::container::store;
use crate::container::wire::{self, Reply, Request};
use crate::engine::Engine;

/// Block until one or more containers stop, then print their exit codes
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker wait web")]
pub struct Wait {
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Wait {
    /// Prints the exit codes, one a line.
    ///
    /// # Errors
    /// None: what failed is printed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let mut worst = 0;
        for name in &self.containers {
            match code(engine, name) {
                Ok(code) => println!("{code}"),
                Err(error) => {
                    eprintln!("mini-docker: {error:#}");
                    worst = 1;
                }
            }
        }
        Ok(worst)
    }
}

/// The exit code of one, when it has ended.
fn code(engine: &Engine, name: &str) -> anyhow::Result<i32> {
    let id = store::find_id(engine, name)?;
    if store::live(store::state(engine, &id)?.status) {
        match wire::ask(engine, &id, Request::Wait) {
            Ok(Reply::Exited { code }) => return Ok(code),
            // Ended before it was asked, or killed: the state says how.
            _ => store::wait_for_monitor(engine, &id),
        }
    }
    Ok(store::state(engine, &id)?.exit_code)
}
