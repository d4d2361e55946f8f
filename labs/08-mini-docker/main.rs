//! mini-docker: docker's words on the course's bricks.
//!
//! Try:  mini-docker run --rm -it base sh
//! Read: docker(1), and `lib.rs` for a map

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, FromArgMatches, Parser};
use mini_docker::cmd::{Command, Failure};
use mini_docker::container::clear;
use mini_docker::engine::Engine;
use mini_docker::format::visible;

/// A small but real container engine.
#[derive(Debug, Parser)]
#[command(name = "mini-docker", version)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Place {
    /// Where everything is kept; else MINI_DOCKER_ROOT, else the user's own place.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
}

impl Cli {
    /// The words of the command line. All commands together have a thousand flags, and to
    /// describe them to clap takes longer than many a command: so first only the one
    /// that is meant. What is wrong is found by all of them, who know more words.
    fn read() -> Result<Self, clap::Error> {
        let one = std::env::args_os().nth(1).and_then(|word| {
            let commands = Place::augment_args(clap::Command::new("mini-docker"));
            let commands = commands.subcommand(Command::alone(word.to_str()?)?);
            let matches = commands.try_get_matches().ok()?;
            Self::from_arg_matches(&matches).ok()
        });
        one.map_or_else(Self::try_parse, Ok)
    }
}

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let done = Engine::open(cli.place.root).and_then(|engine| {
        clear::sweep(&engine);
        cli.command.run(&engine)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let Failure { message, mut code } = Failure::of(&error, 1);
            // A flag's value is refused by docker's client, which has a code for that.
            if message.starts_with("invalid argument \"") {
                code = 125;
            }
            // A hostile archive's names must not move the cursor either.
            eprintln!("mini-docker: {}", visible(&message));
            ExitCode::from(code)
        }
    }
}

/// A command line that cannot be: in docker's words, with docker's codes. Help, which
/// clap gives as an error too, goes to standard output.
fn usage(error: &clap::Error) -> ExitCode {
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (text, code) = match error.kind() {
        ErrorKind::UnknownArgument => {
            let flag = given(ContextKind::InvalidArg);
            let flag = flag.split('=').next().unwrap_or_default();
            match flag.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
                Some(letter) => (format!("unknown shorthand flag: '{letter}' in {flag}"), 125),
                None => (format!("unknown flag: {flag}"), 125),
            }
        }
        ErrorKind::InvalidSubcommand => {
            let word = given(ContextKind::InvalidSubcommand);
            (format!("'{word}' is not a mini-docker command"), 1)
        }
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        ErrorKind::MissingRequiredArgument | ErrorKind::TooFewValues => {
            ("this command requires more arguments".to_string(), 1)
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            (line.trim_start_matches("error: ").to_string(), 125)
        }
    };
    eprintln!("mini-docker: {text}; see 'mini-docker --help'");
    ExitCode::from(code)
}
