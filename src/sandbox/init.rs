//! The sandbox's own processes: the creator, which locks the host's
//! directories and clones the machine, and the machine's init, which builds
//! the root, starts the program and reaps.
//!
//! All are forks of the runner. None of them ever executes another program,
//! and none returns: each ends in `_exit(2)`.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, sethostname, setresgid,
    setresuid, setsid,
};

use super::cgroup::Cgroup;
use super::clone::{Side, clone3, fork, write_maps};
use super::control::{Control, Message};
use super::{Plan, Unsupported, checkpoint, filter, root};

/// The machine's name.
pub const HOSTNAME: &str = "machine";

/// Everything that the sandbox's processes are given.
pub struct Birth<'a> {
    pub plan: &'a Plan,
    pub cgroup: Option<&'a Cgroup>,
    pub control: Control,
    /// Where the program's output goes (unused with a terminal).
    pub output: OwnedFd,
}

/// Runs `body`, tells the runner why if it fails, and ends the process.
pub fn run(birth: &Birth, body: fn(&Birth) -> Result<Infallible>) -> ! {
    let Err(error) = body(birth);
    let message = match error.downcast_ref::<Unsupported>() {
        Some(Unsupported(why)) => Message::Unsupported(why.clone()),
        None => Message::Fault(format!("{error:#}")),
    };
    // If the runner has gone there is nobody left to tell.
    let _ = birth.control.send(&message);
    leave(1)
}

fn leave(status: i32) -> ! {
    // SAFETY: ends this process without running the runner's exit handlers,
    // which belong to the process that was forked.
    unsafe { libc::_exit(status) }
}

/// The creator: first process of the outer user and mount namespace.
pub fn creator(birth: &Birth) -> Result<Infallible> {
    wait_for_go(birth)?;
    // With the runner's own ids still.
    if let Some(cgroup) = birth.cgroup {
        cgroup.join()?;
    }
    become_root()?;
    root::lock_host()?;
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_PARENT;
    match clone3(flags).context("clone3 of the machine")? {
        Side::Child => run(birth, init),
        Side::Parent(pid) => {
            if let Some(cgroup) = birth.cgroup {
                cgroup.stand_aside()?;
            }
            write_maps(&pid.to_string(), 0, 0)?;
            birth.control.send(&Message::Init(pid))?;
            leave(0)
        }
    }
}

/// PID 1 of the machine.
fn init(birth: &Birth) -> Result<Infallible> {
    // Before anything can go wrong: no runner, no sandbox.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    wait_for_go(birth)?;
    let mut needed = vec![birth.control.0.as_raw_fd(), birth.output.as_raw_fd()];
    if let Some(cgroup) = birth.cgroup {
        // The cgroup namespace has its root where this process was cloned.
        cgroup.stand_aside()?;
        cgroup.hand_on()?;
        needed.extend(cgroup.descriptors());
    }
    become_root()?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    setsid().context("setsid")?;
    close_all_but(&needed)?;
    default_signals()?;
    umask(Mode::from_bits_truncate(0o022));

    hide_arguments();
    sethostname(HOSTNAME).context("sethostname")?;
    // SAFETY: the kernel copies six bytes.
    if unsafe { libc::setdomainname(c"(none)".as_ptr(), 6) } != 0 {
        bail!("setdomainname: {}", Errno::last());
    }
    loopback_up()?;
    root::enter(birth.plan, birth.cgroup)?;
    // Not dumpable: root of the machine cannot trace this process, nor look
    // into it. ptrace(2)
    nix::sys::prctl::set_dumpable(false).context("prctl(PR_SET_DUMPABLE)")?;

    leave_session_keyring();
    filter::close_ways_out().context("seccomp")?;

    if let Some(setup) = &birth.plan.setup {
        let status = wait_for(start(birth, |birth| scenery(birth, setup))?)?;
        if status != 0 {
            bail!(
                "{} ended with status {}",
                setup.join(" "),
                libc::WEXITSTATUS(status)
            );
        }
    }
    let program = start(birth, program)?;
    loop {
        match reap()? {
            Some((pid, status)) if pid == program => birth.control.send(&Message::Ended(status))?,
            Some(_) => {}
            // The program and its children are gone, but the machine stays
            // until the runner has looked at what they left behind.
            None => nix::unistd::pause(),
        }
    }
}

/// The student's program, up to its exec.
fn program(birth: &Birth) -> Result<Infallible> {
    setsid().context("setsid")?;
    enter_machine(birth)?;
    if birth.plan.terminal {
        open_terminal(birth)?;
    } else {
        connect_output(birth)?;
    }
    set_limits(birth.plan)?;
    chdir(root::WORK).context("chdir")?;
    // Readable by the runner, even though the user ids have just changed.
    nix::sys::prctl::set_dumpable(true).context("prctl(PR_SET_DUMPABLE)")?;
    let listener = filter::install().map_err(|error| {
        Unsupported(format!(
            "this kernel has no seccomp user notification ({error}): Linux 5.14 or newer is needed"
        ))
    })?;
    birth.control.send(&Message::Listener(listener))?;
    // The checkpoint that gives the baseline: everything is ready, nothing of
    // the student's has run.
    // SAFETY: a prctl that only the filter knows; it takes no pointers here.
    unsafe { libc::prctl(checkpoint::LOOK_NOW as i32, 0, 0) };
    execute(&birth.plan.argv)
}

/// Keys belong to no namespace: the runner's would be the program's. Where it
/// cannot be left, no call reaches it all the same ([`filter::close_ways_out`]).
fn leave_session_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes a name, or none.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
}

/// The exercise's scenery, run as the program will be, but without the filter.
fn scenery(birth: &Birth, argv: &[String]) -> Result<Infallible> {
    setsid().context("setsid")?;
    enter_machine(birth)?;
    connect_output(birth)?;
    set_limits(birth.plan)?;
    chdir(root::WORK).context("chdir")?;
    nix::sys::prctl::set_dumpable(true).context("prctl(PR_SET_DUMPABLE)")?;
    execute(argv)
}

fn enter_machine(birth: &Birth) -> Result<()> {
    birth.cgroup.map_or(Ok(()), Cgroup::enter_machine)
}

fn execute(argv: &[String]) -> Result<Infallible> {
    let c_string = |text: &str| CString::new(text).context("a NUL byte in an argument");
    let argv = argv
        .iter()
        .map(|text| c_string(text))
        .collect::<Result<Vec<_>>>()?;
    let environment = [
        format!(
            "PATH={}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            root::TOOLS
        ),
        "HOME=/root".into(),
        "USER=root".into(),
        "LANG=C.UTF-8".into(),
        "HISTFILE=".into(),
        "PS1=machine# ".into(),
        format!(
            "TERM={}",
            std::env::var("TERM").unwrap_or_else(|_| "dumb".into())
        ),
    ];
    let environment = environment
        .iter()
        .map(|text| c_string(text))
        .collect::<Result<Vec<_>>>()?;
    let path = argv.first().context("no program to run")?;
    // Every descriptor of ours is close-on-exec.
    let Err(errno) = execve(path, &argv, &environment);
    bail!("execve({}): {errno}", path.to_string_lossy())
}

fn start(birth: &Birth, body: impl Fn(&Birth) -> Result<Infallible>) -> Result<i32> {
    match fork().context("fork")? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => {
            let Err(error) = body(birth);
            let message = match error.downcast_ref::<Unsupported>() {
                Some(Unsupported(why)) => Message::Unsupported(why.clone()),
                None => Message::Fault(format!("{error:#}")),
            };
            let _ = birth.control.send(&message);
            leave(125)
        }
    }
}

fn wait_for_go(birth: &Birth) -> Result<()> {
    match birth.control.receive()? {
        Some(Message::Go) => Ok(()),
        // The runner has gone.
        _ => leave(1),
    }
}

/// Takes the id 0 that the map gives.
fn become_root() -> Result<()> {
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group).context("setresgid")?;
    setresuid(root, root, root).context("setresuid")?;
    // A change of ids makes a process undumpable, and the files in its
    // /proc/PID the machine's root's: the maps could not be written.
    nix::sys::prctl::set_dumpable(true).context("prctl(PR_SET_DUMPABLE)")
}

/// `/proc/1/cmdline` is open to all, and would show how the runner was called.
fn hide_arguments() {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    // arg_start and arg_end are fields 48 and 49 of proc_pid_stat(5); the
    // first that is left here is field 3.
    let address = |index: usize| fields.get(index)?.parse::<usize>().ok();
    if let (Some(start), Some(end)) = (address(45), address(46))
        && start < end
    {
        // SAFETY: the kernel says that the argument strings are there; this
        // process is a fork that never looks at its arguments again.
        unsafe { std::ptr::write_bytes(start as *mut u8, 0, end - start) };
    }
}

fn close_all_but(keep: &[RawFd]) -> Result<()> {
    let mut keep = keep.to_vec();
    keep.sort_unstable();
    // Standard streams too: they are the runner's terminal.
    let mut from = 0u32;
    for fd in keep.into_iter().map(|fd| fd as u32).chain([u32::MAX]) {
        if fd > from {
            // SAFETY: closes descriptors that this process alone has left
            // over from the runner; none of them is used again.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
        }
        from = fd.saturating_add(1);
    }
    // 0, 1 and 2 must not be reused for anything else.
    let null = open("/dev/null", OFlag::O_RDWR, Mode::empty()).context("open /dev/null")?;
    dup2_stdin(&null).context("dup2")?;
    dup2_stdout(&null).context("dup2")?;
    dup2_stderr(&null).context("dup2")?;
    if null.as_raw_fd() <= 2 {
        // It *is* one of the three.
        let _ = null.into_raw_fd();
    }
    Ok(())
}

/// The Rust runtime ignores SIGPIPE, and an ignored signal stays so over exec.
fn default_signals() -> Result<()> {
    for number in Signal::iterator() {
        if !matches!(number, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: the default action is no handler.
            unsafe { signal(number, SigHandler::SigDfl) }.context("signal")?;
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).context("sigprocmask")
}

fn connect_output(birth: &Birth) -> Result<()> {
    dup2_stdout(&birth.output).context("dup2")?;
    dup2_stderr(&birth.output).context("dup2")
}

/// A terminal of the sandbox's own devpts, so that it has a name inside.
fn open_terminal(birth: &Birth) -> Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master: PtyMaster = posix_openpt(flags).context("posix_openpt")?;
    grantpt(&master).context("grantpt")?;
    unlockpt(&master).context("unlockpt")?;
    let name = ptsname_r(&master).context("ptsname")?;
    // Without O_NOCTTY: the session leader's first terminal controls it.
    let slave = open(name.as_str(), OFlag::O_RDWR, Mode::empty()).context("open the terminal")?;
    dup2_stdin(&slave).context("dup2")?;
    dup2_stdout(&slave).context("dup2")?;
    dup2_stderr(&slave).context("dup2")?;
    // SAFETY: the descriptor is handed over from `master`, which ends here.
    let master = unsafe { OwnedFd::from_raw_fd(master.into_raw_fd()) };
    birth.control.send(&Message::Terminal(master))
}

fn set_limits(plan: &Plan) -> Result<()> {
    let limits = &plan.limits;
    // Not 0 for core files: a program that receives them (core(5)) is told of
    // those, too; 1 is what the kernel spares it, and nothing fits into it.
    for (resource, value) in [
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_FSIZE, limits.disk),
        (Resource::RLIMIT_CORE, 1),
    ] {
        setrlimit(resource, value, value).with_context(|| format!("setrlimit({resource:?})"))?;
    }
    Ok(())
}

/// `ip link set lo up`, by ioctl. netdevice(7)
fn loopback_up() -> Result<()> {
    // SAFETY: a plain socket; ifreq is zeroed and holds the name "lo".
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            bail!("socket: {}", Errno::last());
        }
        let socket = File::from_raw_fd(socket);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) != 0 {
            bail!("ioctl(SIOCSIFFLAGS, lo): {}", Errno::last());
        }
    }
    Ok(())
}

/// The next child that ended; `None` when there is no child at all.
fn reap() -> Result<Option<(i32, i32)>> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid writes one int.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        match (pid, Errno::last()) {
            (-1, Errno::EINTR) => {}
            (-1, Errno::ECHILD) => return Ok(None),
            (-1, errno) => bail!("waitpid: {errno}"),
            (pid, _) => return Ok(Some((pid, status))),
        }
    }
}

fn wait_for(child: i32) -> Result<i32> {
    loop {
        match reap()? {
            Some((pid, status)) if pid == child => return Ok(status),
            Some(_) => {}
            None => bail!("a child that is not there"),
        }
    }
}
