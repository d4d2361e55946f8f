//! A process's sets: read out of /proc for anybody, changed for oneself.
//!
//! `capget` fills a structure of *yours*. To change that structure changes
//! nothing in the kernel: it holds a copy of its own, and only `capset` writes
//! there. A program that forgets `capset` prints a fine list, and has every
//! power that it had before.
//!
//! Read: capget(2), capabilities(7), proc_pid_status(5)

use std::fs;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

use super::set::Set;
use crate::explain::{CallError, Explain};

/// The five sets of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// What the kernel checks each call against.
    pub effective: Set,
    /// What may be made effective.
    pub permitted: Set,
    /// What a file with inheritable capabilities may pass on.
    pub inheritable: Set,
    /// The most that an execve can give by a file or by being root.
    pub bounding: Set,
    /// What an execve of an ordinary file leaves.
    pub ambient: Set,
}

impl Sets {
    /// Those that the kernel holds of a process: a PID, or `self`. Anybody may
    /// read them. A process has them per *thread*; this is its first one.
    pub fn of(process: &str) -> Result<Self> {
        // A text file and no call: capget takes a pid as well, but knows only
        // three of the five sets.
        let path = format!("/proc/{process}/status");
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                anyhow::anyhow!("open({path:?}): ENOENT: no such process; `ps -e` lists them")
            }
            _ => anyhow::Error::from(error).context(format!("open({path:?})")),
        })?;
        // Sixteen hexadecimal digits, the same bits as everywhere.
        let set = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let Some(word) = line.and_then(|rest| rest.strip_prefix(':')) else {
                bail!("{path}: has no {name}; this kernel is older than Linux 4.3");
            };
            let bits = u64::from_str_radix(word.trim(), 16);
            Ok(Set(bits.with_context(|| format!("{path}: {name}"))?))
        };
        Ok(Self {
            effective: set("CapEff")?,
            permitted: set("CapPrm")?,
            inheritable: set("CapInh")?,
            bounding: set("CapBnd")?,
            ambient: set("CapAmb")?,
        })
    }
}

/// The three sets that `capget` and `capset` know. The other two came later,
/// and have `prctl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSets {
    /// Always a part of permitted.
    pub effective: Set,
    /// What is taken out of here is gone, until an execve gives it anew.
    pub permitted: Set,
    /// May hold what is not permitted: it is a wish for later.
    pub inheritable: Set,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits in two halves. Versions 1 and 2 are
/// those of the time when 32 were enough.
const VERSION_3: u32 = 0x2008_0522;

/// struct __user_cap_header_struct; pid 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// struct __user_cap_data_struct: one half (32 capabilities) of the three sets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The calling thread's sets, copied out of the kernel.
pub fn capget(explain: Explain) -> Result<ThreadSets, CallError> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut halves = [Half::default(); 2];
    // By number: the C library has the numbers of these two calls, and no
    // functions for them; libcap is who normally makes them.
    // SAFETY: version 3 makes the kernel write exactly two halves; both
    // structures live over the call.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    explain.call("capget({version=3, pid=0}, …)", Errno::result(done))?;
    // The 64 bits of each set lie in two places, 12 bytes apart: the structure was
    // doubled when 32 were no longer enough, so that old programs kept theirs.
    let word = |half: fn(&Half) -> u32| {
        Set(u64::from(half(&halves[0])) | u64::from(half(&halves[1])) << 32)
    };
    Ok(ThreadSets {
        effective: word(|half| half.effective),
        permitted: word(|half| half.permitted),
        inheritable: word(|half| half.inheritable),
    })
}

/// Makes them the calling thread's, or gives EPERM and changes nothing.
///
/// Permitted only shrinks, effective stays within permitted, and inheritable
/// within what was permitted or inheritable already. What leaves permitted or
/// inheritable leaves the ambient set with it.
pub fn capset(explain: Explain, sets: ThreadSets) -> Result<(), CallError> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // And back into the halves: bits 0 to 31, bits 32 to 63.
    let half = |shift: u32| Half {
        effective: (sets.effective.0 >> shift) as u32,
        permitted: (sets.permitted.0 >> shift) as u32,
        inheritable: (sets.inheritable.0 >> shift) as u32,
    };
    let halves = [half(0), half(32)];
    // SAFETY: the kernel reads a header and, by its version, two halves; both
    // live over the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
    explain.call(
        format!(
            "capset({{version=3, pid=0}}, {{effective={}, permitted={}, inheritable={}}})",
            sets.effective, sets.permitted, sets.inheritable
        ),
        Errno::result(done).map(drop),
    )
}
