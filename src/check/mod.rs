//! One run of one exercise: sandbox, run, checkpoints, verdict.

pub mod verdict;
