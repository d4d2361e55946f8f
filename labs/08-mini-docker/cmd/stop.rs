//! `mini-docker stop`

use clap::Args;

use super::for_each;
use crate::container::wire::{self, Ended, Request};
use crate::container::{signals, store};
use crate::engine::Engine;

/// Stop one or more running containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker stop -t 2 web")]
pub struct Stop {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "timeout", allow_hyphen_values = true)]
    time: Option<i64>,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Stop {
    /// Prints the names, each when it has stopped.
    ///
    /// # Errors
    /// A signal that is none.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let signal = self.signal.as_deref().map(signals::parse).transpose()?;
        for_each(&self.containers, |name| {
            stop(engine, name, signal, self.time, false)
        })
    }
}

/// Stops one and waits until it has. One that does not run is fine. With `keep`, also
/// one of `--rm` is there afterwards.
///
/// # Errors
/// There is none of that name.
pub fn stop(
    engine: &Engine,
    name: &str,
    signal: Option<i32>,
    timeout: Option<i64>,
    keep: bool,
) -> anyhow::Result<()> {
    let id = store::find_id(engine, name)?;
    while store::live(store::state(engine, &id)?.status) {
        let request = Request::Stop {
            signal,
            timeout,
            keep,
        };
        match wire::ask(engine, &id, request) {
            Err(error) if !error.is::<Ended>() && store::monitored(engine, &id) => {
                return Err(error);
            }
            // It has stopped, or ended by itself in the meantime. What one that was killed
            // has left is cleared by the next look, which may start it again.
            _ => store::wait_for_monitor(engine, &id),
        }
    }
    Ok(())
}
