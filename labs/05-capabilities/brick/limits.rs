//! What `prctl` has for capabilities: the bounding and the ambient set, and two
//! switches that change what an execve does.
//!
//! Read: capabilities(7), prctl(2), PR_CAPBSET_DROP(2const),
//! PR_CAP_AMBIENT(2const), PR_SET_SECUREBITS(2const), PR_SET_NO_NEW_PRIVS(2const)

use nix::errno::Errno;

use super::set::Capability;
use crate::explain::{CallError, Explain};

/// Root is a number like any other: its execve gives no capabilities.
pub const SECBIT_NOROOT: u32 = 1 << 0;
/// And so it stays, also for who has CAP_SETPCAP.
pub const SECBIT_NOROOT_LOCKED: u32 = 1 << 1;

/// Takes one out of the bounding set, for ever, for this process and all that
/// descend from it. Needs CAP_SETPCAP. What the process *has* it keeps, until
/// its next execve.
pub fn bounding_drop(explain: Explain, capability: Capability) -> Result<(), CallError> {
    prctl(
        explain,
        format!("prctl(PR_CAPBSET_DROP, {capability})"),
        [libc::PR_CAPBSET_DROP, i32::from(capability.0), 0],
    )
}

/// Puts one into the ambient set, out of which an execve makes it permitted and
/// effective, also for who is not root. It must be permitted *and* inheritable.
pub fn ambient_raise(explain: Explain, capability: Capability) -> Result<(), CallError> {
    prctl(
        explain,
        format!("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, {capability})"),
        [
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE,
            i32::from(capability.0),
        ],
    )
}

/// Sets the securebits, all of them at once. Needs CAP_SETPCAP.
pub fn set_securebits(explain: Explain, bits: u32, names: &str) -> Result<(), CallError> {
    prctl(
        explain,
        format!("prctl(PR_SET_SECUREBITS, {names})"),
        [libc::PR_SET_SECUREBITS, bits as i32, 0],
    )
}

/// From here on no execve gives more than the process has: setuid bits are passed
/// over, and what a file's capabilities give is cut down to what is permitted
/// already. Everybody may set it, and nobody can clear it.
pub fn set_no_new_privs(explain: Explain) -> Result<(), CallError> {
    prctl(
        explain,
        "prctl(PR_SET_NO_NEW_PRIVS, 1)".into(),
        [libc::PR_SET_NO_NEW_PRIVS, 1, 0],
    )
}

fn prctl(explain: Explain, call: String, arguments: [i32; 3]) -> Result<(), CallError> {
    // The kernel takes them all as machine words, the option as an int.
    let [option, second, third] = arguments.map(|one| one as libc::c_ulong);
    // The unused ones must be 0: PR_CAP_AMBIENT and PR_SET_NO_NEW_PRIVS refuse
    // anything else, so that they may get a meaning later.
    let none: libc::c_ulong = 0;
    // SAFETY: these options take numbers only; no memory is given to the kernel.
    let done = unsafe { libc::prctl(option as i32, second, third, none, none) };
    explain.call(call, Errno::result(done).map(drop))
}
