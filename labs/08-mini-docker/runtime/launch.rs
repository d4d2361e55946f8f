//! The outside of a launch: cgroup, clone3, id maps, and the gate.
//!
//! Read: clone3(2), setns(2), user_namespaces(7), pid_namespaces(7)

use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::namespaces::{clone3_into, write_file};
use nix::fcntl::{OFlag, open};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};
use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType, Spec};

use super::cgroup::Cgroup;
use super::sibling::clone_inside;
use super::{ExecError, Launch, Waiting, channel, child, hooks};
use crate::files::step;

/// Makes the namespaces, cgroup and root of a container. Between this and
/// [`Waiting::start`] the caller wires the network.
///
/// The calling process must have one thread. Its own namespaces stay as they are.
///
/// # Errors
/// The call that the kernel refused, its errno, and what to do; an [`ExecError`]
/// where the program is not there.
pub fn launch(launch: Launch) -> anyhow::Result<Waiting> {
    let Some(linux) = launch.spec.linux() else {
        bail!("config.json has no `linux`: this runtime makes Linux containers");
    };
    refuse_unknown(launch.spec, linux)?;
    // With all limits before there is anybody in it.
    let cgroup = Cgroup::create(linux, launch.rootless)?;
    let started = begin(&launch, linux, cgroup.as_ref());
    match (started, cgroup) {
        (Ok((pid, gate, terminal)), cgroup) => Ok(Waiting {
            pid,
            terminal,
            cgroup: cgroup.map(|cgroup| cgroup.to_string()).unwrap_or_default(),
            gate,
            program: program(&launch),
        }),
        (Err(error), cgroup) => {
            // The process is gone; what it was in has to go as well.
            if let Some(cgroup) = cgroup {
                let _ = cgroup.remove();
            }
            Err(error)
        }
    }
}

/// What a specification may ask for and this runtime does not do is refused: a
/// container must not be weaker than its config.json says.
fn refuse_unknown(spec: &Spec, linux: &Linux) -> anyhow::Result<()> {
    let process = spec.process().as_ref();
    let asked = [
        ("linux.personality", linux.personality().is_some()),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.timeOffsets", linux.time_offsets().is_some()),
        (
            "process.selinuxLabel",
            process.is_some_and(|one| {
                one.selinux_label()
                    .as_ref()
                    .is_some_and(|label| !label.is_empty())
            }),
        ),
        (
            "process.scheduler",
            process.is_some_and(|one| one.scheduler().is_some()),
        ),
        (
            "process.ioPriority",
            process.is_some_and(|one| one.io_priority().is_some()),
        ),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((name, _)) => bail!("config.json: {name} is not to be had from this runtime"),
        None => Ok(()),
    }
}

fn program(launch: &Launch) -> String {
    let process = launch.spec.process().as_ref();
    let arguments = process.and_then(|process| process.args().as_ref());
    arguments
        .and_then(|all| all.first())
        .cloned()
        .unwrap_or_default()
}

/// Its PID, its gate, and the master of its terminal.
type Begun = (i32, Option<OwnedFd>, Option<OwnedFd>);

/// Clones the first process and sees it to its gate.
fn begin(launch: &Launch, linux: &Linux, cgroup: Option<&Cgroup>) -> anyhow::Result<Begun> {
    // Each side closes the other's end, so that the end of one is seen by the other.
    let (ours, theirs) = channel::pair()?;
    let console = launch.terminal.then(channel::pair).transpose()?;
    let (console, console_theirs) = console.unzip();
    let flags = new_namespaces(linux);
    let other = pid_namespace(linux)?;
    step("clone3");
    let into = cgroup.and_then(Cgroup::v2);
    let call = format!("clone3({})", flag_names(flags));
    let forked = match &other {
        // SAFETY: one thread, as the contract of `launch` says.
        Some(other) => unsafe { clone_inside(other, flags, into) },
        None => {
            // SAFETY: the same.
            let forked = unsafe { clone3_into(flags, into) };
            let told = Explain::new(false).call(call, forked);
            told.map_err(anyhow::Error::from)
        }
    };
    if let Ok(ForkResult::Child) = forked {
        drop(ours);
        drop(console);
        child::run(launch, linux, cgroup, theirs, console_theirs);
    }
    drop((theirs, console_theirs));
    let ForkResult::Parent { child } = forked? else {
        bail!("clone3 returned twice in one process");
    };
    let attended = attend(&ours, launch, linux, child).and_then(|()| {
        console
            .as_ref()
            .map(channel::receive_descriptor)
            .transpose()
    });
    match attended {
        Ok(terminal) => {
            let gate = launch.detached.is_none().then_some(ours);
            Ok((child.as_raw(), gate, terminal))
        }
        Err(error) => {
            // It ends by itself after an error; where the error is ours, it has to.
            let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
            let _ = waitpid(child, None);
            Err(error)
        }
    }
}

/// Answers the child's wishes until it is ready.
fn attend(ours: &OwnedFd, launch: &Launch, linux: &Linux, child: Pid) -> anyhow::Result<()> {
    loop {
        match channel::progress(ours)? {
            channel::MAP => {
                map_ids(linux, child)?;
                channel::tell(ours, channel::GO);
            }
            channel::HOOKS => {
                if let Some(hooks) = launch.spec.hooks() {
                    let pid = child.as_raw();
                    let state =
                        hooks::state(launch.spec, launch.id, launch.bundle, "creating", pid);
                    // Deprecated, and what dockerd uses for the network.
                    #[allow(deprecated)]
                    hooks::run(hooks.prestart(), &state)?;
                    hooks::run(hooks.create_runtime(), &state)?;
                }
                channel::tell(ours, channel::GO);
            }
            channel::READY => return Ok(()),
            word => bail!("the container's first process says {word}"),
        }
    }
}

/// The namespaces that are to be made, as flags. The cgroup namespace is not among
/// them: its root is the cgroup that a process is in when it is made, and this one
/// has not entered its own yet.
fn new_namespaces(linux: &Linux) -> CloneFlags {
    let namespaces = linux.namespaces().iter().flatten();
    namespaces
        .filter(|one| one.path().is_none())
        .map(|one| match one.typ() {
            LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
            LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
            LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
            LinuxNamespaceType::User => CloneFlags::CLONE_NEWUSER,
            LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
            LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
            LinuxNamespaceType::Cgroup | LinuxNamespaceType::Time => CloneFlags::empty(),
        })
        .collect()
}

/// As the man pages write them, for the error.
fn flag_names(flags: CloneFlags) -> String {
    let names: Vec<&str> = flags.iter_names().map(|(name, _)| name).collect();
    names.join("|")
}

/// The PID namespace that is to be joined, if there is one.
fn pid_namespace(linux: &Linux) -> anyhow::Result<Option<OwnedFd>> {
    let mut namespaces = linux.namespaces().iter().flatten();
    let pid = namespaces.find(|one| one.typ() == LinuxNamespaceType::Pid);
    let Some(path) = pid.and_then(|one| one.path().as_ref()) else {
        return Ok(None);
    };
    let other = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    other.map(Some).with_context(|| {
        format!(
            "open({}): the container of this namespace has ended",
            path.display()
        )
    })
}

/// Writes the id maps of a new user namespace.
fn map_ids(linux: &Linux, child: Pid) -> anyhow::Result<()> {
    let lines = |mappings: &Option<Vec<LinuxIdMapping>>| {
        let line = |one: &LinuxIdMapping| {
            format!("{} {} {}\n", one.container_id(), one.host_id(), one.size())
        };
        mappings.iter().flatten().map(line).collect::<String>()
    };
    let explain = Explain::new(false);
    let (users, groups) = (lines(linux.uid_mappings()), lines(linux.gid_mappings()));
    if users.is_empty() || groups.is_empty() {
        bail!("config.json: a new user namespace wants uidMappings and gidMappings");
    }
    write_file(explain, &format!("/proc/{child}/uid_map"), &users)?;
    // Who may not map groups as he likes has to give up setgroups(2) first; the
    // brick says why.
    if write_file(explain, &format!("/proc/{child}/gid_map"), &groups).is_err() {
        write_file(explain, &format!("/proc/{child}/setgroups"), "deny")?;
        write_file(explain, &format!("/proc/{child}/gid_map"), &groups)?;
    }
    Ok(())
}

impl Waiting {
    /// Lets it go on to its program.
    ///
    /// # Errors
    /// An [`ExecError`] for a program that is not there (docker's 127) or may not be
    /// run (126); else what the kernel refused.
    pub fn start(self) -> anyhow::Result<()> {
        match self.gate {
            Some(gate) => open_gate(&gate, &self.program),
            None => bail!("a detached container is started through its gate"),
        }
    }
}

/// Says go, and waits for what comes of it.
pub(super) fn open_gate(gate: &OwnedFd, program: &str) -> anyhow::Result<()> {
    channel::tell(gate, channel::GO);
    match channel::outcome(gate)? {
        None => Ok(()),
        Some(errno) => {
            let program = program.to_string();
            Err(ExecError { program, errno }.into())
        }
    }
}
