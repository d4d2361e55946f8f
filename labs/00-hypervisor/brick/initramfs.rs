//! An initramfs: what a booting kernel unpacks into its first root, a tmpfs.
//!
//! A distribution's initramfs finds the disk and the real root on it. This one
//! is everything that the machine will ever have: one program and the libraries
//! that it is linked with. A container image can be as small; what a container
//! does not need in addition is the kernel.
//!
//! Read: kernel Documentation/driver-api/early-userspace/buffer-format.rst,
//! cpio(5), proc_pid_maps(5), ld.so(8)

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;

/// A cpio archive of the form "newc", the one that the kernel reads.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub fn directory(&mut self, path: &str) {
        self.entry(path, libc::S_IFDIR | 0o755, (0, 0), &[]);
    }

    pub fn program(&mut self, path: &str, content: &[u8]) {
        self.entry(path, libc::S_IFREG | 0o755, (0, 0), content);
    }

    /// A character device by its major and minor number.
    pub fn character_device(&mut self, path: &str, number: (u32, u32)) {
        self.entry(path, libc::S_IFCHR | 0o600, number, &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    // Thirteen numbers of eight hexadecimal digits, the name, the content; name
    // and content are each filled up with zeros to a multiple of four bytes.
    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let size = content.len() as u32;
        let name_size = path.len() as u32 + 1;
        let links = 1;
        self.bytes.extend(b"070701");
        for number in [
            self.entries, // inode: two entries of one number would be hard links
            mode,
            0, // user: root
            0, // group
            links,
            0, // time
            size,
            0, // device that the file lies on
            0,
            device.0,
            device.1,
            name_size,
            0, // check sum, of the form "crc" only
        ] {
            self.bytes.extend(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.fill_up();
        self.bytes.extend(content);
        self.fill_up();
    }

    fn fill_up(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// An initramfs with nothing but this very program, and the words of the
/// kernel's command line that make it the first process there.
///
/// What a program needs is what it has mapped now: /proc/self/maps names its own
/// file, the dynamic linker, and every library.
pub fn of_this_program() -> anyhow::Result<(Vec<u8>, String)> {
    let program = fs::read_link("/proc/self/exe").context("readlink(\"/proc/self/exe\")")?;
    let maps = fs::read_to_string("/proc/self/maps").context("read(\"/proc/self/maps\")")?;
    let mapped: BTreeSet<PathBuf> = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| PathBuf::from(&line[start..])))
        .filter(|path| *path != program && path.is_file())
        .collect();

    let mut archive = Archive::default();
    for directory in ["/dev", "/proc", "/tmp", "/lib"] {
        archive.directory(directory);
    }
    // The kernel opens it as the first three descriptors of the first process.
    archive.character_device("/dev/console", (5, 1));
    // By its magic link: the file itself may have been replaced meanwhile.
    let own = fs::read("/proc/self/exe").context("read(\"/proc/self/exe\")")?;
    archive.program("/command", &own);
    let mut linker = None;
    for path in &mapped {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let content = fs::read(path).with_context(|| format!("read({path:?})"))?;
        let inside = format!("/lib/{name}");
        archive.program(&inside, &content);
        if name.starts_with("ld-") {
            linker = Some(inside);
        }
    }
    // The linker is started by name and told where to look, so that it does not
    // matter where the distribution keeps its libraries. Words behind `--` are
    // arguments of the first process.
    let words = match linker {
        Some(linker) => format!("rdinit={linker} -- --library-path /lib /command"),
        None => "rdinit=/command --".to_owned(),
    };
    Ok((archive.finish(), words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_begins_at_a_multiple_of_four_and_the_trailer_ends_it() {
        let mut archive = Archive::default();
        archive.directory("/d");
        archive.program("/odd", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, window)| window == b"070701")
            .map(|(start, _)| start)
            .collect();
        assert_eq!(starts.len(), 3);
        assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}
