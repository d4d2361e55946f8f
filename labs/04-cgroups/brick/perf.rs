//! perf_event: performance counters of all processes of a cgroup together.
//!
//! perf_event_open(2) counts for one process, or for one CPU. With
//! PERF_FLAG_PID_CGROUP its `pid` is a descriptor of a cgroup's directory, and it
//! counts on one CPU *while a process of that cgroup runs there*. So one event is
//! opened for each CPU, and the numbers are added. `perf stat -a -G NAME` does it.
//!
//! On v1 the directory has to be one of a perf_event hierarchy; on v2 any will do.
//!
//! Read: perf_event_open(2), perf-stat(1)

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::files::Directory;
use crate::explain::{CallError, Explain};

/// `struct perf_event_attr` in its first form, 64 bytes; the kernel takes zero for
/// what came later.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    address: u64,
}

/// Name, PERF_TYPE_…, PERF_COUNT_…. The first four are the kernel's own and always
/// there, the last two the processor's: a virtual machine may not have them.
pub const EVENTS: [(&str, u32, u64); 6] = [
    ("cpu-clock", 1, 0),
    ("context-switches", 1, 3),
    ("cpu-migrations", 1, 4),
    ("page-faults", 1, 2),
    ("cycles", 0, 0),
    ("instructions", 0, 1),
];

/// An event of a cgroup, open on each CPU.
pub struct Counter {
    pub name: &'static str,
    /// `None` where the processor does not have the event.
    fds: Option<Vec<OwnedFd>>,
}

/// Starts to count, for the cgroup and those below it.
///
/// Needs CAP_PERFMON, or `sysctl kernel.perf_event_paranoid` below 1: it watches
/// whole CPUs.
pub fn count(explain: Explain, group: &Directory) -> Result<Vec<Counter>, CallError> {
    let directory = explain.call_returning(
        format!("open({:?}, O_RDONLY|O_DIRECTORY|O_CLOEXEC)", group.path),
        open(
            &group.path,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ),
        |fd| fd.as_raw_fd().into(),
    )?;
    EVENTS
        .into_iter()
        .map(|(name, kind, config)| {
            let mut fds = Vec::new();
            for cpu in online() {
                match open_event(explain, &directory, name, kind, config, cpu) {
                    Ok(fd) => fds.push(fd),
                    Err(error) if kind == 0 && not_there(error.errno) => {
                        return Ok(Counter { name, fds: None });
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(Counter {
                name,
                fds: Some(fds),
            })
        })
        .collect()
}

fn not_there(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::EOPNOTSUPP | Errno::ENODEV)
}

fn open_event(
    explain: Explain,
    cgroup: &OwnedFd,
    name: &str,
    kind: u32,
    config: u64,
    cpu: i32,
) -> Result<OwnedFd, CallError> {
    let attributes = Attributes {
        kind,
        size: std::mem::size_of::<Attributes>() as u32,
        config,
        ..Attributes::default()
    };
    const PID_CGROUP_CLOEXEC: libc::c_ulong = 4 | 8;
    // SAFETY: the structure lives, says its size, and is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            cgroup.as_raw_fd(),
            cpu,
            -1,
            PID_CGROUP_CLOEXEC,
        )
    };
    let number = explain.call_returning(
        format!(
            "perf_event_open({{config={name}}}, {}, {cpu}, -1, \
             PERF_FLAG_PID_CGROUP|PERF_FLAG_FD_CLOEXEC)",
            cgroup.as_raw_fd()
        ),
        Errno::result(result),
        |fd| *fd,
    )?;
    // SAFETY: a descriptor that the kernel has just given, and ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

impl Counter {
    /// The sum over all CPUs since it was opened; nanoseconds for cpu-clock.
    pub fn total(&self) -> Option<u64> {
        self.fds.as_ref()?.iter().map(read_number).sum()
    }
}

fn read_number(fd: &OwnedFd) -> Option<u64> {
    let mut bytes = [0; 8];
    (nix::unistd::read(fd, &mut bytes) == Ok(8)).then(|| u64::from_ne_bytes(bytes))
}

/// The CPUs that are on, from a list such as `0-3,6`.
fn online() -> Vec<i32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or("0".into());
    parse_list(text.trim())
}

fn parse_list(text: &str) -> Vec<i32> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_is_read() {
        assert_eq!(parse_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_list("0"), [0]);
        assert_eq!(std::mem::size_of::<Attributes>(), 64);
    }
}
