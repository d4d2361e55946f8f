//! `mini-docker exec`

use anyhow::bail;
use clap::Args;

use super::Failure;
use crate::container::attach;
use crate::container::record::Status;
use crate::container::relay::{self, Relay};
use crate::container::wire::Exec as Wanted;
use crate::container::{create, store, terminal};
use crate::engine::Engine;

/// Execute a command in a running container
#[derive(Debug, Args)]
#[command(after_help = "Example:  mini-docker exec -it web sh")]
pub struct Exec {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "ctrl-p,ctrl-q", hide_default_value = true)]
    detach_keys: String,
    /// Set environment variables
    #[arg(short, long)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<std::path::PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long, default_value = "", hide_default_value = true)]
    user: String,
    /// Working directory inside the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    workdir: String,
    /// CONTAINER COMMAND [ARG...]
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Exec {
    /// The exit code is the command's.
    ///
    /// # Errors
    /// It is not running; the command cannot be executed (126, 127).
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        let (name, args) = super::run::image_and_command(&self.words)?;
        let id = store::find_id(engine, name)?;
        match store::state(engine, &id)?.status {
            Status::Running => {}
            Status::Paused => {
                bail!("Container {name} is paused, unpause the container before exec")
            }
            Status::Restarting => {
                bail!("Container {id} is restarting, wait until the container is running")
            }
            _ => bail!("container {id} is not running"),
        }
        let size = terminal::size(&std::io::stdin());
        if self.tty && self.interactive && !self.detach && size.is_none() {
            bail!("the input device is not a TTY");
        }
        let mut env = Vec::new();
        for variable in self.variables()? {
            create::set_variable(&mut env, &variable);
        }
        let wanted = Wanted {
            id: store::new_id()?,
            args: args.to_vec(),
            env,
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            privileged: self.privileged,
            tty: self.tty,
            detach: self.detach,
            size,
        };
        let relay = Relay {
            stdin: self.interactive,
            detach_keys: attach::detach_keys(&self.detach_keys)?,
        };
        let code =
            relay::exec(engine, &id, wanted, &relay).map_err(|error| Failure::of(&error, 1))?;
        Ok(u8::try_from(code & 0xff)?)
    }

    fn variables(&self) -> anyhow::Result<Vec<String>> {
        super::options::environment(&self.env_file, &self.env)
    }
}
