//! Why a program did not run, so that callers can tell 126 from 127.

use std::fmt;

use nix::errno::Errno;

/// A program that could not be executed. To be found in the chain of an
/// `anyhow::Error` by `downcast_ref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// As the user named it.
    pub program: String,
    pub errno: Errno,
}

impl ExecError {
    /// docker's exit code: 127 where there is no such program, 126 where it may not
    /// be run or is none, 125 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self.errno {
            Errno::ENOENT | Errno::ENOTDIR => 127,
            Errno::EACCES | Errno::EPERM | Errno::EISDIR | Errno::ENOEXEC | Errno::ELOOP => 126,
            _ => 125,
        }
    }
}

impl std::error::Error for ExecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
    }
}

/// In the words of docker's runtime: podman and dockerd look for them to choose
/// the exit code.
impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, errno } = self;
        write!(f, "exec: {program:?}: ")?;
        match errno {
            Errno::ENOENT if !program.contains('/') => {
                f.write_str("executable file not found in $PATH")
            }
            Errno::ENOENT => write!(f, "stat {program}: no such file or directory"),
            Errno::EACCES => f.write_str("permission denied"),
            Errno::EISDIR => f.write_str("is a directory"),
            Errno::ENOEXEC => f.write_str("exec format error"),
            Errno::ELOOP => f.write_str("too many levels of symbolic links"),
            errno => f.write_str(&errno.desc().to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_and_what_may_not_be_run_are_told_apart() {
        let error = |program: &str, errno| ExecError {
            program: program.into(),
            errno,
        };
        let missing = error("nosuch", Errno::ENOENT);
        assert_eq!(missing.exit_code(), 127);
        let text = "exec: \"nosuch\": executable file not found in $PATH";
        assert_eq!(missing.to_string(), text);
        assert_eq!(error("/etc", Errno::EACCES).exit_code(), 126);
        assert_eq!(error("/bin/x", Errno::ENOMEM).exit_code(), 125);
    }
}
