//! One run of one exercise: sandbox, run, checkpoints, verdict.
//!
//! - [`build`]: Rust work, built apart;
//! - [`run`]: one run, from the exercise's files to its verdict;
//! - [`verdict`]: the verdict and the document that holds it;
//! - [`gate`], [`steps`]: `tp dev check`, what authors have to hold to;
//! - [`snapshot`]: `tp dev snapshot`, recording what is expected;
//! - [`needs`]: what a machine can do.

pub mod build;
pub mod gate;
pub mod needs;
pub mod run;
pub mod snapshot;
pub mod steps;
pub mod verdict;
