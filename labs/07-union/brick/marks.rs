//! What a layer says beyond its files, and where it keeps it.
//!
//! A layer is an ordinary directory, so a deletion has to be *something* in it.
//! That something is a whiteout: a character device with the numbers 0:0, which
//! nothing else uses. All else is kept in extended attributes: `opaque` (hide
//! what the layers below have in this directory), `redirect` (below, it has
//! another name), `metacopy` (the bytes are below), `whiteout` (the same as the
//! device, where none can be made).
//!
//! Read: xattr(7), mknod(2), "whiteouts and opaque directories" in overlayfs.rst

use std::ffi::CString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mknod};

use crate::explain::{CallError, Explain};

/// In which class of extended attributes an overlay keeps its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `trusted.overlay.*`: only root of the *first* user namespace may set
    /// them, or is even shown them. So nobody in a container can forge a layer.
    Trusted,
    /// `user.overlay.*`: anybody may, on his own files. The mount option is
    /// `userxattr`. Linux 5.11; on a tmpfs 6.6.
    User,
}

impl Class {
    /// The attribute's whole name.
    pub fn name(self, mark: &str) -> String {
        match self {
            Self::Trusted => format!("trusted.overlay.{mark}"),
            Self::User => format!("user.overlay.{mark}"),
        }
    }
}

/// The value of a mark, in whichever class it is: a layer has those of whoever
/// wrote it. (The kernel asks one class only, that of the mount.)
pub fn mark(path: &Path, name: &str) -> Option<Vec<u8>> {
    [Class::Trusted, Class::User]
        .into_iter()
        .find_map(|class| attribute(path, &class.name(name)))
}

/// Sets a mark. EPERM for `trusted.` in a user namespace; EOPNOTSUPP where the
/// file system keeps no such attributes.
pub fn set_mark(
    explain: Explain,
    class: Class,
    path: &Path,
    name: &str,
    value: &[u8],
) -> Result<(), CallError> {
    let name = class.name(name);
    let text = String::from_utf8_lossy(value);
    explain.call(
        format!(
            "lsetxattr({path:?}, {name:?}, {text:?}, {}, 0)",
            value.len()
        ),
        set_attribute(path, &name, value),
    )
}

/// Whether a layer hides that name in those below it. `marked`: whether the
/// directory says (`opaque=x`) that plain files may be whiteouts here.
pub fn is_whiteout(path: &Path, metadata: &Metadata, marked: bool) -> bool {
    let device = metadata.file_type().is_char_device() && metadata.rdev() == 0;
    device || marked && metadata.len() == 0 && mark(path, "whiteout").is_some()
}

/// Makes a whiteout. A device file takes CAP_MKNOD; this one does not (Linux
/// 5.8): there is no driver behind 0:0, so there is nothing to protect.
pub fn whiteout(explain: Explain, path: &Path) -> Result<(), CallError> {
    explain.call(
        format!("mknod({path:?}, S_IFCHR, makedev(0, 0))"),
        mknod(path, SFlag::S_IFCHR, Mode::empty(), 0),
    )
}

/// The value of any extended attribute. A link's own, not its target's.
pub fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let (path, name) = strings(path, name).ok()?;
    // 64 KiB is the most that the kernel lets an attribute be: XATTR_SIZE_MAX.
    let mut value = vec![0u8; 64 << 10];
    // SAFETY: two C strings, and a buffer of the length that is given.
    let length = unsafe {
        libc::lgetxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    // ENODATA: no such attribute. ENOTSUP: no such thing on this file system.
    value.truncate(usize::try_from(length).ok()?);
    Some(value)
}

/// Sets one. The path is taken as it is: a link is not followed.
pub fn set_attribute(path: &Path, name: &str, value: &[u8]) -> nix::Result<()> {
    let (path, name) = strings(path, name)?;
    let (data, length) = (value.as_ptr().cast(), value.len());
    // SAFETY: two C strings, and as many bytes as the length says.
    let result = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), data, length, 0) };
    Errno::result(result).map(drop)
}

/// The names of the attributes that a file has and that we are shown.
pub fn attributes(path: &Path) -> nix::Result<Vec<String>> {
    let (path, _) = strings(path, "")?;
    // XATTR_LIST_MAX, likewise.
    let mut list = vec![0u8; 64 << 10];
    // SAFETY: a C string, and a buffer of the length that is given.
    let length = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    match Errno::result(length) {
        Ok(length) => list.truncate(usize::try_from(length).unwrap_or_default()),
        Err(Errno::ENOTSUP) => list.clear(),
        Err(errno) => return Err(errno),
    }
    let names = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

fn strings(path: &Path, name: &str) -> nix::Result<(CString, CString)> {
    // A NUL byte ends a C string, so neither can hold one.
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    Ok((path, name))
}
