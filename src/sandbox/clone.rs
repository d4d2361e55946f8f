//! The one place where the runner calls `clone3(2)`, which neither the
//! standard library nor nix offers.

use std::io;

use anyhow::{Context, Result};

/// On which side of a clone the caller finds itself.
pub enum Side {
    Child,
    /// The child's PID, as the caller's PID namespace counts.
    Parent(i32),
}

/// `clone3` with the given `CLONE_*` flags and nothing shared: like `fork`,
/// the child goes on with a copy of everything. With `CLONE_PARENT` the child
/// becomes the caller's sibling.
///
/// The caller must be single-threaded, as the whole runner is: the child runs
/// ordinary code, and a lock held by another thread would stay held for ever.
pub fn clone3(flags: i32) -> io::Result<Side> {
    // SAFETY: all-zero is a valid clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64;
    if flags & libc::CLONE_PARENT == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    // SAFETY: no stack is given, so the child runs on its own copy of this one.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(pid as i32)),
    }
}

/// `fork(2)`, in the same terms.
pub fn fork() -> io::Result<Side> {
    clone3(0)
}

/// Gives the user namespace of `pid` its maps, one id each: `0` inside is
/// `uid`/`gid` in the caller's namespace. user_namespaces(7): setgroups has to
/// be denied before an unprivileged caller may write gid_map.
pub fn write_maps(pid: &str, uid: u32, gid: u32) -> Result<()> {
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ] {
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, text).with_context(|| format!("write {path}"))?;
    }
    Ok(())
}
