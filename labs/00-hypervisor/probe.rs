//! What runs in each of the three places: it tells where it is, waits until it
//! is looked at, and then works.
//!
//! Read: uname(2), random(4) on boot_id, tmpfs(5), reboot(2)

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::utsname::uname;

/// In front of every line that is for the other side.
pub const MARK: &str = "side-by-side: ";

/// Numbers that are sorted: a millisecond or two.
const NUMBERS: usize = 50_000;

/// Bytes of the file that is written and read, and of each single call.
const FILE: usize = 4 << 20;
const BLOCK: usize = 64 << 10;

/// How long each is done over and over; the fastest counts, because what disturbs
/// a measurement only ever makes it slower. Each is short, so that on a busy
/// machine some fit between two turns of the scheduler.
const WHILE: Duration = Duration::from_millis(400);

#[derive(Args)]
pub struct Probe {
    /// It is the first process of a machine: there is no /proc yet, and at the
    /// end the machine is to be switched off
    #[arg(long)]
    machine: bool,

    /// The folder of a tmpfs, for the file
    #[arg(long, default_value = "/tmp")]
    folder: String,
}

impl Probe {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let result = self.answer();
        if self.machine {
            if let Err(error) = &result {
                println!("{MARK}error={error:#}");
            }
            // The first process must not end: the kernel would panic. qemu was told
            // to end where a machine would start again.
            // SAFETY: takes a number and no pointer.
            let failed = unsafe { libc::reboot(libc::RB_AUTOBOOT) };
            Errno::result(failed).context("reboot(RB_AUTOBOOT)")?;
        }
        result.map(|()| ExitCode::SUCCESS)
    }

    fn answer(&self) -> anyhow::Result<()> {
        if self.machine {
            for (kind, point) in [("proc", "/proc"), ("tmpfs", "/tmp")] {
                mount(
                    Some(kind),
                    point,
                    Some(kind),
                    MsFlags::empty(),
                    None::<&str>,
                )
                .with_context(|| format!("mount({kind:?}, {point:?})"))?;
            }
        }
        let names = uname().context("uname()")?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .context("read(\"/proc/sys/kernel/random/boot_id\")")?;
        self.tell(&format!(
            "release={} boot_id={} hostname={} pid={}",
            names.release().to_string_lossy(),
            boot_id.trim(),
            names.nodename().to_string_lossy(),
            std::process::id(),
        ))?;

        // Meanwhile the other side weighs us.
        std::io::stdin()
            .lock()
            .read_line(&mut String::new())
            .context("read(0)")?;

        let cpu = fastest(|| {
            black_box(sorted_numbers());
            Ok(())
        })?;
        let path = format!("{}/side-by-side.{}", self.folder, std::process::id());
        let files = self.files(&path);
        let _ = fs::remove_file(&path);
        let (written, read) = files?;
        self.tell(&format!(
            "cpu={} write={} read={}",
            cpu.as_nanos(),
            written.as_nanos(),
            read.as_nanos()
        ))
    }

    /// Writes a file and reads it again, in memory: what is measured is the way
    /// through the kernel, not the disk, which all three might share.
    fn files(&self, path: &str) -> anyhow::Result<(Duration, Duration)> {
        let mut block = vec![0x5a; BLOCK];
        let written = fastest(|| {
            let mut file = fs::File::create(path).with_context(|| format!("open({path:?})"))?;
            for _ in 0..FILE / BLOCK {
                file.write_all(&block)
                    .with_context(|| format!("write({path:?})"))?;
            }
            Ok(())
        })?;
        let read = fastest(|| {
            let mut file = fs::File::open(path).with_context(|| format!("open({path:?})"))?;
            for _ in 0..FILE / BLOCK {
                file.read_exact(&mut block)
                    .with_context(|| format!("read({path:?})"))?;
            }
            Ok(())
        })?;
        Ok((written, read))
    }

    fn tell(&self, text: &str) -> anyhow::Result<()> {
        let mut output = std::io::stdout().lock();
        writeln!(output, "{MARK}{text}").context("write(1)")?;
        output.flush().context("write(1)")
    }
}

/// Bytes of the file, for whoever makes a rate of a time.
pub const fn file_size() -> usize {
    FILE
}

fn fastest(mut body: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let mut best = Duration::MAX;
    let begin = Instant::now();
    while best == Duration::MAX || begin.elapsed() < WHILE {
        let start = Instant::now();
        body()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// Numbers made up by a fixed rule (the generator xorshift64), sorted: jumps that
/// cannot be foreseen, and memory read and written, as in most programs. A chain
/// of mere multiplications is as fast in an emulator as outside.
fn sorted_numbers() -> Vec<u64> {
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    let mut numbers: Vec<u64> = (0..NUMBERS)
        .map(|_| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number
        })
        .collect();
    numbers.sort_unstable();
    numbers
}
