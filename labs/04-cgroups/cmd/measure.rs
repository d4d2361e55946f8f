//! `cgroup-vfs measure`: puts a load into each cgroup and looks who gets how much.
//!
//! A share shows only where there is too little for all, so all loads sit on one
//! processor and never sleep. What counts is not the time on the wall but the
//! processor time that the kernel has booked to each cgroup: whatever else the
//! machine does takes from the sum, and leaves the proportion as it is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use labs::cgroups::{Group, Machine, cpu, names_below};
use labs::explain::Explain;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getppid};

/// Put a load into each child of a cgroup and measure the CPU shares
#[derive(Args)]
pub struct Measure {
    /// Processor seconds to share out before looking
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    seconds: f64,

    #[arg(value_name = "GROUP")]
    group: String,
}

/// Loads that end with this program, however it ends.
struct Loads(Vec<Pid>);

impl Drop for Loads {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(*pid, Signal::SIGKILL);
            let _ = waitpid(*pid, None);
        }
    }
}

impl Measure {
    pub fn run(self, explain: Explain, machine: &Machine) -> anyhow::Result<ExitCode> {
        if !(0.1..=60.0).contains(&self.seconds) {
            bail!("--seconds {}: wants a number from 0.1 to 60", self.seconds);
        }
        let depth = PathBuf::from(&self.group).components().count() + 1;
        let mut children = Vec::new();
        for name in names_below(machine, &self.group)? {
            if name.components().count() == depth {
                children.push(Child::find(machine, name)?);
            }
        }
        if children.len() < 2 {
            bail!(
                "{}: a share needs two cgroups below it at least; `cgroup-vfs apply FILE.yaml` makes some",
                self.group
            );
        }

        let processor = processor()?;
        let mut loads = Loads(Vec::new());
        for child in &children {
            loads.0.push(load(explain, &child.load, processor)?);
        }
        let start: Vec<Duration> = children.iter().map(Child::used).collect::<Result<_, _>>()?;
        let wanted = Duration::from_secs_f64(self.seconds);
        let (begin, mut got) = (Instant::now(), Vec::new());
        while got.iter().sum::<Duration>() < wanted {
            if begin.elapsed() > 60 * wanted {
                bail!(
                    "the loads get no processor time; is {} frozen, or its cpu-max small?",
                    self.group
                );
            }
            std::thread::sleep(Duration::from_millis(20));
            got = children
                .iter()
                .zip(&start)
                .map(|(child, start)| Ok(child.used()?.saturating_sub(*start)))
                .collect::<anyhow::Result<_>>()?;
        }
        drop(loads);

        let shares: u64 = children.iter().map(|child| child.share).sum();
        let total: f64 = got.iter().map(Duration::as_secs_f64).sum();
        let width = children
            .iter()
            .map(|child| child.label.len())
            .max()
            .unwrap_or(0)
            .max(5);
        println!("{:<width$}  SHARE   GOT  OF {total:.1} s", "GROUP");
        for (child, got) in children.iter().zip(got) {
            let should = child.share as f64 * 100.0 / shares as f64;
            let is = got.as_secs_f64() * 100.0 / total;
            println!("{:<width$}  {should:>4.0}%  {is:>3.0}%", child.label);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One of the cgroups that compete.
struct Child {
    label: String,
    group: Group,
    /// Where its load goes: the inmost first cgroup, because on v2 a cgroup with
    /// children takes no process.
    load: Group,
    share: u64,
}

impl Child {
    fn find(machine: &Machine, name: PathBuf) -> anyhow::Result<Self> {
        let text = name.display().to_string();
        let group = Group::find(machine, &text)?;
        let share = cpu::share(group.directory("cpu")?)
            .with_context(|| format!("{text}: it has no cpu controller"))?;
        let mut inmost = text.clone();
        while let Some(below) = names_below(machine, &inmost)?.get(1) {
            inmost = below.display().to_string();
        }
        let label = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            label,
            group,
            load: Group::find(machine, &inmost)?,
            share,
        })
    }

    fn used(&self) -> anyhow::Result<Duration> {
        let directory = self.group.directory("cpuacct")?;
        cpu::usage(directory).context("the kernel tells no processor time of this cgroup")
    }
}

/// The last processor that this process may use: 0 has the machine's interrupts.
fn processor() -> anyhow::Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let all = 0..CpuSet::count();
    all.rev()
        .find(|cpu| allowed.is_set(*cpu) == Ok(true))
        .context("no processor to run on")
}

/// A child that goes into the cgroup, and then counts for ever.
fn load(explain: Explain, group: &Group, processor: usize) -> anyhow::Result<Pid> {
    let parent = nix::unistd::getpid();
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // Should the parent be killed, nobody else would end this loop.
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            if getppid() != parent {
                bail!("the parent has ended");
            }
            let mut one = CpuSet::new();
            one.set(processor)?;
            sched_setaffinity(Pid::from_raw(0), &one)?;
            group.enter(explain.in_child())?;
            loop {
                std::hint::spin_loop();
            }
        }
    }
}
