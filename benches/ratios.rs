//! The numbers that the project holds itself to, each as a ratio to a peer in
//! the same run: `cargo bench`.
//!
//! Not a test: nothing here passes or fails. A peer that is not installed is
//! said so, and its row is left out.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tp::sandbox::{Event, Plan, Sandbox};

/// Pairs of runs of each row; the two of a pair follow one another, so that a
/// change of the machine's speed meets both.
const PAIRS: usize = 25;

fn main() {
    println!(
        "{:<44} {:>10} {:>10} {:>8}  hold",
        "what, against what", "ours", "peer", "ratio"
    );
    sandbox_against_bubblewrap();
    check_against_container();
    checkpoint();
    peak_memory();
}

fn sandbox_against_bubblewrap() {
    let name = "open and close a sandbox, bwrap --unshare-all";
    let bwrap = || {
        let mut command = Command::new("bwrap");
        command.args([
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]);
        command.args(["--tmpfs", "/tmp", "true"]);
        quiet(&mut command)
    };
    if !works(bwrap) {
        return println!("{name:<44} bwrap is not there, or refused");
    }
    row(name, || open_and_close(), || drop(bwrap()), "at most 3");
}

fn check_against_container() {
    let name = "tp check of a shell exercise, docker run";
    let docker = || {
        let script = "unshare -u sh -c 'hostname lab' || hostname";
        quiet(Command::new("docker").args([
            "run",
            "--rm",
            "--network",
            "none",
            "busybox",
            "sh",
            "-c",
            script,
        ]))
    };
    if !works(docker) {
        return println!("{name:<44} no docker engine with an image `busybox` here");
    }
    row(
        name,
        || drop(check("1.1")),
        || drop(docker()),
        "at most 0.1",
    );
}

/// One checkpoint from the kernel's stop to the program's going on, with the
/// difference and the comparison left to the end of a run as in a check.
fn checkpoint() {
    let script = "for i in $(seq 60); do checkpoint c; done";
    let plan = Plan {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        ..Plan::default()
    };
    let mut times = Vec::new();
    let opened = Sandbox::open(&plan);
    let Ok((mut sandbox, start)) = opened else {
        return println!("no sandbox here");
    };
    let baseline = sandbox.observe(&start).ok().flatten().unwrap_or_default();
    let expected = "c: {process: {}}\n";
    let expected = tp::expect::parse(expected, std::path::Path::new("bench.yaml"));
    sandbox.resume(&start);
    while let Ok(Event::Checkpoint(stop)) = sandbox.next_event(&[], |_| Ok(())) {
        let began = Instant::now();
        let seen = sandbox.observe(&stop).ok().flatten().unwrap_or_default();
        let run = tp::expect::Run {
            baseline: baseline.clone(),
            checkpoints: vec![("c".into(), seen)],
            after: None,
        };
        if let Ok(expected) = &expected {
            std::hint::black_box(tp::expect::compare(expected, &run, &Default::default()));
        }
        times.push(began.elapsed());
        sandbox.resume(&stop);
    }
    sandbox.close();
    println!(
        "{:<44} {:>10} {:>10} {:>8}  at most 3 ms",
        "one checkpoint: observe, difference, compare",
        told(median(&mut times)),
        "",
        ""
    );
}

fn peak_memory() {
    let status = check("1.1");
    // SAFETY: getrusage fills the structure that is passed.
    let peak = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage.ru_maxrss
    };
    let peak = format!("{:.1} MiB", peak as f64 / 1024.0);
    let note = if status {
        ""
    } else {
        " (the check did not pass)"
    };
    println!(
        "{:<44} {peak:>10} {:>10} {:>8}  at most 20 MiB{note}",
        "peak memory of tp check", "", ""
    );
}

fn row(name: &str, ours: impl Fn(), peer: impl Fn(), hold: &str) {
    let (mut our_times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let (our_time, peer_time) = (time(&ours), time(&peer));
        // The first pair warms up.
        if pair > 0 {
            our_times.push(our_time);
            peer_times.push(peer_time);
            ratios.push(our_time.as_secs_f64() / peer_time.as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{name:<44} {:>10} {:>10} {:>8.2}  {hold}",
        told(median(&mut our_times)),
        told(median(&mut peer_times)),
        ratios[ratios.len() / 2]
    );
}

fn open_and_close() {
    let plan = Plan {
        argv: vec!["/bin/true".into()],
        ..Plan::default()
    };
    if let Ok((mut sandbox, start)) = Sandbox::open(&plan) {
        sandbox.resume(&start);
        // To its end, as bwrap does.
        while let Ok(Event::Checkpoint(stop)) = sandbox.next_event(&[], |_| Ok(())) {
            sandbox.resume(&stop);
        }
        sandbox.close();
    }
}

/// `tp check` of a solution, as a whole process.
fn check(id: &str) -> bool {
    let tp = env!("CARGO_BIN_EXE_tp");
    quiet(Command::new(tp).args(["check", id, "--solutions"]))
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn works(run: impl Fn() -> bool) -> bool {
    run()
}

fn time(run: impl Fn()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn told(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
