//! `cgroup-vfs list`: the directories of each tree. As lscgroup(1).

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use labs::cgroups::{Directory, Group, Machine};

/// List cgroups, `CONTROLLERS:PATH` a line, each hierarchy from its root
#[derive(Args)]
pub struct List {
    /// Only this one and those below [default: all]
    #[arg(value_name = "[CONTROLLERS:]GROUP")]
    group: Option<String>,
}

impl List {
    pub fn run(self, machine: &Machine) -> anyhow::Result<ExitCode> {
        let group = Group::find(machine, self.group.as_deref().unwrap_or("/"))?;
        group.any_directory()?;
        for (hierarchy, directory) in group.places() {
            if directory.path.is_dir() {
                let controllers = match hierarchy.controllers.is_empty() {
                    // A v2 tree may have none: all of them are in v1's.
                    true => "cgroup2".into(),
                    false => hierarchy.controllers.join(","),
                };
                print(&controllers, &hierarchy.point, directory)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(controllers: &str, root: &Path, directory: &Directory) -> anyhow::Result<()> {
    println!(
        "{controllers}:/{}",
        directory.path.strip_prefix(root)?.display()
    );
    for child in directory.children() {
        print(controllers, root, &child)?;
    }
    Ok(())
}
