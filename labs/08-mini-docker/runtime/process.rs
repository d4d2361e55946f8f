//! From a set-up process to the program: what is left to do before the exec.
//!
//! Read: execve(2), close_range(2), prctl(2), signal(7)

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use labs::capabilities::capset;
use labs::explain::Explain;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid};
use oci_spec::runtime::{Linux, Process};

use super::privileges::{give_up, set_limits};
use super::seccomp::Filter;
use super::springboard::Springboard;
use super::{Launch, init, program};

/// A process that has found its program, and waits for the word to become it.
pub struct Ready<'a> {
    process: &'a Process,
    filter: Option<Filter>,
    program: PathBuf,
    preserve_fds: u32,
    dies_with_parent: bool,
}

/// All that the last exec takes.
struct Leap {
    springboard: Springboard,
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl<'a> Ready<'a> {
    /// Goes to the working directory and looks for the program, inside the
    /// container's root.
    ///
    /// # Errors
    /// An [`ExecError`]; a working directory that is none, or not inside.
    pub fn new(process: &'a Process, linux: &'a Linux, launch: &Launch) -> anyhow::Result<Self> {
        let preserve_fds = launch.detached.map_or(0, |detached| detached.preserve_fds);
        Self::inside(process, linux, preserve_fds, launch.detached.is_none())
    }

    /// The same for a process that joins a container.
    pub fn inside(
        process: &'a Process,
        linux: &Linux,
        preserve_fds: u32,
        dies_with_parent: bool,
    ) -> anyhow::Result<Self> {
        program::go_to(process.cwd())?;
        let policy = linux.seccomp().as_ref();
        Ok(Self {
            process,
            filter: policy.map(Filter::compile).transpose()?,
            program: program::find(process)?,
            preserve_fds,
            dies_with_parent,
        })
    }

    /// The last steps, each of which takes something away that the ones before it
    /// need. Comes back with what kept it.
    pub fn go(&self, gate: &OwnedFd) -> anyhow::Error {
        match self.prepare(gate) {
            Ok(leap) => {
                let springboard = leap.springboard;
                let errno = springboard.leap(&leap.program, &leap.arguments, &leap.environment);
                anyhow!("execveat(springboard): {errno}")
            }
            Err(error) => error,
        }
    }

    fn prepare(&self, gate: &OwnedFd) -> anyhow::Result<Leap> {
        let explain = Explain::new(false);
        let process = self.process;
        // Strings of the kernel's end at the first NUL: one inside would cut an argument.
        let strings = |list: &Option<Vec<String>>| -> anyhow::Result<Vec<CString>> {
            let list = list.iter().flatten();
            list.map(|one| Ok(CString::new(one.as_str())?)).collect()
        };
        let mut arguments = strings(process.args()).context("args")?;
        let environment = strings(process.env()).context("env")?;
        let mut program = CString::new(self.program.as_os_str().as_bytes())?;
        // `--init -- PROGRAM …`: the program that was found is for the init to execute.
        if program::behind_init(process).is_some() {
            arguments[1] = std::mem::replace(&mut program, CString::new(init::PATH)?);
        }

        // Until now the engine of an ordinary user had to see into this process.
        prctl::set_dumpable(false).context("prctl(PR_SET_DUMPABLE)")?;
        // Nothing that is open here is the container's business.
        close_from(3 + self.preserve_fds)?;
        let springboard = Springboard::new(gate)?;
        // The rest of what an exec does not reset by itself.
        default_signals()?;
        set_limits(process)?;

        let sets = give_up(process, self.filter.is_some())?;
        // A change of ids takes this away, so it comes after.
        if self.dies_with_parent {
            die_with_parent()?;
        }
        // The very last: from here on the policy says what this process may call. What
        // is left are capset, execveat, and the springboard's three.
        if let Some(filter) = &self.filter {
            filter.load()?;
            let _ = capset(explain, sets);
        }
        Ok(Leap {
            springboard,
            program,
            arguments,
            environment,
        })
    }
}

/// The kernel kills this process when the one that made it ends, however it ends.
pub fn die_with_parent() -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")
}

/// Root of the user namespace that this process has come into: its id is still the
/// one that it had outside, and may not even be mapped.
pub fn become_root() -> anyhow::Result<()> {
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    nix::unistd::setresgid(group, group, group).context("setresgid(0, 0, 0)")?;
    nix::unistd::setresuid(user, user, user).context("setresuid(0, 0, 0)")
}

/// Makes the three files standard input, output and error, and a terminal the
/// controlling one of a new session: only so Ctrl-C reaches the program.
pub fn take_stdio(stdio: &[OwnedFd; 3], terminal: bool) -> anyhow::Result<()> {
    // EPERM: a leader already.
    let _ = nix::unistd::setsid();
    // Above the three first: one of them may lie where another has to go.
    let high = stdio
        .iter()
        .map(|fd| nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(10)))
        .collect::<nix::Result<Vec<i32>>>()
        .context("fcntl(F_DUPFD_CLOEXEC)")?;
    for (number, fd) in high.into_iter().enumerate() {
        put(fd, number as i32)?;
    }
    match terminal {
        true => control_terminal(),
        false => Ok(()),
    }
}

/// Not closed on exec, as all others of ours are.
fn put(fd: i32, number: i32) -> anyhow::Result<()> {
    // SAFETY: the target is one of the standard three, which no OwnedFd of ours is.
    let done = unsafe { libc::dup2(fd, number) };
    Errno::result(done).map(drop).context("dup2")
}

/// The session is new (setsid), so it has none yet.
fn control_terminal() -> anyhow::Result<()> {
    // SAFETY: a request that takes a number.
    let done = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    Errno::result(done).map(drop).context("ioctl(0, TIOCSCTTY)")
}

/// Everything from `first` on is closed by the next exec.
fn close_from(first: u32) -> anyhow::Result<()> {
    // SAFETY: takes numbers; no descriptor is closed under anyone now.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(done)
        .map(drop)
        .context("close_range(CLOSE_RANGE_CLOEXEC)")
}

/// A signal that is ignored or blocked stays so over an exec: Rust's own start-up
/// ignores SIGPIPE, and the monitor blocks what it reads from a descriptor.
fn default_signals() -> anyhow::Result<()> {
    for number in 1..=64 {
        // SAFETY: the default action runs no code of ours. EINVAL of SIGKILL, SIGSTOP
        // and the two of the C library is as good.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    SigSet::empty().thread_set_mask().context("sigprocmask")
}
