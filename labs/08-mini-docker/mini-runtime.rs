//! mini-runtime: the engine's low-level runtime with the command line of OCI runtimes.
//!
//! Try:  mini-runtime spec && mini-runtime run my-container
//!       podman --cgroup-manager cgroupfs --runtime $PWD/target/debug/mini-runtime run …
//! Read: runc(8), and `runtime/mod.rs` for a map

use std::process::ExitCode;

use clap::Parser;
use mini_docker::runtime::cli::Cli;

fn main() -> ExitCode {
    ExitCode::from(Cli::parse().run())
}
