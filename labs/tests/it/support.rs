//! What the chapters' tests share: the course's programs, the grown-up tools
//! that they are held against, and `tp inspect` as the eye that compares both.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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

/// A shell script with the course's programs and root's tools on its PATH.
fn command(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_namespaces"))
        .parent()
        .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-euc", script]).env(
        "PATH",
        format!("{}:{path}:/usr/sbin:/sbin", folder.display()),
    );
    command
}

/// Runs such a script to its end.
pub fn shell(script: &str) -> Output {
    command(script).output().unwrap()
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

/// Which cgroup hierarchies there are is the whole machine's affair, and a new one is
/// on every process's list at once. Who mounts one writes here, who compares such
/// lists reads.
static HIERARCHIES: RwLock<()> = RwLock::new(());

/// While this is held no test mounts or unmounts a hierarchy.
pub fn same_hierarchies() -> RwLockReadGuard<'static, ()> {
    HIERARCHIES.read().unwrap_or_else(PoisonError::into_inner)
}

/// While this is held nobody else compares them.
pub fn other_hierarchies() -> RwLockWriteGuard<'static, ()> {
    HIERARCHIES.write().unwrap_or_else(PoisonError::into_inner)
}

/// How a process differs from this test, as `tp` observes both.
pub fn inspect(pid: u32) -> Value {
    inspect_against(pid, std::process::id())
}

/// How a process differs from another: `null` where it does not.
pub fn inspect_against(pid: u32, other: u32) -> Value {
    let _same = same_hierarchies();
    let output = Command::new(program("tp"))
        .args(["inspect", &pid.to_string(), "--format", "json"])
        .args(["--against", &other.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["difference"].take()
}

/// What distinguishes a payload from this test, as `tp` observes both.
///
/// The script ends by becoming `$PAYLOAD` (a `sleep`) in what it has built:
/// ours and the grown-up tool's, run alike, must differ from here alike.
pub fn difference(script: &str) -> Value {
    let payload = Payload::start(script);
    inspect(payload.pid)
}

/// A payload that runs until it is dropped, with all that the script started.
pub struct Payload {
    script: Child,
    pub pid: u32,
}

impl Payload {
    pub fn start(script: &str) -> Self {
        let mut script = command(script)
            .env("PAYLOAD", "sleep 3600")
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = family(script.id()).into_iter().find(|pid| is_sleep(*pid));
            if let Some(pid) = found {
                return Self { script, pid };
            }
            let ended = script.try_wait().unwrap();
            assert!(ended.is_none(), "the script ended: {ended:?}");
            assert!(Instant::now() < deadline, "the payload never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        for pid in family(self.script.id()) {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
        let _ = self.script.wait();
    }
}

/// A process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        family.extend(
            children
                .split(' ')
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        next += 1;
    }
    family
}

fn is_sleep(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
}
