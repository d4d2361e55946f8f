//! The numbers that the project holds itself to, each as a ratio to a peer in
//! the same run: `cargo bench`.
//!
//! Not a test: nothing here passes or fails. A peer that is not installed is
//! said so, and its row is left out.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tp::check::verdict::Status;
use tp::expect::Run;
use tp::sandbox::{Event, Plan, Sandbox};

/// Pairs of runs of each row; the two of a pair follow one another, so that a
/// change of the machine's speed meets both.
const PAIRS: usize = 25;

/// What both sides run: a host name of its own.
const SCRIPT: &str = "exec unshare -u sh -c 'hostname tp-lab; exec checkpoint inside'\n";
const EXPECTED: &str = "\
inside:
  process:
    namespaces: {uts: new}
    hostname: tp-lab
after: {exit: {status: 0}}
";

fn main() {
    let course = Course::new();
    // First, while this program itself is small: the kernel counts a child's
    // memory from before its exec, when it was its parent's.
    let peak = peak_memory(&course);
    println!(
        "{:<46} {:>10} {:>10} {:>8}  hold",
        "what, against what", "ours", "peer", "ratio"
    );
    sandbox_against_bubblewrap();
    check_against_container(&course);
    checkpoint();
    observation_of_much();
    observation_of_many();
    alone("peak memory of tp check", &peak, "at most 20 MiB");
}

fn sandbox_against_bubblewrap() {
    let name = "open and close a sandbox; bwrap --unshare-all";
    let bwrap = || {
        quiet(Command::new("bwrap").args([
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "true",
        ]))
    };
    if !bwrap() {
        return missing(name, "bwrap is not installed, or refused here");
    }
    if let Err(error) = open_and_close() {
        return missing(name, &format!("{error:#}"));
    }
    row(name, || _ = open_and_close(), || _ = bwrap(), "at most 3");
}

fn check_against_container(course: &Course) {
    let name = "tp check of a shell exercise; docker run";
    let script = "hostname tp-lab; hostname";
    let docker = || {
        quiet(Command::new("docker").args([
            "run",
            "--rm",
            "--cap-add=SYS_ADMIN",
            "--network=none",
            "busybox",
            "sh",
            "-c",
            script,
        ]))
    };
    if !docker() {
        return missing(name, "no docker engine with an image `busybox` answers");
    }
    if !course.check() {
        return missing(name, "no sandbox can be opened here");
    }
    row(name, || _ = course.check(), || _ = docker(), "at most 0.1");
}

/// One checkpoint from the kernel's stop to the program's going on, with the
/// difference and the comparison that a check leaves to the end of a run.
fn checkpoint() {
    let name = "one checkpoint: observe, difference, compare";
    match checkpoint_times() {
        Ok(mut times) => alone(name, &told(median(&mut times)), "at most 3 ms"),
        Err(error) => missing(name, &format!("{error:#}")),
    }
}

fn checkpoint_times() -> Result<Vec<Duration>> {
    let script =
        "unshare -u sh -c 'hostname tp-lab; for i in $(seq 100); do checkpoint inside; done'";
    let plan = Plan {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        ..Plan::default()
    };
    let expected = tp::expect::parse(EXPECTED, Path::new("expected.yaml"))?;
    let (mut sandbox, start) = Sandbox::open(&plan)?;
    let baseline = sandbox.observe(&start)?.context("no baseline")?;
    sandbox.resume(&start);
    let options = tp::expect::Options::default();
    let mut times = Vec::new();
    while let Event::Checkpoint(stop) = sandbox.next_event(&[], |_| Ok(()))? {
        let began = Instant::now();
        let seen = sandbox.observe(&stop)?.context("no observation")?;
        let run = Run {
            baseline: baseline.clone(),
            checkpoints: vec![("inside".into(), seen)],
            after: None,
        };
        let checks = tp::expect::compare(&expected, &run, &options);
        times.push(began.elapsed());
        sandbox.resume(&stop);
        let held = checks
            .iter()
            .all(|check| !check.id.starts_with("inside") || check.status == Status::Pass);
        ensure!(held, "the snapshot does not hold: {checks:?}");
    }
    sandbox.close();
    Ok(times)
}

/// A process that sees 200 mounts and 100 interfaces.
fn observation_of_much() {
    let name = "observe 200 mounts, 100 interfaces; findmnt, ip";
    let script = "mount -t tmpfs tmpfs /run
        for i in $(seq 200); do mkdir /run/$i; mount -t tmpfs tmpfs /run/$i; done
        for i in $(seq 50); do ip link add a$i type veth peer name b$i; done";
    match Crowd::gather(script) {
        Ok(crowd) => crowd.against(name, "findmnt; ip address", observe_process),
        Err(error) => missing(name, &format!("{error:#}")),
    }
}

/// The machine around 1,000 processes.
fn observation_of_many() {
    let name = "observe 1,000 processes; ps -e";
    match Crowd::gather("for i in $(seq 1000); do sleep 3600 & done") {
        Ok(crowd) => crowd.against(name, "ps -e", observe_machine),
        Err(error) => missing(name, &format!("{error:#}")),
    }
}

fn observe_process(pid: i32) -> Result<()> {
    tp::observe::process(pid, &tp::observe::Frame::host()).map(drop)
}

fn observe_machine(pid: i32) -> Result<()> {
    let handles = tp::observe::Handles::of(pid)?;
    tp::observe::machine(&handles, &tp::observe::Frame::host()).map(drop)
}

/// The first process of namespaces of its own, once its script has been played.
struct Crowd {
    unshare: Child,
    first: i32,
}

impl Crowd {
    fn gather(script: &str) -> Result<Self> {
        let mut unshare = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "--net", "--pid"])
            .args(["--fork", "--kill-child", "--mount-proc", "sh", "-euc"])
            .arg(format!("{script}\necho ready; read end"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare")?;
        let mut line = String::new();
        let output = unshare.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let children = fs::read_to_string(children)?;
        let first = children.split_whitespace().next();
        let first = first.context("no child of unshare")?.parse()?;
        let crowd = Self { unshare, first };
        ensure!(line == "ready\n", "the script failed");
        Ok(crowd)
    }

    fn against(&self, name: &str, peer: &str, observe: fn(i32) -> Result<()>) {
        let peer = || {
            quiet(
                Command::new("nsenter")
                    .args(["--target", &self.first.to_string(), "--user", "--mount"])
                    .args([
                        "--net",
                        "--pid",
                        "--preserve-credentials",
                        "sh",
                        "-ec",
                        peer,
                    ]),
            )
        };
        if !peer() {
            return missing(name, "its peer is not installed, or refused here");
        }
        if let Err(error) = observe(self.first) {
            return missing(name, &format!("{error:#}"));
        }
        row(name, || _ = observe(self.first), || _ = peer(), "");
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

fn peak_memory(course: &Course) -> String {
    if !course.check() {
        return "no sandbox".into();
    }
    // SAFETY: getrusage fills the structure that is passed.
    let peak = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage.ru_maxrss
    };
    format!("{:.1} MiB", peak as f64 / 1024.0)
}

fn missing(name: &str, why: &str) {
    println!("{name:<46} left out: {why}");
}

fn alone(name: &str, ours: &str, hold: &str) {
    println!("{name:<46} {ours:>10} {:>10} {:>8}  {hold}", "", "");
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
        "{name:<46} {:>10} {:>10} {:>8.3}  {hold}",
        told(median(&mut our_times)),
        told(median(&mut peer_times)),
        ratios[ratios.len() / 2]
    );
}

fn open_and_close() -> Result<()> {
    let plan = Plan {
        argv: vec!["/bin/true".into()],
        ..Plan::default()
    };
    let (mut sandbox, start) = Sandbox::open(&plan)?;
    sandbox.resume(&start);
    // To its end, as bwrap does.
    while let Event::Checkpoint(stop) = sandbox.next_event(&[], |_| Ok(()))? {
        sandbox.resume(&stop);
    }
    sandbox.close();
    Ok(())
}

/// A course of one exercise, in a folder that goes when it is dropped.
struct Course(PathBuf);

impl Course {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("tp-bench-{}", std::process::id()));
        let exercise = "exercises/01-bench/1-own-hostname";
        for (file, content) in [
            ("course.md", "# A course for the bench\n"),
            ("course.yaml", "id: bench\nversion: \"0\"\n"),
            ("exercises/Cargo.toml", ""),
            (&format!("{exercise}/README.md"), "# A host name\n"),
            (
                &format!("{exercise}/exercise.yaml"),
                "version: 1\nkind: shell\n",
            ),
            (&format!("{exercise}/expected.yaml"), EXPECTED),
            (
                &format!("{exercise}/hints.yaml"),
                "- when: any\n  hints: [one, two, three]\n",
            ),
            (&format!("{exercise}/work.sh"), SCRIPT),
        ] {
            let path = root.join(file);
            let written = fs::create_dir_all(path.parent().unwrap_or(&root))
                .and_then(|()| fs::write(&path, content));
            if let Err(error) = written {
                println!("{}: {error}", path.display());
            }
        }
        Self(root)
    }

    /// `tp check` as a whole process; whether the exercise passed.
    fn check(&self) -> bool {
        let tp = env!("CARGO_BIN_EXE_tp");
        let mut command = Command::new(tp);
        command.args(["check", "1.1"]).env("TP_COURSE", &self.0);
        quiet(command.env("TP_STATE_DIR", self.0.join("state")))
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
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
