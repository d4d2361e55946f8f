//! `setns`: join the namespaces that another process is in.
//!
//! Two orders matter. All files are opened before the first `setns`, because
//! after joining a mount or PID namespace `/proc/PID` is another process's, or
//! nobody's. And the user namespace is joined neither first nor last but in the
//! middle; [`join`] says why.
//!
//! Read: setns(2), namespaces(7), user_namespaces(7)

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::setns;
use nix::sys::stat::Mode;

use crate::explain::{CallError, Explain};
use crate::namespaces::Kind;

/// Opens the files of namespaces: `/proc/PID/ns/uts`, or where one is kept.
pub fn open_namespaces(
    explain: Explain,
    files: &[(Kind, String)],
) -> Result<Vec<(Kind, OwnedFd)>, CallError> {
    files
        .iter()
        .map(|(kind, path)| {
            let fd = explain.call_returning(
                format!("open({path:?}, O_RDONLY|O_CLOEXEC)"),
                open(
                    path.as_str(),
                    OFlag::O_RDONLY | OFlag::O_CLOEXEC,
                    Mode::empty(),
                ),
                |fd| fd.as_raw_fd().into(),
            )?;
            Ok((*kind, fd))
        })
        .collect()
}

/// Joins the namespaces. Of the PID namespace only future children will be
/// part: the process itself keeps the id that others know it by.
///
/// To join a namespace you need CAP_SYS_ADMIN in the user namespace that *owns*
/// it, and joining a user namespace trades the capabilities that you had outside
/// for all those inside. Root has to join what the host owns before that trade,
/// an ordinary user what the container owns after it. So: first everything but
/// the user namespace, as far as it goes; then the user namespace; then what was
/// refused before. nsenter(1) does the same. (Since Linux 5.8 one `setns` on a
/// pidfd takes all flags at once, and the kernel does it like this.)
pub fn join(explain: Explain, mut namespaces: Vec<(Kind, OwnedFd)>) -> Result<(), CallError> {
    let has_user = namespaces.iter().any(|(kind, _)| *kind == Kind::User);
    if has_user {
        let mut refused = Vec::new();
        for (kind, fd) in namespaces {
            if kind == Kind::User {
                refused.insert(0, (kind, fd));
                continue;
            }
            match explain.call(setns_call(kind, &fd), setns(&fd, kind.flag())) {
                Ok(()) => {}
                Err(error) if error.errno == Errno::EPERM => refused.push((kind, fd)),
                Err(error) => return Err(error),
            }
        }
        namespaces = refused;
    }
    for (kind, fd) in &namespaces {
        explain.call(setns_call(*kind, fd), setns(fd, kind.flag()))?;
    }
    Ok(())
}

fn setns_call(kind: Kind, fd: &OwnedFd) -> String {
    format!("setns({}, {})", fd.as_raw_fd(), kind.flag_name())
}
