//! Who is who: the id maps of a new user namespace.
//!
//! Without a map every id in a new user namespace reads 65534 ("nobody"), and
//! the first execve takes all capabilities away. Each map can be written once,
//! in one write. The order of the three files is forced by the kernel.
//!
//! Read: user_namespaces(7)

use std::os::fd::AsRawFd;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, write};

use crate::explain::{CallError, Explain};

/// Makes the user `uid`:`gid` root in the user namespace of `process`
/// (`self` or a process id), and maps nobody else.
///
/// The one map that the kernel takes from a user without privileges: a single
/// id, the writer's own. More ids need CAP_SETUID outside, which the set-uid
/// programs newuidmap(1) and newgidmap(1) have and check against /etc/subuid.
pub fn map_root(explain: Explain, process: &str, uid: Uid, gid: Gid) -> Result<(), CallError> {
    write_id_maps(
        explain,
        process,
        &format!("0 {uid} 1"),
        &format!("0 {gid} 1"),
    )
}

/// Writes both maps; a line is `INSIDE OUTSIDE COUNT`.
pub fn write_id_maps(
    explain: Explain,
    process: &str,
    uid_map: &str,
    gid_map: &str,
) -> Result<(), CallError> {
    // Before gid_map, or gid_map gives EPERM. A file may grant its *group* less
    // than all others (mode 0604); who could drop that group with setgroups(2)
    // would gain access by it. So an ordinary user gives setgroups up first.
    write_file(explain, &format!("/proc/{process}/setgroups"), "deny")?;
    write_file(explain, &format!("/proc/{process}/uid_map"), uid_map)?;
    write_file(explain, &format!("/proc/{process}/gid_map"), gid_map)
}

/// Opens a file of /proc, writes `text` at once, closes it.
pub fn write_file(explain: Explain, path: &str, text: &str) -> Result<(), CallError> {
    let file = explain.call_returning(
        format!("open({path:?}, O_WRONLY|O_CLOEXEC)"),
        open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()),
        |fd| fd.as_raw_fd().into(),
    )?;
    explain.call_returning(
        format!("write({}, {text:?}, {})", file.as_raw_fd(), text.len()),
        write(&file, text.as_bytes()),
        |written| *written as i64,
    )?;
    Ok(())
}
