//! Files below the directories that are watched, as a root directory shows
//! them, and the marks that overlayfs has left on them.
//!
//! Whoever is looked at may change the tree meanwhile: every name is opened by
//! `O_PATH` below the directory it was listed in, over no link and no mount,
//! and only what turned out to be a file or a directory is opened for reading.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Result, anyhow, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, major, minor};

use super::proc::visible;
use crate::state::facts::File;

/// The most files that are told of.
const MOST_FILES: usize = 1024;
/// The most directories one in another.
const MOST_DEEP: usize = 32;
/// A text of more bytes is told by its checksum.
const SHORT_TEXT: usize = 256;
/// Of what is longer, only the length is told.
const MOST_BYTES: u64 = 4 << 20;

/// All files below the directories `watched` (absolute paths below `root`), by
/// path, each directory itself with them. What is not there is left out.
pub fn read(
    root: BorrowedFd<'_>,
    procfs: BorrowedFd<'_>,
    watched: &[String],
) -> Result<BTreeMap<String, File>> {
    let mut files = BTreeMap::new();
    for path in watched {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let Ok(fd) = openat2(root, path.as_str(), place(resolve)) else {
            continue;
        };
        let mut walk = Walk {
            procfs,
            files: &mut files,
        };
        walk.file(path.trim_end_matches('/').to_owned(), &fd, false, 0)?;
    }
    Ok(files)
}

fn place(resolve: ResolveFlag) -> OpenHow {
    OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(resolve)
}

struct Walk<'a> {
    procfs: BorrowedFd<'a>,
    files: &'a mut BTreeMap<String, File>,
}

impl Walk<'_> {
    /// Tells of one file, and of all below it. `whiteouts`: whether its
    /// directory may hold whiteouts that are files with a mark.
    fn file(&mut self, path: String, fd: &OwnedFd, whiteouts: bool, depth: usize) -> Result<()> {
        if self.files.len() >= MOST_FILES || depth > MOST_DEEP {
            bail!(
                "the watched directories hold more than {MOST_FILES} files or {MOST_DEEP} levels; remove what was not asked for"
            );
        }
        let stat = fstat(fd).map_err(|errno| anyhow!("fstat({path}): {errno}"))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        let opened = match kind {
            SFlag::S_IFREG | SFlag::S_IFDIR => self.open(fd).ok(),
            _ => None,
        };
        let mark = |name| opened.as_ref().and_then(|fd| mark(fd, name));
        let opaque = mark("opaque");
        let metacopy = mark("metacopy").is_some();
        let is_mark = whiteouts && stat.st_size == 0 && mark("whiteout").is_some();
        let mut file = File {
            file_type: if is_mark {
                "whiteout".into()
            } else {
                file_type(kind, &stat).into()
            },
            mode: Some(format!("0{:03o}", stat.st_mode & 0o7777)),
            opaque: (opaque.as_deref() == Some("y")).then_some(true),
            metacopy: metacopy.then_some(true),
            redirect: mark("redirect"),
            content: None,
        };
        match file.file_type.as_str() {
            "file" if !metacopy => {
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                file.content = opened.as_ref().and_then(|fd| content(fd, size));
            }
            "symlink" => {
                file.content = readlinkat(fd, "")
                    .ok()
                    .map(|target| visible(target.to_string_lossy().into_owned()));
                file.mode = None;
            }
            "device" => {
                let letter = if kind == SFlag::S_IFCHR { 'c' } else { 'b' };
                let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
                file.content = Some(format!("{letter} {major}:{minor}"));
            }
            // Its permissions are those of whoever made it, and count nowhere.
            "whiteout" => file.mode = None,
            _ => {}
        }
        self.files.insert(visible(path.clone()), file);
        match (kind, opened) {
            (SFlag::S_IFDIR, Some(fd)) => {
                self.below(&path, fd, opaque.as_deref() == Some("x"), depth)
            }
            _ => Ok(()),
        }
    }

    fn below(&mut self, path: &str, fd: OwnedFd, whiteouts: bool, depth: usize) -> Result<()> {
        let here = fd.try_clone().map_err(|error| anyhow!("dup: {error}"))?;
        let Ok(mut dir) = Dir::from_fd(fd) else {
            return Ok(());
        };
        let mut names: Vec<CString> = Vec::new();
        for entry in dir.iter() {
            let entry = entry.map_err(|errno| anyhow!("readdir({path}): {errno}"))?;
            if ![c".", c".."].contains(&entry.file_name()) {
                names.push(entry.file_name().to_owned());
            }
            if names.len() > MOST_FILES {
                break;
            }
        }
        names.sort();
        for name in names {
            let path = format!("{path}/{}", name.to_string_lossy());
            let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
            match openat2(&here, name.as_c_str(), place(resolve)) {
                Ok(fd) => self.file(path, &fd, whiteouts, depth + 1)?,
                // What is mounted there is a fact of its own, and has its own place.
                Err(Errno::EXDEV) => {
                    let file_type = "mount".into();
                    self.files.insert(
                        visible(path),
                        File {
                            file_type,
                            ..File::default()
                        },
                    );
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Opens for reading what an `O_PATH` descriptor is on: by /proc, because
    /// the name may be another file by now.
    fn open(&self, fd: &OwnedFd) -> Result<OwnedFd, Errno> {
        let link = format!("self/fd/{}", fd.as_raw_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        // To look must not change the time of the last look, where that can be had.
        openat(
            self.procfs,
            link.as_str(),
            flags | OFlag::O_NOATIME,
            Mode::empty(),
        )
        .or_else(|_| openat(self.procfs, link.as_str(), flags, Mode::empty()))
    }
}

fn file_type(kind: SFlag, stat: &FileStat) -> &'static str {
    match kind {
        SFlag::S_IFREG => "file",
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFLNK => "symlink",
        SFlag::S_IFCHR if stat.st_rdev == 0 => "whiteout",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "device",
        SFlag::S_IFIFO => "fifo",
        _ => "socket",
    }
}

/// A mark of overlayfs, whichever of its two names it has: `user.overlay.` of
/// a mount with `userxattr`, `trusted.overlay.` of another (only root of the
/// first user namespace is shown those). xattr(7)
fn mark(fd: &OwnedFd, name: &str) -> Option<String> {
    ["user", "trusted"]
        .iter()
        .find_map(|class| attribute(fd, &CString::new(format!("{class}.overlay.{name}")).ok()?))
}

fn attribute(fd: &OwnedFd, name: &CStr) -> Option<String> {
    let mut value = [0u8; 4096];
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    let length = unsafe {
        libc::fgetxattr(
            fd.as_raw_fd(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    let value = value.get(..usize::try_from(length).ok()?)?;
    Some(visible(String::from_utf8_lossy(value).into_owned()))
}

/// A short text as it is, without its last newline; of others what cksum(1)
/// prints: checksum and length.
fn content(fd: &OwnedFd, size: u64) -> Option<String> {
    if size > MOST_BYTES {
        return Some(format!("{size} bytes"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::from(fd.try_clone().ok()?);
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| {
        let printable = |char: char| !char.is_control() || ['\n', '\t'].contains(&char);
        text.len() <= SHORT_TEXT && text.chars().all(printable)
    });
    Some(match text {
        Some(text) => text.strip_suffix('\n').unwrap_or(text).to_owned(),
        None => format!("cksum {} {}", cksum(&bytes), bytes.len()),
    })
}

/// The checksum of POSIX: a CRC with the polynomial 0x04C11DB7 over the bytes
/// and then over their number. cksum(1)
fn cksum(bytes: &[u8]) -> u32 {
    let feed = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            match crc & 0x8000_0000 {
                0 => crc << 1,
                _ => crc << 1 ^ 0x04c1_1db7,
            }
        })
    };
    let mut crc = bytes.iter().fold(0, |crc, byte| feed(crc, *byte));
    let mut length = bytes.len();
    while length > 0 {
        crc = feed(crc, length as u8);
        length >>= 8;
    }
    !crc
}

/// The directory that a descriptor is opened on to look below it.
pub fn root_at(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(dir.as_fd(), name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn told(watched: &[&str], fill: impl Fn(&std::path::Path)) -> Result<BTreeMap<String, File>> {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("tp-files-{}-{count}", std::process::id()));
        fs::create_dir_all(root.join("upper")).unwrap();
        fill(&root);
        let open = |path: &std::path::Path| {
            nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap()
        };
        let watched: Vec<String> = watched.iter().map(|&path| path.to_owned()).collect();
        let (dir, procfs) = (open(&root), open("/proc".as_ref()));
        let files = read(dir.as_fd(), procfs.as_fd(), &watched);
        fs::remove_dir_all(root).unwrap();
        files
    }

    #[test]
    fn files_are_told_by_type_and_content() {
        let files = told(&["/upper", "/nothing"], |root| {
            let upper = root.join("upper");
            fs::write(upper.join("short"), "one\ntwo\n").unwrap();
            fs::write(upper.join("long"), "x".repeat(1000)).unwrap();
            fs::write(upper.join("binary"), [0, 255]).unwrap();
            symlink("/etc/passwd", upper.join("link")).unwrap();
            fs::create_dir_all(upper.join("a/b")).unwrap();
            nix::unistd::mkfifo(&upper.join("fifo"), Mode::S_IRUSR).unwrap();
        })
        .unwrap();
        let content = |path: &str| files[path].content.as_deref();
        assert_eq!(content("/upper/short"), Some("one\ntwo"));
        // As `cksum` prints them.
        assert_eq!(content("/upper/long"), Some("cksum 3999126958 1000"));
        assert_eq!(content("/upper/binary"), Some("cksum 3099779160 2"));
        assert_eq!(content("/upper/link"), Some("/etc/passwd"));
        assert_eq!(files["/upper/fifo"].file_type, "fifo");
        assert_eq!(files["/upper/a/b"].file_type, "directory");
        assert_eq!(files.len(), 8);
    }

    #[test]
    fn a_link_in_place_of_a_directory_leads_nowhere() {
        let files = told(&["/upper", "/link", "/link/below"], |root| {
            symlink("/etc", root.join("link")).unwrap();
            symlink("/etc", root.join("upper/link")).unwrap();
        })
        .unwrap();
        let paths: Vec<&String> = files.keys().collect();
        assert_eq!(paths, ["/link", "/upper", "/upper/link"]);
        assert_eq!(files["/link"].file_type, "symlink");
    }

    #[test]
    fn too_many_files_and_too_many_levels_are_refused() {
        for fill in [
            (|root| {
                for number in 0..=MOST_FILES {
                    fs::write(root.join(format!("upper/{number}")), "").unwrap();
                }
            }) as fn(&std::path::Path),
            |root| {
                fs::create_dir_all(root.join("upper").join("d/".repeat(MOST_DEEP + 1))).unwrap();
            },
        ] {
            let error = told(&["/upper"], fill).unwrap_err().to_string();
            assert!(error.contains("more than 1024 files"), "{error}");
        }
    }
}
