//! What is mounted in a container: docker's seven, then volumes, tmpfs and binds.
//!
//! Read: config.md ("mounts"), proc(5), shm_overview(7), mq_overview(7)

use std::path::{Path, PathBuf};

use anyhow::Context;
use oci_spec::runtime::{Mount, MountBuilder};

use super::Extra;
use crate::container::record::{Container, MountPoint};
use crate::runtime::init;

/// docker's default for /dev/shm, 64 MiB.
const SHM_SIZE: i64 = 64 << 20;

/// All mounts, in the order in which they have to be made: what is further in
/// comes later.
///
/// # Errors
/// A mount that cannot be.
pub fn mounts(container: &Container, extra: &Extra) -> anyhow::Result<Vec<Mount>> {
    let host = &container.host_config;
    // What the kernel shows of itself is read-only, but for who may do all.
    let access = if host.privileged { "rw" } else { "ro" };
    let mut terminals = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    if group_is_mapped(5) {
        // The group tty, whose members write to others' terminals.
        terminals.push("gid=5");
    }
    let plain = ["nosuid", "noexec", "nodev"];
    let mut mounts = vec![
        mount("proc", "proc", "/proc", &plain)?,
        mount(
            "tmpfs",
            "tmpfs",
            "/dev",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        )?,
        mount("devpts", "devpts", "/dev/pts", &terminals)?,
        mount("sysfs", "sysfs", "/sys", &[&plain[..], &[access]].concat())?,
        mount(
            "cgroup",
            "cgroup",
            "/sys/fs/cgroup",
            &[&plain[..], &[access]].concat(),
        )?,
    ];
    if host.ipc_mode == "host" {
        // System V's and POSIX' live in one namespace: what is shared, is shared.
        // A small machine has none mounted.
        if Path::new("/dev/mqueue").exists() {
            mounts.push(mount("bind", "/dev/mqueue", "/dev/mqueue", &["rbind"])?);
        }
        mounts.push(mount("bind", "/dev/shm", "/dev/shm", &["rbind"])?);
    } else {
        mounts.push(mount("mqueue", "mqueue", "/dev/mqueue", &plain)?);
        let shared = extra.join.iter().find(|(kind, _)| *kind == "ipc");
        match shared {
            Some((_, pid)) => {
                let source = format!("/proc/{pid}/root/dev/shm");
                mounts.push(mount("bind", &source, "/dev/shm", &["rbind"])?);
            }
            // Nothing to share memory by: the folder of /dev is all there is.
            None if host.ipc_mode == "none" => {}
            None => {
                let size = if host.shm_size > 0 {
                    host.shm_size
                } else {
                    SHM_SIZE
                };
                let size = format!("size={size}");
                let options = [&plain[..], &["mode=1777", &size]].concat();
                mounts.push(mount("tmpfs", "shm", "/dev/shm", &options)?);
            }
        }
    }

    // What the network room writes: a name and addresses that change with each start.
    let mut own = Vec::new();
    for name in ["resolv.conf", "hostname", "hosts"] {
        let source = extra.network_files.join(name);
        if source.exists() {
            // Not read-only: programs rewrite resolv.conf.
            let words: &[&str] = match host.readonly_rootfs {
                true => &["rbind", "rprivate", "ro"],
                false => &["rbind", "rprivate"],
            };
            let source = source.to_string_lossy();
            own.push(mount("bind", &source, &format!("/etc/{name}"), words)?);
        }
    }
    // A program of ours that runs in any image; the engine's own is not let in.
    if host.init {
        let file = extra.network_files.join("init");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::write(&file, init::image())
            .and_then(|()| std::fs::set_permissions(&file, mode))
            .with_context(|| format!("write {}", file.display()))?;
        let source = file.to_string_lossy();
        own.push(mount("bind", &source, init::PATH, &["bind", "ro"])?);
    }
    for (path, options) in &host.tmpfs {
        let mut words = vec!["noexec", "nosuid", "nodev"];
        words.extend(options.split(',').filter(|word| !word.is_empty()));
        own.push(mount("tmpfs", "tmpfs", path, &words)?);
    }
    for point in &container.mounts {
        own.push(volume(point)?);
    }
    // A mount on /data/cache has to come after the one on /data. What is asked for
    // takes the place of a default one (`-v /dev:/dev`).
    own.sort_by_key(|one: &Mount| one.destination().components().count());
    mounts.retain(|one| {
        !own.iter()
            .any(|asked| asked.destination() == one.destination())
    });
    mounts.extend(own);
    Ok(mounts)
}

fn mount(kind: &str, source: &str, target: &str, options: &[&str]) -> anyhow::Result<Mount> {
    let options: Vec<String> = options.iter().map(|word| word.to_string()).collect();
    let builder = MountBuilder::default()
        .destination(PathBuf::from(target))
        .typ(kind)
        .source(PathBuf::from(source))
        .options(options);
    Ok(builder.build()?)
}

fn volume(point: &MountPoint) -> anyhow::Result<Mount> {
    if point.kind == "tmpfs" {
        // `--mount type=tmpfs`: docker's defaults, unlike `--tmpfs`, let programs run.
        let mut options = vec!["noexec", "nosuid", "nodev"];
        options.extend(
            point
                .options
                .tmpfs
                .split(',')
                .filter(|word| !word.is_empty()),
        );
        if !point.writable {
            options.push("ro");
        }
        return mount("tmpfs", "tmpfs", &point.destination, &options);
    }
    let propagation = match point.propagation.as_str() {
        "" => "rprivate",
        word => word,
    };
    let mut options = vec!["rbind", propagation];
    if !point.writable {
        // With all that is mounted below: a read-only bind of / would else leave
        // every other file system of the host writable.
        options.push("rro");
    }
    if point.options.non_recursive {
        options[0] = "bind";
    }
    mount("bind", &point.source, &point.destination, &options)
}

/// Whether this user namespace knows a group.
fn group_is_mapped(gid: u64) -> bool {
    let map = std::fs::read_to_string(Path::new("/proc/self/gid_map")).unwrap_or_default();
    map.lines().any(|line| {
        let mut numbers = line
            .split_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(first), Some(_), Some(count)) => (first..first + count).contains(&gid),
            _ => false,
        }
    })
}
