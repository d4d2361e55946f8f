//! The sandbox's root file system: the host's programs read-only, everything
//! else a tmpfs of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::cgroup::Cgroup;
use super::{Plan, Unsupported, checkpoint, rootfs};

/// Directories of the host that the sandbox shows, read-only.
const HOST_DIRECTORIES: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/nix/store",
];

/// Devices without which ordinary programs do not run.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Where the new root is put together, before it becomes `/`.
const STAGE: &str = "/tmp";

/// Where the command `checkpoint` lies inside.
pub const TOOLS: &str = "/opt/tp/bin";

/// Where the student's program lies and starts.
pub const WORK: &str = "/root/work";

/// A file that the runner puts into the sandbox: the content is read outside,
/// because the path may be closed to the sandbox's user.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// Absolute, inside.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

/// In the outer of the two user namespaces: makes the host's directories
/// read-only. The inner one then gets them locked (mount_namespaces(7)): being
/// root there is not enough to make them writable again.
pub fn lock_host() -> Result<()> {
    // The first call that needs a capability. Ubuntu's AppArmor lets anybody
    // make a user namespace, but takes the capabilities away in it.
    change_mount("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE).map_err(|error| {
        let why = crate::observe::host::user_namespaces().err();
        Unsupported(
            why.unwrap_or_else(|| format!("a user namespace has no capabilities here: {error:#}")),
        )
    })?;
    for directory in HOST_DIRECTORIES.iter().filter(|path| is_directory(path)) {
        bind(directory, directory)?;
        read_only(directory).with_context(|| format!("mount_setattr({directory})"))?;
    }
    Ok(())
}

/// In the inner one: builds the root and moves into it.
pub fn enter(plan: &Plan, cgroup: Option<&Cgroup>) -> Result<()> {
    change_mount("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE)?;
    let size = format!("mode=755,size={},nr_inodes=65536", plan.limits.disk);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        STAGE,
        Some("tmpfs"),
        flags,
        Some(size.as_str()),
    )
    .context("mount(tmpfs)")?;

    for directory in [
        "dev",
        "etc",
        "home",
        "mnt",
        "opt/tp/bin",
        "proc",
        "root/work",
        "run",
        "srv",
        "sys",
        "var",
    ] {
        fs::create_dir_all(Path::new(STAGE).join(directory))
            .with_context(|| format!("mkdir {directory}"))?;
    }
    for directory in ["tmp", "var/tmp", "dev/shm"] {
        make_directory(directory, 0o1777)?;
    }
    make_directory("root", 0o700)?;
    symlink("/run", Path::new(STAGE).join("var/run")).context("symlink /var/run")?;

    for host in HOST_DIRECTORIES {
        let inside = format!("{STAGE}{host}");
        match fs::read_link(host) {
            Ok(target) => symlink(target, inside).with_context(|| format!("symlink {host}"))?,
            Err(_) if is_directory(host) => {
                fs::create_dir_all(&inside).with_context(|| format!("mkdir {host}"))?;
                bind(host, &inside)?;
            }
            Err(_) => {}
        }
    }
    write_etc()?;
    make_devices()?;
    mount_kernel_file_systems()?;
    mount_cgroups(cgroup)?;

    write_file(
        &format!("{TOOLS}/checkpoint"),
        0o755,
        &checkpoint::program(),
    )?;
    for file in &plan.files {
        write_file(&file.path, file.mode, &file.content)?;
    }
    if plan.rootfs {
        rootfs::build(&Path::new(STAGE).join("srv/rootfs"))?;
    }

    // pivot_root(".", "."): the old root ends up stacked on the new one, and
    // is taken away from there. pivot_root(2).
    chdir(STAGE).context("chdir")?;
    pivot_root(".", ".").context("pivot_root(\".\", \".\")")?;
    umount2(".", MntFlags::MNT_DETACH).context("umount2(old root)")?;
    chdir("/").context("chdir")?;
    // As systemd leaves a machine: what a student mounts carelessly does leak.
    change_mount("/", MsFlags::MS_REC | MsFlags::MS_SHARED)
}

/// Whether what is mounted there is the host's own.
pub fn is_from_host(point: &str) -> bool {
    let device = point.strip_prefix("/dev/");
    let below = |directory: &str| {
        point
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    device.is_some_and(|name| DEVICES.contains(&name)) || HOST_DIRECTORIES.into_iter().any(below)
}

fn is_directory(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn bind(from: &str, to: &str) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("mount(bind {from})"))
}

fn change_mount(path: &str, flags: MsFlags) -> Result<()> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("mount({path}, {flags:?})"))
}

/// mount_setattr(2), with everything mounted below.
fn read_only(path: &str) -> io::Result<()> {
    let path = std::ffi::CString::new(path)?;
    // SAFETY: all-zero is a valid mount_attr; the kernel reads what is passed.
    let done = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn make_directory(path: &str, mode: u32) -> Result<()> {
    let path = Path::new(STAGE).join(path);
    fs::create_dir_all(&path)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
        .with_context(|| format!("mkdir {}", path.display()))
}

fn write_file(path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let outside = format!("{STAGE}{path}");
    let parent = Path::new(&outside)
        .parent()
        .context("a path without a directory")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&outside, content))
        .and_then(|()| fs::set_permissions(&outside, Permissions::from_mode(mode)))
        .with_context(|| format!("write {path}"))
}

fn write_etc() -> Result<()> {
    let files = [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        ),
        ("group", "root:x:0:\nnogroup:x:65534:\n"),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("hostname", "machine\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\n",
        ),
    ];
    for (name, content) in files {
        write_file(&format!("/etc/{name}"), 0o644, content.as_bytes())?;
    }
    // Without the cache the loader still looks in the standard directories.
    for name in ["ld.so.cache", "ld.so.conf"] {
        if let Ok(content) = fs::read(format!("/etc/{name}")) {
            write_file(&format!("/etc/{name}"), 0o644, &content)?;
        }
    }
    symlink("/proc/self/mounts", format!("{STAGE}/etc/mtab")).context("symlink /etc/mtab")
}

fn make_devices() -> Result<()> {
    for device in DEVICES {
        // mknod is refused in a user namespace; a bind of the host's node is not.
        let (host, inside) = (format!("/dev/{device}"), format!("{STAGE}/dev/{device}"));
        write_file(&format!("/dev/{device}"), 0o666, b"")?;
        bind(&host, &inside)?;
    }
    let links = [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
        ("pts/ptmx", "ptmx"),
    ];
    for (target, name) in links {
        symlink(target, format!("{STAGE}/dev/{name}")).context("symlink in /dev")?;
    }
    Ok(())
}

fn mount_kernel_file_systems() -> Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mount_at = |fs_type: &str, at: &str, flags: MsFlags, data: Option<&str>| {
        let target = format!("{STAGE}{at}");
        fs::create_dir_all(&target)
            .map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        mount(Some(fs_type), target.as_str(), Some(fs_type), flags, data)
    };
    mount_at("proc", "/proc", safe, None).map_err(|errno| {
        Unsupported(format!(
            "a fresh /proc cannot be mounted here ({errno}): parts of the host's are hidden, as in a \
             container; start that container with --security-opt systempaths=unconfined"
        ))
    })?;
    // A container shows /sys read-only; then ours has to be so, too.
    mount_at("sysfs", "/sys", safe, None)
        .or_else(|_| mount_at("sysfs", "/sys", safe | MsFlags::MS_RDONLY, None))
        .map_err(|errno| Unsupported(format!("sysfs cannot be mounted here ({errno})")))?;
    // `ip netns exec` takes /sys away before it mounts that of the other
    // network namespace, which the kernel grants only while one can be seen.
    let _ = mount_at("sysfs", "/opt/tp/sys", safe | MsFlags::MS_RDONLY, None);
    mount_at(
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some("newinstance,ptmxmode=0666,mode=620"),
    )
    .context("mount(devpts)")?;
    // Not in every kernel; the exercises that need one of them say so.
    let _ = mount_at("mqueue", "/dev/mqueue", safe, None);
    Ok(())
}

/// The machine's own cgroups: the one tree of v2, or each delegated hierarchy
/// of v1 in a directory of its own, beside it the names of its controllers.
fn mount_cgroups(cgroup: Option<&Cgroup>) -> Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let top = format!("{STAGE}/sys/fs/cgroup");
    let mut hierarchies = cgroup.into_iter().flat_map(Cgroup::hierarchies).peekable();
    if hierarchies.peek().is_none() {
        // Not in every kernel, nor does every exercise need it.
        let _ = mount(Some("cgroup2"), &*top, Some("cgroup2"), safe, None::<&str>);
        return Ok(());
    }
    mount(
        Some("tmpfs"),
        &*top,
        Some("tmpfs"),
        safe,
        Some("mode=755,size=64k"),
    )
    .context("mount(tmpfs on /sys/fs/cgroup)")?;
    for controllers in hierarchies {
        let names = controllers.join(",");
        let point = format!("{top}/{names}");
        fs::create_dir(&point).with_context(|| format!("mkdir {point}"))?;
        mount(Some("cgroup"), &*point, Some("cgroup"), safe, Some(&*names))
            .with_context(|| format!("mount(cgroup, {names})"))?;
        for name in controllers.iter().filter(|name| **name != names) {
            symlink(&names, format!("{top}/{name}")).with_context(|| format!("symlink {name}"))?;
        }
    }
    Ok(())
}
