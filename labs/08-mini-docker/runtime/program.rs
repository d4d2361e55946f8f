//! Where a process is, and which file it is to become: both looked up inside the
//! container's root, where links say what they like and lead nowhere else.
//!
//! Read: execvp(3), getcwd(2), proc_pid_fd(5)

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use oci_spec::runtime::Process;

use super::{ExecError, init};

/// Changes to the working directory, making it where it is missing, and makes sure
/// that it is inside: through a descriptor that was left open the path
/// `/proc/self/fd/N` would lead to the host (CVE-2024-21626).
pub fn go_to(cwd: &Path) -> anyhow::Result<()> {
    if !cwd.is_absolute() {
        bail!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            cwd.display()
        );
    }
    let moved = match nix::unistd::chdir(cwd) {
        Err(Errno::ENOENT) => {
            // The root is the container's by now, so no link leads out.
            std::fs::create_dir_all(cwd).with_context(|| format!("mkdir {}", cwd.display()))?;
            nix::unistd::chdir(cwd)
        }
        moved => moved,
    };
    moved.with_context(|| format!("chdir to cwd ({cwd:?}) set in config.json failed"))?;
    // The kernel says "(unreachable)/…" of a directory that is not below the root.
    let mut buffer = [0_u8; 4096];
    // SAFETY: the kernel writes no more than the length that it is told.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    match Errno::result(length) {
        Ok(_) if buffer[0] == b'/' => Ok(()),
        _ => bail!("current working directory is outside of container mount namespace root"),
    }
}

/// The file to execute: a path, or a name to be found in the program's own PATH.
pub fn find(process: &Process) -> anyhow::Result<PathBuf> {
    let first = || process.args().iter().flatten().next();
    let Some(name) = behind_init(process).or_else(first) else {
        bail!("no command specified");
    };
    let refused = |errno| ExecError {
        program: name.clone(),
        errno,
    };
    if name.contains('/') {
        return runnable(Path::new(name)).map_err(|errno| refused(errno).into());
    }
    let path = process
        .env()
        .iter()
        .flatten()
        .find_map(|one| one.strip_prefix("PATH="));
    let mut best = Errno::ENOENT;
    if !name.is_empty() {
        for folder in path
            .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .split(':')
        {
            let folder = if folder.is_empty() { "." } else { folder };
            match runnable(&Path::new(folder).join(name)) {
                Ok(found) => return Ok(found),
                // As execvp(3): one that may not be run is told when there is no other.
                Err(Errno::EACCES | Errno::EISDIR) => best = Errno::EACCES,
                Err(_) => {}
            }
        }
    }
    Err(refused(best).into())
}

/// The program that the engine's init is to start.
pub fn behind_init(process: &Process) -> Option<&String> {
    match process.args().as_deref()? {
        [init, dashes, program, ..] if init == init::PATH && dashes == "--" => Some(program),
        _ => None,
    }
}

/// A file that may be executed by somebody: whether by this user is for the kernel to
/// say, at the exec.
fn runnable(path: &Path) -> Result<PathBuf, Errno> {
    use std::os::unix::fs::PermissionsExt;
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let metadata = std::fs::metadata(path).map_err(errno)?;
    match metadata.permissions().mode() & 0o111 {
        _ if metadata.is_dir() => Err(Errno::EISDIR),
        0 => Err(Errno::EACCES),
        _ => Ok(path.to_path_buf()),
    }
}
