//! A command that runs somewhere, with its input and its output in our hands.
//!
//! The protocol is the same in all three places, so that the three can be
//! compared: the command writes a line when it is there, and waits for one.
//!
//! Read: clone(2), pid_namespaces(7), user_namespaces(7), poll(2)

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{
    ForkResult, Pid, dup2_stdin, dup2_stdout, getgid, getuid, pipe2, read, sethostname, write,
};

use crate::command;
use crate::explain::Explain;
use crate::namespaces::{
    Kind, Propagation, clone3, flag_names, flags, map_root, mount_proc, set_propagation,
};

/// This program's own file, whatever its name is now and whoever may find it.
const SELF: &str = "/proc/self/exe";

/// A command under way. When it is dropped, it is killed: for a container that
/// ends all its processes, and for a machine its qemu.
pub struct Running {
    /// As this side sees it; for a machine, qemu's.
    pub pid: Pid,
    /// Before its first system call.
    pub started: Instant,
    input: File,
    output: File,
    read: Vec<u8>,
}

/// The command as a plain process: fork, exec.
pub fn process(explain: Explain, arguments: &[&str]) -> anyhow::Result<Running> {
    let mut command = Command::new(SELF);
    command.args(arguments);
    Running::start(explain, command)
}

/// The command in a container: a process that is born in new namespaces, with
/// its own mounts, /proc, /tmp and name. As an ordinary user in a user namespace,
/// which gives the right to all that; root does without, as Docker does.
pub fn container(explain: Explain, arguments: &[&str]) -> anyhow::Result<Running> {
    let user = !getuid().is_root();
    let mut kinds = vec![Kind::Mnt, Kind::Pid, Kind::Net, Kind::Ipc, Kind::Uts];
    if user {
        kinds.insert(0, Kind::User);
    }
    let pipe = || pipe2(OFlag::O_CLOEXEC).context("pipe2(O_CLOEXEC)");
    let ((child_input, input), (output, child_output)) = (pipe()?, pipe()?);
    let (go_read, go_write) = pipe()?;

    let started = Instant::now();
    // SAFETY: this process has one thread.
    let forked = match unsafe { clone3(flags(&kinds)) } {
        Ok(ForkResult::Child) => ForkResult::Child,
        forked => explain.call_returning(
            format!(
                "clone3({{flags={}, exit_signal=SIGCHLD}})",
                flag_names(&kinds)
            ),
            forked,
            |forked| match forked {
                ForkResult::Parent { child } => child.as_raw().into(),
                ForkResult::Child => 0,
            },
        )?,
    };
    match forked {
        ForkResult::Parent { child } => {
            let running = Running {
                pid: child,
                started,
                input: input.into(),
                output: output.into(),
                read: Vec::new(),
            };
            if user {
                map_root(explain, &child.to_string(), getuid(), getgid())?;
            }
            write(&go_write, b"g").context("write(go_write)")?;
            Ok(running)
        }
        ForkResult::Child => {
            // Both returns of clone3 come here; only this one never goes on.
            drop((input, output, go_write));
            let explain = explain.in_child();
            let error = enter(explain, &go_read, child_input, child_output)
                .map_or_else(|error| error, |()| become_self(explain, arguments));
            eprintln!("error: {error:#}");
            // SAFETY: ends the child without the exit handlers of the parent.
            unsafe { libc::_exit(1) }
        }
    }
}

/// What the child does before the command: in this order, because the ids have
/// to be mapped before anything is mounted, and the mounts cut loose from the
/// host's before the first one of our own.
fn enter(
    explain: Explain,
    go_read: &OwnedFd,
    input: OwnedFd,
    output: OwnedFd,
) -> anyhow::Result<()> {
    if read(go_read, &mut [0])? == 0 {
        bail!("the parent has failed, and said so");
    }
    // With whoever started it: a container's first process has no terminal whose end
    // would end it.
    explain.call(
        "prctl(PR_SET_PDEATHSIG, SIGKILL)",
        set_pdeathsig(Signal::SIGKILL),
    )?;
    set_propagation(explain, Propagation::Private)?;
    mount_proc(explain)?;
    explain.call(
        "mount(\"tmpfs\", \"/tmp\", \"tmpfs\", 0, NULL)",
        mount(
            Some("tmpfs"),
            "/tmp",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        ),
    )?;
    explain.call("sethostname(\"container\", 9)", sethostname("container"))?;
    dup2_stdin(input).context("dup2(input, 0)")?;
    dup2_stdout(output).context("dup2(output, 1)")?;
    Ok(())
}

fn become_self(explain: Explain, arguments: &[&str]) -> anyhow::Error {
    let words = [SELF].iter().chain(arguments);
    command::exec(
        explain,
        &words.map(|word| word.to_string()).collect::<Vec<_>>(),
    )
}

impl Running {
    /// Starts a command with its input and output on pipes.
    pub fn start(explain: Explain, mut command: Command) -> anyhow::Result<Self> {
        explain.announce(&format!("fork(), execve({command:?})"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A machine would go on without us, its serial line at its end.
        // SAFETY: between fork and exec this makes one system call.
        unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
        let started = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("execve({:?})", command.get_program()))?;
        let input = child.stdin.take().context("stdin")?;
        let output = child.stdout.take().context("stdout")?;
        Ok(Self {
            pid: Pid::from_raw(child.id() as i32),
            started,
            input: OwnedFd::from(input).into(),
            output: OwnedFd::from(output).into(),
            read: Vec::new(),
        })
    }

    /// Sends a line to the command.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{line}").context("write(input): it has ended early")
    }

    /// The next line of the command that begins with `mark`, without the mark.
    ///
    /// Other lines are passed over: a machine's serial line carries what its
    /// kernel has to say, too.
    pub fn hear(&mut self, mark: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                // The firmware clears its screen in front of the first line.
                if let Some((_, rest)) = line.split_once(mark) {
                    return Ok(rest.trim().to_owned());
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, left).context("poll(output)")? == 0 {
                bail!("no answer within {} seconds", patience.as_secs());
            }
            let mut buffer = [0; 4096];
            match self.output.read(&mut buffer).context("read(output)")? {
                0 => bail!("it ended without an answer"),
                count => self.read.extend(&buffer[..count]),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}
