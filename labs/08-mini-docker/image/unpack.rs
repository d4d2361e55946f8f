//! A layer's archive becomes a directory, in overlayfs's terms.
//!
//! Whoever made the archive has chosen every name, link and number in it. Names
//! are taken through [`Tree`], so none leads out; a file that is there is removed
//! and made anew, never written through; a name that begins with `.wh.` becomes a
//! whiteout of the one directory that it stands in. What an archive may *cost* is
//! bounded too: bytes, files and depth.
//!
//! What an ordinary user cannot have is left out and counted, so that it can be
//! told: device files, and owners that have no id in his user namespace.
//!
//! Read: OCI image specification (layer), tar(5), xattr(7), user_namespaces(7)

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::union::{Class, set_attribute, set_mark, whiteout};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, makedev, mkdirat,
    mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{LinkatFlags, fchown, fchownat, linkat, symlinkat};
use tar::EntryType;

use super::entries::{Entries, Member};
use super::ids::Ids;
use super::tree::{Place, Tree, clean, kind, remove};

/// How a name says that it deletes another one.
const WHITEOUT: &[u8] = b".wh.";
/// In a directory: nothing of it shows from the layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What one layer may cost at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files, directories, links.
    pub files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 128 << 30,
            files: 4 << 20,
        }
    }
}

/// How an archive is taken.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// As a layer: `.wh.` files are whiteouts, and what is there gives way. Else it is
    /// a copy into a tree that is used: no directory gives way to a file.
    pub layer: bool,
    /// Where a layer's marks are kept.
    pub class: Class,
    /// Whose everything is, whatever the archive says.
    pub owner: Option<(u64, u64)>,
    pub limits: Limits,
}

/// What has become of a layer.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    /// Bytes of all files.
    pub bytes: u64,
    /// Owners that have no id here: the files are the caller's.
    pub foreign: u64,
    /// Device files that were left out.
    pub devices: u64,
    /// Directories that the archive takes for granted: they are as those of the
    /// layer below.
    pub implied: Vec<PathBuf>,
}

/// Unpacks an archive, not compressed, into a tree.
///
/// # Errors
/// An archive that is damaged, leads out of its tree, or costs too much; a full disk.
/// What was made is left to the caller.
pub fn unpack(archive: impl Read, into: Tree, how: How) -> anyhow::Result<Unpacked> {
    let mut entries = Entries::new(archive);
    let mut layer = Layer {
        tree: into,
        how,
        ids: Ids::own(),
        files: 0,
        times: Vec::new(),
        hidden: HashSet::new(),
        done: Unpacked::default(),
        buffer: vec![0; 256 << 10],
    };
    while let Some(member) = entries.advance()? {
        layer.member(&member, &mut entries).with_context(|| {
            String::from_utf8_lossy(&member.path)
                .escape_debug()
                .to_string()
        })?;
    }
    layer.finish()
}

/// The layer that is being made.
struct Layer {
    tree: Tree,
    how: How,
    ids: Ids,
    files: u64,
    /// Times of directories: set last, as every file in one changes it.
    times: Vec<(PathBuf, TimeSpec)>,
    /// Names with a whiteout: a directory that comes after it hides what is below.
    hidden: HashSet<PathBuf>,
    done: Unpacked,
    buffer: Vec<u8>,
}

impl Layer {
    fn member(&mut self, member: &Member, bytes: &mut impl Read) -> anyhow::Result<()> {
        self.files += 1;
        if self.files > self.how.limits.files {
            bail!("more than {} files: a bomb?", self.how.limits.files);
        }
        let path = clean(Path::new(OsStr::from_bytes(&member.path)))?;
        let Some(name) = path.file_name() else {
            // The root itself: its owner, mode and time are the layer's.
            return match member.kind {
                EntryType::Directory => self.root(member),
                _ => bail!("the root has to be a directory"),
            };
        };
        let implied = &mut self.done.implied;
        let place = self
            .tree
            .place(&path, |made| implied.push(made.to_owned()))?;
        if self.how.layer && name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(&place, &path, name);
        }
        match member.kind {
            EntryType::Directory => self.directory(&place, &path, member),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&place, member, bytes)
            }
            EntryType::Link => self.link(&place, member),
            EntryType::Symlink => self.symlink(&place, member),
            EntryType::Char => self.node(&place, SFlag::S_IFCHR, member),
            EntryType::Block => self.node(&place, SFlag::S_IFBLK, member),
            EntryType::Fifo => self.node(&place, SFlag::S_IFIFO, member),
            other => bail!("unhandled tar header type {:?}", other.as_byte() as char),
        }
    }

    fn root(&mut self, member: &Member) -> anyhow::Result<()> {
        let root = File::from(self.tree.root().try_clone_to_owned()?);
        let path = Path::new(&labs::root::path_of(&root)).join(".");
        self.dress(&root, &path, member)?;
        self.times.push((PathBuf::new(), member.time));
        Ok(())
    }

    fn directory(&mut self, place: &Place, path: &Path, member: &Member) -> anyhow::Result<()> {
        let make = || mkdirat(&*place.folder, &*place.name, Mode::S_IRWXU);
        match make() {
            // Two entries for one directory: the last one says how it is.
            Err(Errno::EEXIST) if kind(&place.stat()?) == SFlag::S_IFDIR => {}
            Err(Errno::EEXIST) if !self.how.layer => {
                bail!("cannot overwrite non-directory with directory")
            }
            Err(Errno::EEXIST) => {
                self.clear(place)?;
                make()?;
            }
            result => result?,
        }
        let open = File::from(place.open(OFlag::O_DIRECTORY, Mode::empty())?);
        // A whiteout was there: the same name below belongs to another directory.
        if self.hidden.contains(path) {
            set_mark(quiet(), self.how.class, &place.path(), "opaque", b"y")?;
        }
        self.done.implied.retain(|implied| implied != path);
        self.times.push((path.to_owned(), member.time));
        self.dress(&open, &place.path(), member)
    }

    fn file(
        &mut self,
        place: &Place,
        member: &Member,
        bytes: &mut impl Read,
    ) -> anyhow::Result<()> {
        // Counted with its holes: they come out as bytes again in an archive.
        self.done.bytes = self.done.bytes.saturating_add(member.size);
        if self.done.bytes > self.how.limits.bytes {
            bail!("more than {} bytes: a bomb?", self.how.limits.bytes);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let make = || place.open(flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let mut file = File::from(match make() {
            Err(Errno::EEXIST) => {
                self.clear(place)?;
                make()?
            }
            result => result?,
        });
        match &member.sparse {
            None => self.copy(bytes, member.size, &mut file)?,
            Some(pieces) => {
                for (offset, length) in pieces {
                    file.seek(SeekFrom::Start(*offset))?;
                    self.copy(bytes, *length, &mut file)?;
                }
                file.set_len(member.size)?;
            }
        }
        self.dress(&file, &place.path(), member)?;
        futimens(&file, &member.time, &member.time)?;
        Ok(())
    }

    fn copy(&mut self, from: &mut impl Read, mut left: u64, to: &mut File) -> anyhow::Result<()> {
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let most = most.min(self.buffer.len());
            let read = from.read(&mut self.buffer[..most])?;
            if read == 0 {
                bail!("the archive has less of it than it says");
            }
            to.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        Ok(())
    }

    /// A further name of a file of this layer. Its target is looked up as any name
    /// is: in the layer, the last component not followed.
    fn link(&mut self, place: &Place, member: &Member) -> anyhow::Result<()> {
        let target = clean(Path::new(OsStr::from_bytes(&member.target)))?;
        let folder = target.parent().unwrap_or(Path::new(""));
        let name = target.file_name().context("a hard link to a directory")?;
        let folder = self
            .tree
            .resolve(folder, OFlag::O_DIRECTORY | OFlag::O_PATH);
        let told = || format!("link to {}", target.display());
        let folder = folder.with_context(told)?;
        let link = || {
            let flags = LinkatFlags::empty();
            linkat(&folder, name, &*place.folder, &*place.name, flags)
        };
        match link() {
            Err(Errno::EEXIST) => {
                self.clear(place)?;
                link()
            }
            result => result,
        }
        .with_context(told)
    }

    fn symlink(&mut self, place: &Place, member: &Member) -> anyhow::Result<()> {
        // Kept as it is: where it leads is for whoever has this tree as root.
        let target = OsStr::from_bytes(&member.target);
        let make = || symlinkat(target, &*place.folder, &*place.name);
        match make() {
            Err(Errno::EEXIST) => {
                self.clear(place)?;
                make()?;
            }
            result => result?,
        }
        self.dress_name(place, member)
    }

    fn node(&mut self, place: &Place, kind: SFlag, member: &Member) -> anyhow::Result<()> {
        let (major, minor) = member.device;
        let device = kind != SFlag::S_IFIFO;
        if device && member.device == (0, 0) {
            bail!("a device 0:0 is overlayfs's whiteout, and no file");
        }
        // Whoever copies files wants none of a container's devices.
        if device && self.how.owner.is_some() {
            self.done.devices += 1;
            return Ok(());
        }
        self.clear(place)?;
        let number = makedev(major.into(), minor.into());
        let number = if device { number } else { 0 };
        match mknodat(&*place.folder, &*place.name, kind, Mode::S_IRUSR, number) {
            // Real root alone makes devices; without it a container has those that
            // its /dev is given.
            Err(Errno::EPERM) if device => {
                self.done.devices += 1;
                return Ok(());
            }
            result => result?,
        }
        // By name, and following: but this is no link, it was made a line above.
        let mode = Mode::from_bits_truncate(member.mode & 0o777);
        fchmodat(
            &*place.folder,
            &*place.name,
            mode,
            FchmodatFlags::FollowSymlink,
        )?;
        self.dress_name(place, member)
    }

    /// `.wh.NAME`: hides NAME of the layers below, in this directory and nowhere else.
    fn whiteout(&mut self, place: &Place, path: &Path, name: &OsStr) -> anyhow::Result<()> {
        let bytes = name.as_bytes();
        if bytes == OPAQUE {
            // The descriptor's link has to be followed; "." does that.
            let folder = Path::new(&labs::root::path_of(&*place.folder)).join(".");
            return Ok(set_mark(quiet(), self.how.class, &folder, "opaque", b"y")?);
        }
        let hidden = &bytes[WHITEOUT.len()..];
        // AUFS kept notes of its own under such names.
        if hidden.starts_with(WHITEOUT) {
            return Ok(());
        }
        if matches!(hidden, b"" | b"." | b"..") {
            bail!("this whiteout leaves its directory");
        }
        let place = Place {
            folder: Rc::clone(&place.folder),
            name: OsStr::from_bytes(hidden).to_owned(),
        };
        match place.stat() {
            // It hides what the layers below have, not what this one has.
            Ok(stat) if kind(&stat) == SFlag::S_IFDIR => {
                set_mark(quiet(), self.how.class, &place.path(), "opaque", b"y")?;
            }
            Ok(_) => {}
            Err(_) => {
                whiteout(quiet(), &place.path())?;
                self.hidden.insert(path.with_file_name(&place.name));
            }
        }
        Ok(())
    }

    /// What is at a place makes room for what comes.
    fn clear(&mut self, place: &Place) -> anyhow::Result<()> {
        self.tree.forget();
        if !self.how.layer && place.stat().is_ok_and(|stat| kind(&stat) == SFlag::S_IFDIR) {
            bail!("cannot overwrite directory with non-directory");
        }
        Ok(remove(place.folder.as_fd(), &place.name)?)
    }

    /// Owner, mode and attributes of what is open. In this order: chown(2) takes
    /// set-user-id bits and file capabilities away. `path` is a name of the same.
    fn dress(&mut self, file: &File, path: &Path, member: &Member) -> anyhow::Result<()> {
        let (uid, gid) = self.how.owner.unwrap_or((member.uid, member.gid));
        let (owner, foreign) = self.ids.owner(uid, gid);
        if let Some((uid, gid)) = owner {
            fchown(file, Some(uid), Some(gid))?;
        }
        let mut mode = member.mode;
        self.done.foreign += u64::from(foreign);
        if foreign || self.how.owner.is_some() {
            // "Run as its owner": but that is somebody else now.
            mode &= !0o6000;
        }
        fchmod(file, Mode::from_bits_truncate(mode))?;
        for (name, value) in &member.attributes {
            // An overlay's own marks would forge a layer: a redirect leads anywhere.
            if name.starts_with("trusted.") || name.starts_with("user.overlay.") {
                continue;
            }
            match set_attribute(path, name, value) {
                // No such attributes on this file system, or none for this user.
                Ok(()) | Err(Errno::ENOTSUP | Errno::EPERM) => {}
                Err(errno) => return Err(errno).context(format!("attribute {name}")),
            }
        }
        Ok(())
    }

    fn dress_name(&mut self, place: &Place, member: &Member) -> anyhow::Result<()> {
        let (uid, gid) = self.how.owner.unwrap_or((member.uid, member.gid));
        let (owner, foreign) = self.ids.owner(uid, gid);
        self.done.foreign += u64::from(foreign);
        let (folder, name) = (&*place.folder, &*place.name);
        if let Some((uid, gid)) = owner {
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(folder, name, Some(uid), Some(gid), flags)?;
        }
        let (time, flags) = (&member.time, UtimensatFlags::NoFollowSymlink);
        Ok(utimensat(folder, name, time, time, flags)?)
    }

    fn finish(mut self) -> anyhow::Result<Unpacked> {
        for (path, time) in std::mem::take(&mut self.times).into_iter().rev() {
            // A later entry may have put something else there: then it has its time.
            let Ok(open) = self.tree.resolve(&path, OFlag::O_DIRECTORY) else {
                continue;
            };
            futimens(&open, &time, &time)?;
        }
        Ok(self.done)
    }
}

/// The bricks print their calls for `--explain`; here there would be thousands.
fn quiet() -> Explain {
    Explain::new(false)
}
