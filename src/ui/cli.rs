//! The command line.

use std::process::ExitCode;

/// Runs the command line and turns its end into an exit code.
pub fn main() -> ExitCode {
    println!("tp {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
