//! A host name of one's own: the smallest container there is.
//!
//! The kernel keeps the host name in the *UTS namespace*, and every process
//! points at one. `sethostname` has no argument that says which machine is
//! meant: it writes into the namespace of whoever calls. So the new namespace
//! must come first. The other way round is the same two calls and renames the
//! host.
//!
//! Read: uts_namespaces(7), unshare(2), sethostname(2), user_namespaces(7)

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, sethostname};

use crate::explain::{CallError, Explain};
use crate::namespaces::map_root;

/// Moves the calling process into a new UTS namespace and names it.
///
/// The new namespace starts as a copy: until `sethostname` the old name shows.
/// `unshare` gives EPERM without CAP_SYS_ADMIN, `sethostname` EINVAL for a name
/// of more than 64 bytes.
pub fn unshare_hostname(explain: Explain, name: &str) -> Result<(), CallError> {
    explain.call("unshare(CLONE_NEWUTS)", unshare(CloneFlags::CLONE_NEWUTS))?;
    set_hostname(explain, name)
}

/// The same for an ordinary user: a user namespace around it gives the missing
/// capability, and gives it over nothing but what is made in there.
pub fn unshare_hostname_as_user(explain: Explain, name: &str) -> Result<(), CallError> {
    // Asked before: in a new user namespace without a map the answer is 65534.
    let (uid, gid) = (getuid(), getgid());

    // Both in one call. The kernel makes the user namespace first, whatever the
    // order of the flags, so that it owns the UTS namespace made next to it.
    explain.call(
        "unshare(CLONE_NEWUSER|CLONE_NEWUTS)",
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS),
    )?;

    // All capabilities are there already, and sethostname would work now. But
    // execve takes them from whoever is not uid 0: the map makes you uid 0.
    map_root(explain, "self", uid, gid)?;
    set_hostname(explain, name)
}

fn set_hostname(explain: Explain, name: &str) -> Result<(), CallError> {
    let call = format!("sethostname({name:?}, {})", name.len());
    explain.call(call, sethostname(name))
}
