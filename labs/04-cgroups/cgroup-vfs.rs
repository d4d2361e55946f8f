//! Does by mkdir, write, read and rmdir what libcgroup's tools do: a cgroup is a
//! directory of a virtual file system, and nothing else.
//!
//! The order is always the same: make the directory, write its limits, and only
//! then put a process in. Before the limits are there the process could take what
//! it likes; and a process that is moved later has its memory counted where it
//! was. `exec` moves *itself* and becomes the command, so that the command and
//! all its children are inside from their first instruction.
//!
//! ```text
//! cmd/create.rs  set.rs  get.rs  exec.rs  classify.rs  delete.rs  list.rs
//! cmd/mount.rs   tree.rs apply.rs measure.rs perf.rs
//! ```
//!
//! Try:  cgroup-vfs --explain create demo
//! Read: cgroups(7), cgcreate(1), cgexec(1)

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use labs::cgroups::Machine;
use labs::command;
use labs::explain::Explain;

mod cmd {
    pub mod apply;
    pub mod classify;
    pub mod create;
    pub mod delete;
    pub mod exec;
    pub mod get;
    pub mod list;
    pub mod measure;
    pub mod mount;
    pub mod perf;
    pub mod set;
    pub mod tree;
}

/// Make, limit, enter and look at cgroups, v1 and v2, by directories and files.
///
/// GROUP is a path such as students/alice: in every mounted hierarchy, or with
/// controllers before it, cpu,memory:students/alice, only in theirs. /students
/// begins at the root of the hierarchy; students at the topmost cgroup above
/// yours that you may write, which for root is the same.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Print each system call as it is made, as strace would write it
    #[arg(long, global = true)]
    explain: bool,

    /// Use only the hierarchies mounted at or below DIRECTORY
    #[arg(long, global = true, value_name = "DIRECTORY")]
    at: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(cmd::create::Create),
    Set(cmd::set::Set),
    Get(cmd::get::Get),
    Exec(cmd::exec::Exec),
    Classify(cmd::classify::Classify),
    Delete(cmd::delete::Delete),
    List(cmd::list::List),
    Mount(cmd::mount::Mount),
    Tree(cmd::tree::Tree),
    Apply(cmd::apply::Apply),
    Measure(cmd::measure::Measure),
    Perf(cmd::perf::Perf),
}

const EXAMPLES: &str = "\
Examples:
  # cgroup-vfs create demo
  # cgroup-vfs set demo memory=64M pids=20 cpu-max=50%
  # cgroup-vfs exec demo bash
  # cgroup-vfs get demo memory memory.current
  # cgroup-vfs delete --kill demo
  # cgroup-vfs mount net_cls,net_prio /mnt/net       a tree on a place of your own
  # cgroup-vfs apply university.yaml && cgroup-vfs measure university
  $ systemd-run --user --scope -p Delegate=yes cgroup-vfs create demo

Exit status: 0; with exec and perf the command's own, 127 if it does not exist,
126 if it cannot be executed; 1 if a call failed, 2 for a wrong argument.";

fn main() -> ExitCode {
    command::finish(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let explain = Explain::new(arguments.explain);
    // The one command that needs no hierarchy to be there.
    if let Command::Mount(mount) = arguments.command {
        return mount.run(explain);
    }
    let at = arguments.at.map(std::path::absolute).transpose()?;
    let machine = Machine::look(at.as_deref())?;
    match arguments.command {
        Command::Create(create) => create.run(explain, &machine),
        Command::Set(set) => set.run(explain, &machine),
        Command::Get(get) => get.run(&machine),
        Command::Exec(exec) => exec.run(explain, &machine),
        Command::Classify(classify) => classify.run(explain, &machine),
        Command::Delete(delete) => delete.run(explain, &machine),
        Command::List(list) => list.run(&machine),
        Command::Mount(mount) => mount.run(explain),
        Command::Tree(tree) => tree.run(&machine),
        Command::Apply(apply) => apply.run(explain, &machine),
        Command::Measure(measure) => measure.run(explain, &machine),
        Command::Perf(perf) => perf.run(explain, &machine),
    }
}
