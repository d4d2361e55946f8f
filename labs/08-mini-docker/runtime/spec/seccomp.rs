//! docker's default seccomp policy: what a container may call.
//!
//! An allow list. What is not on it gives EPERM, as if the privilege were missing:
//! calls that reach beyond the container (mount, kexec, modules, clocks, keyrings,
//! BPF), and some that no program of today needs. Who has been given a capability
//! may also make the calls that it is for.
//!
//! The list is that of moby's profiles/seccomp, its calls of 64-bit Linux; a
//! program of another table (32-bit, x32) is ended, where docker's lets it run.
//!
//! Read: seccomp(2), capabilities(7), docker's "Seccomp security profiles"

use std::path::Path;

use anyhow::{Context, bail};
use labs::capabilities::{Capability, Set};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use LinuxSeccompAction::{ScmpActAllow as Allow, ScmpActErrno as Refuse};
use LinuxSeccompOperator::{ScmpCmpEq as Equal, ScmpCmpMaskedEq as Masked, ScmpCmpNe as Not};

/// Allowed to everybody, by what they are about.
#[rustfmt::skip]
const EVERYBODY: [&str; 16] = [
    // Files and directories
    "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat \
     faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl \
     fdatasync flock fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 ioctl \
     lchown link linkat lseek lstat mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open \
     openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead \
     readlink readlinkat readv rename renameat renameat2 rmdir sendfile splice stat statfs statx \
     symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime \
     utimensat utimes vmsplice write writev cachestat listmount statmount",
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr \
     listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat",
    // Waiting for many of them
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
     epoll_wait_old eventfd eventfd2 poll ppoll pselect6 select signalfd signalfd4",
    "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch fanotify_mark",
    "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit ioprio_get ioprio_set",
    // Memory
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 \
     mlockall mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free \
     pkey_mprotect remap_file_pages",
    // Processes and threads
    "arch_prctl execve execveat exit exit_group fork get_robust_list get_thread_area getcpu \
     getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid modify_ldt \
     pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv \
     process_vm_writev ptrace rseq set_robust_list set_thread_area set_tid_address setpgid \
     setpriority setrlimit setsid times uname uretprobe vfork wait4 waitid",
    "futex futex_requeue futex_wait futex_waitv futex_wake",
    "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr \
     sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr \
     sched_setparam sched_setscheduler sched_yield",
    // Signals
    "kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
     rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill",
    // Ids, and giving up what one has
    "capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid \
     setgid setgroups setregid setresgid setresuid setreuid setuid",
    "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",
    // Time
    "adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer \
     gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun \
     timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime sysinfo getrandom",
    // Sockets; `socket` itself has a condition
    "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg \
     recvmsg sendmmsg sendmsg sendto setsockopt shutdown socketpair",
    // System V and POSIX IPC, of the container's own namespace
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv \
     msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget",
    // arm's own
    "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
];

/// Capability, by its number, and the calls that it opens.
const BY_CAPABILITY: [(u8, &str); 13] = [
    (2, "open_by_handle_at"), // DAC_READ_SEARCH: out of any directory (shocker)
    (
        21, // SYS_ADMIN
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie \
         lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog \
         umount2 unshare",
    ),
    (22, "reboot"),                                 // SYS_BOOT
    (18, "chroot"),                                 // SYS_CHROOT
    (16, "delete_module finit_module init_module"), // SYS_MODULE
    (20, "acct"),                                   // SYS_PACCT
    (19, "kcmp pidfd_getfd process_madvise"),       // SYS_PTRACE
    (17, "ioperm iopl"),                            // SYS_RAWIO
    (25, "clock_settime settimeofday"),             // SYS_TIME
    (26, "vhangup"),                                // SYS_TTY_CONFIG
    (
        23,
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ), // SYS_NICE
    (34, "syslog"),                                 // SYSLOG
    (39, "bpf"),                                    // BPF
];

/// Every CLONE_NEW… but NEWTIME: without SYS_ADMIN no namespaces, and a new user
/// namespace would give all capabilities in it.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// The execution domains that programs ask for: Linux, Linux with 32-bit `uname`,
/// both with the addresses of 2.6, and the question which one it is.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The policy of a record: none for `unconfined` and `--privileged`, that of a file,
/// else docker's for these capabilities.
///
/// # Errors
/// A file that cannot be read, or is no policy.
pub fn policy(
    options: &[String],
    privileged: bool,
    capabilities: Set,
) -> anyhow::Result<Option<LinuxSeccomp>> {
    let asked = options.iter().rev().find_map(|option| {
        option
            .strip_prefix("seccomp")
            .and_then(|rest| rest.strip_prefix(['=', ':']))
    });
    match asked {
        Some("unconfined") => Ok(None),
        None | Some("builtin") if privileged => Ok(None),
        None | Some("builtin") => Ok(Some(default(capabilities)?)),
        Some(file) => {
            let text = std::fs::read(Path::new(file))
                .with_context(|| format!("opening seccomp profile ({file}) failed"))?;
            Ok(Some(of_file(&text, capabilities).with_context(|| {
                format!("Decoding seccomp profile failed: {file}")
            })?))
        }
    }
}

/// docker's policy for who has these capabilities.
fn default(capabilities: Set) -> anyhow::Result<LinuxSeccomp> {
    let mut rules = vec![rule(&EVERYBODY.join(" "), Allow, None, Vec::new())?];
    for (number, names) in BY_CAPABILITY {
        if capabilities.contains(Capability(number)) {
            rules.push(rule(names, Allow, None, Vec::new())?);
        }
    }
    // perf_event_open has a capability of its own since Linux 5.8.
    if capabilities.contains(Capability(38)) {
        rules.push(rule("perf_event_open", Allow, None, Vec::new())?);
    }
    if !capabilities.contains(Capability(21)) {
        let none = argument(0, NEW_NAMESPACES, Some(0), Masked)?;
        rules.push(rule("clone", Allow, None, vec![none])?);
        // Its flags lie in memory, where a filter cannot look. "No such call" makes the
        // C library take the old one.
        rules.push(rule(
            "clone3",
            Refuse,
            Some(libc::ENOSYS as u32),
            Vec::new(),
        )?);
    }
    // AF_VSOCK leads out of a virtual machine, past every network namespace.
    let family = argument(0, libc::AF_VSOCK as u64, None, Not)?;
    rules.push(rule("socket", Allow, None, vec![family])?);
    for value in PERSONALITIES {
        let one = argument(0, value, None, Equal)?;
        rules.push(rule("personality", Allow, None, vec![one])?);
    }
    let policy = LinuxSeccompBuilder::default()
        .default_action(Refuse)
        .default_errno_ret(libc::EPERM as u32)
        .syscalls(rules);
    Ok(policy.build()?)
}

/// Names with blanks between, and what becomes of them under these conditions.
fn rule(
    names: &str,
    action: LinuxSeccompAction,
    errno: Option<u32>,
    conditions: Vec<LinuxSeccompArg>,
) -> anyhow::Result<LinuxSyscall> {
    let names: Vec<String> = names.split_whitespace().map(String::from).collect();
    let mut builder = LinuxSyscallBuilder::default().names(names).action(action);
    if let Some(errno) = errno {
        builder = builder.errno_ret(errno);
    }
    if !conditions.is_empty() {
        builder = builder.args(conditions);
    }
    Ok(builder.build()?)
}

/// A condition on one of the six arguments; `second` is what a masked one is to be.
fn argument(
    index: usize,
    value: u64,
    second: Option<u64>,
    operator: LinuxSeccompOperator,
) -> anyhow::Result<LinuxSeccompArg> {
    let mut builder = LinuxSeccompArgBuilder::default()
        .index(index)
        .value(value)
        .op(operator);
    if let Some(second) = second {
        builder = builder.value_two(second);
    }
    Ok(builder.build()?)
}

/// A file as docker takes them: the specification's, and rules that are only for
/// some capabilities or architectures (`includes`, `excludes`).
fn of_file(text: &[u8], capabilities: Set) -> anyhow::Result<LinuxSeccomp> {
    let mut policy: serde_json::Value = serde_json::from_slice(text)?;
    if policy.get("defaultAction").is_none() {
        bail!("no defaultAction");
    }
    let holds = |condition: &serde_json::Value, empty: bool| {
        let words = |name: &str| {
            let list = condition.get(name).and_then(|list| list.as_array());
            list.filter(|list| !list.is_empty()).cloned()
        };
        let has = |word: &serde_json::Value| {
            let parsed = word
                .as_str()
                .and_then(|word| word.parse::<Capability>().ok());
            parsed.is_some_and(|one| capabilities.contains(one))
        };
        let here = if cfg!(target_arch = "x86_64") {
            "amd64"
        } else {
            "arm64"
        };
        match (words("caps"), words("arches")) {
            (None, None) => empty,
            // To include all have to be there, to exclude one is enough.
            (caps, arches) => {
                let caps = caps.map(|list| match empty {
                    true => list.iter().all(has),
                    false => list.iter().any(has),
                });
                let arches = arches.map(|list| list.iter().any(|word| word == here));
                match empty {
                    true => caps.unwrap_or(true) && arches.unwrap_or(true),
                    false => caps.unwrap_or(false) || arches.unwrap_or(false),
                }
            }
        }
    };
    let nothing = serde_json::Value::Null;
    if let Some(rules) = policy
        .get_mut("syscalls")
        .and_then(|rules| rules.as_array_mut())
    {
        rules.retain(|rule| {
            holds(rule.get("includes").unwrap_or(&nothing), true)
                && !holds(rule.get("excludes").unwrap_or(&nothing), false)
        });
        for rule in rules {
            // An old form: one name instead of a list.
            if let Some(name) = rule.get("name").cloned().filter(|name| name.is_string()) {
                rule["names"] = serde_json::json!([name]);
            }
        }
    }
    if let Some(object) = policy.as_object_mut() {
        // Which tables of calls there are; this runtime knows the machine's own.
        object.remove("archMap");
        object.remove("architectures");
    }
    Ok(serde_json::from_value(policy)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &LinuxSeccomp, name: &str) -> bool {
        let mut rules = policy.syscalls().iter().flatten();
        rules.any(|rule| rule.action() == Allow && rule.names().iter().any(|one| one == name))
    }

    #[test]
    fn what_reaches_beyond_the_container_takes_a_capability() {
        let docker = labs::capabilities::Profile::Docker.capabilities();
        let usual = default(docker).unwrap();
        for name in [
            "mount",
            "unshare",
            "setns",
            "bpf",
            "reboot",
            "open_by_handle_at",
            "keyctl",
        ] {
            assert!(!allowed(&usual, name), "{name}");
        }
        for name in ["read", "clone", "chroot", "socket", "mseal"] {
            assert!(allowed(&usual, name), "{name}");
        }
        let more = default(docker.or(Set::of(&[Capability(21), Capability(22)]))).unwrap();
        assert!(allowed(&more, "mount") && allowed(&more, "reboot"));
        assert!(!allowed(&more, "keyctl"), "not even with SYS_ADMIN");
    }

    #[test]
    fn a_file_may_speak_of_capabilities() {
        let text = br#"{ "defaultAction": "SCMP_ACT_ERRNO", "archMap": [], "syscalls": [
            { "names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
            { "name": "umount2", "action": "SCMP_ACT_ALLOW", "excludes": { "caps": ["CAP_SYS_ADMIN"] } }
        ] }"#;
        let without = of_file(text, Set::default()).unwrap();
        assert!(!allowed(&without, "mount") && allowed(&without, "umount2"));
        let with = of_file(text, Set::of(&[Capability(21)])).unwrap();
        assert!(allowed(&with, "mount") && !allowed(&with, "umount2"));
    }
}
