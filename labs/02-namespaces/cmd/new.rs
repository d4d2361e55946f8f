//! What `clone` and `unshare` have in common: which namespaces, and what is done
//! in them before the command starts. The letters are those of unshare(1).

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use labs::explain::{CallError, Explain};
use labs::namespaces::{Kind, Propagation, mount_proc, set_propagation};

#[derive(Args)]
pub struct New {
    /// New UTS namespace: host name
    #[arg(short, long)]
    uts: bool,
    /// New IPC namespace: System V objects, message queues
    #[arg(short, long)]
    ipc: bool,
    /// New network namespace: interfaces, routes, ports
    #[arg(short, long)]
    net: bool,
    /// New mount namespace
    #[arg(short, long)]
    mount: bool,
    /// New PID namespace, for children
    #[arg(short, long)]
    pid: bool,
    /// New user namespace: ids and capabilities; it owns the others
    #[arg(short = 'U', long)]
    user: bool,
    /// New cgroup namespace
    #[arg(short = 'C', long)]
    cgroup: bool,
    /// New time namespace, for children
    #[arg(short = 'T', long)]
    time: bool,

    /// Be root in the new user namespace (implies --user)
    #[arg(short = 'r', long)]
    pub map_root_user: bool,

    /// Mount a /proc of the new PID namespace (implies --mount)
    #[arg(long)]
    mount_proc: bool,

    /// Propagation of all mounts in a new mount namespace
    #[arg(long, value_enum, value_name = "MODE", default_value = "private")]
    propagation: Mode,

    /// Keep the one new namespace alive on FILE, until `umount FILE`
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,

    /// The command and its arguments [default: $SHELL]
    #[arg(trailing_var_arg = true)]
    pub command: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Private,
    Slave,
    Shared,
    /// As copied: shared with the host, where the host's are shared
    Unchanged,
}

impl New {
    /// The namespaces asked for, user first.
    ///
    /// The order is for the reader: or-ed together the flags have none, and the
    /// kernel starts with the user namespace in any case.
    pub fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| match kind {
            Kind::User => self.user || self.map_root_user,
            Kind::Mnt => self.mount || self.mount_proc,
            Kind::Pid => self.pid,
            Kind::Net => self.net,
            Kind::Ipc => self.ipc,
            Kind::Uts => self.uts,
            Kind::Cgroup => self.cgroup,
            Kind::Time => self.time,
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }

    /// The one namespace that `--keep` can mean.
    pub fn kind_to_keep(&self) -> anyhow::Result<Kind> {
        match self.kinds()[..] {
            [kind] => Ok(kind),
            _ => anyhow::bail!("--keep FILE keeps one namespace; name exactly one, such as -u"),
        }
    }

    /// In the new namespaces, before the command: the mounts cut loose from the
    /// host's, and only then a mount of our own.
    pub fn prepare_mounts(&self, explain: Explain) -> Result<(), CallError> {
        if !(self.mount || self.mount_proc) {
            return Ok(());
        }
        // Private by default, as unshare(1) has it. The system call leaves the
        // mounts as copied, shared with the host: `--propagation unchanged`.
        match self.propagation {
            Mode::Private => set_propagation(explain, Propagation::Private)?,
            Mode::Slave => set_propagation(explain, Propagation::Slave)?,
            Mode::Shared => set_propagation(explain, Propagation::Shared)?,
            Mode::Unchanged => {}
        }
        if self.mount_proc {
            mount_proc(explain)?;
        }
        Ok(())
    }
}
