//! The process that stays with a running container.
//!
//! It is forked from the command that starts the container, not executed anew: all
//! that it needs is in memory already, and a fork of so small a program is quicker
//! than the start of one. From the terminal it frees itself by setsid(2), from the
//! command's files by closing them.
//!
//! It holds the lock `RUN/ID/lock` as long as it lives: that is how all others know
//! that it does, however it ends.
//!
//! Read: fork(2), setsid(2), close_range(2), flock(2)

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use super::record::{Container, State, Status};
use super::serve::Monitor;
use super::store;
use super::wire::{Connection, Message, Reply, listener};
use crate::cmd::Failure;
use crate::engine::Engine;
use crate::files::{Lock, step};

/// What the command that starts a container wants of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Its output, from the first byte on.
    pub output: bool,
    /// To give it input.
    pub input: bool,
    /// Columns and rows of the terminal.
    pub size: Option<(u16, u16)>,
}

/// Starts a container that is not running. What comes back is connected to its
/// monitor; the first reply says whether it runs ([`started`]).
///
/// # Errors
/// It is running already; a full disk.
pub fn start(engine: &Engine, container: &Container, wanted: Wanted) -> anyhow::Result<Connection> {
    let folder = engine.monitor(&container.id);
    step("mkdir monitor");
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => result.with_context(|| format!("mkdir {}", folder.display()))?,
    }
    let lock = own_lock(engine, &container.id)?;
    let (here, there) = Connection::pair()?;
    step("fork monitor");
    // SAFETY: no command has started a thread before it comes here.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { .. } => Ok(here),
        ForkResult::Child => {
            drop(here);
            let done = live(engine, container, &lock, there, wanted);
            // SAFETY: ends the process without what the command has registered for its
            // own end, and without going back into it.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
    }
}

/// The lock of a monitor. Who asks whether there is one takes it for a moment: so that
/// it is taken says nothing yet.
fn own_lock(engine: &Engine, id: &str) -> anyhow::Result<Lock> {
    for _ in 0..20 {
        let attempt = Lock::attempt(&engine.monitor(id).join("lock"));
        match attempt {
            Ok(Some(lock)) => return Ok(lock),
            // The folder went with the monitor before us, just now.
            Err(_) if !engine.monitor(id).exists() => {
                let _ = DirBuilder::new().mode(0o700).create(engine.monitor(id));
            }
            Err(error) => return Err(error),
            Ok(None) if store::live(store::saved_state(engine, id)?.status) => break,
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    bail!("Container {id} is already running")
}

/// Waits until the container runs; gives its PID.
///
/// # Errors
/// What kept it from running, with the exit code that docker has for that.
pub fn started(connection: &Connection) -> anyhow::Result<i32> {
    match connection.reply()? {
        Reply::Started { pid, warnings } => {
            for warning in warnings {
                eprintln!("WARNING: {warning}");
            }
            Ok(pid)
        }
        other => bail!("the monitor said {other:?}"),
    }
}

/// The whole life of a monitor.
fn live(
    engine: &Engine,
    container: &Container,
    lock: &Lock,
    connection: Connection,
    wanted: Wanted,
) -> anyhow::Result<()> {
    let first = connection;
    let result = withdraw(&[lock.descriptor(), first.0.as_raw_fd()])
        .and_then(|()| listener(engine, &container.id))
        .and_then(|listener| Monitor::begin(engine, container.clone(), listener, wanted));
    match result {
        Ok(monitor) => {
            monitor.serve(first);
            Ok(())
        }
        Err(error) => {
            not_started(engine, container, &error);
            let failure = Failure::of(&error, 125);
            let reply = Reply::Failed {
                message: failure.message,
                code: failure.code,
            };
            let _ = first.send(&Message::Reply(reply, Vec::new()));
            Err(error)
        }
    }
}

/// A container that could not start keeps the reason, as docker's does.
fn not_started(engine: &Engine, container: &Container, error: &anyhow::Error) {
    let failure = Failure::of(error, 128);
    let before = store::saved_state(engine, &container.id).unwrap_or_default();
    let state = State {
        status: match before.status {
            Status::Created => Status::Created,
            _ => Status::Exited,
        },
        exit_code: match failure.code {
            125 => 128,
            code => i32::from(code),
        },
        error: failure.message,
        pid: 0,
        ..before
    };
    let _ = store::save(engine, container, "state.json", &state);
    let _ = std::fs::remove_dir_all(engine.monitor(&container.id));
}

/// Away from the terminal, the working directory and the files of the command.
fn withdraw(keep: &[i32]) -> anyhow::Result<()> {
    setsid().context("setsid")?;
    chdir("/").context("chdir /")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null: OwnedFd = File::into(null.context("open /dev/null")?);
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    drop(null);
    // What the command inherited itself: a pipe that stays open here would let its
    // reader wait for as long as the container runs.
    let mut keep = keep.to_vec();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        close_range(first, fd - 1);
        first = fd + 1;
    }
    close_range(first, i32::MAX);
    Ok(())
}

fn close_range(first: i32, last: i32) {
    if first <= last {
        // SAFETY: three numbers. The descriptors are the command's, whose variables this
        // process never comes back to.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}
