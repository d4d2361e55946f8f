//! Named network namespaces, as ip-netns(8) has them.
//!
//! The kernel knows no names for namespaces. The name is an agreement: a file
//! `/run/netns/NAME` on which the namespace is bind-mounted. The mount keeps it
//! alive, and whoever opens the file has it in hand. No program owns the
//! folder; iproute2, this lab and others find each other's.
//!
//! Read: ip-netns(8), network_namespaces(7), "lifetime" in namespaces(7)

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use nix::unistd::{mkdir, unlink};

use super::setns_net;
use crate::explain::{CallError, Explain};
use crate::namespaces::{Kind, keep, open_namespaces};

/// Where the names are. (`/var/run` is the same folder: a link to `/run`.)
pub const DIRECTORY: &str = "/run/netns";

const NONE: Option<&str> = None;

/// The file of a name; an error for what is no file name.
pub fn named(name: &str) -> io::Result<PathBuf> {
    // `..` or `a/b` would make a file somewhere else, with root's privileges.
    if name.is_empty() || name.contains('/') || [".", ".."].contains(&name) || name.len() > 255 {
        let why = format!("{name:?} is no name for a namespace: it becomes a file in {DIRECTORY}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(Path::new(DIRECTORY).join(name))
}

/// Makes the folder, and sees to it that all mount namespaces share what is
/// mounted in it.
///
/// Somebody who copied the mounts before (a service, a container) is meant to
/// see names that come later, and above all to lose those that go: a copy of
/// the mount that stayed behind there would keep the namespace for ever. Only a
/// mount point can be made shared, so that an ordinary folder is first mounted
/// on itself.
pub fn share_directory(explain: Explain) -> Result<(), CallError> {
    let mode = Mode::from_bits_truncate(0o755);
    match explain.call(
        format!("mkdir({DIRECTORY:?}, 0755)"),
        mkdir(DIRECTORY, mode),
    ) {
        Err(error) if error.errno != Errno::EEXIST => return Err(error),
        _ => {}
    }
    let share = || {
        explain.call(
            format!("mount(NULL, {DIRECTORY:?}, NULL, MS_SHARED|MS_REC, NULL)"),
            mount(
                NONE,
                DIRECTORY,
                NONE,
                MsFlags::MS_SHARED | MsFlags::MS_REC,
                NONE,
            ),
        )
    };
    // EINVAL: it is no mount point. Whoever makes the first name finds it so.
    match share() {
        Err(error) if error.errno == Errno::EINVAL => {}
        other => return other,
    }
    explain.call(
        format!("mount({DIRECTORY:?}, {DIRECTORY:?}, NULL, MS_BIND|MS_REC, NULL)"),
        mount(
            Some(DIRECTORY),
            DIRECTORY,
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        ),
    )?;
    share()
}

/// Makes a new network namespace with this name. The caller stays where it is.
///
/// The way there leads through it: `unshare` moves the caller into the new
/// namespace, where `/proc/self/ns/net` is its file, and `setns` brings it back.
/// On the way nothing may fail and leave a name that stands for nothing.
pub fn add(explain: Explain, name: &Path) -> Result<(), CallError> {
    share_directory(explain)?;

    // O_EXCL: two at a time cannot both have the name.
    let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    drop(explain.call_returning(
        format!("open({name:?}, O_RDONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0)"),
        open(name, flags, Mode::empty()),
        |fd| fd.as_raw_fd().into(),
    )?);
    // The file is closed again: it only has to be there, for the mount to cover.
    let made = unshare_and_keep(explain, name);
    if made.is_err() {
        let _ = explain.call(format!("unlink({name:?})"), unlink(name));
    }
    made
}

fn unshare_and_keep(explain: Explain, name: &Path) -> Result<(), CallError> {
    // The way back, opened while it is still "self".
    let home = open_namespaces(explain, &[(Kind::Net, "/proc/self/ns/net".into())])?;
    explain.call("unshare(CLONE_NEWNET)", unshare(CloneFlags::CLONE_NEWNET))?;
    // Mounts are not the network's: this one is made in the mount namespace that
    // the caller has always been in, where everybody sees it.
    let kept = keep(explain, Kind::Net, "self", name);
    // Back, whether it was kept or not: else all that the caller does from here
    // on would happen in a network without a way out.
    for (_, home) in &home {
        setns_net(explain, home)?;
    }
    kept
}

/// Takes a name away, and with it what it kept alive, unless a process, an open
/// file or another mount still has the namespace.
pub fn delete(explain: Explain, name: &Path) -> Result<(), CallError> {
    // MNT_DETACH: somebody may have the file open (EBUSY without). EINVAL: a
    // name with nothing on it, as a crash leaves it; the file goes all the same.
    let detached = explain.call(
        format!("umount2({name:?}, MNT_DETACH)"),
        umount2(name, MntFlags::MNT_DETACH),
    );
    match detached {
        Err(error) if error.errno != Errno::EINVAL => return Err(error),
        _ => {}
    }
    explain.call(format!("unlink({name:?})"), unlink(name))
}

/// Every name, in the order of the alphabet; none when nobody has made one.
pub fn list() -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    // Every file counts, as for ip-netns(8), also one with nothing mounted on it.
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The names of the network namespace that a process is in; most have none.
///
/// Two files are one namespace when they have one inode of one nsfs.
pub fn names_of(process: &str) -> io::Result<Vec<String>> {
    // stat(2) follows the link, which leads to no path but to the object itself.
    let theirs = fs::metadata(format!("/proc/{process}/ns/net"))?;
    let same = |name: &String| {
        fs::metadata(Path::new(DIRECTORY).join(name))
            .is_ok_and(|file| (file.dev(), file.ino()) == (theirs.dev(), theirs.ino()))
    };
    Ok(list()?.into_iter().filter(same).collect())
}

/// Opens the namespace of a name.
///
/// A file on which nothing is mounted is no namespace: that is found out here,
/// because `setns` would only say EINVAL.
pub fn open_name(explain: Explain, name: &Path) -> Result<OwnedFd, CallError> {
    let call = format!("open({name:?}, O_RDONLY|O_CLOEXEC)");
    let is_namespace = statfs(name).map(|found| found.filesystem_type() == NSFS_MAGIC);
    if is_namespace == Ok(false) {
        let errno = Errno::EINVAL;
        return Err(CallError { call, errno });
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    explain.call_returning(call, open(name, flags, Mode::empty()), |fd| {
        fd.as_raw_fd().into()
    })
}
