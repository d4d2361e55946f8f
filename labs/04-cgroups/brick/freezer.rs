//! freezer: processes that stand still, and do not notice.
//!
//! Unlike SIGSTOP it cannot be seen by the parent, undone by a SIGCONT or
//! escaped by a fork: `docker pause` is this. On v2 it is no controller but a
//! file of every cgroup.
//!
//! Read: cgroup-v1/freezer-subsystem, "cgroup.freeze" in admin-guide/cgroup-v2

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// Freezes or thaws, and waits until it is so: the write only asks for it, and
/// each process stops on its next way out of the kernel.
pub fn freeze(explain: Explain, group: &Directory, freeze: bool) -> Result<(), CallError> {
    let (file, value) = match (group.version, freeze) {
        (Version::V1, true) => ("freezer.state", "FROZEN"),
        (Version::V1, false) => ("freezer.state", "THAWED"),
        (Version::V2, true) => ("cgroup.freeze", "1"),
        (Version::V2, false) => ("cgroup.freeze", "0"),
    };
    group.write(explain, file, value)?;
    let start = Instant::now();
    while is_frozen(group) != Some(freeze) {
        if start.elapsed() > Duration::from_secs(10) {
            let call = format!("read({:?})", group.path.join(file));
            return Err(CallError {
                call,
                errno: Errno::ETIMEDOUT,
            });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Whether *all* its processes stand still. v1 says FREEZING on the way there;
/// v2 tells the wish in cgroup.freeze and the truth in cgroup.events.
pub fn is_frozen(group: &Directory) -> Option<bool> {
    match group.version {
        Version::V1 => Some(group.read("freezer.state").ok()? == "FROZEN"),
        Version::V2 => Some(group.keyed("cgroup.events", "frozen")? == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn on_the_way_is_not_frozen() {
        let old = scene(Version::V1, &[("freezer.state", "FREEZING\n")]);
        assert_eq!(is_frozen(&old.0), Some(false));
        freeze(Explain::new(false), &old.0, true).unwrap();
        assert_eq!(old.text("freezer.state"), "FROZEN");

        let new = scene(
            Version::V2,
            &[
                ("cgroup.freeze", "0"),
                ("cgroup.events", "populated 1\nfrozen 1\n"),
            ],
        );
        freeze(Explain::new(false), &new.0, true).unwrap();
        assert_eq!(new.text("cgroup.freeze"), "1");
    }
}
