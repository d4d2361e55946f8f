//! A cgroup is a directory, and its settings are files: these are all the system
//! calls that a cgroup needs.
//!
//! Nothing here knows that the directory is the kernel's; the unit tests use one
//! of an ordinary file system.
//!
//! Read: cgroups(7), open(2), write(2)

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, write};

use crate::explain::{CallError, Explain};

/// Which of the two interfaces a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A tree for each controller, or for a few mounted together.
    V1,
    /// The unified one.
    V2,
}

/// The directory of a cgroup in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub version: Version,
    pub path: PathBuf,
}

impl Directory {
    pub fn new(version: Version, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { version, path }
    }

    pub fn has(&self, file: &str) -> bool {
        self.path.join(file).exists()
    }

    /// A new cgroup: the kernel fills the new directory with its files.
    pub fn make(&self, explain: Explain) -> Result<(), CallError> {
        explain.call(
            format!("mkdir({:?}, 0755)", self.path),
            mkdir(&self.path, Mode::from_bits_truncate(0o755)),
        )
    }

    /// `rmdir`, although the directory is full of files: those are the kernel's
    /// and no obstacle. `rm -r` would try to unlink them and fail.
    pub fn remove(&self, explain: Explain) -> Result<(), CallError> {
        let result = std::fs::remove_dir(&self.path).map_err(errno);
        explain.call(format!("rmdir({:?})", self.path), result)
    }

    /// Writes `value` in *one* write: the kernel takes each write as a command
    /// and its error is the answer to it. A shell's `echo` does the same.
    pub fn write(&self, explain: Explain, file: &str, value: &str) -> Result<(), CallError> {
        let path = self.path.join(file);
        let opened = explain.call_returning(
            format!("open({path:?}, O_WRONLY|O_TRUNC|O_CLOEXEC)"),
            open(
                &path,
                OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CLOEXEC,
                Mode::empty(),
            ),
            |fd| fd.as_raw_fd().into(),
        )?;
        explain
            .call_returning(
                format!("write({}, {value:?}, {})", opened.as_raw_fd(), value.len()),
                write(&opened, value.as_bytes()),
                |written| *written as i64,
            )
            // strace has only the number here; whoever reads an error wants the file.
            .map_err(|error| CallError {
                call: format!("write({path:?}, {value:?})"),
                ..error
            })?;
        Ok(())
    }

    /// The whole file, without the newline at its end.
    pub fn read(&self, file: &str) -> Result<String, CallError> {
        let path = self.path.join(file);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end().to_string()),
            Err(error) => Err(CallError {
                call: format!("read({path:?})"),
                errno: errno(error),
            }),
        }
    }

    /// A file that holds one number. `max` and v1's "-1" are `None`: no limit.
    pub fn number(&self, file: &str) -> Option<u64> {
        self.read(file).ok()?.parse().ok()
    }

    /// The number beside `key` in a file of lines `KEY NUMBER`, as cpu.stat is one.
    pub fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        let text = self.read(file).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line?.trim().parse().ok()
    }

    /// The directories below, by name: the cgroups that it holds.
    pub fn children(&self) -> Vec<Directory> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten();
        let mut children: Vec<Directory> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| Directory::new(self.version, entry.path()))
            .collect();
        children.sort_by(|a, b| a.path.cmp(&b.path));
        children
    }

    pub fn parent(&self) -> Directory {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        Directory::new(self.version, parent)
    }
}

/// The number that the kernel gave; EIO for an error of the library's own.
pub fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A folder that stands for a cgroup, with these files in it.
    pub struct Scene(pub Directory);

    pub fn scene(version: Version, files: &[(&str, &str)]) -> Scene {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cgroup-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        Scene(Directory::new(version, path))
    }

    impl Scene {
        pub fn text(&self, file: &str) -> String {
            self.0.read(file).unwrap()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0.path).unwrap();
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_names_the_file_and_the_value() {
        let scene = scene(Version::V2, &[]);
        let error = scene.0.write(Explain::new(false), "cpu.weight", "50");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("cpu.weight"), "{error}");
        assert!(error.contains("ENOENT"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn no_limit_is_no_number() {
        let scene = scene(
            Version::V1,
            &[
                ("a", "max\n"),
                ("b", "-1\n"),
                ("c", "12\n"),
                ("s", "x 1\nxy 2\n"),
            ],
        );
        assert_eq!(scene.0.number("a"), None);
        assert_eq!(scene.0.number("b"), None);
        assert_eq!(scene.0.number("c"), Some(12));
        assert_eq!(scene.0.keyed("s", "xy"), Some(2));
        assert_eq!(scene.0.keyed("s", "y"), None);
    }
}
