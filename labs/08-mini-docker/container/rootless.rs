//! An ordinary user's command becomes root of a user namespace.
//!
//! Whoever makes a user namespace may map one id into it: the own one. More need
//! newuidmap(1) and newgidmap(1), which are set-uid root and look into /etc/subuid
//! and /etc/subgid. With them a container has users of its own; without, only root,
//! and files of other users in an image become root's.
//!
//! Every command makes a namespace with the *same* map, so that a file's owner on
//! the disk is the same for all of them.
//!
//! Read: user_namespaces(7), newuidmap(1), subuid(5)

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::namespaces::{map_root, write_file};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, User, fork, getegid, geteuid, pipe, read};

use crate::engine::Engine;

/// Makes an ordinary user root of a user namespace; leaves root as it is. Only while
/// there is one thread.
///
/// # Errors
/// User namespaces are turned off here, with the setting that does it.
pub fn enter(engine: &Engine) -> anyhow::Result<()> {
    if !engine.rootless || geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (geteuid(), getegid());
    match subordinate(uid, gid) {
        Some(maps) => enter_with(&maps),
        None => {
            make_namespace()?;
            map_root(Explain::new(false), "self", uid, gid)?;
            Ok(())
        }
    }
}

fn make_namespace() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER).context(
        "unshare(CLONE_NEWUSER): an ordinary user's containers need user namespaces; \
         see user.max_user_namespaces, kernel.unprivileged_userns_clone",
    )
}

/// A line of each map: the first subordinate id and how many.
struct Maps {
    uid: Uid,
    gid: Gid,
    uids: (u32, u32),
    gids: (u32, u32),
}

/// What /etc/subuid and /etc/subgid give a user, where the tools are there too.
fn subordinate(uid: Uid, gid: Gid) -> Option<Maps> {
    let found = |program: &str| {
        ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
    };
    if !found("newuidmap") || !found("newgidmap") {
        return None;
    }
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let range = |file: &str| {
        let text = fs::read_to_string(file).ok()?;
        first_range(&text, name.as_deref(), uid.as_raw())
    };
    Some(Maps {
        uid,
        gid,
        uids: range("/etc/subuid")?,
        gids: range("/etc/subgid")?,
    })
}

/// The first line of a user in the form of subuid(5), `USER:FIRST:COUNT`.
fn first_range(text: &str, name: Option<&str>, uid: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut words = line.trim().split(':');
        let user = words.next()?;
        if Some(user) != name && user.parse() != Ok(uid) {
            return None;
        }
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}

/// The tools write the map of a process that waits for it: so a child runs them,
/// outside, on its parent, which has gone in.
fn enter_with(maps: &Maps) -> anyhow::Result<()> {
    let parent = nix::unistd::getpid();
    let (hear, say) = pipe().context("pipe")?;
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(say);
            // The end of the pipe closes when the parent is inside.
            let _ = read(&hear, &mut [0]);
            let done = tool("newuidmap", parent, maps.uid.as_raw(), maps.uids)
                && tool("newgidmap", parent, maps.gid.as_raw(), maps.gids);
            // SAFETY: ends the child at once, without what the parent has registered.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        ForkResult::Parent { child } => {
            drop(hear);
            let made = make_namespace();
            drop(say);
            let status = waitpid(child, None).context("waitpid")?;
            made?;
            if status == WaitStatus::Exited(child, 0) {
                return Ok(());
            }
            // The tools refuse what they do not find in their files: one id then.
            let own = |id: u32| format!("0 {id} 1");
            let explain = Explain::new(false);
            let write = |file: &str, text: &str| write_file(explain, file, text);
            let once = write("/proc/self/setgroups", "deny")
                .and_then(|()| write("/proc/self/uid_map", &own(maps.uid.as_raw())))
                .and_then(|()| write("/proc/self/gid_map", &own(maps.gid.as_raw())));
            if once.is_err() {
                bail!("newuidmap or newgidmap refused: see /etc/subuid and /etc/subgid");
            }
            Ok(())
        }
    }
}

/// `newuidmap PID 0 OWN 1 1 FIRST COUNT`
fn tool(program: &str, process: nix::unistd::Pid, own: u32, range: (u32, u32)) -> bool {
    let numbers = [0, own, 1, 1, range.0, range.1].map(|number| number.to_string());
    let status = Command::new(program)
        .arg(process.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::first_range;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let text = "other:1:2\nanna:100000:65536\nanna:1:1\n4242:7:8\n";
        assert_eq!(first_range(text, Some("anna"), 1), Some((100_000, 65536)));
        assert_eq!(first_range(text, None, 4242), Some((7, 8)));
        assert_eq!(first_range(text, Some("ann"), 1), None);
    }
}
