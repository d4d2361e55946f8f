//! `mini-docker attach`

use anyhow::bail;
use clap::Args;

use crate::container::attach::{self, Ended, How};
use crate::container::record::Status;
use crate::container::store;
use crate::container::wire::{Connection, Message, Request};
use crate::engine::Engine;

/// Attach local standard input, output, and error streams to a running container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker attach --no-stdin web")]
pub struct Attach {
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "ctrl-p,ctrl-q", hide_default_value = true)]
    detach_keys: String,
    /// Proxy all received signals to the process
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, action = clap::ArgAction::Set, hide_default_value = true)]
    sig_proxy: bool,
    /// CONTAINER
    container: String,
}

impl Attach {
    /// The exit code is the container's.
    ///
    /// # Errors
    /// It is not running.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let container = store::find(engine, &self.container)?;
        match store::state(engine, &container.id)?.status {
            Status::Running => {}
            Status::Paused => {
                bail!("You cannot attach to a paused container, unpause it first")
            }
            Status::Restarting => {
                bail!("You cannot attach to a restarting container, wait until it is running")
            }
            _ => bail!("You cannot attach to a stopped container, start it first"),
        }
        let how = How {
            stdin: !self.no_stdin && container.config.open_stdin,
            tty: container.config.tty,
            proxy: self.sig_proxy,
            detach_keys: attach::detach_keys(&self.detach_keys)?,
        };
        let signals = attach::catch_signals()?;
        let connection = Connection::to(engine, &container.id)?;
        let request = Request::Attach { stdin: how.stdin };
        connection.send(&Message::Request(request, Vec::new()))?;
        match attach::follow(&connection, &signals, &how)? {
            Ended::Exited(code) => Ok(u8::try_from(code & 0xff)?),
            Ended::Detached => {
                eprintln!("read escape sequence");
                Ok(0)
            }
        }
    }
}
