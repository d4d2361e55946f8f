//! A small root file system for exercises that build a container: a shell, a
//! few commands, `checkpoint`, and the directories that a mount needs.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::checkpoint;

const COMMANDS: [&str; 14] = [
    "sh", "cat", "echo", "env", "hostname", "id", "ls", "mkdir", "mount", "ps", "rm", "sleep",
    "touch", "umount",
];

/// Fills `root`. A static busybox of the host's is enough; else the host's own
/// commands are copied, with the libraries that their loader names.
pub fn build(root: &Path) -> Result<()> {
    for directory in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
        fs::create_dir_all(root.join(directory)).with_context(|| format!("mkdir {directory}"))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
        .context("write passwd")?;
    let path = root.join("bin/checkpoint");
    fs::write(&path, checkpoint::program())
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
        .context("write bin/checkpoint")?;
    match static_busybox() {
        Some(busybox) => {
            fs::copy(busybox, root.join("bin/busybox")).context("copy busybox")?;
            for command in COMMANDS {
                symlink("busybox", root.join("bin").join(command)).context("symlink")?;
            }
            Ok(())
        }
        None => copy_commands(root),
    }
}

fn static_busybox() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| interpreter(path).is_some_and(|interpreter| interpreter.is_none()))
}

fn copy_commands(root: &Path) -> Result<()> {
    let mut files = BTreeSet::new();
    for command in COMMANDS {
        let Some(program) = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
            .map(|directory| Path::new(directory).join(command))
            .into_iter()
            .find(|path| path.is_file())
        else {
            continue;
        };
        fs::copy(&program, root.join("bin").join(command)).context("copy a command")?;
        let Some(Some(loader)) = interpreter(&program) else {
            continue;
        };
        // The loader itself tells which libraries the program needs. ld.so(8)
        let listed = Command::new(&loader)
            .arg("--list")
            .arg(&program)
            .output()
            .context("ld.so --list")?;
        for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            if word.starts_with('/') {
                files.insert(PathBuf::from(word));
            }
        }
        files.insert(loader);
    }
    if files.is_empty() {
        bail!("neither a static busybox nor a shell whose libraries can be found");
    }
    for file in files {
        let inside = root.join(file.strip_prefix("/").unwrap_or(&file));
        fs::create_dir_all(inside.parent().unwrap_or(root))
            .and_then(|()| fs::copy(&file, &inside).map(drop))
            .with_context(|| format!("copy {}", file.display()))?;
    }
    Ok(())
}

/// The program's loader (`PT_INTERP`): `Some(None)` for a static program,
/// `None` for what is no 64-bit ELF file. elf(5)
fn interpreter(path: &Path) -> Option<Option<PathBuf>> {
    let bytes = fs::read(path).ok()?;
    if !bytes.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let number = |at: usize, size: usize| -> Option<usize> {
        let field = bytes.get(at..at + size)?;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let header = table + index * size;
        const PT_INTERP: usize = 3;
        if number(header, 4)? == PT_INTERP {
            let (at, length) = (number(header + 8, 8)?, number(header + 32, 8)?);
            let text = bytes
                .get(at..at + length)?
                .split(|byte| *byte == 0)
                .next()?;
            return Some(Some(PathBuf::from(
                String::from_utf8_lossy(text).into_owned(),
            )));
        }
    }
    Some(None)
}
