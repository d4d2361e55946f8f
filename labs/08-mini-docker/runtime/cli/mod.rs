//! `mini-runtime`: the command line that OCI runtimes have.
//!
//! conmon, podman, containerd and dockerd speak to a runtime by these words and
//! files alone, so one can stand in for another. What a container is lies in
//! `--root`/ID: `state.json`, and as long as it waits for its start the socket `gate`.
//!
//! One file a command, all of one shape: a struct of its arguments, and `run`.
//!
//! Read: runtime.md ("Operations") of the OCI runtime specification, runc(8)

mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod start;
mod state;
mod store;
mod update;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use nix::unistd::geteuid;
use serde_json::json;

use super::ExecError;
use store::Store;

/// Runs containers from OCI bundles
///
/// Example: mini-runtime spec && mini-runtime run my-container
#[derive(Debug, Parser)]
#[command(name = "mini-runtime", version = VERSION)]
pub struct Cli {
    /// Where the state of containers is kept
    #[arg(long, global = true, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// A file for errors, beside standard error
    #[arg(long, global = true, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How they are written there
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Let systemd make the cgroups (not here)
    #[arg(long, global = true)]
    systemd_cgroup: bool,
    /// More in the log
    #[arg(long, global = true)]
    debug: bool,
    #[command(subcommand)]
    command: Command,
}

/// As runc prints it: callers look for the version of the specification.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0");

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Create),
    Run(create::Run),
    Start(start::Start),
    State(state::State),
    Kill(kill::Kill),
    Delete(delete::Delete),
    Exec(exec::Exec),
    List(list::List),
    Ps(ps::Ps),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Update(update::Update),
    Events(events::Events),
    Features(features::Features),
    Spec(features::Spec),
}

impl Cli {
    /// Does it and gives the exit code. An error is told here: on standard error, and
    /// in the log, where callers look for it.
    pub fn run(self) -> u8 {
        let (log, format) = (self.log.clone(), self.log_format);
        match self.dispatch() {
            Ok(code) => code,
            Err(error) => {
                let text = told(&error);
                eprintln!("error: {text}");
                if let Some(path) = log {
                    write_log(&path, format, &text);
                }
                1
            }
        }
    }

    fn dispatch(self) -> anyhow::Result<u8> {
        if self.systemd_cgroup {
            bail!(
                "--systemd-cgroup: this runtime makes cgroups itself; use the cgroupfs driver (podman --cgroup-manager cgroupfs, dockerd --exec-opt native.cgroupdriver=cgroupfs)"
            );
        }
        let root = match self.root {
            Some(root) => root,
            None if geteuid().is_root() => "/run/mini-runtime".into(),
            None => match std::env::var_os("XDG_RUNTIME_DIR") {
                Some(folder) => PathBuf::from(folder).join("mini-runtime"),
                None => bail!("XDG_RUNTIME_DIR is not set: say where with --root DIRECTORY"),
            },
        };
        let store = Store { root };
        match self.command {
            Command::Create(command) => command.run(&store),
            Command::Run(command) => command.run(&store),
            Command::Start(command) => command.run(&store),
            Command::State(command) => command.run(&store),
            Command::Kill(command) => command.run(&store),
            Command::Delete(command) => command.run(&store),
            Command::Exec(command) => command.run(&store),
            Command::List(command) => command.run(&store),
            Command::Ps(command) => command.run(&store),
            Command::Pause(command) => command.run(&store),
            Command::Resume(command) => command.run(&store),
            Command::Update(command) => command.run(&store),
            Command::Events(command) => command.run(&store),
            Command::Features(command) => command.run(),
            Command::Spec(command) => command.run(),
        }
    }
}

/// One line. Of a program that cannot be run, just that: the errno is in its words.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<ExecError>() {
        Some(exec) => format!("unable to start container process: {exec}"),
        None => format!("{error:#}"),
    }
}

fn write_log(path: &std::path::Path, format: LogFormat, text: &str) {
    let time = jiff::Timestamp::now().to_string();
    let line = match format {
        LogFormat::Json => json!({ "level": "error", "msg": text, "time": time }).to_string(),
        LogFormat::Text => format!("time=\"{time}\" level=error msg={text:?}"),
    };
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    if let Ok(mut file) = file {
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}
