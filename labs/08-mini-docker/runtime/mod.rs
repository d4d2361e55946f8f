//! The low-level runtime: from a bundle (`config.json` and a root) to a process.
//!
//! The engine's monitor calls it as a library; `mini-runtime` is the same with the
//! command line that OCI runtimes have.
//!
//! ```text
//! spec        the engine's record as a config.json with docker's defaults
//! launch      outside: cgroup, clone3, id maps, the gate
//! child       inside: the order of everything from the first step to the last
//! rootfs      mounts, devices, masks, pivot_root
//! cgroup      limits, and what is read and cleared later
//! program     the working directory, and the file to execute
//! privileges  ids, capabilities, limits: what is given up, in which order
//! process     the last steps, and the exec
//! seccomp     a policy as a BPF program
//! springboard the last image before the container's own: why /proc/self/exe is safe
//! join        one more process in a running container
//! hooks       programs of the caller's at moments of a container's life
//! init        `--init`: a first process of three hundred bytes
//! cli         mini-runtime's commands
//! ```
//!
//! Read: OCI runtime specification (config, config-linux, runtime)

pub mod cgroup;
mod channel;
mod child;
pub mod cli;
mod error;
mod hooks;
mod init;
mod join;
mod launch;
mod privileges;
mod process;
mod program;
mod rootfs;
mod seccomp;
mod sibling;
pub mod spec;
mod springboard;
mod syscalls;

use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::Spec;

pub use error::ExecError;
pub use join::join;
pub use launch::launch;

/// What a launch needs beside the specification.
#[derive(Debug)]
pub struct Launch<'a> {
    pub id: &'a str,
    pub spec: &'a Spec,
    /// The folder that relative paths of `spec` begin at.
    pub bundle: &'a Path,
    /// Standard input, output and error; not used for a terminal.
    pub stdio: [OwnedFd; 3],
    /// Whether it gets a terminal, of its own devpts, whose master is
    /// [`Waiting::terminal`].
    pub terminal: bool,
    /// Seen from the machine an ordinary user's: no ids but the mapped ones.
    pub rootless: bool,
    /// `None` where the caller stays: the container then dies with it.
    pub detached: Option<Detached<'a>>,
}

/// A container that outlives its maker, as `mini-runtime create` leaves one.
#[derive(Clone, Copy, Debug)]
pub struct Detached<'a> {
    /// A Unix socket that the first process listens on for who starts it.
    pub gate: &'a OwnedFd,
    /// How many descriptors from 3 on the program inherits.
    pub preserve_fds: u32,
}

/// A process that is set up, in its namespaces and cgroup, and waits for its start.
#[derive(Debug)]
pub struct Waiting {
    /// In the caller's PID namespace. It is the caller's child.
    pub pid: i32,
    /// Its cgroup: the directory in each hierarchy, a line each, for
    /// [`cgroup::Cgroup::of`]. Empty where it has none of its own.
    pub cgroup: String,
    /// The master of its terminal.
    pub terminal: Option<OwnedFd>,
    gate: Option<OwnedFd>,
    /// As it is named in an error.
    program: String,
}

/// A further process in a running container (`exec`).
#[derive(Debug)]
pub struct Join<'a> {
    /// The container's first process.
    pub pid: i32,
    /// What runs: arguments, environment, user, working directory, capabilities.
    pub process: &'a oci_spec::runtime::Process,
    /// The container's own specification, for its seccomp policy and devices.
    pub spec: &'a Spec,
    pub stdio: [OwnedFd; 3],
    pub terminal: bool,
    pub rootless: bool,
    /// Whether it goes on when the caller ends.
    pub detached: bool,
    /// How many descriptors from 3 on the program inherits.
    pub preserve_fds: u32,
}

/// A terminal of a running container's own /dev/pts, for a further process: its
/// master and its slave.
///
/// # Errors
/// The container has ended, or has unmounted its /dev/pts.
pub fn terminal_of(pid: i32) -> anyhow::Result<(OwnedFd, OwnedFd)> {
    let root = Path::new("/proc").join(pid.to_string()).join("root");
    let root = labs::root::Root::open(labs::explain::Explain::new(false), &root)?;
    rootfs::terminal_pair(&root)
}
