//! Tests of `tp` through its real binary: each runs it on a course of its own
//! and looks at what came of it.

// Helpers of tests are tests, too, but clippy's exception is for `#[test]` only.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod check;
mod command_line;
mod dev_check;
mod dev_snapshot;
mod doctor;
mod languages;
mod learning;
mod picture;
mod processes;
mod questions;
mod right_answers;
mod sandbox;
mod schemas;
mod shell;
mod typist;
mod watch;
