//! The throw-away machine in which an exercise runs.
//!
//! It is made of the very bricks that the course teaches, in two layers:
//!
//! 1. an outer user and mount namespace, in which the host's directories are
//!    made read-only ([`root::lock_host`]);
//! 2. the machine: all eight namespaces but time, in which the student is
//!    root. What the outer layer made read-only is *locked* there.
//!
//! Root outside and ordinary users get the same: one id, mapped to root
//! inside; when the runner is root, that id is nobody's.
//!
//! Closing kills PID 1 of the machine, and with it everything that ever ran
//! in it: the kernel does that, whatever the program has done.

pub mod cgroup;
pub mod checkpoint;
mod clone;
mod control;
mod delegation;
pub mod filter;
mod frame;
mod groups;
mod init;
pub mod memory;
pub mod root;
mod rootfs;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getegid, geteuid, pipe2};

use cgroup::Cgroup;
use clone::{Side, clone3, write_maps};
use control::{Control, Message};
use filter::Stop;
pub use init::HOSTNAME;
pub use root::StagedFile;

use crate::observe::{self, Frame, Handles};

/// This machine cannot do it: the reason and the remedy, in one line.
#[derive(Debug)]
pub struct Unsupported(pub String);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

/// How long the kernel may take to make the namespaces.
const OPENING: Duration = Duration::from_secs(180);

/// How much longer than a program's own time the opening may take: it makes
/// the machine and runs the exercise's setup.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the sandbox's program may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Wall time.
    pub time: Duration,
    /// Bytes of memory, all processes and files together.
    pub memory: u64,
    /// Processes at once.
    pub processes: u64,
    /// Bytes of its root file system, and of any single file.
    pub disk: u64,
    /// Bytes of output that are kept; what comes after is thrown away.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            memory: 256 << 20,
            processes: 64,
            disk: 64 << 20,
            output: 64 << 10,
        }
    }
}

/// What runs in the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub files: Vec<StagedFile>,
    /// Scenery, run to its end before the program.
    pub setup: Option<Vec<String>>,
    /// The program and its arguments; the path is one inside.
    pub argv: Vec<String>,
    pub limits: Limits,
    /// With a terminal of its own, for a person.
    pub terminal: bool,
    /// With a small root file system at `/srv/rootfs`.
    pub rootfs: bool,
    /// Directories whose files are observed, and those of the process at a
    /// checkpoint, as it sees them.
    pub watch: Vec<String>,
    pub watch_inside: Vec<String>,
    /// Cgroup controllers of which the machine gets a delegated subtree.
    pub cgroups: Vec<String>,
}

/// Why the program is no longer running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, or by a signal; status as wait(2) gives it.
    Exited(i32),
    TimeLimit,
    MemoryLimit,
    /// The runner was asked to stop.
    Interrupted,
    /// What the program built cannot be looked at.
    Unobservable,
    /// By a cgroup of its own that took the machine's init in.
    InitKilled,
}

/// Something that happened in the sandbox.
pub enum Event {
    /// A process stands at a checkpoint until it is resumed.
    Checkpoint(Stop),
    /// The program has ended; the machine is still there to be looked at.
    Ended(Ended),
}

/// An open sandbox. Dropping it closes it.
pub struct Sandbox {
    init: Pid,
    control: Control,
    listener: OwnedFd,
    /// Whether anybody is left who could come to a checkpoint.
    may_stop: bool,
    output: Option<File>,
    /// The sandbox's terminal, when it has one.
    pub terminal: Option<OwnedFd>,
    /// What the program has printed so far, both streams as they came.
    pub printed: Vec<u8>,
    /// Whether it printed more than that.
    pub truncated: bool,
    cgroup: Option<Cgroup>,
    memory: memory::Watch,
    limits: Limits,
    deadline: Instant,
    handles: Handles,
    frame: Frame,
    /// The processes that the exercise's setup left running.
    scenery: Vec<String>,
    closed: bool,
}

impl Sandbox {
    /// Opens the sandbox and runs the program up to just before its exec. The
    /// first event is then the checkpoint with the empty name: the baseline.
    ///
    /// # Errors
    /// [`Unsupported`] where the machine cannot do it.
    pub fn open(plan: &Plan) -> Result<(Self, Stop)> {
        // The kernel makes no network namespace while it takes one with many
        // interfaces away, whoever made that one.
        let deadline = Instant::now() + OPENING;
        let (control, theirs) = Control::pair()?;
        let (output, their_output) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        // The program can read the pipe, too: what poll said was there may be gone.
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("fcntl(O_NONBLOCK)")?;
        let ids @ (uid, gid) = outer_ids();
        let cgroup = Cgroup::create(&plan.limits, &plan.cgroups, ids)?;
        let birth = init::Birth {
            plan,
            cgroup: cgroup.as_ref(),
            control: theirs,
            output: their_output,
        };

        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
        let creator = match clone3(flags).map_err(no_user_namespace)? {
            Side::Child => {
                drop(control);
                init::run(&birth, init::creator)
            }
            Side::Parent(pid) => pid,
        };
        drop(birth);
        // From here on, whatever fails must not leave the child behind.
        let mut unborn = Unborn {
            creator: Some(creator),
            init: None,
        };
        write_maps(&creator.to_string(), uid, gid).map_err(no_user_namespace)?;
        control.send(&Message::Go)?;
        let init = match expect_message(&control, deadline)? {
            Message::Init(pid) => pid,
            other => bail!("the sandbox said {other:?} before it was there"),
        };
        unborn.init = Some(init);
        control.send(&Message::Go)?;
        let deadline = Instant::now() + plan.limits.time + PATIENCE;

        let mut output = File::from(output);
        let mut terminal = None;
        let listener = loop {
            match started_message(&control, &mut output, deadline)? {
                Message::Terminal(fd) => terminal = Some(fd),
                Message::Listener(fd) => break fd,
                other => bail!("the sandbox said {other:?} instead of starting"),
            }
        };
        unborn.reap_creator();
        wait_for(&[listener.as_fd(), control.0.as_fd()], deadline)?;
        let start = filter::receive(&listener)
            .context("the seccomp listener")?
            .context("the program ended before it began")?;
        let handles = Handles::below(init, start.pid).context("the sandbox's namespaces")?;
        let subtrees = cgroup.as_ref().map(Cgroup::subtrees).unwrap_or_default();
        let mut frame = Frame {
            scenery: observe::groups::members(&subtrees)?,
            subtrees,
            start: cgroup::START.to_owned(),
            watch: plan.watch.clone(),
            watch_inside: plan.watch_inside.clone(),
            ..frame::of(start.pid, init, ids, !plan.cgroups.is_empty())?
        };
        let scenery = match plan.setup {
            Some(_) => observe::processes(&handles, &frame),
            None => Vec::new(),
        };
        frame.scenery.remove(&start.pid);
        let sandbox = Self {
            init: Pid::from_raw(init),
            control,
            listener,
            may_stop: true,
            output: Some(output),
            terminal,
            printed: Vec::new(),
            truncated: false,
            memory: memory::Watch::new(
                init,
                plan.limits.memory,
                cgroup.as_ref().is_some_and(Cgroup::limits_memory),
            ),
            cgroup,
            limits: plan.limits.clone(),
            deadline: Instant::now() + plan.limits.time,
            handles,
            frame,
            scenery,
            closed: false,
        };
        unborn.forget();
        Ok((sandbox, start))
    }

    /// The state of the stopped process and of the machine.
    ///
    /// `None` when the process has been killed while it was looked at.
    pub fn observe(&self, stop: &Stop) -> Result<Option<crate::state::facts::Observation>> {
        let seen = observe::checkpoint(stop.pid, &self.handles, &self.frame);
        if !filter::still_stopped(&self.listener, stop) {
            return Ok(None);
        }
        let mut seen = seen?;
        if let Some(process) = &mut seen.process {
            process.securebits = Some(observe::securebits_names(stop.securebits));
        }
        // Who else happens to run while the program does is chance; what
        // counts is who is still there after it.
        if let Some(machine) = &mut seen.machine {
            machine.processes.clone_from(&self.scenery);
        }
        Ok(Some(seen))
    }

    /// The state of the machine, whoever is still in it.
    pub fn observe_machine(&self) -> Result<crate::state::facts::Machine> {
        // What the program has just left may be on its way out: a process that
        // was killed, a pipeline's last member. Give it a moment to be gone.
        let patience = Instant::now() + Duration::from_millis(100);
        while observe::processes(&self.handles, &self.frame).len() > self.scenery.len()
            && Instant::now() < patience
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        observe::machine(&self.handles, &self.frame)
    }

    /// Lets a stopped process go on.
    pub fn resume(&self, stop: &Stop) {
        filter::resume(&self.listener, stop);
    }

    /// Waits for the next event, keeping what is printed meanwhile. `extra` is
    /// called for more descriptors that became readable, with their index.
    pub fn next_event(
        &mut self,
        extra: &[&OwnedFd],
        mut on_extra: impl FnMut(usize) -> Result<()>,
    ) -> Result<Event> {
        loop {
            if let Some(limit) = self.exceeded() {
                return Ok(Event::Ended(limit));
            }
            let mut waiting = vec![PollFd::new(self.control.0.as_fd(), PollFlags::POLLIN)];
            let listener = self.may_stop.then(|| {
                waiting.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
                waiting.len() - 1
            });
            let output = self.output.as_ref().map(|output| {
                waiting.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
                waiting.len() - 1
            });
            let first_extra = waiting.len();
            waiting.extend(
                extra
                    .iter()
                    .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
            );
            match poll(&mut waiting, PollTimeout::from(50u8)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("poll"),
            }
            let events: Vec<PollFlags> = waiting
                .iter()
                .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
                .collect();
            drop(waiting);

            if output.is_some_and(|at| !events[at].is_empty()) {
                self.read_output()?;
            }
            for index in 0..extra.len() {
                if !events[first_extra + index].is_empty() {
                    on_extra(index)?;
                }
            }
            let stopped = listener.map_or(PollFlags::empty(), |at| events[at]);
            if stopped.contains(PollFlags::POLLIN) {
                if let Some(stop) = filter::receive(&self.listener).context("the listener")? {
                    return Ok(Event::Checkpoint(stop));
                }
            } else if !stopped.is_empty() {
                // Nobody under the filter is left, and never will be again.
                self.may_stop = false;
            }
            // Last, so that what was printed before the end has been read.
            if !events[0].is_empty() {
                return self.ended();
            }
        }
    }

    fn exceeded(&mut self) -> Option<Ended> {
        if interrupted() {
            return Some(Ended::Interrupted);
        }
        if Instant::now() > self.deadline {
            return Some(Ended::TimeLimit);
        }
        let cgroup = self.cgroup.as_ref();
        let over = self
            .memory
            .exceeded(|| cgroup.is_some_and(Cgroup::out_of_memory));
        over.then_some(Ended::MemoryLimit)
    }

    fn ended(&mut self) -> Result<Event> {
        match self.control.receive()? {
            Some(Message::Ended(status)) => {
                self.drain()?;
                let oom = self
                    .cgroup
                    .as_ref()
                    .is_some_and(|cgroup| cgroup.out_of_memory());
                let ended = if oom {
                    Ended::MemoryLimit
                } else {
                    Ended::Exited(status)
                };
                Ok(Event::Ended(ended))
            }
            Some(Message::Unsupported(why)) => Err(Unsupported(why).into()),
            Some(Message::Fault(why)) => bail!("{why}"),
            Some(other) => bail!("the sandbox said {other:?} while it ran"),
            None if self
                .cgroup
                .as_ref()
                .is_some_and(|cgroup| cgroup.out_of_memory()) =>
            {
                Ok(Event::Ended(Ended::MemoryLimit))
            }
            // Out of memory in a cgroup of the machine's own.
            None if self.cgroup.as_ref().is_some_and(Cgroup::is_delegated) => {
                Ok(Event::Ended(Ended::InitKilled))
            }
            None => bail!("the sandbox's init was killed from outside"),
        }
    }

    /// Reads what is there now; the pipe may have other writers, still alive.
    fn drain(&mut self) -> Result<()> {
        loop {
            let Some(output) = &self.output else {
                return Ok(());
            };
            let mut waiting = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut waiting, PollTimeout::ZERO).context("poll")?;
            // A program that prints without end is not waited for.
            if ready == 0 || self.truncated {
                return Ok(());
            }
            self.read_output()?;
        }
    }

    fn read_output(&mut self) -> Result<()> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        use std::io::ErrorKind::{Interrupted, WouldBlock};
        let mut buffer = [0; 16 << 10];
        match output.read(&mut buffer) {
            Ok(0) => self.output = None,
            Ok(length) => {
                let room = self.limits.output - self.printed.len();
                self.truncated |= length > room;
                self.printed.extend(&buffer[..length.min(room)]);
            }
            Err(error) if matches!(error.kind(), Interrupted | WouldBlock) => {}
            Err(error) => return Err(error).context("read what the program printed"),
        }
        Ok(())
    }

    /// PID of the machine's init, as the runner counts.
    pub fn init(&self) -> i32 {
        self.init.as_raw()
    }

    /// Ends everything in the sandbox and takes the sandbox away.
    pub fn close(mut self) {
        self.take_away();
    }

    fn take_away(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            match self.cgroup.take() {
                Some(cgroup) => cgroup.end(self.init),
                None => kill_and_reap(self.init),
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.take_away();
    }
}

/// Kills the first processes if opening does not come to its end.
struct Unborn {
    creator: Option<i32>,
    init: Option<i32>,
}

impl Unborn {
    fn reap_creator(&mut self) {
        if let Some(pid) = self.creator.take() {
            let _ = waitpid(Pid::from_raw(pid), None);
        }
    }

    fn forget(mut self) {
        self.init = None;
        self.creator = None;
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        for pid in [self.creator.take(), self.init.take()]
            .into_iter()
            .flatten()
        {
            kill_and_reap(Pid::from_raw(pid));
        }
    }
}

/// Returns once the kernel has ended every process of the PID namespace.
fn kill_and_reap(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    while waitpid(pid, Some(WaitPidFlag::__WALL)) == Err(Errno::EINTR) {}
}

/// The next message of a sandbox that is being opened.
fn expect_message(control: &Control, deadline: Instant) -> Result<Message> {
    wait_for(&[control.0.as_fd()], deadline)?;
    match control.receive()? {
        Some(Message::Unsupported(why)) => Err(Unsupported(why).into()),
        Some(Message::Fault(why)) => bail!("the sandbox: {why}"),
        Some(message) => Ok(message),
        None => bail!("the sandbox ended before it was ready"),
    }
}

/// Waits until there is something to be read from one of these.
fn wait_for(any: &[BorrowedFd], deadline: Instant) -> Result<()> {
    loop {
        if interrupted() {
            bail!("interrupted");
        }
        if Instant::now() > deadline {
            bail!("the sandbox did not open in time: does the exercise's setup.sh end?");
        }
        let mut waiting: Vec<PollFd> = any
            .iter()
            .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut waiting, PollTimeout::from(50u8)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno).context("poll"),
        }
    }
}

/// As [`expect_message`], while the exercise's setup may run: what it prints is
/// read, so that it never waits for a reader, and told if it fails.
fn started_message(control: &Control, output: &mut File, deadline: Instant) -> Result<Message> {
    const LAST_WORDS: usize = 4096;
    let mut printed = Vec::new();
    let mut open = true;
    while open {
        wait_for(&[control.0.as_fd(), output.as_fd()], deadline)?;
        let mut readable = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        if poll(&mut readable, PollTimeout::ZERO).context("poll")? == 0 {
            break;
        }
        let mut buffer = [0; LAST_WORDS];
        let length = output
            .read(&mut buffer)
            .context("read what setup.sh printed")?;
        open = length > 0;
        printed.extend(&buffer[..length]);
        let excess = printed.len().saturating_sub(LAST_WORDS);
        printed.drain(..excess);
    }
    expect_message(control, deadline).map_err(|error| {
        if printed.is_empty() || error.is::<Unsupported>() {
            return error;
        }
        let words = String::from_utf8_lossy(&printed);
        error.context(words.trim_end().replace('\n', "; "))
    })
}

/// The id outside that is root inside: the user's own; nobody's when the
/// runner is root, so that root inside owns nothing outside.
fn outer_ids() -> (u32, u32) {
    if geteuid().is_root() {
        (unused_id("uid_map"), unused_id("gid_map"))
    } else {
        (geteuid().as_raw(), getegid().as_raw())
    }
}

/// An id far above those that are given to people and services, but one that
/// the runner's own user namespace maps.
fn unused_id(map: &str) -> u32 {
    const FAVOURITE: u32 = 1_909_000_000;
    let text = std::fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
    let ranges = text.lines().filter_map(|line| {
        let mut numbers = line
            .split_whitespace()
            .map(|number| number.parse::<u32>().ok());
        let (first, _, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some((first, first.saturating_add(count - 1)))
    });
    let mut last = 0;
    for (low, high) in ranges {
        if (low..=high).contains(&FAVOURITE) {
            return FAVOURITE;
        }
        last = last.max(high);
    }
    last
}

fn no_user_namespace(error: impl fmt::Display) -> anyhow::Error {
    let why = crate::observe::host::user_namespaces().err();
    let why = why.unwrap_or_else(|| format!("no user namespace can be made here: {error:#}"));
    Unsupported(format!("{why} (`tp doctor` tells more)")).into()
}

/// Set by a signal handler; looked at between events.
pub static INTERRUPTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn interrupted() -> bool {
    INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed)
}
