//! A directory becomes an archive: a layer from an overlay's upper directory, or a
//! whole tree as it shows.
//!
//! The same tree gives the same bytes, so the same digest: names in order, times in
//! whole seconds (as docker has them), owners as numbers alone. A container may be
//! running and change what is being read, so each directory is entered through the
//! descriptor of the one above and no link is followed: a name that becomes a link
//! meanwhile leads nowhere.
//!
//! Read: OCI image specification (layer), tar(5), pax(1), xattr(7)

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use labs::union::{attribute, attributes, mark};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use tar::{EntryType, Header};

use super::tree::kind;

/// The most that eleven octal digits say: 8 GiB.
const SIZE: u64 = 0o77_777_777_777;
/// And seven: what ids have.
const ID: u64 = 0o7_777_777;

/// How a tree is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// An overlay's upper directory: its marks become `.wh.` files.
    pub layer: bool,
    /// Everything is root's, and from 1970: for a tree of our own making.
    pub plain: bool,
}

/// Packs all that is in `root`, except the directory itself, and ends the archive.
///
/// # Errors
/// A file that cannot be read; a full disk.
pub fn pack(root: &Path, how: How, to: impl Write) -> anyhow::Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::open(root, flags, Mode::empty())
        .with_context(|| format!("open {}", root.display()))?;
    let mut pack = Pack::new(to, how);
    pack.directory(fd, Path::new(""))?;
    pack.finish()
}

/// An archive that is being written.
#[derive(Debug)]
pub struct Pack<W> {
    to: W,
    how: How,
    /// Files with several names, by device and inode, and the first of them.
    linked: HashMap<(u64, u64), PathBuf>,
    buffer: Vec<u8>,
}

impl<W: Write> Pack<W> {
    pub fn new(to: W, how: How) -> Self {
        Self {
            to,
            how,
            linked: HashMap::new(),
            buffer: vec![0; 256 << 10],
        }
    }

    /// All names of an open directory, which is called `path` in the archive.
    ///
    /// # Errors
    /// As [`pack`].
    pub fn directory(&mut self, fd: OwnedFd, path: &Path) -> anyhow::Result<()> {
        let told = || format!("read {}", path.display());
        let mut dir = Dir::from_fd(fd.try_clone()?).with_context(told)?;
        let mut names: Vec<OsString> = Vec::new();
        for entry in dir.iter() {
            let entry = entry.with_context(told)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort();
        for name in names {
            self.entry(&fd, &name, &path.join(&name))?;
        }
        Ok(())
    }

    /// One name of an open directory, and all below it, as `path`.
    ///
    /// # Errors
    /// As [`pack`].
    pub fn entry(&mut self, folder: &OwnedFd, name: &OsStr, path: &Path) -> anyhow::Result<()> {
        let told = || format!("read {}", path.display());
        let stat = match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            // A container that runs has removed it just now.
            Err(Errno::ENOENT) => return Ok(()),
            result => result.with_context(told)?,
        };
        match kind(&stat) {
            SFlag::S_IFDIR => {
                let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let fd = openat(folder, name, flags, Mode::empty()).with_context(told)?;
                let place = PathBuf::from(labs::root::path_of(&fd)).join(".");
                self.member(&stat, path, &place, None, None)?;
                if self.how.layer {
                    self.marks(&place, path)?;
                }
                self.directory(fd, path)
            }
            SFlag::S_IFREG => self.file(folder, name, path, &stat),
            SFlag::S_IFLNK => {
                let target = readlinkat(folder, name).with_context(told)?;
                self.member(&stat, path, Path::new(""), Some(target.as_bytes()), None)
            }
            SFlag::S_IFCHR if self.how.layer && stat.st_rdev == 0 => {
                let mut hidden = OsString::from(".wh.");
                hidden.push(name);
                self.marker(&path.with_file_name(hidden))
            }
            // An archive has no sockets; whoever listened is gone.
            SFlag::S_IFSOCK => Ok(()),
            _ => self.member(&stat, path, Path::new(""), None, None),
        }
    }

    /// Ends the archive: two empty blocks.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.to.write_all(&[0; 1024])?;
        Ok(self.to.flush()?)
    }

    fn file(
        &mut self,
        folder: &OwnedFd,
        name: &OsStr,
        path: &Path,
        stat: &FileStat,
    ) -> anyhow::Result<()> {
        if stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.linked.get(&inode).cloned() {
                return self.link(stat, path, &first);
            }
            self.linked.insert(inode, path.to_owned());
        }
        let told = || format!("read {}", path.display());
        // Not to wait for a pipe's writer, should it have become one meanwhile.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(()),
            result => result.with_context(told)?,
        };
        let stat = fstat(&file).with_context(told)?;
        if kind(&stat) != SFlag::S_IFREG {
            bail!("{} has become something else", path.display());
        }
        let place = PathBuf::from(labs::root::path_of(folder)).join(name);
        if self.how.layer && mark(&place, "metacopy").is_some() {
            bail!(
                "{} has its bytes in another layer: the overlay was mounted with metacopy=on",
                path.display()
            );
        }
        self.member(&stat, path, &place, None, Some(File::from(file)))
    }

    /// What an upper directory says by extended attributes.
    fn marks(&mut self, place: &Path, path: &Path) -> anyhow::Result<()> {
        if mark(place, "redirect").is_some() {
            bail!(
                "{} lies elsewhere in the layers below: the overlay was mounted with redirect_dir=on",
                path.display()
            );
        }
        match mark(place, "opaque").as_deref() {
            Some(b"y") => self.marker(&path.join(".wh..wh..opq")),
            _ => Ok(()),
        }
    }

    /// An empty file that says something by its name.
    fn marker(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(0);
        let mut records = Vec::new();
        set_path(&mut header, path.as_os_str().as_bytes(), &mut records);
        self.header(header, &records)
    }

    fn link(&mut self, stat: &FileStat, path: &Path, first: &Path) -> anyhow::Result<()> {
        let mut records = Vec::new();
        let mut header = self.plain_header(stat, &mut records);
        header.set_entry_type(EntryType::Link);
        set_path(&mut header, path.as_os_str().as_bytes(), &mut records);
        set_target(&mut header, first.as_os_str().as_bytes(), &mut records);
        self.header(header, &records)
    }

    /// A member: its header, with attributes of `place`, and the bytes of a file.
    fn member(
        &mut self,
        stat: &FileStat,
        path: &Path,
        place: &Path,
        target: Option<&[u8]>,
        file: Option<File>,
    ) -> anyhow::Result<()> {
        let mut records = Vec::new();
        let mut header = self.plain_header(stat, &mut records);
        let mut name = path.as_os_str().as_bytes().to_vec();
        let (kind, device) = match kind(stat) {
            SFlag::S_IFDIR => (EntryType::Directory, false),
            SFlag::S_IFLNK => (EntryType::Symlink, false),
            SFlag::S_IFCHR => (EntryType::Char, true),
            SFlag::S_IFBLK => (EntryType::Block, true),
            SFlag::S_IFIFO => (EntryType::Fifo, false),
            _ => (EntryType::Regular, false),
        };
        header.set_entry_type(kind);
        if kind == EntryType::Directory {
            name.push(b'/');
        }
        if device {
            header.set_device_major(u32::try_from(major(stat.st_rdev))?)?;
            header.set_device_minor(u32::try_from(minor(stat.st_rdev))?)?;
        }
        set_path(&mut header, &name, &mut records);
        if let Some(target) = target {
            set_target(&mut header, target, &mut records);
        }
        if !place.as_os_str().is_empty() && !self.how.plain {
            kept_attributes(place, &mut records);
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        if file.is_some() {
            set_number(&mut records, "size", size, SIZE);
            header.set_size(size.min(SIZE));
        }
        self.header(header, &records)?;
        match file {
            Some(file) => self
                .bytes(file, size)
                .with_context(|| format!("read {}", path.display())),
            None => Ok(()),
        }
    }

    /// Owner, mode and time.
    fn plain_header(&self, stat: &FileStat, records: &mut Vec<Record>) -> Header {
        let mut header = Header::new_ustar();
        header.set_size(0);
        header.set_mode(stat.st_mode & 0o7777);
        let (uid, gid) = match self.how.plain {
            true => (0, 0),
            false => (stat.st_uid.into(), stat.st_gid.into()),
        };
        set_number(records, "uid", uid, ID);
        set_number(records, "gid", gid, ID);
        header.set_uid(uid.min(ID));
        header.set_gid(gid.min(ID));
        let time = if self.how.plain { 0 } else { stat.st_mtime };
        if time < 0 {
            records.push(("mtime".into(), time.to_string().into()));
        }
        header.set_mtime(u64::try_from(time).unwrap_or_default());
        header
    }

    fn header(&mut self, mut header: Header, records: &[Record]) -> anyhow::Result<()> {
        if !records.is_empty() {
            let bytes = encode(records);
            let mut before = Header::new_ustar();
            before.set_entry_type(EntryType::XHeader);
            before.set_path("PaxHeaders.0/file")?;
            before.set_mode(0o644);
            before.set_uid(0);
            before.set_gid(0);
            before.set_mtime(0);
            before.set_size(bytes.len() as u64);
            before.set_cksum();
            self.to.write_all(before.as_bytes())?;
            self.to.write_all(&bytes)?;
            self.pad(bytes.len() as u64)?;
        }
        header.set_cksum();
        Ok(self.to.write_all(header.as_bytes())?)
    }

    /// Exactly as many bytes as the header has said, whatever happens to the file.
    fn bytes(&mut self, mut file: File, size: u64) -> anyhow::Result<()> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            let read = file.read(&mut self.buffer[..most])?;
            if read == 0 {
                // It has been cut while we read: as `tar` does.
                io::copy(&mut io::repeat(0).take(left), &mut self.to)?;
                break;
            }
            self.to.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> anyhow::Result<()> {
        let padding = size.wrapping_neg() % 512;
        Ok(self.to.write_all(&[0; 512][..padding as usize])?)
    }
}

/// A pax record: key and value.
type Record = (String, Vec<u8>);

/// `LENGTH KEY=VALUE\n`: the length counts its own digits too.
fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = 3 + key.len() + value.len();
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        bytes.extend(format!("{length} {key}=").bytes());
        bytes.extend(value);
        bytes.push(b'\n');
    }
    bytes
}

/// A number that the old header has no room for.
fn set_number(records: &mut Vec<Record>, key: &str, number: u64, most: u64) {
    if number > most {
        records.push((key.into(), number.to_string().into()));
    }
}

fn set_path(header: &mut Header, path: &[u8], records: &mut Vec<Record>) {
    // The old header has 100 bytes for it, or 155 more before a slash.
    if header.set_path(OsStr::from_bytes(path)).is_err() {
        records.push(("path".into(), path.to_vec()));
        let end = path.len().min(100);
        let name = header.as_old_mut();
        name.name[..end].copy_from_slice(&path[..end]);
    } else if path.ends_with(b"/") && !header.path_bytes().ends_with(b"/") {
        // The crate takes the slash away from a path that it splits.
        records.push(("path".into(), path.to_vec()));
    }
}

fn set_target(header: &mut Header, target: &[u8], records: &mut Vec<Record>) {
    let field = &mut header.as_old_mut().linkname;
    let end = target.len().min(field.len());
    field[..end].copy_from_slice(&target[..end]);
    if end < target.len() {
        records.push(("linkpath".into(), target.to_vec()));
    }
}

/// File capabilities and what users attach. All else belongs to this machine
/// (security labels) or to its overlay.
fn kept_attributes(place: &Path, records: &mut Vec<Record>) {
    let mut names = attributes(place).unwrap_or_default();
    names.sort();
    for name in names {
        let user = name.starts_with("user.") && !name.starts_with("user.overlay.");
        if !user && name != "security.capability" {
            continue;
        }
        if let Some(value) = attribute(place, &name) {
            records.push((format!("SCHILY.xattr.{name}"), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        let record = |value: &str| encode(&[("path".into(), value.into())]);
        assert_eq!(record("a"), b"9 path=a\n");
        assert_eq!(record(""), b"8 path=\n");
        let long = record(&"x".repeat(92));
        assert!(
            long.starts_with(b"102 path=") && long.len() == 102,
            "{}",
            long.len()
        );
    }
}
