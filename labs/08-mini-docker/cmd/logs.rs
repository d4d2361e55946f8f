//! `mini-docker logs`

use anyhow::bail;
use clap::Args;

use crate::container::tail::{self, Wanted};
use crate::container::{logs, store};
use crate::engine::Engine;

/// Fetch the logs of a container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker logs -f --tail 20 web")]
pub struct Logs {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")
    #[arg(long)]
    since: Option<String>,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")
    #[arg(long)]
    until: Option<String>,
    /// CONTAINER
    container: String,
}

impl Logs {
    /// Prints what the container has written, each stream to our own.
    ///
    /// # Errors
    /// It keeps no log; a time that is none.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let container = store::find(engine, &self.container)?;
        if container.host_config.log_config.kind == "none" {
            bail!("configured logging driver does not support reading");
        }
        let wanted = Wanted {
            follow: self.follow,
            // What is no number means all, as in docker.
            tail: self.tail.parse().ok(),
            since: self.since.as_deref().map(tail::time).transpose()?,
            until: self.until.as_deref().map(tail::time).transpose()?,
            timestamps: self.timestamps,
        };
        let path = logs::path(engine, &container.id);
        let mut written = wanted.print(&path)?;
        if !self.follow {
            return Ok(0);
        }
        loop {
            // Asked before the log is read: what was written until then is in it.
            let running = store::monitored(engine, &container.id);
            written = wanted.more(&path, written)?;
            if !running || wanted.past() {
                return Ok(0);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
