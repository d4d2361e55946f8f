//! A cgroup with all that a container has made below it.
//!
//! Read: cgroups(7), rmdir(2)

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use labs::cgroups::Directory;

/// `rmdir` from the inmost out. EBUSY for a moment after the last process has
/// ended: v1 has no event for when it is really out.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    for attempt in 0..500 {
        match std::fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                for below in folders(path) {
                    remove(&below)?;
                }
                if attempt > 0 {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            }
            Err(error) => return Err(error).with_context(|| format!("rmdir({path:?})")),
        }
    }
    bail!("rmdir({path:?}): EBUSY: it still has processes")
}

/// The cgroups that a container has made itself (systemd in it, say).
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// PIDs as the caller sees them; 0 is one that it does not see.
pub fn processes(directory: &Directory, pids: &mut Vec<i32>) {
    let text = directory.read("cgroup.procs").unwrap_or_default();
    pids.extend(
        text.lines()
            .filter_map(|line| line.parse::<i32>().ok())
            .filter(|pid| *pid != 0),
    );
    for child in directory.children() {
        processes(&child, pids);
    }
}
