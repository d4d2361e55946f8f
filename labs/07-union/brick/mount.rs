//! Mounts an overlay, by the four calls that have replaced mount(2).
//!
//! mount(2) takes all options as one string, and looks at no more than a page
//! of it (4096 bytes): what is longer is *cut off*, in the middle of a layer's
//! name. The newer calls open a file system's configuration (`fsopen`), fill it
//! in one value at a time (`fsconfig`), make the file system, then the mount
//! (`fsmount`), which is nowhere yet, and put it in its place (`move_mount`).
//! So there may be as many layers as overlayfs takes (500), and a wrong one is
//! refused where it is named.
//!
//! Read: fsopen(2), fsconfig(2), fsmount(2), move_mount(2), mount(2)

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::chdir;

use super::marks::Class;
use crate::explain::{CallError, Explain};

/// The most that mount(2) takes: a page, less the NUL byte.
const PAGE: usize = 4095;

// <linux/mount.h>; neither nix nor libc has these.
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;

/// What `fsconfig` is asked to do.
#[derive(Clone, Copy)]
enum Command {
    /// A flag such as `userxattr`.
    SetFlag = 0,
    /// `key=value`.
    SetString = 1,
    /// All is said: make the file system.
    Create = 6,
}

/// An overlay as it is to be mounted.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Read-only layers, the topmost first, as `lowerdir=` has them.
    pub lower: Vec<PathBuf>,
    /// The directory that is written to, and an empty one beside it on the same
    /// file system, where a file is made before it is moved in whole by
    /// rename(2). Without the two the overlay is read-only.
    pub upper: Option<(PathBuf, PathBuf)>,
    /// Where its marks are kept.
    pub class: Class,
    /// Whether nothing of it need be on the disk when it is unmounted. Otherwise the
    /// kernel then writes *all* of the upper directory's file system out (`syncfs`),
    /// whoever it is of. Such an overlay is mounted once: afterwards the kernel cannot
    /// know what is missing, and refuses. Linux 5.10.
    pub volatile: bool,
}

/// Whether this process is in a user namespace other than the first: there the
/// kernel refuses `trusted.` attributes, whoever is root.
///
/// The first one maps every id to itself. runc and podman ask the same question
/// of the same file.
pub fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

impl Overlay {
    /// Mounts it on `target`, a directory.
    pub fn mount(&self, explain: Explain, target: &Path) -> Result<(), CallError> {
        let made = match self.create(explain) {
            // No `lowerdir+` before Linux 6.8: 6.5 to 6.7 refuse the key itself,
            // older ones only at the end, when they read the options they gathered.
            Err(error) if error.errno == Errno::EINVAL => {
                return self.mount_at_once(explain, target, error);
            }
            made => made?,
        };
        // No MOUNT_ATTR_NODEV: in a user namespace the kernel sets it by itself, and
        // for root a whiteout's device number is no device that could be opened.
        let detached = explain.call_returning(
            format!("fsmount({}, FSMOUNT_CLOEXEC, 0)", made.as_raw_fd()),
            // SAFETY: a descriptor and two numbers.
            descriptor(unsafe {
                libc::syscall(libc::SYS_fsmount, made.as_raw_fd(), FSMOUNT_CLOEXEC, 0)
            }),
            |fd| fd.as_raw_fd().into(),
        )?;
        // Until here nobody has seen the mount, and if we end now it is gone.
        let fd = detached.as_raw_fd();
        explain.call(
            format!("move_mount({fd}, \"\", AT_FDCWD, {target:?}, MOVE_MOUNT_F_EMPTY_PATH)"),
            move_mount(&detached, target),
        )
    }

    /// A new overlay file system, mounted nowhere.
    fn create(&self, explain: Explain) -> Result<OwnedFd, CallError> {
        let fs = explain.call_returning(
            "fsopen(\"overlay\", FSOPEN_CLOEXEC)",
            // SAFETY: a C string and a number.
            descriptor(unsafe {
                libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), FSOPEN_CLOEXEC)
            }),
            |fd| fd.as_raw_fd().into(),
        )?;
        // One value a call; the kernel takes up to 255 bytes of it.
        let set = |key: &str, value: &Path| {
            let fd = fs.as_raw_fd();
            explain.call(
                format!("fsconfig({fd}, FSCONFIG_SET_STRING, {key:?}, {value:?}, 0)"),
                fsconfig(&fs, Command::SetString, Some(key), Some(value)),
            )
        };
        // A free word: it is what the first column of `mount` shows.
        set("source", Path::new("overlay"))?;
        // The plus adds one. Each path is looked up now, so that ENOENT names it.
        for layer in &self.lower {
            set("lowerdir+", layer)?;
        }
        // Both or none. Without them the overlay is read-only, and takes two layers at
        // least.
        if let Some((upper, work)) = &self.upper {
            set("upperdir", &backslashes(upper))?;
            set("workdir", &backslashes(work))?;
        }
        // Said before the file system is made: it decides which marks are read at all.
        if self.class == Class::User {
            explain.call(
                format!(
                    "fsconfig({}, FSCONFIG_SET_FLAG, \"userxattr\", NULL, 0)",
                    fs.as_raw_fd()
                ),
                fsconfig(&fs, Command::SetFlag, Some("userxattr"), None),
            )?;
        }
        if self.volatile {
            explain.call(
                format!(
                    "fsconfig({}, FSCONFIG_SET_FLAG, \"volatile\", NULL, 0)",
                    fs.as_raw_fd()
                ),
                fsconfig(&fs, Command::SetFlag, Some("volatile"), None),
            )?;
        }
        explain.call(
            format!(
                "fsconfig({}, FSCONFIG_CMD_CREATE, NULL, NULL, 0)",
                fs.as_raw_fd()
            ),
            fsconfig(&fs, Command::Create, None, None),
        )?;
        Ok(fs)
    }

    /// The old way, where the new one is not to be had: one call, one page. When
    /// that is too small the layers are named from the directory that they share,
    /// as Docker does with its `overlay2/l/…` links. `refused`: why the new way
    /// failed, which is the better answer when this one cannot even be tried.
    fn mount_at_once(
        &self,
        explain: Explain,
        target: &Path,
        refused: CallError,
    ) -> Result<(), CallError> {
        // Longer, and the kernel would mount what is left after its cut, or complain of
        // a layer that nobody named.
        let mut options = self.options(Path::new(""));
        if options.len() <= PAGE {
            return mount_overlay(explain, target, &options);
        }
        let (Some(shared), Ok(here), Ok(target)) = (
            self.shared_directory(),
            std::env::current_dir(),
            target.canonicalize(),
        ) else {
            return Err(refused);
        };
        // Relative names are looked up from where this process is, at the mount and
        // never again; so it may go back afterwards.
        options = self.options(&shared);
        if options.len() > PAGE {
            return Err(refused);
        }
        explain.call(format!("chdir({shared:?})"), chdir(&shared))?;
        let mounted = mount_overlay(explain, &target, &options);
        explain.call(format!("chdir({here:?})"), chdir(&here))?;
        mounted
    }

    /// The one string, with each layer's name as it is from a directory.
    fn options(&self, from: &Path) -> String {
        let name = |path: &Path| {
            let path = path.strip_prefix(from).unwrap_or(path);
            escaped(&path.to_string_lossy())
        };
        let lower: Vec<String> = self.lower.iter().map(|layer| name(layer)).collect();
        let mut options = format!("lowerdir={}", lower.join(":"));
        if let Some((upper, work)) = &self.upper {
            options += &format!(",upperdir={},workdir={}", name(upper), name(work));
        }
        if self.class == Class::User {
            options += ",userxattr";
        }
        if self.volatile {
            options += ",volatile";
        }
        options
    }

    /// The deepest directory that all layers are in; `None` unless all are named
    /// from `/`.
    fn shared_directory(&self) -> Option<PathBuf> {
        let first = self.lower.first()?;
        let upper = self.upper.iter().flat_map(|(upper, work)| [upper, work]);
        let all: Vec<&PathBuf> = self.lower.iter().chain(upper).collect();
        let shared = |directory: &&Path| all.iter().all(|layer| layer.starts_with(directory));
        let mut above = first.ancestors().skip(1).filter(|path| path.is_absolute());
        above.find(shared).map(Path::to_path_buf)
    }
}

fn mount_overlay(explain: Explain, target: &Path, options: &str) -> Result<(), CallError> {
    explain.call(
        format!("mount(\"overlay\", {target:?}, \"overlay\", 0, {options:?})"),
        mount(
            Some("overlay"),
            target,
            Some("overlay"),
            MsFlags::empty(),
            Some(options),
        ),
    )
}

/// In the one string a comma ends an option and a colon a layer; a backslash
/// before it takes that meaning away.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        if [',', ':', '\\'].contains(&c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Of upperdir and workdir the kernel takes backslashes away even when each is
/// given by itself; of `lowerdir+` it does not.
fn backslashes(path: &Path) -> PathBuf {
    path.to_string_lossy().replace('\\', "\\\\").into()
}

/// Key and value are null where the command takes none.
fn fsconfig(
    fs: &OwnedFd,
    command: Command,
    key: Option<&str>,
    value: Option<&Path>,
) -> nix::Result<()> {
    let string = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::EINVAL);
    let key = key.map(|key| string(key.as_bytes())).transpose()?;
    let value = value
        .map(|value| string(value.as_os_str().as_bytes()))
        .transpose()?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |c| c.as_ptr());
    // SAFETY: each pointer is that of a live C string, or null where the command
    // takes none.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fs.as_raw_fd(),
            command as libc::c_uint,
            pointer(&key),
            pointer(&value),
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// Both ends are a directory and a path from it; an empty path is the descriptor
/// itself, which only MOVE_MOUNT_F_EMPTY_PATH allows.
fn move_mount(detached: &OwnedFd, target: &Path) -> nix::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: two descriptors, two C strings and a number.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            detached.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}

/// What a call by number has opened.
fn descriptor(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = Errno::result(result)?;
    // SAFETY: the kernel has just made it for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(layers: &[&str]) -> Overlay {
        Overlay {
            volatile: false,
            lower: layers.iter().map(PathBuf::from).collect(),
            upper: Some(("/srv/u".into(), "/srv/w".into())),
            class: Class::User,
        }
    }

    #[test]
    fn commas_colons_and_backslashes_of_a_name_are_kept() {
        let options = overlay(&["/srv/a:b", "/srv/c,d\\e"]).options(Path::new(""));
        let lower = "lowerdir=/srv/a\\:b:/srv/c\\,d\\\\e";
        assert_eq!(
            options,
            format!("{lower},upperdir=/srv/u,workdir=/srv/w,userxattr")
        );
    }

    #[test]
    fn names_are_short_from_the_directory_that_all_layers_share() {
        let overlay = overlay(&["/srv/layers/a", "/srv/layers/b"]);
        let shared = overlay.shared_directory().unwrap();
        assert_eq!(shared, Path::new("/srv"));
        assert!(
            overlay
                .options(&shared)
                .starts_with("lowerdir=layers/a:layers/b,upperdir=u,")
        );
    }
}
