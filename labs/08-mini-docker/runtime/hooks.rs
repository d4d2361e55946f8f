//! Hooks: programs of the caller's that run at moments of a container's life.
//!
//! dockerd, for one, moves network devices in by a `prestart` hook. A hook gets the
//! container's state as JSON on standard input.
//!
//! Read: config.md ("POSIX-platform Hooks"), runtime.md ("Lifecycle")

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use oci_spec::runtime::{Hook, Spec};
use serde_json::{Value, json};

/// What `state` prints, and every hook reads.
pub fn state(spec: &Spec, id: &str, bundle: &std::path::Path, status: &str, pid: i32) -> Value {
    json!({
        "ociVersion": spec.version(),
        "id": id,
        "status": status,
        "pid": pid,
        "bundle": bundle,
        "annotations": spec.annotations().clone().unwrap_or_default(),
    })
}

/// Runs them one after the other.
///
/// # Errors
/// The first that fails, or takes longer than its timeout.
pub fn run(hooks: &Option<Vec<Hook>>, state: &Value) -> anyhow::Result<()> {
    for hook in hooks.iter().flatten() {
        run_one(hook, state).with_context(|| format!("hook {:?}", hook.path()))?;
    }
    Ok(())
}

fn run_one(hook: &Hook, state: &Value) -> anyhow::Result<()> {
    let mut command = Command::new(hook.path());
    // The first argument is the name that the program sees of itself.
    let mut arguments = hook.args().iter().flatten();
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env_clear();
    for variable in hook.env().iter().flatten() {
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not want to know closes it.
        let _ = input.write_all(state.to_string().as_bytes());
    }
    let begin = Instant::now();
    let limit = hook.timeout().filter(|seconds| *seconds > 0);
    let limit = limit.map(|seconds| Duration::from_secs(seconds as u64));
    let status = loop {
        match (child.try_wait()?, limit) {
            (Some(status), _) => break status,
            (None, Some(limit)) if begin.elapsed() > limit => {
                let _ = child.kill();
                let _ = child.wait();
                bail!("still running after {} s", limit.as_secs());
            }
            (None, Some(_)) => std::thread::sleep(Duration::from_millis(2)),
            (None, None) => break child.wait()?,
        }
    };
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}
