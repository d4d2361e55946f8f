//! `mini-docker run`: create and start.

use anyhow::{Context, bail};
use clap::Args;

use super::Failure;
use super::options::Options;
use crate::container::attach::{self, Ended, How};
use crate::container::monitor::{self, Wanted};
use crate::container::{create, store, terminal};
use crate::engine::Engine;
use crate::network;

/// Create and run a new container from an image
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example:  mini-docker run --rm -it base sh"
)]
pub struct Run {
    #[command(flatten)]
    options: Options,
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "ctrl-p,ctrl-q", hide_default_value = true)]
    detach_keys: String,
    /// Proxy received signals to the process
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, action = clap::ArgAction::Set, hide_default_value = true)]
    sig_proxy: bool,
    /// Print usage
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// IMAGE [COMMAND] [ARG...]
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Run {
    /// The exit code is the container's; 125 when there was none.
    ///
    /// # Errors
    /// What kept it from running, with docker's exit code.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        self.go(engine)
            .map_err(|error| Failure::of(&error, 125).into())
    }

    fn go(self, engine: &Engine) -> anyhow::Result<u8> {
        let (image, command) = image_and_command(&self.words)?;
        let mut container = self.options.container(image, command)?;
        let detach_keys = attach::detach_keys(&self.detach_keys)?;
        let streams = Streams::of(&self.options.attach, self.detach)?;
        let (interactive, tty) = (self.options.interactive, self.options.tty);
        if !self.detach && tty && interactive && terminal::size(&std::io::stdin()).is_none() {
            bail!("the input device is not a TTY");
        }
        let config = &mut container.config;
        config.attach_stdin = !self.detach && interactive && streams.input;
        config.attach_stdout = !self.detach && streams.output;
        config.attach_stderr = !self.detach && streams.errors;
        // With its one attached client gone, there is nobody who could give input.
        config.stdin_once = config.attach_stdin;
        let cidfile = self.options.cidfile.as_deref();
        let container = create::create(engine, container, self.options.name.as_deref(), cidfile)?;
        let wanted = Wanted {
            output: !self.detach,
            input: container.config.attach_stdin,
            size: tty.then(|| terminal::size(&std::io::stdin())).flatten(),
        };
        let signals = (!self.detach).then(attach::catch_signals).transpose()?;
        warn(&network::warnings(engine, &container));
        let connection = monitor::start(engine, &container, wanted)?;
        let started = monitor::started(&connection);
        if started.is_err() && container.host_config.auto_remove {
            let _ = crate::volume::release(engine, &container);
            let _ = store::remove(engine, &container);
        }
        started?;
        let Some(signals) = signals else {
            println!("{}", container.id);
            return Ok(0);
        };
        let how = How {
            stdin: container.config.attach_stdin,
            tty,
            proxy: self.sig_proxy,
            detach_keys,
        };
        match attach::follow(&connection, &signals, &how)? {
            Ended::Exited(code) => Ok(u8::try_from(code & 0xff)?),
            Ended::Detached => {
                eprintln!("read escape sequence");
                Ok(0)
            }
        }
    }
}

/// What the user should know of the container's network.
fn warn(lines: &[String]) {
    for line in lines {
        eprintln!("WARNING: {line}");
    }
}

/// The first word is the image, the others are for the container, whatever they look
/// like.
///
/// # Errors
/// A flag that we do not know stands where the image should.
pub fn image_and_command(words: &[String]) -> anyhow::Result<(&str, &[String])> {
    let (image, command) = words.split_first().context("an image is wanted")?;
    if image.starts_with("--") {
        bail!("unknown flag: {}", image.split('=').next().unwrap_or(image));
    }
    if let Some(letter) = image.strip_prefix('-').and_then(|rest| rest.chars().next()) {
        bail!("unknown shorthand flag: '{letter}' in {image}");
    }
    Ok((image, command))
}

/// `-a`: which streams are attached.
struct Streams {
    input: bool,
    output: bool,
    errors: bool,
}

impl Streams {
    fn of(names: &[String], detach: bool) -> anyhow::Result<Self> {
        if detach && !names.is_empty() {
            bail!("Conflicting options: -a and -d");
        }
        let all = names.is_empty();
        let mut streams = Self {
            input: all,
            output: all,
            errors: all,
        };
        for name in names {
            match name.to_ascii_lowercase().as_str() {
                "stdin" => streams.input = true,
                "stdout" => streams.output = true,
                "stderr" => streams.errors = true,
                _ => bail!(
                    "invalid argument {name:?} for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
                ),
            }
        }
        Ok(streams)
    }
}
