//! What the chapters' tests share: the course's programs, the grown-up tools
//! that they are held against, and `tp inspect` as the eye that compares both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::skipped;

/// A program of this workspace, beside the test's own: `cargo test --workspace`
/// builds all of them before the first test runs.
pub fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_namespaces")).with_file_name(name);
    assert!(
        program.exists(),
        "{name} is not built: run `cargo test --workspace`"
    );
    program
}

/// Where a tool of the machine lies, on the usual paths or root's.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// Whether every one of these tools is here; else the test says that it skips.
pub fn peers(names: &[&str]) -> bool {
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| tool(name).is_none())
        .collect();
    if !missing.is_empty() {
        skipped(&format!("not installed: {}", missing.join(", ")));
    }
    missing.is_empty()
}

/// Runs a shell script with the course's programs and root's tools on its PATH.
pub fn shell(script: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_namespaces"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-euc", script])
        .env(
            "PATH",
            format!("{}:{path}:/usr/sbin:/sbin", folder.display()),
        )
        .output()
        .unwrap()
}

/// Runs it to success and gives what it printed.
pub fn printed(script: &str) -> String {
    let output = shell(script);
    assert!(
        output.status.success(),
        "{}{}\n{script}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The state of a process as `tp` observes it, against the host.
pub fn inspect(pid: u32) -> Value {
    let output = Command::new(program("tp"))
        .args(["inspect", &pid.to_string(), "--format", "json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
