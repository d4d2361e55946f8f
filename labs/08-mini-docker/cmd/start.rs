//! `mini-docker start`

use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::for_each;
use crate::container::attach::{self, Ended, How};
use crate::container::monitor::{self, Wanted};
use crate::container::record::Status;
use crate::container::wire::{self, Request};
use crate::container::{rootless, store, terminal};
use crate::engine::Engine;

/// Start one or more stopped containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker start -a -i web")]
pub struct Start {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "ctrl-p,ctrl-q", hide_default_value = true)]
    detach_keys: String,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Start {
    /// Prints the names; attached, the exit code is the container's.
    ///
    /// # Errors
    /// What kept it from running.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        if (self.attach || self.interactive) && self.containers.len() > 1 {
            bail!("you cannot start and attach multiple containers at once");
        }
        rootless::enter(engine)?;
        if self.attach || self.interactive {
            return self.attached(engine);
        }
        for_each(&self.containers, |name| start(engine, name))
    }

    fn attached(&self, engine: &Engine) -> anyhow::Result<u8> {
        let container = store::find(engine, &self.containers[0])?;
        let tty = container.config.tty;
        let how = How {
            stdin: self.interactive && container.config.open_stdin,
            tty,
            proxy: true,
            detach_keys: attach::detach_keys(&self.detach_keys)?,
        };
        let wanted = Wanted {
            output: true,
            input: how.stdin,
            size: tty.then(|| terminal::size(&std::io::stdin())).flatten(),
        };
        let signals = attach::catch_signals()?;
        let connection = monitor::start(engine, &container, wanted)?;
        monitor::started(&connection)?;
        match attach::follow(&connection, &signals, &how)? {
            Ended::Exited(code) => Ok(u8::try_from(code & 0xff)?),
            Ended::Detached => {
                eprintln!("read escape sequence");
                Ok(0)
            }
        }
    }
}

/// Starts one in the background. One that runs already is fine, as in docker.
///
/// # Errors
/// What kept it from running; it is paused.
pub fn start(engine: &Engine, name: &str) -> anyhow::Result<()> {
    loop {
        let container = store::find(engine, name)?;
        match store::state(engine, &container.id)?.status {
            Status::Paused => bail!("cannot start a paused container, try unpause instead"),
            Status::Running | Status::Restarting => {
                if wire::ask(engine, &container.id, Request::Alive).is_ok() {
                    return Ok(());
                }
                // Its monitor is ending, or was killed: its lock goes a moment after its
                // socket, and then the next look finds a container that does not run.
                std::thread::sleep(Duration::from_millis(2));
            }
            _ => {
                let connection = monitor::start(engine, &container, Wanted::default())?;
                return monitor::started(&connection).map(drop);
            }
        }
    }
}
