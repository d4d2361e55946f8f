//! `mini-docker rm`

use anyhow::bail;
use clap::Args;

use crate::container::record::Status;
use crate::container::{clear, events, rootless, store};
use crate::engine::Engine;
use crate::volume;

/// Remove one or more containers
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker rm -f web")]
pub struct Rm {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// CONTAINER
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Rm {
    /// Prints the names.
    ///
    /// # Errors
    /// None: what failed is printed.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        rootless::enter(engine)?;
        let mut code = 0;
        for name in &self.containers {
            match remove(engine, name, self.force, self.volumes) {
                Ok(()) => println!("{name}"),
                Err(error) => {
                    eprintln!("mini-docker: {error:#}");
                    // `-f` wants it gone, and so it is.
                    let gone = error.to_string().starts_with("No such container");
                    code = if self.force && gone { code } else { 1 };
                }
            }
        }
        Ok(code)
    }
}

/// Removes one; with `force` also one that runs.
///
/// # Errors
/// It runs; there is none.
pub fn remove(engine: &Engine, name: &str, force: bool, volumes: bool) -> anyhow::Result<()> {
    let id = store::find_id(engine, name)?;
    let Ok(container) = store::load(engine, &id) else {
        // A record that cannot be read keeps nobody from throwing it away.
        return clear::damaged(engine, &id, force);
    };
    let status = store::state(engine, &id).map(|state| state.status);
    if let Ok(status @ (Status::Running | Status::Paused | Status::Restarting)) = status {
        if !force {
            let how = match status {
                Status::Paused => "is paused and must be unpaused first",
                _ => "is running: stop the container before removing or force remove",
            };
            bail!(
                "cannot remove container \"/{}\": container {how}",
                container.name
            );
        }
        // It may end by itself just now.
        let _ = super::kill::kill(engine, &id, libc::SIGKILL);
        store::wait_for_monitor(engine, &id);
    }
    if volumes {
        volume::release(engine, &container)?;
    }
    store::remove(engine, &container)?;
    let attributes = store::attributes(&container);
    events::emit(engine, "container", "destroy", &id, &attributes);
    Ok(())
}
