//! pids: how many processes and threads. What stops a fork bomb.
//!
//! The same two files in both worlds. At the limit fork(2) gives EAGAIN; nobody
//! is killed, and moving a process in is never refused. It is not one of the
//! slides' ten: it came in 2015.
//!
//! Read: cgroup-v1/pids, admin-guide/cgroup-v2 "PID"

use super::files::Directory;
use crate::explain::{CallError, Explain};

pub fn set_max(explain: Explain, group: &Directory, pids: Option<u64>) -> Result<(), CallError> {
    let text = pids.map_or("max".into(), |pids| pids.to_string());
    group.write(explain, "pids.max", &text)
}

pub fn max(group: &Directory) -> Option<u64> {
    group.number("pids.max")
}

/// Tasks in it and below: threads, so more than the lines of cgroup.procs.
pub fn usage(group: &Directory) -> Option<u64> {
    group.number("pids.current")
}

#[cfg(test)]
mod tests {
    use super::super::files::Version;
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn a_limit_is_set_and_taken_away() {
        let group = scene(
            Version::V2,
            &[("pids.max", "max\n"), ("pids.current", "3\n")],
        );
        let explain = Explain::new(false);
        set_max(explain, &group.0, Some(20)).unwrap();
        assert_eq!((max(&group.0), usage(&group.0)), (Some(20), Some(3)));
        set_max(explain, &group.0, None).unwrap();
        assert_eq!(max(&group.0), None);
    }
}
