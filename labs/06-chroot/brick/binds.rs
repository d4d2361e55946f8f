//! A directory or file of the host's, shown in the new root.
//!
//! mount(2) with MS_BIND ignores every other flag but MS_REC, so "read-only" took a
//! second call, for one mount, while the first one could already be written to. The
//! newer interface has it right: a *detached* copy of the tree is changed while
//! nobody can see it, all of it, and then attached.
//!
//! Read: open_tree(2), mount_setattr(2), move_mount(2); Linux 5.2 and 5.12

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, pipe2, read};

use super::inside::{Make, Root};
use crate::explain::{CallError, Explain};
use crate::namespaces::{clone3, write_id_maps};

/// One `SRC:DST`, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// A path of the host.
    pub source: PathBuf,
    /// A path of the new root; made when it is not there.
    pub target: PathBuf,
    /// With every mount below it.
    pub read_only: bool,
}

/// Which ids the files have on disk, and which they are to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The first id as the file system stores it.
    pub on_disk: u32,
    /// What it shows as through the mount, and what is written comes from.
    pub shown: u32,
    /// How many ids, one after the other; all others show as nobody's (65534),
    /// and who has one of those can make no file there (EOVERFLOW).
    pub count: u32,
}

/// Shows `bind.source` at `bind.target` of the new root.
///
/// An id map takes CAP_SYS_ADMIN in the user namespace that owns the *file system*
/// (EPERM), one that knows of it (EINVAL), and is for all the mounts of the tree.
pub fn bind(explain: Explain, root: &Root, bind: &Bind, map: Option<IdMap>) -> anyhow::Result<()> {
    // While it is attached nowhere, nobody can open a file through it. With mount(2)
    // there is a moment in which the bind is there, and still writable.
    let tree = open_tree(explain, &bind.source, true)?;
    if bind.read_only {
        // Flags of the mount, not of the file system: the source stays writable.
        set_attributes(explain, &tree, Attributes::READ_ONLY, None)?;
    }
    if let Some(map) = map {
        // The namespace is only where the kernel keeps a map; nobody will live in it.
        let users = user_namespace(explain, map)?;
        let idmap = Attributes {
            set: libc::MOUNT_ATTR_IDMAP,
            ..Attributes::READ_ONLY
        };
        set_attributes(explain, &tree, idmap, Some(&users))?;
    }
    // A directory is mounted on a directory, anything else on a file (ENOTDIR).
    let make = if bind.source.is_dir() {
        Make::Directory
    } else {
        Make::File
    };
    // Last, because it may make directories: nothing is made for a source that is
    // not there, or a map that is refused.
    let target = root.inside(explain, &bind.target, make)?;
    Ok(move_mount(explain, &tree, &target)?)
}

/// A copy of the mount at `path`, with `recursive` also of all below it, attached
/// nowhere. To copy a mount without those on it is refused in a user namespace
/// (EINVAL): it would show what they cover.
pub fn open_tree(explain: Explain, path: &Path, recursive: bool) -> anyhow::Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_bytes()).context("a path holds a NUL byte")?;
    // Without OPEN_TREE_CLONE it would be a descriptor of the mount that is there,
    // and the attributes would be changed for the host.
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    // SAFETY: `name` is a C string; a descriptor that comes back is new and ours.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, name.as_ptr(), flags);
        Errno::result(fd).map(|fd| OwnedFd::from_raw_fd(fd as i32))
    };
    let below = if recursive { "|AT_RECURSIVE" } else { "" };
    Ok(explain.call_returning(
        format!("open_tree(AT_FDCWD, {path:?}, OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC{below})"),
        fd,
        |fd| fd.as_raw_fd().into(),
    )?)
}

/// What mount_setattr(2) is to change of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// MOUNT_ATTR_… to add, …
    pub set: u64,
    /// … and to take away. What the owner of another user namespace has set is
    /// locked, and stays (EPERM).
    pub clear: u64,
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE; 0 leaves it as it is.
    pub propagation: u64,
    /// All mounts below, too.
    pub recursive: bool,
}

impl Attributes {
    /// The whole tree read-only.
    pub const READ_ONLY: Self = Self {
        set: libc::MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        recursive: true,
    };
}

/// mount_setattr(2) on an open mount: all that it is to change is changed, or none.
pub fn set_attributes(
    explain: Explain,
    tree: &OwnedFd,
    change: Attributes,
    users: Option<&File>,
) -> Result<(), CallError> {
    let recursive = if change.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: all-zero is a valid mount_attr; the kernel reads as much as its size
    // says. The empty path with AT_EMPTY_PATH is the descriptor itself.
    let done = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = change.set;
        attributes.attr_clr = change.clear;
        attributes.propagation = change.propagation;
        attributes.userns_fd = users.map_or(0, |file| file.as_raw_fd() as u64);
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    let what = match (users, change) {
        (Some(users), _) => format!("attr_set=MOUNT_ATTR_IDMAP, userns_fd={}", users.as_raw_fd()),
        (None, Attributes::READ_ONLY) => "attr_set=MOUNT_ATTR_RDONLY".into(),
        (None, change) => format!(
            "attr_set={:#x}, attr_clr={:#x}, propagation={:#x}",
            change.set, change.clear, change.propagation
        ),
    };
    let below = if change.recursive {
        "|AT_RECURSIVE"
    } else {
        ""
    };
    explain.call(
        format!(
            "mount_setattr({}, \"\", AT_EMPTY_PATH{below}, {{{what}}})",
            tree.as_raw_fd()
        ),
        Errno::result(done).map(drop),
    )
}

/// Attaches a detached tree to what is open as `target`: the only call of the four
/// that anybody can see the effect of.
pub fn move_mount(explain: Explain, tree: &OwnedFd, target: &OwnedFd) -> Result<(), CallError> {
    let (from, to) = (tree.as_raw_fd(), target.as_raw_fd());
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are the empty C string: the descriptors themselves.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            from,
            c"".as_ptr(),
            to,
            c"".as_ptr(),
            flags,
        )
    };
    explain.call(
        format!(
            "move_mount({from}, \"\", {to}, \"\", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)"
        ),
        Errno::result(done).map(drop),
    )
}

/// The id map of a mount is given as a namespace because the kernel keeps maps in
/// nothing else. It is read once; the namespace can go afterwards.
/// A user namespace with this map, kept alive by the open file alone.
fn user_namespace(explain: Explain, map: IdMap) -> anyhow::Result<File> {
    // A process has to be in it until its maps are written and its file is open.
    let (go_read, go_write) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    // SAFETY: this process has one thread.
    let child = match unsafe { clone3(CloneFlags::CLONE_NEWUSER) } {
        Ok(ForkResult::Child) => {
            // Lives until it is killed: the other end is not written to.
            drop(go_write);
            let _ = read(&go_read, &mut [0]);
            bail!("the parent is gone");
        }
        forked => explain.call_returning(
            "clone3({flags=CLONE_NEWUSER, exit_signal=SIGCHLD})",
            forked,
            |forked| match forked {
                ForkResult::Parent { child } => child.as_raw().into(),
                ForkResult::Child => 0,
            },
        )?,
    };
    let ForkResult::Parent { child } = child else {
        bail!("the child has returned");
    };
    // In a map of a mount "inside" is what is on the disk, "outside" what is shown.
    let line = format!("{} {} {}", map.on_disk, map.shown, map.count);
    let path = format!("/proc/{child}/ns/user");
    // As with any namespace: by the parent, from outside, which has the right to map
    // ids that are not its own (CAP_SETUID; an ordinary user has it for none).
    let opened = write_id_maps(explain, &child.to_string(), &line, &line)
        .map_err(anyhow::Error::from)
        .and_then(|()| File::open(&path).with_context(|| format!("open({path:?})")));
    // Whether that worked or not: the child has nothing to live for.
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    opened
}
