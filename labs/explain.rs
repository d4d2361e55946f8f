//! Tells each system call as it is made, in the words of strace(1).
//!
//! A lab writes the call twice on one line: once for you, once for the kernel.
//!
//! ```
//! # use labs::explain::Explain;
//! # let explain = Explain::new(false);
//! explain.call("chdir(\"/\")", nix::unistd::chdir("/"))?;
//! # Ok::<(), labs::explain::CallError>(())
//! ```
//!
//! The words serve three times: `--explain` prints them, an error begins with
//! them, and whoever reads the code sees them beside the real arguments.

use std::fmt;

use nix::errno::Errno;

/// Whether calls are printed, and as whose.
#[derive(Clone, Copy, Debug)]
pub struct Explain {
    print: bool,
    child: bool,
}

impl Explain {
    pub fn new(print: bool) -> Self {
        Self {
            print,
            child: false,
        }
    }

    /// The same in a child process: its lines begin with `[pid N]`, N as the
    /// child itself sees it, so 1 in a new PID namespace.
    pub fn in_child(self) -> Self {
        Self {
            child: true,
            ..self
        }
    }

    /// Prints a call that returns 0, and gives its error the call's words.
    pub fn call<T>(self, call: impl Into<String>, result: nix::Result<T>) -> Result<T, CallError> {
        self.call_returning(call, result, |_| 0)
    }

    /// The same for a call that returns a number: a descriptor, a process id.
    pub fn call_returning<T>(
        self,
        call: impl Into<String>,
        result: nix::Result<T>,
        number: impl Fn(&T) -> i64,
    ) -> Result<T, CallError> {
        let call = call.into();
        match result {
            Ok(value) => {
                self.line(&format!("{call} = {}", number(&value)));
                Ok(value)
            }
            Err(errno) => {
                self.line(&format!("{call} = -1 {errno:?} ({})", errno.desc()));
                Err(CallError { call, errno })
            }
        }
    }

    /// Prints a call before it is made: execve(2) does not come back to tell.
    pub fn announce(self, call: &str) {
        self.line(call);
    }

    // To standard error, as strace does: the output belongs to the command.
    fn line(self, text: &str) {
        if self.print && self.child {
            eprintln!("[pid {}] {text}", nix::unistd::getpid());
        } else if self.print {
            eprintln!("{text}");
        }
    }
}

/// A system call that failed: `unshare(CLONE_NEWUTS): EPERM: …`, where the last
/// part says what that errno of that call means, and what to do about it.
#[derive(Debug)]
pub struct CallError {
    pub call: String,
    pub errno: Errno,
}

impl std::error::Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = meaning(&self.call, self.errno);
        write!(f, "{}: {:?}: {meaning}", self.call, self.errno)
    }
}

/// One errno means a different thing for each call, and the C library's text
/// ("Operation not permitted") names neither the reason nor the remedy.
fn meaning(call: &str, errno: Errno) -> &'static str {
    if let Some(text) = crate::cgroups::meaning(call, errno) {
        return text;
    }
    let name = call.split('(').next().unwrap_or(call);
    match (name, errno) {
        (
            "mkdir" | "open" | "unlink" | "umount2" | "mount",
            Errno::EACCES | Errno::EROFS | Errno::EPERM,
        ) if call.contains("/run/netns") => {
            "/run belongs to the machine's root; be root, or in a mount namespace of your own \
             `mount -t tmpfs tmpfs /run` first"
        }
        ("open", Errno::EEXIST) if call.contains("/run/netns") => {
            "there is a namespace of that name; `delete` it first, or choose another"
        }
        ("open" | "umount2" | "unlink", Errno::ENOENT) if call.contains("/run/netns") => {
            "no namespace has that name; `list` shows those that there are"
        }
        ("open", Errno::EINVAL) if call.contains("/run/netns") => {
            "a file with nothing mounted on it, so no namespace; `delete` it"
        }
        ("mount", Errno::EPERM) if call.contains("\"sysfs\"") => {
            "a new /sys takes CAP_SYS_ADMIN over the network that it is to show, and an old one with \
             nothing mounted over it"
        }
        ("sendto", Errno::EINVAL | Errno::EOPNOTSUPP) if call.contains("IFLA_NET_NS_FD") => {
            "the kernel moves no interface that is part of its namespace: each has an `lo` of its \
             own, so bring up that one; a bridge cannot go either"
        }
        ("sendto", Errno::EPERM) => {
            "this needs CAP_NET_ADMIN in the user namespace that owns this network; run it as \
             root, or in a network namespace of your own"
        }
        ("sendto", Errno::EEXIST) => {
            "it is there already; an interface has its name alone, and an address and a route come \
             once"
        }
        ("sendto", Errno::EOPNOTSUPP) => {
            "this kernel has no such kind of interface; load its module (`modprobe veth bridge`)"
        }
        ("sendto", Errno::ENETUNREACH) => {
            "the router is in no network that is reached directly; the interface needs its address \
             and has to be up first"
        }
        ("sendto", Errno::EINVAL) if call.contains("RTM_NEWROUTE") => {
            "of a network all bits after its length are 0: 10.1.0.0/24, not 10.1.0.1/24"
        }
        ("sendto", Errno::EBUSY) => "an interface gets another name only while it is down",
        ("unshare" | "clone3", Errno::EPERM) if call.contains("CLONE_NEWUSER") => {
            "this machine lets you make no user namespace; see `sysctl user.max_user_namespaces \
             kernel.unprivileged_userns_clone`, or run as root"
        }
        ("unshare" | "clone3", Errno::EPERM) => {
            "this needs CAP_SYS_ADMIN; run it as root, or add --user (-U) to have it in a user \
             namespace of your own"
        }
        ("unshare" | "clone3", Errno::ENOSPC) => {
            "the limit on namespaces is reached; see /proc/sys/user/max_*_namespaces"
        }
        ("unshare" | "clone3", Errno::EINVAL) => "this kernel does not have that namespace type",
        ("setns", Errno::EPERM) => {
            "this needs CAP_SYS_ADMIN in the user namespace that owns it; join that one too (-U), \
             or run as root"
        }
        ("setns", Errno::EINVAL) => {
            "not a namespace of that type, or the user namespace that you are already in"
        }
        ("open", Errno::ENOENT) if call.contains("/ns/") => {
            "no such process; `ps -e` lists those that there are"
        }
        ("open", Errno::EACCES) if call.contains("/ns/") => {
            "that process is not yours to look into; run as its user, or as root"
        }
        ("write", Errno::EPERM) => {
            "the kernel refuses this value; on Ubuntu see `sysctl \
             kernel.apparmor_restrict_unprivileged_userns`"
        }
        ("sethostname", Errno::EINVAL) => "a host name has at most 64 bytes; choose a shorter one",
        ("mount", Errno::EPERM) if call.contains("\"proc\"") => {
            "needs CAP_SYS_ADMIN over the mount and PID namespaces, and a /proc with nothing \
             mounted over it; add -m, -p and --fork (and -U without root)"
        }
        ("mount", Errno::EPERM | Errno::EACCES) => {
            "only who has CAP_SYS_ADMIN over the mount namespace may mount in it; run as root"
        }
        ("mount", Errno::EINVAL) if call.contains("/ns/") => {
            "a mount namespace can be kept only on a private mount; \
             `mount --bind DIR DIR && mount --make-private DIR` first"
        }
        ("mount", Errno::ENOENT) if call.contains("/ns/") => {
            "the file to keep it on does not exist; `touch` it first"
        }
        ("mount", Errno::ENOENT) if call.contains("MS_BIND") => {
            "no such directory; make it, or check its path"
        }
        ("prctl", Errno::EPERM) if call.contains("PR_CAPBSET_DROP") => {
            "to shrink the bounding set needs CAP_SETPCAP; run it as root, or add --user (-U)"
        }
        ("prctl", Errno::EPERM) if call.contains("PR_SET_SECUREBITS") => {
            "to set securebits needs CAP_SETPCAP, and none of them locked; run it as root, or add \
             --user (-U)"
        }
        ("prctl", Errno::EPERM) if call.contains("PR_CAP_AMBIENT_RAISE") => {
            "it must be permitted and inheritable first, and the securebit NO_CAP_AMBIENT_RAISE \
             unset; run it as root, or add --user (-U)"
        }
        ("prctl", Errno::EINVAL) if call.contains("CAP_") => {
            "this kernel has no such capability; see /proc/sys/kernel/cap_last_cap"
        }
        ("capset", Errno::EPERM) => {
            "a set may only shrink, within what was permitted; `reducecap --show` shows what there is"
        }
        ("seccomp", Errno::EACCES) => {
            "needs no_new_privs or CAP_SYS_ADMIN; add --no-new-privs, or run it as root"
        }
        ("seccomp", Errno::EINVAL) => "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)",
        ("setxattr" | "removexattr", Errno::EPERM) => {
            "capabilities of a file need CAP_SETFCAP, over the namespace of its owner; run it as \
             root, or add --user (-U) for a file of your own"
        }
        ("setxattr" | "removexattr" | "getxattr", Errno::EOPNOTSUPP) => {
            "this file system keeps no security attributes; put the file on another one"
        }
        ("setxattr" | "removexattr" | "getxattr", Errno::ENOENT) => "no such file; check its path",
        ("setxattr", Errno::EINVAL) => {
            "only an ordinary file can have capabilities, and a root id must be mapped here"
        }
        ("getxattr", Errno::EOVERFLOW) => {
            "its capabilities belong to a root that has no id in this user namespace; look from \
             outside"
        }
        ("execvp", Errno::EPERM) => {
            "the file's capabilities are more than the bounding set allows; keep those of \
             `reducecap --file`, or take them from the file"
        }
        ("chroot", Errno::EPERM) => {
            "this needs CAP_SYS_CHROOT; run it as root, or add --user (-U) to have it in a user \
             namespace of your own"
        }
        ("chroot" | "chdir", Errno::ENOENT) => "no such directory; make it, or check its path",
        ("pivot_root", Errno::EINVAL) => {
            "the new root must be a mount point, and neither it nor what it is mounted on may be \
             shared; bind it on itself, in private mounts (an initramfs cannot be pivoted at all)"
        }
        ("pivot_root", Errno::EBUSY) => "that is the root already; choose a directory below it",
        ("mount_setattr", Errno::EPERM) if call.contains("IDMAP") => {
            "only who owns the file system (CAP_SYS_ADMIN in the user namespace that it was mounted \
             in) says what its ids mean; run it as root, without --user"
        }
        ("mount_setattr", Errno::EINVAL) if call.contains("IDMAP") => {
            "a file system of this tree has no id maps on this kernel, or has one already; bind \
             another one"
        }
        ("mount_setattr", Errno::ENOSYS) => "this kernel is older than Linux 5.12; update it",
        ("open_tree", Errno::ENOENT) => "no such file or directory to bind; check the path",
        ("open_tree", Errno::EINVAL) => {
            "a mount below it is locked, or cannot be bound; bind a directory without it"
        }
        ("open_tree", Errno::EPERM) => {
            "only who has CAP_SYS_ADMIN over the mount namespace may copy a mount; run it as root, \
             or add --user (-U)"
        }
        ("openat2" | "mkdirat", Errno::EACCES | Errno::EROFS | Errno::EPERM) => {
            "what is to be mounted on does not exist, and the root is not yours to write; make it \
             there before"
        }
        ("mkdirat", Errno::EEXIST) => {
            "a link that leads nowhere in the new root; make what it names in there, or remove it"
        }
        ("open", Errno::ENOENT) => "no such file or directory; check the path",
        ("fsopen", Errno::EPERM) => {
            "mounting takes CAP_SYS_ADMIN over the mount namespace; run as root, or add --user (-U) \
             and a command"
        }
        ("fsopen", Errno::ENODEV) => {
            "this kernel has no overlayfs; load it with `modprobe overlay`, or use another kernel"
        }
        ("fsconfig", Errno::ENOENT) => "no such layer; `mkdir` it first, or look at its name",
        ("fsconfig", Errno::ENOTDIR) => "a layer is a directory; look at its name",
        ("fsconfig" | "mount", Errno::EINVAL) if call.contains("lowerdir") => {
            "at most 500 layers, each path under 256 bytes; before Linux 6.8 all of them within one \
             page: use shorter paths, or flatten some"
        }
        ("fsconfig", Errno::EINVAL) => {
            "overlayfs refuses this stack; upper and work have to be two directories on one file \
             system, neither in the other: see `dmesg`"
        }
        ("fsconfig", Errno::EBUSY) => {
            "upper or work is in use by another overlay; each mount takes two of its own"
        }
        ("fsconfig", Errno::ELOOP) => {
            "a layer is in another one, or is an upper directory in use; take layers apart"
        }
        ("fsconfig", Errno::EPERM) => {
            "not yours to mount: a layer's file system, or no right to the work directory; use \
             directories of your own"
        }
        ("mount", Errno::ENOENT) if call.contains("lowerdir") => {
            "a layer or the mount point does not exist; `mkdir` it first, or look at its name"
        }
        ("move_mount" | "mount", Errno::ENOENT) => "no such mount point; `mkdir` it first",
        ("move_mount", Errno::ENOTDIR) => "the mount point is no directory; name a directory",
        ("ioctl", Errno::ENOTTY) if call.contains("BTRFS") => {
            "that is on no btrfs; `mkfs.btrfs` one, or use an overlay"
        }
        ("ioctl", Errno::EINVAL) if call.contains("BTRFS") => {
            "not the root of a subvolume (its inode number is 256); `btrfs subvolume create` makes \
             one"
        }
        ("ioctl", Errno::EXDEV) if call.contains("BTRFS") => {
            "a snapshot shares blocks: both are on one file system"
        }
        ("ioctl", Errno::EPERM) if call.contains("BTRFS") => {
            "only who owns a subvolume may snapshot it; be that user, or root"
        }
        ("ioctl", Errno::EEXIST) if call.contains("BTRFS") => {
            "there is something of that name; choose another"
        }
        ("lsetxattr", Errno::EPERM) => {
            "only root of the first user namespace sets trusted.* attributes; add --userxattr"
        }
        ("lsetxattr", Errno::ENOTSUP) => {
            "this file system keeps no such attributes (a tmpfs does since Linux 6.6); use another"
        }
        ("execvp", Errno::ENOENT) => "no such command; check its name, or give its whole path",
        ("execvp", Errno::EACCES) => "found, but not executable; `chmod +x` it",
        _ => errno.desc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_the_call_the_errno_and_the_remedy_in_one_line() {
        let explain = Explain::new(false);
        let error = explain
            .call(
                "unshare(CLONE_NEWUTS)",
                nix::Result::<()>::Err(Errno::EPERM),
            )
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("unshare(CLONE_NEWUTS): EPERM: "),
            "{error}"
        );
        assert!(
            error.contains("run it as root") && error.contains("--user"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_errno_without_a_special_meaning_keeps_the_c_library_text() {
        assert_eq!(meaning("sync()", Errno::EIO), Errno::EIO.desc());
    }
}
