//! The end that every lab binary shares: become the command, or wait for it.
//!
//! Exit statuses are those of the shell and of unshare(1): the command's own;
//! 128 + N when signal N killed it; 127 when it does not exist; 126 when it
//! cannot be executed; 1 when something before it failed.
//!
//! Read: execve(2), wait(2), "EXIT STATUS" in bash(1).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execvp};

use crate::explain::{CallError, Explain};

/// Becomes `command`, or `$SHELL` when it is empty (`/bin/sh` without one).
/// Comes back only with the reason why that failed.
pub fn exec(explain: Explain, command: &[String]) -> anyhow::Error {
    let arguments = match command {
        [] => vec![std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into())],
        _ => command.to_vec(),
    };
    let call = format!("execvp({:?}, {arguments:?})", arguments[0]);
    let strings: Result<Vec<CString>, _> = arguments
        .iter()
        .map(|word| CString::new(std::ffi::OsStr::new(word).as_bytes()))
        .collect();
    let Ok(strings) = strings else {
        return anyhow::anyhow!("{call}: an argument holds a NUL byte, which ends a C string");
    };

    // Rust programs ignore SIGPIPE, and ignored signals stay so across an exec:
    // `… yes | head -1` would then never end.
    // SAFETY: SIG_DFL is not a handler of ours, so no code of ours can run in it.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };

    // A library function: execve(2) in each folder of PATH until one succeeds.
    explain.announce(&call);
    match execvp(&strings[0], &strings) {
        Ok(never) => match never {},
        // Also what a folder of PATH gives that may not be searched, when no other
        // has the command: the shell calls that "not found", and so do we.
        Err(Errno::EACCES) if !exists(&arguments[0]) => CallError {
            call,
            errno: Errno::ENOENT,
        }
        .into(),
        Err(errno) => CallError { call, errno }.into(),
    }
}

fn exists(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.contains('/')
        || std::env::split_paths(&path).any(|folder| folder.join(command).exists())
}

/// Waits for the child and takes over its exit status.
///
/// A SIGTERM ends only this process, and the child lives on: a real runtime
/// passes signals on, or asks for PR_SET_PDEATHSIG in the child.
pub fn wait(child: Pid) -> anyhow::Result<ExitCode> {
    // Ctrl-C goes to every process of the terminal's foreground group. It is
    // meant for the command; were we to die of it, the terminal would have two
    // shells reading from it.
    for key in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: SIG_IGN is not a handler of ours.
        let _ = unsafe { signal(key, SigHandler::SigIgn) };
    }
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(ExitCode::from(status as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ok(ExitCode::from(128 + signal as u8));
            }
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => anyhow::bail!("waitpid({child}): {errno}"),
        }
    }
}

/// The last line of `main`: the one place where an error becomes text.
pub fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        match error.downcast_ref::<CallError>() {
            Some(failed) if failed.call.starts_with("execvp") => match failed.errno {
                Errno::ENOENT => ExitCode::from(127),
                _ => ExitCode::from(126),
            },
            _ => ExitCode::FAILURE,
        }
    })
}
