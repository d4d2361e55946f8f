//! From all that a process may to the little that it needs.
//!
//! Read: "Transformation of capabilities during execve()" in capabilities(7)

use anyhow::{Result, bail};

use super::limits::{
    SECBIT_NOROOT, SECBIT_NOROOT_LOCKED, ambient_raise, bounding_drop, set_no_new_privs,
    set_securebits,
};
use super::process::{Sets, ThreadSets, capget, capset};
use super::set::{Set, all};
use crate::explain::Explain;

/// What is to be left.
#[derive(Clone, Copy, Debug)]
pub struct Reduction {
    /// In the bounding, permitted and effective set at most.
    pub keep: Set,
    /// To be raised in the ambient set; part of `keep`.
    pub ambient: Set,
    /// Whether user id 0 shall give nothing.
    pub noroot: bool,
    /// Whether no later execve may give more than there is.
    pub no_new_privs: bool,
}

/// Reduces the calling process. The next execve completes it.
///
/// The order is the lesson: each step needs what a later one takes away.
pub fn reduce(explain: Explain, reduction: Reduction) -> Result<()> {
    // Asked of the kernel: what is dropped already need not be dropped again, and
    // would want CAP_SETPCAP for nothing.
    let before = Sets::of("self")?;
    let missing = reduction.ambient.without(before.permitted);
    // Before anything is changed: half a reduction helps nobody.
    if !missing.is_empty() {
        bail!(
            "{missing} cannot be made ambient: this process does not have it itself (permitted); \
             run it as root, or add --user (-U)"
        );
    }

    // 1. The bounding set, while CAP_SETPCAP is still there. Without this step
    //    the rest is theatre for root: its execve gives all that is in here.
    for capability in before.bounding.without(reduction.keep).and(all()).iter() {
        bounding_drop(explain, capability)?;
    }

    // 2. Securebits want CAP_SETPCAP, too.
    if reduction.noroot {
        set_securebits(
            explain,
            SECBIT_NOROOT | SECBIT_NOROOT_LOCKED,
            "SECBIT_NOROOT|SECBIT_NOROOT_LOCKED",
        )?;
    }

    // 3. The process's own sets. Inheritable is emptied but for what becomes
    //    ambient: for root an execve gives inheritable *or* bounding, so that
    //    what is forgotten here comes back in spite of step 1 (CVE-2022-24769,
    //    Docker until 20.10.13).
    //    capset takes whole sets, so what is to stay has to be got first.
    let own = capget(explain)?;
    let kept = own.permitted.and(reduction.keep);
    capset(
        explain,
        ThreadSets {
            effective: own.effective.and(reduction.keep),
            permitted: kept,
            inheritable: reduction.ambient,
        },
    )?;

    // 4. Ambient comes after inheritable, which it must be part of.
    //    One call for each; there is no call for the whole set but the one that
    //    empties it.
    for capability in reduction.ambient.iter() {
        ambient_raise(explain, capability)?;
    }

    // 5. Wants nothing, and stands in the way of nothing above.
    if reduction.no_new_privs {
        set_no_new_privs(explain)?;
    }
    Ok(())
}
