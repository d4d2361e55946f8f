//! docker's groups of commands: `container ls`, `image rm`, `system prune`. Each word is
//! the command of its own file under a second name; what only a group has
//! (`container prune`, `system df`) is in `prune.rs` and `df.rs`.

use clap::{Args, Subcommand};

use super::inspect::{InspectOne, Kind};
use super::{
    attach, commit, cp, create, df, diff, events, exec, export, history, images, import, kill,
    load, logs, pause, port, prune, ps, rename, restart, rm, rmi, run, save, start, stats, stop,
    tag, top, unpause, update, wait,
};
use crate::engine::Engine;

/// Manage containers
#[derive(Debug, Args)]
pub struct Container {
    #[command(subcommand)]
    command: ContainerCommand,
}

#[derive(Debug, Subcommand)]
enum ContainerCommand {
    Attach(attach::Attach),
    Commit(commit::Commit),
    Cp(cp::Cp),
    Create(create::Create),
    Diff(diff::Diff),
    Exec(exec::Exec),
    Export(export::Export),
    /// Display detailed information on one or more containers
    Inspect(InspectOne),
    Kill(kill::Kill),
    Logs(logs::Logs),
    #[command(visible_aliases = ["ps", "list"])]
    Ls(ps::Ps),
    Pause(pause::Pause),
    Port(port::Port),
    Prune(prune::ContainerPrune),
    Rename(rename::Rename),
    Restart(restart::Restart),
    Rm(rm::Rm),
    Run(run::Run),
    Start(start::Start),
    Stats(stats::Stats),
    Stop(stop::Stop),
    Top(top::Top),
    Unpause(unpause::Unpause),
    Update(update::Update),
    Wait(wait::Wait),
}

impl Container {
    /// # Errors
    /// Those of the command.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self.command {
            ContainerCommand::Attach(command) => command.run(engine),
            ContainerCommand::Commit(command) => command.run(engine),
            ContainerCommand::Cp(command) => command.run(engine),
            ContainerCommand::Create(command) => command.run(engine),
            ContainerCommand::Diff(command) => command.run(engine),
            ContainerCommand::Exec(command) => command.run(engine),
            ContainerCommand::Export(command) => command.run(engine),
            ContainerCommand::Inspect(command) => command.run(engine, Kind::Container),
            ContainerCommand::Kill(command) => command.run(engine),
            ContainerCommand::Logs(command) => command.run(engine),
            ContainerCommand::Ls(command) => command.run(engine),
            ContainerCommand::Pause(command) => command.run(engine),
            ContainerCommand::Port(command) => command.run(engine),
            ContainerCommand::Prune(command) => command.run(engine),
            ContainerCommand::Rename(command) => command.run(engine),
            ContainerCommand::Restart(command) => command.run(engine),
            ContainerCommand::Rm(command) => command.run(engine),
            ContainerCommand::Run(command) => command.run(engine),
            ContainerCommand::Start(command) => command.run(engine),
            ContainerCommand::Stats(command) => command.run(engine),
            ContainerCommand::Stop(command) => command.run(engine),
            ContainerCommand::Top(command) => command.run(engine),
            ContainerCommand::Unpause(command) => command.run(engine),
            ContainerCommand::Update(command) => command.run(engine),
            ContainerCommand::Wait(command) => command.run(engine),
        }
    }
}

/// Manage images
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, Subcommand)]
enum ImageCommand {
    History(history::History),
    Import(import::Import),
    /// Display detailed information on one or more images
    Inspect(InspectOne),
    Load(load::Load),
    #[command(visible_alias = "list")]
    Ls(images::Images),
    Prune(prune::ImagePrune),
    #[command(visible_alias = "remove")]
    Rm(rmi::Rmi),
    Save(save::Save),
    Tag(tag::Tag),
}

impl Image {
    /// # Errors
    /// Those of the command.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self.command {
            ImageCommand::History(command) => command.run(engine),
            ImageCommand::Import(command) => command.run(engine),
            ImageCommand::Inspect(command) => command.run(engine, Kind::Image),
            ImageCommand::Load(command) => command.run(engine),
            ImageCommand::Ls(command) => command.run(engine),
            ImageCommand::Prune(command) => command.run(engine),
            ImageCommand::Rm(command) => command.run(engine),
            ImageCommand::Save(command) => command.run(engine),
            ImageCommand::Tag(command) => command.run(engine),
        }
    }
}

/// Manage the engine
#[derive(Debug, Args)]
pub struct System {
    #[command(subcommand)]
    command: SystemCommand,
}

#[derive(Debug, Subcommand)]
enum SystemCommand {
    Df(df::Df),
    Events(events::Events),
    Prune(prune::Prune),
}

impl System {
    /// # Errors
    /// Those of the command.
    pub fn run(self, engine: &Engine) -> anyhow::Result<u8> {
        match self.command {
            SystemCommand::Df(command) => command.run(engine),
            SystemCommand::Events(command) => command.run(engine),
            SystemCommand::Prune(command) => command.run(engine),
        }
    }
}
