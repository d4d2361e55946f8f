//! A terminal for the container's first process, out of the container's own /dev/pts.
//!
//! One of the host's would work, but have no name inside: `tty` would say that there
//! is none. And who holds a terminal of the host's could ask the host's devpts about it.
//!
//! Read: pts(4), ioctl_tty(2) (TIOCGPTPEER), mount_namespaces(7)

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::root::{Make, Root};
use nix::errno::Errno;
use nix::sys::statfs::{FsType, fstatfs};

use super::super::{channel, process};
use super::mounts::bind;
use super::options::Options;

/// `DEVPTS_SUPER_MAGIC` of <linux/magic.h>.
const DEVPTS: FsType = FsType(0x1cd1);

/// Makes a terminal, standard input, output and error of this process, its controlling
/// terminal and `/dev/console`, and sends the master to the runtime.
pub fn take(root: &Root, runtime: &OwnedFd) -> anyhow::Result<()> {
    let (master, slave) = pair(root)?;
    // By the open file: what a path leads to could have changed.
    let path = format!("/proc/self/fd/{}", slave.as_raw_fd());
    bind(
        root,
        Path::new(&path),
        Path::new("/dev/console"),
        &Options::parse(&[]),
    )?;
    let stdio = [slave.try_clone()?, slave.try_clone()?, slave];
    process::take_stdio(&stdio, true)?;
    channel::send_descriptor(runtime, &master)
}

/// Master and slave of a new terminal of the devpts that is mounted in a root.
///
/// # Errors
/// No devpts there; it has no more terminals.
pub fn pair(root: &Root) -> anyhow::Result<(OwnedFd, OwnedFd)> {
    let place = root.inside(
        Explain::new(false),
        Path::new("/dev/pts/ptmx"),
        Make::Nothing,
    )?;
    if fstatfs(&place)
        .context("fstatfs(/dev/pts/ptmx)")?
        .filesystem_type()
        != DEVPTS
    {
        bail!("/dev/pts of the container is no devpts");
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let master: OwnedFd = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
        .context("open(/dev/pts/ptmx)")?
        .into();
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    let done = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) };
    Errno::result(done).context("ioctl(TIOCSPTLCK)")?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // The slave without its path, which the container could have put something at.
    // SAFETY: TIOCGPTPEER takes flags, and returns a descriptor that is new and ours.
    let slave = unsafe {
        let fd = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        OwnedFd::from_raw_fd(Errno::result(fd).context("ioctl(TIOCGPTPEER)")?)
    };
    Ok((master, slave))
}
