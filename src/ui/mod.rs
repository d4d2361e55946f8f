//! Everything that a person reads or types.

pub mod cli;
pub mod inspect;
