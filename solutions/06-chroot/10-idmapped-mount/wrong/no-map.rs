// caught by: inside.process.mounts./mnt
// A plain bind, by the new calls.
use std::env;
use std::error::Error;
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

const NONE: Option<&str> = None;

fn user_namespace() -> Result<File, Box<dyn Error>> {
    // SAFETY: this process has one thread.
    match unsafe { fork()? } {
        ForkResult::Child => {
            // SAFETY: raise and _exit take a number and touch no memory.
            unsafe {
                if unshare(CloneFlags::CLONE_NEWUSER).is_ok() {
                    libc::raise(libc::SIGSTOP);
                }
                libc::_exit(1)
            }
        }
        ForkResult::Parent { child } => {
            let wait = |pid: Pid| waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WUNTRACED));
            wait(child)?;
            fs::write(format!("/proc/{child}/uid_map"), "0 0 1")?;
            fs::write(format!("/proc/{child}/setgroups"), "deny")?;
            fs::write(format!("/proc/{child}/gid_map"), "0 0 1")?;
            let namespace = File::open(format!("/proc/{child}/ns/user"))?;
            // SAFETY: kill takes two numbers.
            Errno::result(unsafe { libc::kill(child.as_raw(), libc::SIGKILL) })?;
            wait(child)?;
            Ok(namespace)
        }
    }
}

fn detached_copy(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is a C string, and the descriptor that comes back is ours.
    unsafe {
        let fd = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        Errno::result(fd).map(|fd| OwnedFd::from_raw_fd(fd as i32))
    }
}

fn set_id_map(tree: &OwnedFd, users: &File) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid mount_attr; the kernel reads as much of it as its
    let done = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
        attributes.userns_fd = users.as_raw_fd() as u64;
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    Errno::result(done).map(drop)
}

fn attach(tree: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are C strings; the empty one means the descriptor itself.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (program, rest) = arguments.split_first().ok_or("usage: work COMMAND...")?;

    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE)?;

    let users = user_namespace()?;

    let tree = detached_copy(c"/srv/files")?;

    _ = set_id_map;
    drop(users);

    attach(&tree, c"/mnt")?;

    Err(Command::new(program).args(rest).exec().into())
}
