//! `base`, the image that is always there: made at its first use, without network,
//! from what the machine has.
//!
//! Where there is a static busybox it alone is the image, with a name for each of
//! its applets. Else it is the machine's own shell and commands and the libraries
//! that they need. Owners and times are fixed, so the same programs give the same
//! digest on every machine.
//!
//! Read: busybox(1), and chapter 6 for what a root needs

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use labs::explain::Explain;
use labs::root;
use serde_json::json;

use super::layers::Half;
use super::layout::{Descriptor, LAYER, Layout};
use super::names;
use super::pack::{How, pack};
use super::reference::Reference;
use crate::engine::Engine;

/// Its name in the store.
pub const NAME: &str = "base:latest";

/// What is put in without busybox, as far as the machine has it.
const PROGRAMS: [&str; 44] = [
    "sh", "ls", "cat", "cp", "mv", "rm", "ln", "mkdir", "rmdir", "touch", "chmod", "chown", "echo",
    "printf", "test", "true", "false", "sleep", "env", "id", "whoami", "hostname", "uname", "pwd",
    "head", "tail", "wc", "sort", "cut", "tr", "grep", "sed", "stat", "readlink", "dd", "date",
    "tar", "ps", "kill", "mount", "umount", "ip", "df", "seq",
];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
";

const GROUP: &str = "\
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
www-data:x:33:
nogroup:x:65534:
";

/// Whether this reference means the image that is made where it is not there.
pub fn is_meant(reference: &str) -> bool {
    Reference::parse(reference).is_ok_and(|name| name.digest.is_none() && name.tagged() == NAME)
}

/// Makes it, and names it.
///
/// # Errors
/// A machine without a shell; a full disk.
pub fn make(engine: &Engine, layout: &Layout) -> anyhow::Result<Descriptor> {
    let _lease = layout.lease(engine)?;
    // A folder among the layers: on the right disk, and cleared if we die.
    let half = Half::new(engine)?;
    let tree = half.0.join("root");
    fs::create_dir(&tree).with_context(|| format!("mkdir {}", tree.display()))?;
    fill(&tree)?;
    let mut blob = layout.writer()?;
    let how = How {
        plain: true,
        ..How::default()
    };
    pack(
        &tree,
        how,
        std::io::BufWriter::with_capacity(1 << 20, &mut blob),
    )?;
    let (digest, size) = blob.finish(None)?;
    drop(half);
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
        },
        "rootfs": { "type": "layers", "diff_ids": [digest] },
        "history": [{
            "created": "1970-01-01T00:00:00Z",
            "created_by": "mini-docker: programs of this machine",
        }],
    });
    let layer = Descriptor::new(LAYER, digest, size);
    let descriptor = names::assemble(layout, &config, vec![layer])?;
    names::set(engine, layout, &descriptor, Some(NAME))?;
    Ok(descriptor.named(Some(NAME)))
}

/// The architecture as Go names it, which is how images name it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

fn fill(tree: &Path) -> anyhow::Result<()> {
    match static_busybox() {
        Some(busybox) => from_busybox(tree, &busybox)?,
        None => {
            let mut programs: Vec<String> = PROGRAMS.map(str::to_owned).into();
            programs.retain(|program| on_path(program).next().is_some());
            root::build(Explain::new(false), tree, &programs)?;
            // The loader's cache is this machine's, and would change the digest.
            let _ = fs::remove_file(tree.join("etc/ld.so.cache"));
        }
    }
    furnish(tree)
}

/// A busybox that needs no library.
fn static_busybox() -> Option<PathBuf> {
    on_path("busybox").find(|file| root::needed_files(file).is_ok_and(|needed| needed.is_empty()))
}

/// Where a program is. An ordinary user's PATH may lack root's folders.
fn on_path(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .filter(|file| file.is_file())
        .collect();
    folders.into_iter()
}

fn from_busybox(tree: &Path, busybox: &Path) -> anyhow::Result<()> {
    let bin = tree.join("bin");
    fs::create_dir_all(&bin)?;
    let program = bin.join("busybox");
    fs::copy(busybox, &program).with_context(|| format!("copy {}", busybox.display()))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let list = Command::new(&program)
        .arg("--list")
        .output()
        .with_context(|| format!("{} --list", busybox.display()))?;
    let applets = String::from_utf8_lossy(&list.stdout).into_owned();
    if !applets.lines().any(|applet| applet == "sh") {
        bail!("{} has no shell", busybox.display());
    }
    for applet in applets.lines().filter(|name| !name.contains('/')) {
        // Names of one file, as in the image that is called busybox.
        if applet != "busybox" {
            fs::hard_link(&program, bin.join(applet))
                .with_context(|| format!("link {applet} to busybox"))?;
        }
    }
    Ok(())
}

/// What every root has beside programs.
fn furnish(tree: &Path) -> anyhow::Result<()> {
    let folders: [(&str, u32); 14] = [
        ("bin", 0o755),
        ("dev", 0o755),
        ("etc", 0o755),
        ("home", 0o755),
        ("proc", 0o755),
        ("root", 0o700),
        ("sys", 0o755),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("usr/bin", 0o755),
        ("usr/sbin", 0o755),
        ("var", 0o755),
        ("var/tmp", 0o1777),
        ("var/www", 0o755),
    ];
    for (folder, mode) in folders {
        let folder = tree.join(folder);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
    }
    for (file, text) in [("etc/passwd", PASSWD), ("etc/group", GROUP)] {
        fs::write(tree.join(file), text)?;
        fs::set_permissions(tree.join(file), fs::Permissions::from_mode(0o644))?;
    }
    // Scripts begin with `#!/usr/bin/env`.
    let env = tree.join("usr/bin/env");
    if !env.exists() {
        symlink("/bin/env", env)?;
    }
    Ok(())
}
