//! Subvolumes and snapshots of btrfs: copy on write below the directory tree.
//!
//! A subvolume is a tree of its own, with inode numbers of its own; its root is
//! always number 256, which is how it is known. A snapshot is a second tree that
//! begins as the same blocks: one ioctl(2), however much is in it. Whoever writes
//! then, on either side, gets new blocks for what is written, so nothing is
//! merged at a lookup, and nothing has to be marked as deleted.
//!
//! The call is made on the directory that gets the new name. It needs no root:
//! who owns the source and may write to that directory may snapshot. The list is
//! told to anybody as well (since Linux 4.18), as far as he may search.
//!
//! Read: ioctl(2), btrfs-subvolume(8); <linux/btrfs.h>

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use crate::explain::{CallError, Explain};

// The request of each ioctl, as the macros of <linux/btrfs.h> make it: direction,
// size of the structure, 0x94 for btrfs, number.
const SNAP_CREATE_V2: libc::c_ulong = nix::request_code_write!(0x94, 23, size_of::<Create>());
const SUBVOL_INFO: libc::c_ulong = nix::request_code_read!(0x94, 60, size_of::<Info>());
const SUBVOL_ROOTREF: libc::c_ulong = nix::request_code_readwrite!(0x94, 61, size_of::<Below>());
const INO_LOOKUP_USER: libc::c_ulong = nix::request_code_readwrite!(0x94, 62, size_of::<Place>());

/// `BTRFS_SUBVOL_RDONLY` of a request, and of what the kernel tells later.
const CREATE_READ_ONLY: u64 = 1 << 1;
const ROOT_READ_ONLY: u64 = 1 << 0;
/// `BTRFS_FIRST_FREE_OBJECTID`: the inode number of every subvolume's root.
const ROOT_INODE: u64 = 256;

/// `struct btrfs_ioctl_vol_args_v2`, as far as a snapshot needs it.
#[repr(C)]
struct Create {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

/// `struct btrfs_ioctl_get_subvol_info_args`.
#[repr(C)]
struct Info {
    treeid: u64,
    name: [u8; 256],
    parent_id: u64,
    dirid: u64,
    generation: u64,
    flags: u64,
    uuid: [u8; 16],
    parent_uuid: [u8; 16],
    /// Where it was received from, transactions, times, room for more.
    rest: [u8; 176],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`: the subvolumes right below one.
#[repr(C)]
struct Below {
    min_treeid: u64,
    /// Each one's id, and the inode of the directory that it is in.
    refs: [(u64, u64); 255],
    count: u8,
    align: [u8; 7],
}

/// `struct btrfs_ioctl_ino_lookup_user_args`: where such a directory is.
#[repr(C)]
struct Place {
    dirid: u64,
    treeid: u64,
    name: [u8; 256],
    path: [u8; 3824],
}

/// A subvolume, as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subvolume {
    /// Its number on this file system.
    pub id: u64,
    /// From the subvolume that was asked; empty for that one itself.
    pub path: PathBuf,
    pub read_only: bool,
    /// Its name for ever, wherever it is moved or sent.
    pub uuid: [u8; 16],
    /// The one that it is a snapshot of, if it is one.
    pub origin: Option<[u8; 16]>,
}

/// Makes `to` a snapshot of the subvolume `from`, on the same file system.
///
/// Errors: ENOTTY off btrfs, EINVAL when `from` is no subvolume, EXDEV between
/// two file systems, EEXIST, EPERM for somebody else's, and those of open(2).
pub fn snapshot(
    explain: Explain,
    from: &Path,
    to: &Path,
    read_only: bool,
) -> Result<(), CallError> {
    // `to` has no name yet: the call is about the directory that it comes into.
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = to.file_name().unwrap_or_default();
    let source = directory(explain, from)?;
    let parent = directory(explain, parent)?;
    let mut create = Create {
        fd: source.as_raw_fd().into(),
        transid: 0,
        flags: if read_only { CREATE_READ_ONLY } else { 0 },
        unused: [0; 4],
        name: [0; 4040],
    };
    let call = format!(
        "ioctl({}, BTRFS_IOC_SNAP_CREATE_V2, {{fd={}, flags={}, name={name:?}}})",
        parent.as_raw_fd(),
        source.as_raw_fd(),
        if read_only {
            "BTRFS_SUBVOL_RDONLY"
        } else {
            "0"
        },
    );
    // `..` and `/` have no last part, and a name is 255 bytes at most.
    let made = match name.len() {
        0 => Err(Errno::EINVAL),
        256.. => Err(Errno::ENAMETOOLONG),
        length => {
            create.name[..length].copy_from_slice(name.as_bytes());
            btrfs(&parent, SNAP_CREATE_V2, &mut create)
        }
    };
    explain.call(call, made)
}

/// The subvolume whose root `top` is, and all below it, by path.
pub fn subvolumes(explain: Explain, top: &Path) -> Result<Vec<Subvolume>, CallError> {
    let mut found = Vec::new();
    let mut next = vec![PathBuf::new()];
    while let Some(path) = next.pop() {
        let root = directory(explain, &top.join(&path))?;
        let inode = explain.call_returning(
            format!("fstat({})", root.as_raw_fd()),
            fstat(&root),
            |stat| stat.st_ino as i64,
        )?;
        // The first alone can be a directory like any other: the names of its
        // subvolumes are counted from the root, and would lead nowhere.
        let told = if inode.st_ino == ROOT_INODE {
            info(&root)
        } else {
            Err(Errno::EINVAL)
        };
        let call = format!("ioctl({}, BTRFS_IOC_GET_SUBVOL_INFO)", root.as_raw_fd());
        let info = explain.call(call, told)?;
        found.push(Subvolume {
            id: info.treeid,
            path: path.clone(),
            read_only: info.flags & ROOT_READ_ONLY != 0,
            uuid: info.uuid,
            origin: (info.parent_uuid != [0; 16]).then_some(info.parent_uuid),
        });
        let call = format!("ioctl({}, BTRFS_IOC_GET_SUBVOL_ROOTREF)", root.as_raw_fd());
        for name in explain.call(call, below(&root))? {
            next.push(path.join(name));
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn info(root: &OwnedFd) -> nix::Result<Info> {
    let mut info = Info {
        treeid: 0,
        name: [0; 256],
        parent_id: 0,
        dirid: 0,
        generation: 0,
        flags: 0,
        uuid: [0; 16],
        parent_uuid: [0; 16],
        rest: [0; 176],
    };
    btrfs(root, SUBVOL_INFO, &mut info).map(|()| info)
}

/// The subvolumes that are right below, by their paths from this one's root.
/// Those in a directory that the caller may not search are left out.
fn below(root: &OwnedFd) -> nix::Result<Vec<PathBuf>> {
    let mut below = Below {
        min_treeid: 0,
        refs: [(0, 0); 255],
        count: 0,
        align: [0; 7],
    };
    let mut paths = Vec::new();
    loop {
        // As many as there is room for; EOVERFLOW says that there are more, from the
        // id on that it leaves in `min_treeid`.
        let more = match btrfs(root, SUBVOL_ROOTREF, &mut below) {
            Ok(()) => false,
            Err(Errno::EOVERFLOW) => true,
            Err(errno) => return Err(errno),
        };
        for (treeid, dirid) in &below.refs[..below.count.into()] {
            let mut place = Place {
                dirid: *dirid,
                treeid: *treeid,
                name: [0; 256],
                path: [0; 3824],
            };
            match btrfs(root, INO_LOOKUP_USER, &mut place) {
                Ok(()) => paths.push(text(&place.path).join(text(&place.name))),
                // ENOENT: deleted since.
                Err(Errno::EACCES | Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        if !more {
            return Ok(paths);
        }
    }
}

fn text(bytes: &[u8]) -> PathBuf {
    let text = CStr::from_bytes_until_nul(bytes).unwrap_or_default();
    OsStr::from_bytes(text.to_bytes()).into()
}

fn directory(explain: Explain, path: &Path) -> Result<OwnedFd, CallError> {
    explain.call_returning(
        format!("open({path:?}, O_RDONLY|O_DIRECTORY|O_CLOEXEC)"),
        open(
            path,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ),
        |fd| fd.as_raw_fd().into(),
    )
}

/// One of the requests above, with the structure that it is made for.
fn btrfs<T>(on: &OwnedFd, request: libc::c_ulong, arguments: &mut T) -> nix::Result<()> {
    // SAFETY: the kernel reads and writes as many bytes as the request says, which
    // is the size of the structure that the pointer is of.
    let result = unsafe { libc::ioctl(on.as_raw_fd(), request as _, &raw mut *arguments) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_those_that_strace_shows() {
        assert_eq!(SNAP_CREATE_V2, 0x5000_9417);
        assert_eq!(SUBVOL_INFO, 0x81f8_943c);
        assert_eq!(SUBVOL_ROOTREF, 0xd000_943d);
        assert_eq!(INO_LOOKUP_USER, 0xd000_943e);
    }

    #[test]
    fn what_is_not_on_btrfs_is_refused_with_the_remedy() {
        let explain = Explain::new(false);
        let proc = Path::new("/proc");
        let error = snapshot(explain, proc, Path::new("/proc/other"), false).unwrap_err();
        assert_eq!(error.errno, Errno::ENOTTY);
        assert!(error.to_string().contains("btrfs"), "{error}");
        let error = snapshot(explain, proc, Path::new("/proc/.."), false).unwrap_err();
        assert_eq!(error.errno, Errno::EINVAL);
    }
}
