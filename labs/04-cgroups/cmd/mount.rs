//! `cgroup-vfs mount`: a tree on a mount point of one's own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use labs::cgroups::mount;
use labs::explain::Explain;

/// Mount a hierarchy: cgroup2, v1 controllers, or none,name=NAME
#[derive(Args)]
pub struct Mount {
    /// cgroup2 | cpu,cpuacct | net_cls,net_prio | none,name=mine | …
    #[arg(value_name = "WHAT")]
    what: String,

    /// An existing directory; `umount DIRECTORY` undoes it
    #[arg(value_name = "DIRECTORY")]
    point: PathBuf,
}

impl Mount {
    pub fn run(self, explain: Explain) -> anyhow::Result<ExitCode> {
        mount(explain, &self.what, &self.point)?;
        Ok(ExitCode::SUCCESS)
    }
}
