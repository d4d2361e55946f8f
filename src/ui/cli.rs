//! The command line: what there is to type, and how an error becomes a line
//! and an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::commands;
use crate::expect::Texts;
use crate::sandbox::{INTERRUPTED, Unsupported};

/// All that were checked passed.
pub const ALL_PASS: u8 = 0;
/// Some did not.
pub const SOME_FAIL: u8 = 1;
/// The command was not understood, or the course is broken.
pub const USAGE: u8 = 2;
/// Nothing could be run on this machine.
pub const NOTHING_RUN: u8 = 77;

const EXIT_CODES: &str = "\
Exit codes: 0 all pass, 1 some fail, 2 usage or a broken course, 77 nothing could be run here.";

/// The companion of a course on containers: it checks what the kernel holds
#[derive(Parser)]
#[command(name = "tp", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// List the exercises and how far you are
    #[command(after_help = "Example:\n  tp list 02-namespaces")]
    List {
        /// Only this chapter
        chapter: Option<String>,
        #[arg(long, value_enum, default_value_t)]
        format: DataFormat,
    },
    /// Read a chapter or an exercise
    #[command(
        after_help = "Examples:\n  tp read 2      the chapter\n  tp read 2.3    the exercise"
    )]
    Read {
        /// A chapter or an exercise, by number or by name; the next exercise without one
        id: Option<String>,
    },
    /// Check exercises: run them, and hold what the kernel does against what it should
    #[command(
        after_help = "Examples:\n  tp check           the next exercise\n  tp check 2.3 2.4   these\n  tp check 1         a chapter\n  tp check --all --format json > result.json"
    )]
    Check(CheckArgs),
    /// Work through the course: check again whenever the file is saved
    #[command(after_help = "Example:\n  tp watch 2.1")]
    Watch {
        /// Where to begin; the next exercise without one
        id: Option<String>,
    },
    /// A hint, chosen by what failed; each time one layer deeper
    #[command(after_help = "Example:\n  tp hint 2.3")]
    Hint { id: Option<String> },
    /// Put an exercise back as it was; your own version is kept aside
    #[command(after_help = "Example:\n  tp reset 2.3")]
    Reset { id: String },
    /// Open an exercise's sandbox by hand; `checkpoint` typed there checks at once
    #[command(
        after_help = "Examples:\n  tp shell 1.1\n  echo 'unshare -u checkpoint inside' | tp shell 1.1"
    )]
    Shell { id: Option<String> },
    /// Show the solution of an exercise, once it is passed
    #[command(after_help = "Example:\n  tp solution 2.3 --anyway")]
    Solution {
        id: String,
        /// Before it is passed, too
        #[arg(long)]
        anyway: bool,
    },
    /// Leave an exercise for later
    #[command(after_help = "Example:\n  tp skip 2.3")]
    Skip { id: Option<String> },
    /// Show the kernel state of any process, as its difference from yours
    #[command(
        after_help = "Examples:\n  tp inspect 4711\n  tp inspect $(docker inspect -f '{{.State.Pid}}' web) --format yaml"
    )]
    Inspect {
        pid: i32,
        /// Against this process instead of the caller
        #[arg(long, value_name = "PID")]
        against: Option<i32>,
        /// Tell of the files below this directory too, as the process sees them
        #[arg(long, value_name = "DIRECTORY", value_parser = absolute)]
        watch: Vec<String>,
        #[arg(long, value_enum, default_value_t)]
        format: PageFormat,
    },
    /// Hold two processes side by side
    #[command(after_help = "Example:\n  tp diff 4711 4712")]
    Diff {
        pid: i32,
        other: i32,
        #[arg(long, value_enum, default_value_t)]
        format: PageFormat,
    },
    /// What this machine can do for the course, and the remedy for what it cannot
    #[command(after_help = "Example:\n  tp doctor --format json")]
    Doctor {
        #[arg(long, value_enum, default_value_t)]
        format: DataFormat,
    },
    /// For authors of exercises
    #[command(
        subcommand,
        after_help = "Examples:\n  tp dev new 2.17 shared-subtree --kind shell\n  tp dev snapshot 2.17\n  tp dev check 2.17"
    )]
    Dev(Dev),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  tp completions bash > ~/.local/share/bash-completion/completions/tp"
    )]
    Completions { shell: clap_complete::Shell },
    /// Write the man pages into a directory
    #[command(after_help = "Example:\n  tp man ~/.local/share/man/man1")]
    Man { directory: PathBuf },
}

#[derive(Args)]
pub struct CheckArgs {
    /// Exercises or chapters, by number or by name; the next exercise without one
    pub ids: Vec<String>,
    /// Every exercise
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// The solutions instead of your own files
    #[arg(long)]
    pub solutions: bool,
    #[arg(long, value_enum, default_value_t)]
    pub format: DataFormat,
}

#[derive(Subcommand)]
pub enum Dev {
    /// The authors' gate: what has to be true of an exercise
    #[command(after_help = "Example:\n  tp dev check 2.3")]
    Check {
        /// Exercises or chapters; all without one
        ids: Vec<String>,
        /// How often each solution has to pass in a row
        #[arg(long, default_value_t = 20)]
        times: usize,
        /// Each solution once, and not with single steps taken out
        #[arg(long, conflicts_with = "times")]
        brief: bool,
    },
    /// Build what `check --brief` runs, and print where it lies
    #[command(hide = true)]
    Build { ids: Vec<String> },
    /// Record an expected snapshot from the solution, and show the change
    #[command(after_help = "Examples:\n  tp dev snapshot 2.3\n  tp dev snapshot 2 --accept")]
    Snapshot {
        ids: Vec<String>,
        /// Accept every change without asking
        #[arg(long, conflicts_with = "reject")]
        accept: bool,
        /// Show the changes and leave everything as it is
        #[arg(long)]
        reject: bool,
    },
    /// Begin a new exercise
    #[command(after_help = "Example:\n  tp dev new 2.17 shared-subtree --kind shell")]
    New {
        /// Its number: CHAPTER.N
        id: String,
        /// Its name: words-with-hyphens
        name: String,
        #[arg(long, value_enum)]
        kind: NewKind,
    },
    /// Count what is on the machine into FILE; compare with it if it is there
    #[command(hide = true)]
    Census { file: PathBuf },
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    #[default]
    Text,
    Yaml,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewKind {
    Shell,
    Rust,
    Question,
}

/// Runs the command line and turns its end into an exit code.
pub fn main() -> ExitCode {
    if let Err(error) = handle_signals() {
        super::warn(&format!("error: {}", super::error_line(&error)));
        return USAGE.into();
    }
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own texts: help and version go to standard output.
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { ALL_PASS }.into();
        }
    };
    match commands::run(cli.command) {
        Ok(code) => code.into(),
        Err(error) => {
            super::warn(&format!("error: {}", super::error_line(&error)));
            match error.downcast_ref::<Unsupported>() {
                Some(_) => NOTHING_RUN,
                None => USAGE,
            }
            .into()
        }
    }
}

/// The command line as clap knows it, in the language in use: for help,
/// completions and man pages alike.
pub fn command() -> clap::Command {
    translated(Cli::command(), "messages.help", &super::texts())
}

/// Puts the texts under `path` over those above, where there are any: `about`,
/// `examples`, an argument by its id, a subcommand's under its name. English
/// has none, because the comments above are its texts.
fn translated(mut command: clap::Command, path: &str, texts: &Texts) -> clap::Command {
    let text = |name: &str| texts.get(&format!("{path}.{name}")).map(str::to_owned);
    if let Some(about) = text("about") {
        command = command.about(about);
    }
    if let Some(examples) = text("examples") {
        command = command.after_help(examples);
    }
    command
        .mut_args(|argument| match text(argument.get_id().as_str()) {
            Some(help) => argument.help(help),
            None => argument,
        })
        .mut_subcommands(|subcommand| {
            let path = format!("{path}.{}", subcommand.get_name());
            translated(subcommand, &path, texts)
        })
}

/// An interrupted check closes its sandbox and then ends; a reader that has
/// gone (`tp list | head`) ends the program quietly.
fn handle_signals() -> anyhow::Result<()> {
    extern "C" fn interrupt(_: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let stop = SigAction::new(
        SigHandler::Handler(interrupt),
        SaFlags::empty(),
        SigSet::empty(),
    );
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for (signal, action) in [
        (Signal::SIGINT, &stop),
        (Signal::SIGTERM, &stop),
        (Signal::SIGHUP, &stop),
        (Signal::SIGPIPE, &default),
    ] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, action) }?;
    }
    Ok(())
}

/// A directory as another process sees it has no place to be relative to.
fn absolute(path: &str) -> Result<String, String> {
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err("give the whole path, as the process sees it: /srv/upper".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_in_the_language_that_has_a_text_for_it() {
        let texts = Texts::english()
            .translated(
                "messages: {help: {about: compagnon, dev: {check: {about: vérifier, \
                 times: combien de fois, examples: \"Exemple :\\n  tp dev check 2.3\"}}}}",
            )
            .unwrap();
        let mut command = translated(Cli::command(), "messages.help", &texts);
        assert!(command.render_help().to_string().starts_with("compagnon\n"));
        let dev = command.find_subcommand_mut("dev").unwrap();
        let help = dev.render_help().to_string();
        assert!(help.starts_with("For authors of exercises"), "{help}");
        let check = dev.find_subcommand_mut("check").unwrap();
        let help = check.render_help().to_string();
        for told in [
            "vérifier\n",
            "combien de fois",
            "\nExemple :\n",
            "all without",
        ] {
            assert!(help.contains(told), "{told}: {help}");
        }
        assert!(!help.contains("Example:"), "{help}");
    }
}
