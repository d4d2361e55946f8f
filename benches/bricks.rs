//! Each small binary of the labs against its grown-up counterpart, start to
//! exit, as a ratio in one run: `cargo build --release --workspace && cargo
//! bench --bench bricks`.
//!
//! Both sides run in namespaces made for them (as whoever runs this, root or
//! not), so that nothing of the machine's changes. Not a test: nothing passes
//! or fails here. What is not installed is said so, and its row left out.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often one measurement runs the program: its making of the namespaces
/// around it, which both sides pay, is then small beside it.
const RUNS: usize = 40;
/// Measurements of each side; the two of a pair follow one another.
const PAIRS: usize = 9;

struct Row {
    name: &'static str,
    /// What is made ready once, before the runs of a measurement.
    before: &'static str,
    ours: &'static str,
    theirs: &'static str,
}

const ROWS: [Row; 9] = [
    Row {
        name: "unshare-hostname; unshare and hostname",
        before: "",
        ours: "unshare-hostname box true",
        theirs: "unshare --uts sh -c 'hostname box; exec true'",
    },
    Row {
        name: "namespaces unshare; unshare",
        before: "",
        ours: "namespaces unshare -u -i -m -- true",
        theirs: "unshare -u -i -m -- true",
    },
    Row {
        name: "namespaces setns; nsenter",
        before: "",
        ours: "namespaces setns -t $$ -u -n -- true",
        theirs: "nsenter -t $$ -u -n -- true",
    },
    Row {
        name: "ip-netns exec; ip netns exec",
        before: "mount -t tmpfs tmpfs /run; ip-netns add blue",
        ours: "ip-netns exec blue true",
        theirs: "ip netns exec blue true",
    },
    Row {
        name: "cgroup-vfs list; lscgroup",
        before: "",
        ours: "cgroup-vfs list",
        theirs: "lscgroup",
    },
    Row {
        name: "reducecap --drop; capsh --drop",
        before: "",
        ours: "reducecap --drop net_raw true",
        theirs: "capsh --drop=cap_net_raw -- -c true",
    },
    Row {
        name: "mini-chroot enter --chroot; chroot",
        before: "mount -t tmpfs tmpfs /mnt; mini-chroot build /mnt /bin/true",
        ours: "mini-chroot enter --chroot /mnt -- /bin/true",
        theirs: "chroot /mnt /bin/true",
    },
    Row {
        name: "union-fs mount; mount -t overlay",
        before: "mount -t tmpfs tmpfs /mnt; mkdir /mnt/a /mnt/b /mnt/merged",
        ours: "union-fs mount --lower /mnt/a --lower /mnt/b /mnt/merged; umount /mnt/merged",
        theirs: "mount -t overlay -o lowerdir=/mnt/a:/mnt/b overlay /mnt/merged; umount /mnt/merged",
    },
    Row {
        name: "union-fs, 100 layers; mount -t overlay",
        // Short names and a working directory, or mount(8) has no room for them.
        before: "mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir merged $(seq 100); \
                 lower=$(printf -- '--lower %s ' $(seq 100)); list=$(seq -s : 100)",
        ours: "union-fs mount $lower merged; umount merged",
        theirs: "mount -t overlay -o lowerdir=$list overlay merged; umount merged",
    },
];

fn main() {
    println!(
        "{:<42} {:>10} {:>10} {:>8}",
        "one run, against its counterpart", "ours", "theirs", "ratio"
    );
    for row in &ROWS {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut refused = None;
        // The first pair warms up.
        for pair in 0..=PAIRS {
            match (measure(row, row.ours), measure(row, row.theirs)) {
                (Ok(our), Ok(their)) if pair > 0 => {
                    ratios.push(our.as_secs_f64() / their.as_secs_f64());
                    ours.push(our.as_secs_f64());
                    theirs.push(their.as_secs_f64());
                }
                (Ok(_), Ok(_)) => {}
                (Err(why), _) | (_, Err(why)) => {
                    refused = Some(why);
                    break;
                }
            }
        }
        match refused {
            Some(why) => println!("{:<42} left out: {why}", row.name),
            None => println!(
                "{:<42} {:>7.2} ms {:>7.2} ms {:>8.2}",
                row.name,
                median(&mut ours) * 1000.0,
                median(&mut theirs) * 1000.0,
                median(&mut ratios)
            ),
        }
    }
}

/// The time of one run among [`RUNS`] of them.
fn measure(row: &Row, command: &str) -> Result<Duration, String> {
    let script = format!(
        "set -eu\n{}\nfor run in $(seq {RUNS}); do {command}; done",
        row.before
    );
    let folder = Path::new(env!("CARGO_BIN_EXE_tp"))
        .parent()
        .unwrap_or(Path::new("."));
    let path = std::env::var("PATH").unwrap_or_default();
    let began = Instant::now();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--net", "--uts"])
        .args(["sh", "-c", &script])
        .env(
            "PATH",
            format!("{}:{path}:/usr/sbin:/sbin", folder.display()),
        )
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    let time = began.elapsed() / RUNS as u32;
    if output.status.success() {
        return Ok(time);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(error.lines().last().unwrap_or("no message").to_owned())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
