//! What is measured from outside, of whatever runs in the three places: when it
//! was there, and what it weighs while it waits.
//!
//! Read: proc_pid_smaps(5) on Pss, proc_meminfo(5) on MemAvailable

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use labs::explain::Explain;
use labs::hypervisor::{Accelerator, Machine, Running, container, process};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{AccessFlags, Pid, access};

use crate::Accel;
use crate::probe::{MARK, file_size};

/// How long a process or a container may take to answer.
const SOON: Duration = Duration::from_secs(60);

/// How long a machine may take to boot on the processor itself. Where /dev/kvm is
/// there and nobody behind it, as in some machines in machines, this is lost.
const BOOT: Duration = Duration::from_secs(10);

/// How long when each of its instructions is translated.
const EMULATED_BOOT: Duration = Duration::from_secs(300);

/// One of the three places.
pub struct Place {
    pub name: &'static str,
    /// Measured, or why not.
    pub found: Result<Found, String>,
    /// What one has to know to read the numbers.
    pub note: Option<String>,
}

/// What was found out about a place.
pub struct Found {
    /// What the command was told by its kernel.
    pub release: String,
    pub boot_id: String,
    pub hostname: String,
    /// As the command itself sees it.
    pub pid: String,
    /// From the call that makes it to its first word.
    pub start: Duration,
    /// Bytes while it waits, its share of what it has in common with others
    /// counted in: of the command, and for the machine of qemu.
    pub memory: u64,
    /// How many of it would go into what memory is available, in all.
    pub fit: u64,
    /// The same numbers sorted.
    pub cpu: Duration,
    /// Bytes a second into a file in memory, and out of it.
    pub write: f64,
    pub read: f64,
}

/// All three, one after the other, so that none disturbs another.
pub fn all(
    explain: Explain,
    runs: u32,
    kernel: Option<&Path>,
    accel: Accel,
) -> anyhow::Result<Vec<Place>> {
    let folder = folder_in_memory()?;
    let outside = ["probe", "--folder", folder];
    // With mounts of its own the container has a /tmp of its own.
    let inside = ["probe", "--folder", "/tmp"];
    Ok(vec![
        Place {
            name: "process",
            found: told(repeated(runs, || process(explain, &outside))),
            note: None,
        },
        Place {
            name: "container",
            found: told(repeated(runs, || container(explain, &inside))),
            note: None,
        },
        virtual_machine(explain, kernel, accel),
    ])
}

fn virtual_machine(explain: Explain, kernel: Option<&Path>, accel: Accel) -> Place {
    let place = |found, note: &str| Place {
        name: "virtual machine",
        found,
        note: (!note.is_empty()).then(|| note.to_owned()),
    };
    if accel == Accel::None {
        return place(Err("--accel none".to_owned()), "");
    }
    let machine = match Machine::find(kernel) {
        Ok(machine) => machine,
        Err(error) => return place(Err(format!("{error:#}")), ""),
    };
    let once = |accelerator, patience| {
        let running = machine.boot(explain, accelerator, "probe --machine")?;
        measured(running, patience).map(|(found, _)| found)
    };
    let has_kvm = access("/dev/kvm", AccessFlags::R_OK | AccessFlags::W_OK).is_ok();
    let mut note = "emulated, without KVM: each of its instructions is translated";
    if accel == Accel::Kvm || accel == Accel::Auto && has_kvm {
        match once(Accelerator::Kvm, BOOT) {
            Ok(found) => return place(Ok(found), "with KVM: on the processor itself"),
            Err(error) if accel == Accel::Kvm => return place(Err(format!("{error:#}")), ""),
            Err(_) => note = "emulated: /dev/kvm is here, but no machine boots on it",
        }
    }
    place(told(once(Accelerator::Tcg, EMULATED_BOOT)), note)
}

/// Starts it several times; the median of the starts, and the last one's work.
fn repeated(runs: u32, start: impl Fn() -> anyhow::Result<Running>) -> anyhow::Result<Found> {
    let mut starts = Vec::new();
    for _ in 1..runs {
        let mut running = start()?;
        running.hear(MARK, SOON)?;
        starts.push(running.started.elapsed());
    }
    let (mut found, last) = measured(start()?, SOON)?;
    starts.push(last);
    starts.sort();
    found.start = starts[starts.len() / 2];
    Ok(found)
}

/// Hears who it is, weighs it, and lets it work.
fn measured(mut running: Running, patience: Duration) -> anyhow::Result<(Found, Duration)> {
    let who = pairs(&running.hear(MARK, patience)?);
    let start = Instant::now().duration_since(running.started);
    let memory = share_of_memory(running.pid)?;
    running.say("go on")?;
    let work = pairs(&running.hear(MARK, patience)?);

    let text = |name: &str| -> anyhow::Result<String> {
        let value = who.get(name).cloned();
        value.with_context(|| format!("the command does not tell its {name}: {who:?}"))
    };
    let time = |name: &str| -> anyhow::Result<Duration> {
        let value = work.get(name).and_then(|value| value.parse().ok());
        let value = value.with_context(|| format!("the command does not tell {name}: {work:?}"));
        Ok(Duration::from_nanos(value?))
    };
    let rate = |name: &str| -> anyhow::Result<f64> {
        // A clock that did not move says nothing; one tick is the least.
        let seconds = time(name)?.as_secs_f64().max(1e-9);
        Ok(file_size() as f64 / seconds)
    };
    let found = Found {
        release: text("release")?,
        boot_id: text("boot_id")?,
        hostname: text("hostname")?,
        pid: text("pid")?,
        start,
        memory,
        fit: available_memory()? / memory.max(1),
        cpu: time("cpu")?,
        write: rate("write")?,
        read: rate("read")?,
    };
    Ok((found, start))
}

/// `name=value name=value`
fn pairs(line: &str) -> BTreeMap<String, String> {
    line.split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The proportional set size in bytes: what a process has alone, and its part of
/// each page that it shares (the pages of a library are in memory once). What
/// the kernel itself keeps for it is in no such number.
fn share_of_memory(pid: Pid) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("read({path:?})"))?;
    kilobytes(&text, "Pss:").with_context(|| format!("{path} has no line `Pss:`"))
}

/// What could be given to new programs without swapping, in bytes.
fn available_memory() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("read(\"/proc/meminfo\")")?;
    kilobytes(&text, "MemAvailable:").context("/proc/meminfo has no line `MemAvailable:`")
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// Where a plain process finds what the other two mount: a tmpfs.
fn folder_in_memory() -> anyhow::Result<&'static str> {
    ["/dev/shm", "/tmp", "/run"]
        .into_iter()
        .find(|folder| {
            let in_memory =
                statfs(*folder).is_ok_and(|about| about.filesystem_type() == TMPFS_MAGIC);
            in_memory && access(*folder, AccessFlags::W_OK).is_ok()
        })
        .context(
            "neither /dev/shm nor /tmp is a tmpfs that you may write to: mount one on /dev/shm",
        )
}

fn told(found: anyhow::Result<Found>) -> Result<Found, String> {
    found.map_err(|error| format!("{error:#}"))
}
