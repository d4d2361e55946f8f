//! What an errno means when a cgroup's file or directory gives it.
//!
//! The kernel has only numbers to say why a write was refused, and uses the same
//! few for very different reasons; here is what they mean at each place.
//!
//! Read: cgroups(7), "Errors" of each controller in the kernel's documentation

use nix::errno::Errno;

/// `None` where the call is not one of a cgroup, or the errno says enough.
pub fn meaning(call: &str, errno: Errno) -> Option<&'static str> {
    let name = call.split('(').next().unwrap_or(call);
    let about = |file: &str| call.contains(file);
    let is_cgroup = is_cgroup(call);
    Some(match (name, errno) {
        ("write", Errno::EBUSY) if about("cgroup.subtree_control") => {
            "a cgroup with processes hands no controllers on (no-internal-process rule); move them \
             into a child first: `cgroup-vfs classify leaf PID…`"
        }
        ("write", Errno::EBUSY) if about("cgroup.procs") => {
            "a cgroup that hands controllers on takes no processes (no-internal-process rule); \
             choose or make a cgroup below it"
        }
        ("write", Errno::ENOENT) if about("cgroup.subtree_control") => {
            "the cgroup above does not hand this controller on; see its cgroup.subtree_control"
        }
        ("write", Errno::ENOSPC) if about("cgroup.procs") || about("tasks") => {
            "its cpuset has no processors or no memory nodes; set cpuset= and mems= first"
        }
        ("write", Errno::EACCES | Errno::EPERM) if about("devices.") => {
            "only CAP_SYS_ADMIN says which devices are allowed, and never more than the cgroup \
             above; run as root"
        }
        ("open" | "write", Errno::EACCES | Errno::EPERM)
            if about("cgroup.procs") || about("tasks") =>
        {
            "you may move only your own processes, and only inside a subtree that was delegated to \
             you; run as root, or in one (`systemd-run --user --scope -p Delegate=yes bash`)"
        }
        ("write", Errno::ESRCH) if about("cgroup.procs") => {
            "no such process; `ps -e` lists those that there are"
        }
        ("open" | "write" | "mkdir" | "rmdir" | "chown", Errno::EACCES | Errno::EPERM)
            if is_cgroup =>
        {
            "this cgroup is not yours; run as root, or in a delegated subtree \
             (`systemd-run --user --scope -p Delegate=yes bash`)"
        }
        ("open" | "read", Errno::ENOENT) if about("io.weight") => {
            "this kernel gives no shares of a disk here (it has neither BFQ nor io.cost); limit \
             with disk-read= or disk-write="
        }
        ("open" | "read", Errno::ENOENT) if is_cgroup => {
            "no such file: the cgroup, its controller (v2: in the parent's \
             cgroup.subtree_control?) or this kernel does not have it; `ls` the directory"
        }
        ("write", Errno::EINVAL | Errno::ERANGE) if is_cgroup => {
            "the kernel does not take this value in this file"
        }
        ("write", Errno::ENODEV) if about("io.") || about("blkio.") => {
            "not a whole disk; `lsblk` lists them with their numbers"
        }
        ("write", Errno::EBUSY) if about("memory.") => {
            "more is in use already, and could not be taken back; end processes of it first"
        }
        ("rmdir", Errno::EBUSY) => {
            "it still has processes or cgroups in it; `--recursive` removes those below, `--kill` \
             ends the processes"
        }
        ("rmdir", Errno::ENOTEMPTY) => "it has cgroups below it; `--recursive` removes them too",
        ("mkdir", Errno::EROFS) | ("open", Errno::EROFS) => {
            "the cgroups are mounted read-only, as in most containers"
        }
        ("mount", Errno::EBUSY) if about("\"cgroup\"") => {
            "one of these controllers is in another v1 hierarchy, or used by v2; \
             `cat /proc/cgroups` shows which, and together with the same ones it can be mounted again"
        }
        ("mount", Errno::EINVAL) if about("\"cgroup\"") => {
            "not a set of v1 controllers of this kernel; `cat /proc/cgroups` lists them, \
             `none,name=NAME` has none"
        }
        ("mount", Errno::ENOENT) if about("\"cgroup\"") => {
            "the mount point does not exist, or no such controller; `mkdir` it, or see /proc/cgroups"
        }
        ("mount", Errno::EPERM | Errno::EACCES) if about("\"cgroup\"") => {
            "v1 is mounted by root alone; cgroup2 also in a user, mount and cgroup namespace of \
             your own: `unshare -UrmC`"
        }
        ("bpf", Errno::EPERM | Errno::EACCES) => {
            "a BPF program on a cgroup needs CAP_BPF and CAP_NET_ADMIN; run as root"
        }
        ("bpf", Errno::EINVAL) => {
            "this kernel does not take such a program here (CONFIG_CGROUP_BPF)"
        }
        ("perf_event_open", Errno::EACCES | Errno::EPERM) => {
            "counting whole CPUs needs CAP_PERFMON; run as root, or \
             `sysctl kernel.perf_event_paranoid=0`"
        }
        ("perf_event_open", Errno::EINVAL | Errno::EBADF) => {
            "not a cgroup of the hierarchy that perf_event is in"
        }
        ("if_nametoindex", _) => "no such interface; `ip link` lists them",
        _ => return None,
    })
}

/// Whether the operand is one of a cgroup: by the file's name, or the place where
/// the trees are mounted by custom.
fn is_cgroup(call: &str) -> bool {
    const PREFIXES: [&str; 13] = [
        "/sys/fs/cgroup",
        "/cgroup.",
        "/cpu.",
        "/cpuset.",
        "/cpuacct.",
        "/memory.",
        "/pids.",
        "/io.",
        "/blkio.",
        "/freezer.",
        "/devices.",
        "/net_cls.",
        "/net_prio.",
    ];
    PREFIXES.iter().any(|prefix| call.contains(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_errno_means_different_things_in_different_files() {
        let says = |call, errno, words: &str| {
            let text = meaning(call, errno).unwrap();
            assert!(
                text.contains(words) && !text.contains('\n'),
                "{call}: {text}"
            );
        };
        says(
            "write(\"/c/cgroup.subtree_control\", \"+cpu\")",
            Errno::EBUSY,
            "leaf",
        );
        says("write(\"/c/memory.max\", \"1\")", Errno::EBUSY, "in use");
        says("write(\"/c/tasks\", \"0\")", Errno::ENOSPC, "cpuset");
        says(
            "mount(\"cgroup\", \"/m\", \"cgroup\", 0, \"cpu\")",
            Errno::EBUSY,
            "/proc/cgroups",
        );
        assert_eq!(meaning("write(3, \"deny\", 4)", Errno::EPERM), None);
        assert_eq!(meaning("mount(\"proc\", \"/proc\")", Errno::EPERM), None);
    }
}
