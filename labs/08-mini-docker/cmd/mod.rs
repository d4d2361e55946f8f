//! The commands, one file each, all of one shape: a struct of its arguments, which
//! clap fills, and `run`, which does it and gives the exit code.

mod asked;
pub mod attach;
pub mod commit;
pub mod cp;
pub mod create;
pub mod df;
pub mod diff;
pub mod events;
pub mod exec;
pub mod export;
pub mod groups;
pub mod history;
pub mod images;
pub mod import;
pub mod inspect;
pub mod kill;
mod limits;
pub mod load;
pub mod logs;
pub mod network;
pub mod options;
mod parse;
pub mod pause;
pub mod port;
pub mod prune;
pub mod ps;
pub mod rename;
pub mod restart;
pub mod rm;
pub mod rmi;
pub mod run;
pub mod save;
pub mod start;
pub mod stats;
pub mod stop;
pub mod tag;
pub mod top;
pub mod unpause;
pub mod update;
pub mod volume;
pub mod wait;

use std::fmt;

use clap::{Args, Subcommand};

use crate::engine::Engine;

/// An error that means an exit code: 125 for the engine's own in `run` and `exec`, 126
/// for a program that cannot be executed, 127 for one that is not there.
#[derive(Debug)]
pub struct Failure {
    /// One line.
    pub message: String,
    pub code: u8,
}

impl Failure {
    /// The one that an error holds, else one of its words with that code.
    pub fn of(error: &anyhow::Error, code: u8) -> Self {
        match error.chain().find_map(|cause| cause.downcast_ref::<Self>()) {
            Some(own) => Self {
                message: own.message.clone(),
                code: own.code,
            },
            None => Self {
                message: format!("{error:#}"),
                code,
            },
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Does something for each of several containers, in docker's way: prints the name as
/// it was given when it is done; one that fails does not keep the others from it.
///
/// # Errors
/// None: what failed is printed, and makes the exit code 1.
pub fn for_each(names: &[String], act: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<u8> {
    let mut code = 0;
    for name in names {
        match act(name) {
            Ok(()) => println!("{name}"),
            Err(error) => {
                eprintln!("mini-docker: {error:#}");
                code = 1;
            }
        }
    }
    Ok(code)
}

/// What can be said after `mini-docker`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Attach(attach::Attach),
    Commit(commit::Commit),
    Container(groups::Container),
    Cp(cp::Cp),
    Create(create::Create),
    Diff(diff::Diff),
    Events(events::Events),
    Exec(exec::Exec),
    Export(export::Export),
    History(history::History),
    Image(groups::Image),
    Images(images::Images),
    Import(import::Import),
    Inspect(inspect::Inspect),
    Kill(kill::Kill),
    Load(load::Load),
    Logs(logs::Logs),
    Network(network::Network),
    Pause(pause::Pause),
    Port(port::Port),
    Prune(prune::Prune),
    Ps(ps::Ps),
    Rename(rename::Rename),
    Restart(restart::Restart),
    Rm(rm::Rm),
    Rmi(rmi::Rmi),
    Run(run::Run),
    Save(save::Save),
    Start(start::Start),
    Stats(stats::Stats),
    Stop(stop::Stop),
    System(groups::System),
    Tag(tag::Tag),
    Top(top::Top),
    Unpause(unpause::Unpause),
    Update(update::Update),
    Volume(volume::Volume),
    Wait(wait::Wait),
}

impl Command {
    /// What clap has to know of one command, of those that scripts run many times.
    pub fn alone(word: &str) -> Option<clap::Command> {
        type Augment = fn(clap::Command) -> clap::Command;
        let (name, augment): (_, Augment) = match word {
            "create" => ("create", create::Create::augment_args),
            "exec" => ("exec", exec::Exec::augment_args),
            "inspect" => ("inspect", inspect::Inspect::augment_args),
            "logs" => ("logs", logs::Logs::augment_args),
            "ps" => ("ps", ps::Ps::augment_args),
            "rm" => ("rm", rm::Rm::augment_args),
            "run" => ("run", run::Run::augment_args),
            "start" => ("start", start::Start::augment_args),
            "stop" => ("stop", stop::Stop::augment_args),
            "wait" => ("wait", wait::Wait::augment_args),
            _ => return None,
        };
        Some(augment(clap::Command::new(name)))
    }

    /// Does it.
    ///
    /// # Errors
    /// One line, which `main` prints after `error: `.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self {
            Self::Attach(command) => command.run(engine),
            Self::Commit(command) => command.run(engine),
            Self::Container(command) => command.run(engine),
            Self::Cp(command) => command.run(engine),
            Self::Create(command) => command.run(engine),
            Self::Diff(command) => command.run(engine),
            Self::Events(command) => command.run(engine),
            Self::Exec(command) => command.run(engine),
            Self::Export(command) => command.run(engine),
            Self::History(command) => command.run(engine),
            Self::Image(command) => command.run(engine),
            Self::Images(command) => command.run(engine),
            Self::Import(command) => command.run(engine),
            Self::Inspect(command) => command.run(engine),
            Self::Kill(command) => command.run(engine),
            Self::Load(command) => command.run(engine),
            Self::Logs(command) => command.run(engine),
            Self::Network(command) => command.run(engine),
            Self::Pause(command) => command.run(engine),
            Self::Port(command) => command.run(engine),
            Self::Prune(command) => command.run(engine),
            Self::Ps(command) => command.run(engine),
            Self::Rename(command) => command.run(engine),
            Self::Restart(command) => command.run(engine),
            Self::Rm(command) => command.run(engine),
            Self::Rmi(command) => command.run(engine),
            Self::Run(command) => command.run(engine),
            Self::Save(command) => command.run(engine),
            Self::Start(command) => command.run(engine),
            Self::Stats(command) => command.run(engine),
            Self::Stop(command) => command.run(engine),
            Self::System(command) => command.run(engine),
            Self::Tag(command) => command.run(engine),
            Self::Top(command) => command.run(engine),
            Self::Unpause(command) => command.run(engine),
            Self::Update(command) => command.run(engine),
            Self::Volume(command) => command.run(engine),
            Self::Wait(command) => command.run(engine),
        }
    }
}
