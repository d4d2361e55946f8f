//! Runs one command as a plain process, in a container, and on a virtual
//! machine, and puts side by side what each has of its own and what each costs.
//!
//! The command is this program again (`probe`), so all three do the same. What
//! they do it on is the lesson: the process and the container call the kernel
//! that is there; the machine brings one along, and a processor, a memory and
//! devices for it, which some process has to play.
//!
//! ```text
//! brick/       how each of the three is started
//! probe.rs     what runs in there: who am I, and how fast is this
//! measure.rs   what is measured from outside: time to start, memory
//! report.rs    the table and the chart
//! ```
//!
//! Try:  side-by-side --svg /tmp/costs.svg
//! Read: clone(2), namespaces(7), qemu-system-x86_64(1)

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use labs::command;
use labs::explain::Explain;

mod measure;
mod probe;
mod report;

/// Measure a process, a container and a virtual machine side by side.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// The kernel that the machine boots [default: the newest /boot/vmlinuz-*]
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Who runs the machine's instructions
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accel,

    /// How often process and container are started; the median counts
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,

    /// Draw the chart into FILE, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print each system call as it is made, as strace would write it
    #[arg(long)]
    explain: bool,

    #[command(subcommand)]
    inside: Option<Inside>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Accel {
    /// KVM where it answers, else the translator
    Auto,
    /// The processor itself
    Kvm,
    /// qemu's translator
    Tcg,
    /// No machine at all
    None,
}

#[derive(Subcommand)]
enum Inside {
    /// What runs in each of the three places
    #[command(hide = true)]
    Probe(probe::Probe),
}

const EXAMPLES: &str = "\
Examples:
  $ side-by-side                                without root, in a user namespace
  $ side-by-side --svg costs.svg                and a chart
  $ side-by-side --accel none --explain         how the container is made, call by call
  $ side-by-side --kernel vmlinuz --accel tcg   an emulated machine with this kernel

Exit status: 0 when all that is here was measured; what is not here is said. 1 when
something could not be measured, 2 for a wrong argument.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command::finish(match arguments.inside {
        Some(Inside::Probe(probe)) => probe.run(),
        None => run(&arguments),
    })
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let explain = Explain::new(arguments.explain);
    let found = measure::all(
        explain,
        arguments.runs,
        arguments.kernel.as_deref(),
        arguments.accel,
    )?;
    report::print(&found);
    if let Some(file) = &arguments.svg {
        std::fs::write(file, report::chart(&found))
            .with_context(|| format!("write({file:?}): choose a folder that you may write to"))?;
    }
    Ok(ExitCode::SUCCESS)
}
