//! `namespaces list`: which namespaces a process is in, and who owns them.
//!
//! A namespace has no name. It has an inode number in a small file system inside
//! the kernel (nsfs), and two processes are in the same namespace when they have
//! the same number. The owner is the user namespace in which you need
//! capabilities to change it; that is asked of the open file, with an ioctl.
//!
//! Read: lsns(8), proc_pid_ns(5), ioctl_nsfs(2)

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;

use clap::Args;
use labs::explain::Explain;
use labs::namespaces::{Kind, open_namespaces};
use nix::sys::stat::fstat;

/// Show the namespaces of a process, their owners, and whether you share them
#[derive(Args)]
pub struct List {
    /// The process to look at [default: this one]
    #[arg(value_name = "PID")]
    pid: Option<u32>,
}

// NS_GET_USERNS of <linux/nsfs.h>: gives a descriptor of the owner.
nix::ioctl_none!(ns_get_userns, 0xb7, 1);

impl List {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let process = self.pid.map_or("self".into(), |pid| pid.to_string());
        println!("{:<8} {:<12} {:<12} YOURS", "TYPE", "ID", "OWNER");
        for kind in Kind::ALL {
            let files = [process.as_str(), "self"]
                .map(|whose| (kind, format!("/proc/{whose}/ns/{}", kind.file())));
            let fds = open_namespaces(explain, &files)?;
            let (theirs, ours) = (&fds[0].1, &fds[1].1);
            let id = fstat(theirs)?.st_ino;

            // SAFETY: the ioctl takes no argument, and `theirs` is open on nsfs.
            let owner = match unsafe { ns_get_userns(theirs.as_raw_fd()) } {
                // SAFETY: a descriptor that is new and ours alone.
                Ok(owner) => fstat(unsafe { OwnedFd::from_raw_fd(owner) })?
                    .st_ino
                    .to_string(),
                // EPERM: above your own user namespace, so out of sight.
                Err(_) => "outside".into(),
            };
            let yours = if fstat(ours)?.st_ino == id {
                "yes"
            } else {
                "no"
            };
            println!("{:<8} {id:<12} {owner:<12} {yours}", kind.file());
        }
        Ok(ExitCode::SUCCESS)
    }
}
