//! A /dev and a /proc of the new root's own.
//!
//! The host's /dev has every disk in it. Programs need six nodes, terminals and
//! shared memory. Nodes are made by mknod(2) where that is allowed; in a user
//! namespace it never is, whatever the capabilities, and the host's are bound.
//!
//! Read: mknod(2), pts(4), shm_overview(7), proc(5)

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknodat, umask};

use super::inside::{Make, Root, path_of};
use crate::explain::{CallError, Explain};

/// Name, and the number that every Linux has for it.
const NODES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

// Old names of things that live elsewhere today; shells and scripts use them.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    // In the devpts below, and with it the only way to a terminal of it.
    ("ptmx", "pts/ptmx"),
];

/// Mounts a small /dev in the new root. There is no /dev/console: who has a
/// terminal to give binds it there.
pub fn mount_dev(explain: Explain, root: &Root) -> Result<(), CallError> {
    // Not MS_NODEV, which would make the nodes useless.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // 755: only root makes nodes. And whatever the box has in its own /dev is covered.
    mount_on(explain, root, "tmpfs", "/dev", plain, "mode=755")?;
    make_nodes(explain, root)?;

    // ptmxmode, because /dev/pts/ptmx has mode 000 unless it is given one; `newinstance`
    // is what every mount of devpts is since Linux 4.7, and says so to older ones. A
    // runtime adds gid=5 (the group tty) where that id is mapped.
    // An instance of its own: numbers from 0, and no way to the terminals outside.
    mount_on(
        explain,
        root,
        "devpts",
        "/dev/pts",
        plain,
        "newinstance,ptmxmode=0666,mode=0620",
    )?;
    // For shm_open(3) and sem_open(3), which are files here. Nobody needs a device or a
    // program in it. Without size= it may take half of the memory; Docker says 64 MB.
    let data = MsFlags::MS_NODEV;
    mount_on(
        explain,
        root,
        "tmpfs",
        "/dev/shm",
        plain | data,
        "mode=1777",
    )
}

/// The nodes and links that every program expects, in what is mounted at /dev of the
/// new root.
pub fn make_nodes(explain: Explain, root: &Root) -> Result<(), CallError> {
    // Else the caller's umask takes write permission off null.
    let before = umask(Mode::empty());
    // Opened after the mount, so that it is the tmpfs and not the directory below it.
    let dev = root.inside(explain, Path::new("/dev"), Make::Nothing)?;
    for (name, major, minor) in NODES {
        let mode = Mode::from_bits_truncate(0o666);
        // Relative to the descriptor: no path, no link on the way.
        let made = mknodat(&dev, name, SFlag::S_IFCHR, mode, makedev(major, minor));
        let call = format!("mknodat(…, {name:?}, S_IFCHR|0666, makedev({major}, {minor}))");
        match explain.call(call, made) {
            // Tried and not asked: a container's root may lack CAP_MKNOD, the initial user
            // namespace's may be refused by the devices cgroup. EPERM is the answer to all.
            Err(error) if error.errno == Errno::EPERM => bind_node(explain, root, name)?,
            done => done?,
        }
    }
    // The command inherits it.
    umask(before);
    for (name, target) in LINKS {
        let link = format!("{}/{name}", path_of(&dev));
        // A link is a text; that /proc/self/fd may not exist yet does not matter.
        let made = symlink(target, &link)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)));
        explain.call(format!("symlink({target:?}, {link:?})"), made)?;
    }
    Ok(())
}

/// It belongs to nobody that is mapped here, and works by its mode, 0666.
/// The host's node on an empty file: the same device, by the host's permission.
fn bind_node(explain: Explain, root: &Root, name: &str) -> Result<(), CallError> {
    let inside = Path::new("/dev").join(name);
    // Held until the call: the path below names the descriptor.
    let file = root.inside(explain, &inside, Make::File)?;
    let target = path_of(&file);
    explain.call(
        format!("mount({inside:?}, {target:?}, NULL, MS_BIND, NULL)"),
        mount(
            Some(&inside),
            target.as_str(),
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        ),
    )
}

/// Mounts a proc in the new root, of the PID namespace that the caller is in;
/// `options` as in proc(5): `hidepid=invisible`, `subset=pid`, or none.
pub fn mount_proc_with(explain: Explain, root: &Root, options: &str) -> Result<(), CallError> {
    // Nothing in there is a program or a device. In a user namespace the three are
    // forced where the host's proc has them: leaving one out is EPERM.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_on(explain, root, "proc", "/proc", plain, options)
}

/// A new file system on a directory of the new root, which is made if need be.
fn mount_on(
    explain: Explain,
    root: &Root,
    kind: &str,
    path: &str,
    flags: MsFlags,
    options: &str,
) -> Result<(), CallError> {
    // A link in the box's place of /dev would lead mount(2) to the host's own.
    let target = root.inside(explain, Path::new(path), Make::Directory)?;
    let target_path = path_of(&target);
    explain.call(
        format!(
            "mount({kind:?}, {target_path:?}, {kind:?}, {}, {options:?})",
            names(flags)
        ),
        mount(
            Some(kind),
            target_path.as_str(),
            Some(kind),
            flags,
            Some(options),
        ),
    )
}

fn names(flags: MsFlags) -> String {
    let names: Vec<&str> = flags.iter_names().map(|(name, _)| name).collect();
    names.join("|")
}
