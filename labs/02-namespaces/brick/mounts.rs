//! What a new mount or PID namespace needs before it is of use, and how any
//! namespace outlives its last process.
//!
//! Read: mount_namespaces(7), mount(2), proc(5), "lifetime" in namespaces(7)

use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::explain::{CallError, Explain};
use crate::namespaces::Kind;

const NONE: Option<&str> = None;

/// What happens to a mount made on one side of a copied mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// It stays on its side.
    Private,
    /// Those of the host arrive, ours do not leave.
    Slave,
    /// It shows on both sides.
    Shared,
}

/// Sets the propagation of every mount of this mount namespace.
///
/// A new mount namespace is a *copy* of the mounts, and where the host's are
/// shared (systemd makes them so) a copy stays in the same peer group: what you
/// mount in the "new" namespace shows on the host all the same. So this comes
/// before the first mount. MS_REC, because each mount below `/` has a
/// propagation of its own.
pub fn set_propagation(explain: Explain, propagation: Propagation) -> Result<(), CallError> {
    let (flag, name) = match propagation {
        Propagation::Private => (MsFlags::MS_PRIVATE, "MS_PRIVATE"),
        Propagation::Slave => (MsFlags::MS_SLAVE, "MS_SLAVE"),
        Propagation::Shared => (MsFlags::MS_SHARED, "MS_SHARED"),
    };
    explain.call(
        format!("mount(NULL, \"/\", NULL, MS_REC|{name}, NULL)"),
        mount(NONE, "/", NONE, MsFlags::MS_REC | flag, NONE),
    )
}

/// Mounts a /proc that shows the PID namespace of the calling process.
///
/// To be called by a process *in* the new PID namespace, so after the fork: a
/// proc file system shows for ever the namespace of whoever mounted it. Mounted
/// over the old one, which without root the kernel asks for anyway: it gives a
/// new proc only to who could see a whole one before.
pub fn mount_proc(explain: Explain) -> Result<(), CallError> {
    explain.call(
        "mount(\"proc\", \"/proc\", \"proc\", MS_NOSUID|MS_NODEV|MS_NOEXEC, NULL)",
        mount(
            Some("proc"),
            "/proc",
            Some("proc"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            NONE,
        ),
    )
}

/// Keeps the namespace of `process` alive on `file`, an existing ordinary file,
/// until `umount FILE`.
///
/// A namespace ends with its last *reference*, and a mount of its file in
/// /proc/PID/ns is one. `ip netns add` does the same below /run/netns.
pub fn keep(explain: Explain, kind: Kind, process: &str, file: &Path) -> Result<(), CallError> {
    let source = format!("/proc/{process}/ns/{}", kind.file());
    explain.call(
        format!("mount({source:?}, {file:?}, NULL, MS_BIND, NULL)"),
        mount(Some(source.as_str()), file, NONE, MsFlags::MS_BIND, NONE),
    )
}
