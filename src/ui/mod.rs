//! Everything that a person reads or types.

pub mod cli;
pub mod commands;
pub mod inspect;
mod plain;
pub mod shell;
