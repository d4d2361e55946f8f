//! `mini-chroot enter`: furnish a root, and move in.
//!
//! The order is forced. Namespaces first, the user namespace above all, because it
//! cannot be made from a chroot. A fork, if there is a PID namespace to be in.
//! Mounts private, or the host gets them. The root bound on itself, so that it is a
//! mount. Then what it is to show; then what is to be hidden of that; then in.
//!
//! A real runtime goes on here: capabilities (chapter 05), seccomp, limits (04), a
//! read-only root or an overlay (07).
//!
//! Read: chroot(1), pivot_root(8), unshare(1) (--root)

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use labs::command;
use labs::explain::Explain;
use labs::namespaces::{Kind, Propagation, flag_names, flags, map_root, set_propagation};
use labs::root::{
    Bind, IdMap, MASKED_PATHS, READ_ONLY_PATHS, Root, bind, bind_root, chroot_into,
    close_descriptors, make_read_only, mask, mount_dev, mount_proc_with, pivot_into,
};
use nix::sched::unshare;
use nix::unistd::{ForkResult, fork, getgid, getuid};

/// Enter a root, then become a command
#[derive(Args)]
pub struct Enter {
    /// By pivot_root(2), in a mount namespace of its own (the default)
    #[arg(long, conflicts_with = "chroot")]
    pivot_root: bool,

    /// By chroot(2): the old root stays above, in reach
    #[arg(long)]
    chroot: bool,

    /// Without root, through a user namespace in which you are root
    #[arg(short = 'U', long)]
    user: bool,

    /// A small /dev of its own
    #[arg(long)]
    dev: bool,

    /// A /proc of a new PID namespace; OPTIONS as hidepid=invisible,subset=pid
    #[arg(long, value_name = "OPTIONS", num_args = 0..=1, require_equals = true)]
    proc: Option<Option<String>>,

    /// Show a file or directory of the host's, with all that is mounted below
    #[arg(long, value_name = "SRC:DST[:ro]", value_parser = parse_bind)]
    bind: Vec<Bind>,

    /// For all --bind: ids from FILES on, as the disk has them, show from SHOWN on.
    /// Only for who owns the file system, so not with --user
    #[arg(long, value_name = "FILES:SHOWN[:COUNT]", value_parser = parse_id_map)]
    #[arg(requires = "bind", conflicts_with = "user")]
    idmap: Option<IdMap>,

    /// Hide a path; `oci` for the list that container engines have
    #[arg(long, value_name = "PATH")]
    mask: Vec<PathBuf>,

    /// Make a path read-only, with all below; `oci` likewise
    #[arg(long, value_name = "PATH")]
    read_only: Vec<PathBuf>,

    /// The directory that is to be `/`
    root: PathBuf,

    /// The command and its arguments [default: /bin/sh]
    #[arg(trailing_var_arg = true, default_value = "/bin/sh")]
    command: Vec<String>,
}

impl Enter {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        let kinds = self.namespaces();
        // Asked before: in a new user namespace without a map the answer is 65534.
        let (uid, gid) = (getuid(), getgid());
        // All in one call: the kernel makes the user namespace first, and it owns the
        // others. From inside a chroot it would be too late: EPERM.
        if !kinds.is_empty() {
            explain.call(
                format!("unshare({})", flag_names(&kinds)),
                unshare(flags(&kinds)),
            )?;
        }
        if self.user {
            map_root(explain, "self", uid, gid)?;
        }
        if !kinds.contains(&Kind::Pid) {
            return self.enter(explain, &kinds);
        }
        explain.announce("fork()");
        // Only a child is in the new PID namespace, and a proc shows that of whoever
        // mounts it.
        // SAFETY: this process has one thread.
        match unsafe { fork() }.context("fork()")? {
            ForkResult::Child => self.enter(explain.in_child(), &kinds),
            ForkResult::Parent { child } => command::wait(child),
        }
    }

    /// In the namespaces, and in the process that becomes the command.
    fn enter(self, explain: Explain, kinds: &[Kind]) -> anyhow::Result<ExitCode> {
        // A bare chroot mounts nothing, and needs no namespace.
        if kinds.contains(&Kind::Mnt) {
            // Else what is mounted from here on shows on the host, and pivot_root is refused.
            set_propagation(explain, Propagation::Private)?;
            bind_root(explain, &self.root)?;
            // Opened after that: a descriptor from before would be below the mount.
            let root = Root::open(explain, &self.root)?;
            // In the order of the command line: one may be mounted below another.
            for one in &self.bind {
                bind(explain, &root, one, self.idmap)?;
            }
            // After the binds: a bind of the whole host's /dev is covered by it.
            if self.dev {
                mount_dev(explain, &root)?;
            }
            // While the host's /proc is there: without root the kernel gives a new one
            // only to who can see a whole one.
            if let Some(options) = &self.proc {
                mount_proc_with(explain, &root, options.as_deref().unwrap_or_default())?;
            }
            for path in or_list(&self.read_only, &READ_ONLY_PATHS) {
                make_read_only(explain, &root, path)?;
            }
            // Last: what hides a path must not itself be hidden by another mount.
            for path in or_list(&self.mask, &MASKED_PATHS) {
                mask(explain, &root, path)?;
            }
        }
        // From here on there is no way back to the host's files, for this program either.
        if self.chroot {
            chroot_into(explain, &self.root)?;
        } else {
            pivot_into(explain, &self.root)?;
        }
        // The root's descriptor, and whatever the caller has left open.
        close_descriptors(explain)?;
        Err(command::exec(explain, &self.command))
    }

    /// Which namespaces that takes, the user namespace first: it owns the others.
    fn namespaces(&self) -> Vec<Kind> {
        let mounts = self.dev
            || self.proc.is_some()
            || !(self.bind.is_empty() && self.mask.is_empty() && self.read_only.is_empty());
        let wanted = |kind: &Kind| match kind {
            Kind::User => self.user,
            Kind::Mnt => mounts || !self.chroot,
            Kind::Pid => self.proc.is_some(),
            _ => false,
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }
}

/// The paths asked for, with `oci` replaced by a runtime's list.
fn or_list<'a>(
    paths: &'a [PathBuf],
    list: &'static [&'static str],
) -> impl Iterator<Item = &'a Path> {
    paths.iter().flat_map(move |path| {
        let whole = path == Path::new("oci");
        let list = list.iter().filter(move |_| whole).map(Path::new);
        list.chain((!whole).then_some(path.as_path()))
    })
}

// As docker run -v has it, but for a volume's name in the place of SRC.
fn parse_bind(text: &str) -> Result<Bind, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts[..] {
        [source, target] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => return Err("write SRC:DST, or SRC:DST:ro".into()),
    };
    if source.is_empty() || !target.starts_with('/') {
        return Err("SRC is a path of the host, DST an absolute path of the new root".into());
    }
    Ok(Bind {
        source: source.into(),
        target: target.into(),
        read_only,
    })
}

// The order of uid_map: what is inside of the file system, then what is outside.
fn parse_id_map(text: &str) -> Result<IdMap, String> {
    let numbers: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
    let (on_disk, shown, count) = match numbers.as_deref() {
        Ok([on_disk, shown]) => (*on_disk, *shown, 1),
        Ok([on_disk, shown, count]) if *count > 0 => (*on_disk, *shown, *count),
        _ => return Err("write FILES:SHOWN, such as 0:1000, or FILES:SHOWN:COUNT".into()),
    };
    Ok(IdMap {
        on_disk,
        shown,
        count,
    })
}
