//! `add`, `list`, `delete`, `identify`, `monitor`: the names.
//!
//! Nothing here speaks to the kernel's network. A name is a file with a mount
//! on it, so these are commands on files, and what ip-netns(8) has named is
//! found as well as the other way round.
//!
//! Read: ip-netns(8), inotify(7)

use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::explain::Explain;
use labs::network::{DIRECTORY, add, delete, list, named, names_of, share_directory};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Make a network namespace that lives without a process
#[derive(Args)]
pub struct Add {
    /// A file name: it appears in /run/netns
    name: String,
}

impl Add {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // What is made is empty but for `lo`, and that is down.
        add(explain, &named(&self.name)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Show the names there are
#[derive(Args)]
pub struct List {}

impl List {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // iproute2 adds `(id: 0)` to those to which the kernel has given a number,
        // for messages that speak of other namespaces.
        for name in list().with_context(|| DIRECTORY.to_owned())? {
            println!("{name}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Take a name away; the namespace goes with it, if nobody is in it
#[derive(Args)]
pub struct Delete {
    /// One of those that `list` shows
    name: String,
}

impl Delete {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // No look at who is in there: they stay, in a network without a name.
        delete(explain, &named(&self.name)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Show the names of the network namespace that a process is in
#[derive(Args)]
pub struct Identify {
    /// The process [default: this one, which has its parent's]
    #[arg(value_name = "PID")]
    pid: Option<u32>,
}

impl Identify {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let process = self.pid.map_or("self".into(), |pid| pid.to_string());
        // Whoever may trace the process may see its namespaces: its owner, root.
        let names = names_of(&process).with_context(|| {
            format!("/proc/{process}/ns/net: name a process that is alive and yours, or be root")
        })?;
        for name in names {
            println!("{name}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Tell names as they come and go, until it is ended
#[derive(Args)]
pub struct Monitor {}

impl Monitor {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        // The folder must be there to be watched; the first name may come later.
        share_directory(explain)?;
        let inotify = explain.call_returning(
            "inotify_init1(IN_CLOEXEC)",
            Inotify::init(InitFlags::IN_CLOEXEC),
            |inotify| std::os::fd::AsFd::as_fd(inotify).as_raw_fd().into(),
        )?;
        // The files, not the mounts on them: of a mount the folder says nothing.
        // So at `add` the name may be a moment older than its namespace.
        explain.call(
            format!("inotify_add_watch({DIRECTORY:?}, IN_CREATE|IN_DELETE)"),
            inotify.add_watch(
                DIRECTORY,
                AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE,
            ),
        )?;
        // Until a signal ends it: there is always one more that may come.
        loop {
            let events = match inotify.read_events() {
                Err(Errno::EINTR) => continue,
                events => explain.call("read(inotify)", events)?,
            };
            for event in events {
                let verb = match event.mask.contains(AddWatchFlags::IN_CREATE) {
                    true => "add",
                    false => "delete",
                };
                let name = event.name.unwrap_or_default();
                // A closed pipe is the end, not a panic as println! has it.
                let mut out = std::io::stdout();
                writeln!(out, "{verb} {}", name.to_string_lossy())?;
                out.flush()?;
            }
        }
    }
}
