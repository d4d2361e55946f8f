//! `clone3`: a child that is born in new namespaces.
//!
//! The caller stays where it is, on the outside. That makes it the natural
//! parent of a container: it can still write the child's id maps, put one end
//! of a veth into its network namespace, or keep its namespaces on a file.
//!
//! Read: clone(2), clone3(2)

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{ForkResult, Pid};

/// From `linux/sched.h`: above the 32 bits that the C library's constants have.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Like `fork`, with the child in the new namespaces that `flags` name.
///
/// Neither the C library nor nix has a function for it, so it is called by
/// number. `clone3` and not `clone`: CLONE_NEWTIME does not fit into the flags
/// of the old call. Linux 5.3.
///
/// # Safety
///
/// As fork(2): the child of a process with threads may only make calls that are
/// async-signal-safe. The labs have one thread.
pub unsafe fn clone3(flags: CloneFlags) -> nix::Result<ForkResult> {
    // SAFETY: what is said above.
    unsafe { clone3_into(flags, None) }
}

/// The same with the child born in a v2 cgroup, whose directory is open as
/// `cgroup`: it counts there from its first page, and the writer's wait for all
/// other forks of the machine (`cgroup.procs`) is spared. Linux 5.7.
///
/// # Safety
///
/// As [`clone3`].
pub unsafe fn clone3_into(
    flags: CloneFlags,
    cgroup: Option<BorrowedFd>,
) -> nix::Result<ForkResult> {
    // SAFETY: clone_args is plain integers, for which all zero is a value: no
    // stack of its own (so the child goes on with a copy of ours, as in fork),
    // no pidfd, no thread-local storage.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags.bits() as u64;
    // What the parent gets when the child ends. With 0 waitpid(2) would not see
    // the child without __WCLONE.
    // For a sibling (CLONE_PARENT) the kernel takes the caller's own, and no other.
    if !flags.contains(CloneFlags::CLONE_PARENT) {
        arguments.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }

    // SAFETY: the pointer and the size belong to one live structure, and without
    // CLONE_VM the child has its own copy of all memory, as after fork.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            std::mem::size_of::<libc::clone_args>(),
        )
    };
    Ok(match Errno::result(result)? {
        0 => ForkResult::Child,
        child => ForkResult::Parent {
            child: Pid::from_raw(child as libc::pid_t),
        },
    })
}
