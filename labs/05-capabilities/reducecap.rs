//! Shows what a process may, and runs a command that may less.
//!
//! `--show` asks the kernel, never this program's own memory: what was set and
//! not applied does not show. A reduction has to be made in one order: the
//! bounding set while CAP_SETPCAP is there, then the process's own sets, then
//! the ambient one, which must be inheritable first; the exec completes it. The
//! lesson is in `brick/reduce.rs`.
//!
//! Try:  reducecap --user --drop net_raw --explain reducecap --show
//! Read: capabilities(7), capsh(1), setpriv(1), getpcaps(8), setcap(8)

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use labs::capabilities::{
    FileCapabilities, Profile, Reduction, Set, Sets, all, read_file, reduce, refuse_packet_sockets,
    remove_file, write_file,
};
use labs::command;
use labs::explain::Explain;
use labs::namespaces::map_root;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Show the capabilities of a process or a file, or run a command with fewer.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Print the table of capabilities: this process's, after all that is asked for
    #[arg(long)]
    show: bool,

    /// Of another process
    // Its sets can be read and not changed: capset on another PID is EPERM since
    // Linux 2.6.24, so that none of the rest can be meant together with it.
    #[arg(long, value_name = "PID", requires = "show", conflicts_with_all =
        ["user", "drop", "keep", "profile", "ambient", "noroot", "no_new_privs", "seccomp", "command"])]
    pid: Option<u32>,

    /// Take these away for ever: a list such as net_raw,CAP_SYS_ADMIN, or all
    #[arg(long, value_name = "LIST")]
    drop: Option<Set>,

    /// Take all away but these
    #[arg(long, value_name = "LIST")]
    keep: Option<Set>,

    /// Take all away but what this one leaves (and --keep)
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,

    /// Hand these over the exec also to who is not root (implies that they are kept)
    #[arg(long, value_name = "LIST")]
    ambient: Option<Set>,

    // Of use in a user namespace with one id, where nobody can stop to be 0.
    /// Let user id 0 give nothing (securebit NOROOT, locked)
    #[arg(long)]
    noroot: bool,

    /// Let no exec give privileges any more
    #[arg(long)]
    no_new_privs: bool,

    /// Refuse packet sockets by a seccomp filter, whatever the capabilities
    #[arg(long)]
    seccomp: bool,

    /// Do it without root, in a user namespace in which you are root
    #[arg(short = 'U', long)]
    user: bool,

    /// Show the capabilities of a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["show", "command"])]
    file: Option<PathBuf>,

    /// Give these to the file, as setcap writes them: net_raw=ep; or none
    #[arg(long, value_name = "CAPS", requires = "file")]
    set_file: Option<String>,

    /// To count only in user namespaces whose root is this user (version 3)
    #[arg(long, value_name = "UID", requires = "set_file")]
    rootid: Option<u32>,

    /// Print each system call as it is made, as strace would write it
    #[arg(long)]
    explain: bool,

    /// The command and its arguments [default: $SHELL, unless something is shown]
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

/// As on the command line; the brick knows no command line.
#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    /// 14, Docker's default
    Docker,
    /// 14 of 2013, the slide's guest
    Vserver,
    /// 11, podman's default
    Podman,
    /// Nothing
    None,
}

const EXAMPLES: &str = "\
Examples:
  $ reducecap --show                             the slide's table
  $ reducecap --show --pid 1
  # reducecap --drop net_raw tcpdump -i lo       root that may not sniff
  # reducecap --profile docker bash              root as Docker makes it
  $ reducecap --user --keep net_bind_service --noroot --ambient net_bind_service bash
  # reducecap --file ./server --set-file net_bind_service=ep
  $ reducecap --file /usr/bin/ping

Exit status: the command's own; 127 if it does not exist, 126 if it cannot be
executed; 1 if the kernel refused something, 2 for a wrong argument.";

fn main() -> ExitCode {
    command::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let explain = Explain::new(arguments.explain);
    if arguments.user {
        // Asked before: without a map the answer would be 65534.
        let (uid, gid) = (getuid(), getgid());
        explain.call("unshare(CLONE_NEWUSER)", unshare(CloneFlags::CLONE_NEWUSER))?;
        // Before anything is dropped: a map wants CAP_SETUID in the new namespace.
        map_root(explain, "self", uid, gid)?;
    }
    // A file or another process: nothing of our own is to be changed then.
    if arguments.file.is_some() {
        return file(explain, arguments);
    }
    if let Some(pid) = arguments.pid {
        table::show(&Sets::of(&pid.to_string())?)?;
        return Ok(ExitCode::SUCCESS);
    }

    if arguments.reduces() {
        reduce(explain, arguments.reduction())?;
    }
    if arguments.seccomp {
        // Last: a filter that is in the way of one's own calls is a nuisance.
        refuse_packet_sockets(explain)?;
    }
    // After all of it, and asked anew: what shows is what the command begins with,
    // but for its execve.
    if arguments.show {
        table::show(&Sets::of("self")?)?;
        if arguments.command.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(command::exec(explain, &arguments.command))
}

impl Arguments {
    /// Whether anything is to be taken away. Without a wish nothing is touched:
    /// `reducecap --show` must not empty the inheritable set that it shows.
    fn reduces(&self) -> bool {
        let lists = [self.drop, self.keep, self.ambient];
        let switches = self.noroot || self.no_new_privs || self.profile.is_some();
        switches || lists.iter().any(Option::is_some)
    }

    /// What is left: all, or what --profile and --keep name; less --drop; and
    /// whatever is to be ambient, because that has to be permitted.
    fn reduction(&self) -> Reduction {
        let profile = self.profile.map(|name| match name {
            ProfileName::Docker => Profile::Docker.capabilities(),
            ProfileName::Vserver => Profile::Vserver.capabilities(),
            ProfileName::Podman => Profile::Podman.capabilities(),
            ProfileName::None => Profile::None.capabilities(),
        });
        // --keep adds to a profile, as --cap-add does to Docker's.
        let named = match (profile, self.keep) {
            (None, None) => all(),
            (profile, keep) => profile.unwrap_or_default().or(keep.unwrap_or_default()),
        };
        // Asked for by name, so it wins over a --drop of the same.
        let ambient = self.ambient.unwrap_or_default();
        Reduction {
            keep: named.without(self.drop.unwrap_or_default()).or(ambient),
            ambient,
            noroot: self.noroot,
            no_new_privs: self.no_new_privs,
        }
    }
}

/// `--file`: changed first when that is asked, then shown as the kernel has it.
fn file(explain: Explain, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments
        .file
        .as_deref()
        .context("--file FILE is missing")?;
    match arguments.set_file.as_deref() {
        None => {}
        // No attribute, and not one with empty sets: that one would still make an
        // execve lose the ambient set.
        Some("none") => remove_file(explain, file)?,
        Some(text) => {
            let capabilities: FileCapabilities = text
                .parse()
                .map_err(|error| anyhow::anyhow!("--set-file: {error}"))?;
            let root = arguments.rootid;
            write_file(
                explain,
                file,
                FileCapabilities {
                    root,
                    ..capabilities
                },
            )?;
        }
    }
    // Read back, and so perhaps not what was asked for: see `write_file`.
    match read_file(explain, file)? {
        Some(capabilities) => println!("{} {capabilities}", file.display()),
        None => println!("{} has no capabilities", file.display()),
    }
    Ok(ExitCode::SUCCESS)
}
