//! The engine's numbers, each as a ratio to a peer in the same run:
//! `cargo bench -p mini-docker`, or with words that a row's name has:
//! `cargo bench -p mini-docker -- ps commit`.
//!
//! Not a test: nothing passes or fails here; the last column says whether a number
//! holds. A peer that is not installed is said so, and its row is left out. All runs in
//! PID, network and mount namespaces made for it, with stores on a tmpfs of its own, so
//! that no disk is in the numbers, and ends with them. It takes some gigabytes of memory
//! for the images. `benches/README.md` keeps what has been measured.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Pairs of runs of a row: short ones, those of engines with a daemon, long ones. The
/// two of a pair follow one another, so that a change of the machine's speed meets both.
const SHORT: usize = 40;
const MIDDLE: usize = 9;
const LONG: usize = 3;
/// Of the image: about 300 MB.
const FILES: u32 = 20_000;
const FILE_SIZE: u32 = 15_000;
const STOPPED: usize = 2_000;
const RUNNING: usize = 200;
/// Where the inside of the bench finds its folder.
const FOLDER: &str = "MINI_DOCKER_BENCH_FOLDER";

fn main() -> ExitCode {
    let done = match std::env::var_os(FOLDER) {
        Some(folder) => Bench::new(folder.into()).and_then(|bench| bench.all()),
        None => outside(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program once more as the child of process 1 of a PID namespace, and clears
/// what namespaces do not end: a folder, cgroups.
fn outside() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the peers want root: sudo -E cargo bench -p mini-docker"
    );
    let name = format!("mini-docker-bench-{}", std::process::id());
    let folder = std::env::temp_dir().join(&name);
    fs::create_dir_all(folder.join("memory"))?;
    // An overlay, because podman has the addresses of its networks in /var/lib/cni; and
    // without v2, because crun starts nowhere where v1 and v2 are both mounted.
    let script = "set -e; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm
        cd $FOLDER; mount -t tmpfs tmpfs memory; cd memory; mkdir lib lib-work
        mount -t overlay -o lowerdir=/var/lib,upperdir=lib,workdir=lib-work overlay /var/lib
        ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
        ip link set lo up; \"$@\" & wait $!";
    let mut inside = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--fork", "--pid"])
        .args(["--kill-child", "--mount-proc", "--mount", "--net", "sh"])
        .args([
            "-c",
            &script.replace("$FOLDER", &folder.display().to_string()),
        ])
        .arg("sh")
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(FOLDER, &folder)
        .stdin(Stdio::null())
        .spawn()
        .context("setpriv")?;
    // Ctrl-C ends the inside, and what it leaves is cleared all the same.
    // SAFETY: to ignore a signal runs no handler.
    unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }?;
    let status = inside.wait();
    // Those that dockerd, podman and runc were given.
    let _ = Command::new("find")
        .args(["/sys/fs/cgroup", "-depth", "-type", "d"])
        .args(["-path", &format!("*/{name}*"), "-exec", "rmdir", "{}", ";"])
        .stderr(Stdio::null())
        .status();
    fs::remove_dir_all(&folder).with_context(|| format!("rm -r {}", folder.display()))?;
    ensure!(status?.success(), "the bench has failed");
    Ok(())
}

/// What a row has to reach.
#[derive(Clone, Copy)]
enum Hold {
    /// The ratio of our time to the peer's, with its words.
    Ratio(f64, &'static str),
    /// Ours alone.
    Alone(f64, &'static str),
    Nothing,
}

struct Bench {
    folder: PathBuf,
    /// On a tmpfs.
    memory: PathBuf,
    /// For the rows of images, there too.
    images: PathBuf,
    words: Vec<String>,
    name_number: Cell<u32>,
}

impl Bench {
    fn new(folder: PathBuf) -> Result<Self> {
        let words = std::env::args().skip(1);
        let words = words.filter(|word| !word.starts_with('-')).collect();
        let images = folder.join("memory/images");
        fs::create_dir_all(&images)?;
        Ok(Self {
            memory: folder.join("memory"),
            images,
            folder,
            words,
            name_number: Cell::new(0),
        })
    }

    fn all(&self) -> Result<()> {
        println!("load before: {}", load());
        line(["what, against what", "ours", "peer", "ratio", "hold", ""]);
        println!("|---|---|---|---|---|---|");
        type Part = fn(&Bench) -> Result<()>;
        let parts: [(&str, Part); 5] = [
            ("run without network", Self::without_network),
            ("run with bridge and limits", Self::with_bridge),
            ("ps -a", Self::stopped),
            ("200 at once", Self::running),
            ("images", Self::images),
        ];
        for (name, part) in parts {
            if let Err(error) = part(self) {
                println!("| {name} | left out: {error:#} |||||");
            }
        }
        println!("load after: {}", load());
        Ok(())
    }

    /// Whether a row is asked for.
    fn wanted(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    fn without_network(&self) -> Result<()> {
        let rows = [
            "run without network; bare.c",
            "run without network; crun, no cgroups",
            "run without network; runc",
        ];
        if !rows.iter().any(|row| self.wanted(row)) {
            return Ok(());
        }
        let store = self.memory.join("plain");
        let run = ["run", "--rm", "--network", "none", "base", "true"];
        mini(&store, &run).output_of()?;
        let lower = only_layer(&store)?;
        let ours = || timed(&mut mini(&store, &run));

        let bare = self.bare(&lower);
        let bare = || match &bare {
            Ok(command) => timed(&mut command()),
            Err(error) => bail!("{error:#}"),
        };
        let hold = Hold::Ratio(2.0, "at most 2");
        self.row(rows[0], SHORT, hold, ours, bare);

        let crun = || self.bundle("crun", &["--cgroup-manager=disabled"], &lower);
        self.row(
            rows[1],
            SHORT,
            Hold::Ratio(1.0, "below 1"),
            ours,
            self.runtime(crun()),
        );
        let runc = || self.bundle("runc", &[], &lower);
        self.row(
            rows[2],
            SHORT,
            Hold::Ratio(0.2, "at most 0.2"),
            ours,
            self.runtime(runc()),
        );
        Ok(())
    }

    /// The C program beside this file, built here.
    fn bare(&self, lower: &Path) -> Result<impl Fn() -> Command + use<>> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bare.c");
        let (program, room) = (self.memory.join("bare"), self.memory.join("bare-room"));
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-static", "-o"]).arg(&program).arg(source);
        cc.output_of()?;
        for name in ["upper", "work", "merged"] {
            fs::create_dir_all(room.join(name))?;
        }
        let lower = lower.to_path_buf();
        Ok(move || {
            let mut command = Command::new(&program);
            command.arg(&lower).arg(&room).arg("/bin/true");
            command
        })
    }

    /// A runtime's own example of a bundle, on the same root.
    fn bundle(&self, program: &str, words: &[&str], lower: &Path) -> Result<Vec<String>> {
        let folder = self.memory.join(program);
        fs::create_dir_all(&folder)?;
        Command::new(program)
            .arg("spec")
            .current_dir(&folder)
            .output_of()?;
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["true"]);
        config["root"]["path"] = json!(lower);
        config["linux"]["cgroupsPath"] = json!(format!("/{}/{program}", self.cgroup()));
        fs::write(path, serde_json::to_vec(&config)?)?;
        let mut all = vec![program.to_string()];
        all.extend(words.iter().map(|word| word.to_string()));
        let folder = folder.display();
        all.extend(["--root".into(), format!("{folder}/state"), "run".into()]);
        all.extend(["--bundle".into(), folder.to_string()]);
        Ok(all)
    }

    fn runtime(&self, words: Result<Vec<String>>) -> impl Fn() -> Result<Duration> {
        move || match &words {
            Ok(words) => {
                self.name_number.set(self.name_number.get() + 1);
                let id = format!("bench-{}", self.name_number.get());
                timed(Command::new(&words[0]).args(&words[1..]).arg(id))
            }
            Err(error) => bail!("{error:#}"),
        }
    }

    fn with_bridge(&self) -> Result<()> {
        let rows = [
            "run with bridge and limits; docker",
            "run with bridge and limits; podman",
            "create; docker",
            "create; podman",
        ];
        if !rows.iter().any(|row| self.wanted(row)) {
            return Ok(());
        }
        let store = self.memory.join("bridge");
        let run = ["run", "--rm", "--memory=64m", "--cpus=0.5"];
        let run = [&run[..], &["--pids-limit=100", "base", "true"]].concat();
        let create = ["create", "base", "true"];
        let ours = || timed(&mut mini(&store, &run));
        let made = || timed(&mut mini(&store, &create));
        mini(&store, &run).output_of()?;
        let image = self.memory.join("base.tar");
        mini(&store, &["save", "-o", text(&image)?, "base"]).output_of()?;

        let hold = Hold::Ratio(0.05, "at most 0.05");
        for (kind, rows) in [
            (Peer::Docker, [rows[0], rows[2]]),
            (Peer::Podman, [rows[1], rows[3]]),
        ] {
            if !rows.iter().any(|row| self.wanted(row)) {
                continue;
            }
            let peer = Engine::start(kind, &self.memory, &self.cgroup(), &image);
            let peer = |words: &[&str]| match &peer {
                Ok(engine) => timed(&mut engine.command(words)),
                Err(error) => bail!("{error:#}"),
            };
            self.row(rows[0], MIDDLE, hold, ours, || peer(&run));
            self.row(rows[1], MIDDLE, Hold::Nothing, made, || peer(&create));
        }
        Ok(())
    }

    fn stopped(&self) -> Result<()> {
        let (create, list) = (
            "one container of 2,000, run to its end",
            "ps -a of 2,000 stopped",
        );
        if !self.wanted(list) && !self.wanted(create) {
            return Ok(());
        }
        let store = self.memory.join("stopped");
        let run = ["run", "--network", "none", "base", "true"];
        mini(&store, &run).output_of()?;
        let began = Instant::now();
        for _ in 1..STOPPED {
            mini(&store, &run).output_of()?;
        }
        alone(
            create,
            ms(began.elapsed()) / STOPPED as f64,
            "ms",
            Hold::Nothing,
        );
        let seen = mini(&store, &["ps", "-aq"]).output_of()?.lines().count();
        ensure!(seen == STOPPED, "{seen} of {STOPPED} containers are seen");
        let mut times = Vec::new();
        for _ in 0..=SHORT {
            times.push(ms(timed(&mut mini(&store, &["ps", "-a"]))?));
        }
        alone(
            list,
            median(&mut times),
            "ms",
            Hold::Alone(50.0, "below 50 ms"),
        );
        Ok(())
    }

    fn running(&self) -> Result<()> {
        let rows = [
            "200 at once, with the bridge: start of one",
            "200 at once: seen running",
            "200 at once: ps",
            "200 at once: memory of a monitor",
            "200 at once: rm -f of one",
        ];
        if !rows.iter().any(|row| self.wanted(row)) {
            return Ok(());
        }
        let store = self.memory.join("running");
        let began = Instant::now();
        for _ in 0..RUNNING {
            mini(&store, &["run", "-d", "base", "sleep", "1000"]).output_of()?;
        }
        let each = |time: Duration| ms(time) / RUNNING as f64;
        alone(rows[0], each(began.elapsed()), "ms", Hold::Nothing);
        let running = mini(&store, &["ps", "-q", "--filter", "status=running"]).output_of()?;
        let ids: Vec<&str> = running.lines().collect();
        let wanted = Hold::Alone(-(RUNNING as f64), "all 200");
        alone(rows[1], ids.len() as f64, "", wanted);
        let mut times = Vec::new();
        for _ in 0..=SHORT {
            times.push(ms(timed(&mut mini(&store, &["ps"]))?));
        }
        alone(rows[2], median(&mut times), "ms", Hold::Nothing);
        let mut inspect = vec!["inspect", "-f", "{{.State.Pid}}"];
        inspect.extend(&ids);
        let pids = mini(&store, &inspect).output_of()?;
        let mut memory = pids
            .lines()
            .map(monitor_memory)
            .collect::<Result<Vec<_>>>()?;
        let hold = Hold::Alone(2.0, "at most 2 MiB");
        alone(rows[3], median(&mut memory), "MiB", hold);
        let began = Instant::now();
        for id in &ids {
            mini(&store, &["rm", "-f", id]).output_of()?;
        }
        alone(rows[4], each(began.elapsed()), "ms", Hold::Nothing);
        Ok(())
    }

    /// Load, save, diff and commit, each against each peer.
    fn images(&self) -> Result<()> {
        let verbs = ["load", "save", "diff", "commit"];
        let peers = ["docker", "podman", "skopeo, umoci"];
        let name = |verb: &str, peer: &str| format!("{verb} of 300 MB; {peer}");
        let any = |peer: &str| verbs.iter().any(|verb| self.wanted(&name(verb, peer)));
        if !peers.iter().any(|peer| any(peer)) {
            return Ok(());
        }
        let store = self.images.join("store");
        let image = self.images.join("big.tar");
        self.make_image(&store, &image)?;
        let work = |engine: &dyn Fn(&[&str]) -> Command| -> Result<()> {
            let script = "cp -r /data /copy; rm -r /data/1*";
            let words = ["run", "--name", "work", "--network=none", "big"];
            engine(&[&words[..], &["sh", "-c", script]].concat()).output_of()?;
            Ok(())
        };
        let ours = |words: &[&str]| mini(&store, words);
        work(&ours)?;
        let saved = self.images.join("saved.tar");
        let saved = text(&saved)?;
        // What is made is taken away before, outside the measured time.
        let one = |engine: &dyn Fn(&[&str]) -> Command, verb: &str| -> Result<Duration> {
            match verb {
                "load" => {
                    // The container that is on the image keeps its layers.
                    let _ = engine(&["rm", "-f", "work"]).output_of();
                    let _ = engine(&["rmi", "-f", "big", "made"]).output_of();
                    timed(&mut engine(&["load", "-q", "-i", text(&image)?]))
                }
                "save" => {
                    let _ = fs::remove_file(saved);
                    timed(&mut engine(&["save", "-o", saved, "big"]))
                }
                "commit" => {
                    let _ = engine(&["rmi", "-f", "made"]).output_of();
                    timed(&mut engine(&["commit", "work", "made"]))
                }
                _ => timed(&mut engine(&["diff", "work"])),
            }
        };
        let hold = Hold::Ratio(1.0, "at most 1");
        for (kind, peer) in [(Peer::Docker, "docker"), (Peer::Podman, "podman")] {
            if !any(peer) {
                continue;
            }
            let engine = Engine::start(kind, &self.images, &self.cgroup(), &image);
            for verb in verbs {
                if !self.wanted(&name(verb, peer)) {
                    continue;
                }
                let theirs = |words: &[&str]| match &engine {
                    Ok(engine) => engine.command(words),
                    // Told by the row, which fails on it.
                    Err(_) => Command::new("/nonexistent"),
                };
                let reach = || match &engine {
                    Ok(_) => one(&theirs, verb),
                    Err(error) => bail!("{error:#}"),
                };
                if verb == "diff" || verb == "commit" {
                    for engine in [&ours as &dyn Fn(&[&str]) -> Command, &theirs] {
                        let _ = engine(&["rm", "-f", "work"]).output_of();
                        let _ = work(engine);
                    }
                }
                self.row(&name(verb, peer), LONG, hold, || one(&ours, verb), reach);
            }
        }
        for verb in ["load", "save", "commit"] {
            if verb == "commit" {
                let _ = ours(&["rm", "-f", "work"]).output_of();
                work(&ours)?;
            }
            let theirs = || self.skopeo_umoci(&image, verb);
            let name = name(verb, peers[2]);
            self.row(&name, LONG, hold, || one(&ours, verb), theirs);
        }
        Ok(())
    }

    /// An archive of `base` with many files, of which half can be compressed.
    fn make_image(&self, store: &Path, image: &Path) -> Result<()> {
        mini(store, &["run", "--rm", "--network=none", "base", "true"]).output_of()?;
        let tree = self.images.join("tree");
        let base = only_layer(store)?;
        let copy = ["-a", "--", text(&base)?, text(&tree)?];
        Command::new("cp").args(copy).output_of()?;
        let mut noise = 1_u32;
        for number in 0..FILES {
            let folder = tree.join(format!("data/{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&folder)?;
            }
            let mut file = fs::File::create(folder.join(format!("{number}")))?;
            let bytes: Vec<u8> = (0..FILE_SIZE)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let byte = noise.to_be_bytes()[0];
                    if number % 2 == 0 { byte } else { byte & 7 }
                })
                .collect();
            file.write_all(&bytes)?;
        }
        let root = self.images.join("root.tar");
        let words = ["-C", text(&tree)?, "-cf", text(&root)?, "."];
        Command::new("tar").args(words).output_of()?;
        let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        mini(store, &["import", "-c", path, text(&root)?, "big"]).output_of()?;
        mini(store, &["save", "-o", text(image)?, "big"]).output_of()?;
        fs::remove_dir_all(&tree)?;
        fs::remove_file(&root)?;
        Ok(())
    }

    /// The two programs that together do what an engine's verb does.
    fn skopeo_umoci(&self, image: &Path, verb: &str) -> Result<Duration> {
        let (layout, bundle) = (self.images.join("layout"), self.images.join("bundle"));
        let big = format!("{}:big", layout.display());
        let skopeo = |from: &str, to: &str| {
            let mut command = Command::new("skopeo");
            command.args(["--insecure-policy", "copy", "-q", from, to]);
            command
        };
        let archive = format!("docker-archive:{}", image.display());
        let mut unpack = Command::new("umoci");
        unpack.args(["unpack", "--image", &big]).arg(&bundle);
        match verb {
            "load" => {
                let _ = fs::remove_dir_all(&layout);
                let _ = fs::remove_dir_all(&bundle);
                let copied = timed(&mut skopeo(&archive, &format!("oci:{big}")))?;
                Ok(copied + timed(&mut unpack)?)
            }
            "save" => {
                let saved = self.images.join("saved.tar");
                let _ = fs::remove_file(&saved);
                let to = format!("docker-archive:{}:big:latest", saved.display());
                timed(&mut skopeo(&format!("oci:{big}"), &to))
            }
            _ => {
                let root = bundle.join("rootfs");
                if !root.join("copy").exists() {
                    let script = "cp -r data copy && rm -r data/1*";
                    let mut change = Command::new("sh");
                    change.args(["-c", script]).current_dir(&root).output_of()?;
                }
                let made = format!("{}:made", layout.display());
                let mut repack = Command::new("umoci");
                timed(repack.args(["repack", "--image", &made]).arg(&bundle))
            }
        }
    }

    /// For the cgroups of others: what `outside` removes.
    fn cgroup(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn row(
        &self,
        name: &str,
        pairs: usize,
        hold: Hold,
        ours: impl Fn() -> Result<Duration>,
        peer: impl Fn() -> Result<Duration>,
    ) {
        if !self.wanted(name) {
            return;
        }
        let (mut our_times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        // The first pair warms up.
        for pair in 0..=pairs {
            let (our, their) = match (ours(), peer()) {
                (Ok(our), Ok(their)) => (ms(our), ms(their)),
                (Err(error), _) | (_, Err(error)) => {
                    return println!("| {name} | left out: {error:#} |||||");
                }
            };
            if pair > 0 {
                our_times.push(our);
                peer_times.push(their);
                ratios.push(our / their);
            }
        }
        let ratio = median(&mut ratios);
        let (hold, held) = match hold {
            Hold::Ratio(most, words) => (words, told(ratio <= most)),
            Hold::Alone(..) | Hold::Nothing => ("", ""),
        };
        line([
            name,
            &format!("{:.2} ms", median(&mut our_times)),
            &format!("{:.2} ms", median(&mut peer_times)),
            &format!("{ratio:.3}"),
            hold,
            held,
        ]);
    }
}

/// A number without a peer. A negative hold is one to reach, not to stay under.
fn alone(name: &str, ours: f64, unit: &str, hold: Hold) {
    let (words, held) = match hold {
        Hold::Alone(most, words) if most < 0.0 => (words, told(ours >= -most)),
        Hold::Alone(most, words) => (words, told(ours <= most)),
        Hold::Ratio(..) | Hold::Nothing => ("", ""),
    };
    let ours = match unit {
        "" => format!("{ours}"),
        unit => format!("{ours:.2} {unit}"),
    };
    line([name, &ours, "", "", words, held]);
}

fn line([name, ours, peer, ratio, hold, held]: [&str; 6]) {
    println!("| {name:<42} | {ours:>10} | {peer:>10} | {ratio:>6} | {hold:<13} | {held:<8} |");
}

fn told(held: bool) -> &'static str {
    if held { "held" } else { "not held" }
}

/// An engine that is not ours, with a store of its own in which `base` is.
struct Engine {
    words: Vec<String>,
    cgroup: String,
    daemon: Option<Child>,
}

#[derive(Clone, Copy)]
enum Peer {
    Docker,
    Podman,
}

impl Engine {
    fn start(peer: Peer, folder: &Path, cgroup: &str, image: &Path) -> Result<Self> {
        let mut engine = match peer {
            Peer::Docker => Self::docker(&folder.join("docker"), cgroup)?,
            Peer::Podman => Self::podman(&folder.join("podman"), cgroup)?,
        };
        engine.cgroup = format!("/{cgroup}");
        engine.command(&["load", "-i", text(image)?]).output_of()?;
        Ok(engine)
    }

    fn docker(folder: &Path, cgroup: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let here = folder.display();
        let socket = format!("unix://{here}/socket");
        let daemon = Command::new("dockerd")
            .args(["--data-root", &format!("{here}/store")])
            .args(["--exec-root", &format!("{here}/exec")])
            .args(["-p", &format!("{here}/pid"), "-H", &socket])
            .args(["--cgroup-parent", &format!("/{cgroup}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()
            .context("dockerd")?;
        let mut engine = Self {
            words: Vec::new(),
            cgroup: String::new(),
            daemon: Some(daemon),
        };
        // A client that is newer than its server may refuse to speak with it.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let clients: Vec<_> = std::env::split_paths(&path)
            .map(|folder| folder.join("docker"))
            .filter(|client| client.is_file())
            .collect();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            for client in &clients {
                engine.words = vec![text(client)?.into(), "-H".into(), socket.clone()];
                if engine.command(&["version"]).output_of().is_ok() {
                    return Ok(engine);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("dockerd does not start here, or no docker client speaks with it")
    }

    fn podman(folder: &Path, _cgroup: &str) -> Result<Self> {
        let here = folder.display();
        let rows = folder.parent().and_then(Path::file_name);
        // At most 50 characters; /run is this machine's own.
        let run = Path::new("/run").join(rows.unwrap_or_default());
        let words = [
            "podman".into(),
            format!("--root={here}/store"),
            format!("--runroot={}", run.display()),
            format!("--network-config-dir={here}/network"),
            format!("--tmpdir={here}/tmp"),
            "--cgroup-manager=cgroupfs".into(),
            "--storage-driver=overlay".into(),
        ];
        let engine = Self {
            words: words.into(),
            cgroup: String::new(),
            daemon: None,
        };
        engine.command(&["version"]).output_of()?;
        Ok(engine)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(&words[..1]);
        // podman is told with each container what dockerd is told once, and to keep
        // within the limits that this machine has.
        if self.daemon.is_none() && matches!(words[0], "run" | "create") {
            command.arg(format!("--cgroup-parent={}", self.cgroup));
            command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"]);
        }
        command.args(&words[1..]).env_remove("DOCKER_HOST");
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let pid = Pid::from_raw(daemon.id().cast_signed());
            // Not SIGKILL: containerd, its child, is to end with it.
            let _ = kill(pid, Signal::SIGTERM);
            let _ = daemon.wait();
        }
    }
}

fn mini(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-docker"));
    command.env("MINI_DOCKER_ROOT", store).args(words);
    command
}

/// The unpacked layer of a store that has but one.
fn only_layer(store: &Path) -> Result<PathBuf> {
    let layers = fs::read_dir(store.join("layers"))?;
    let layers: Vec<_> = layers
        .flatten()
        .map(|one| one.path().join("diff"))
        .collect();
    let mut layers = layers.into_iter().filter(|path| path.is_dir());
    layers.next().context("the store has no layer")
}

/// The proportional share of a monitor's memory, in MiB, of a container's first process.
fn monitor_memory(container: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{container}/status"))?;
    let parent = field(&status, "PPid:")?;
    let rollup = fs::read_to_string(format!("/proc/{parent}/smaps_rollup"))?;
    Ok(field(&rollup, "Pss:")?.parse::<f64>()? / 1024.0)
}

fn field<'a>(file: &'a str, name: &str) -> Result<&'a str> {
    let mut lines = file.lines().filter_map(|line| line.strip_prefix(name));
    let words = lines.next().and_then(|line| line.split_whitespace().next());
    words.with_context(|| format!("no {name}"))
}

trait Checked {
    /// What it prints, of one that succeeds.
    fn output_of(&mut self) -> Result<String>;
}

impl Checked for Command {
    fn output_of(&mut self) -> Result<String> {
        let program = self.get_program().to_string_lossy().into_owned();
        let output = self.stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{program} is not installed"))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{program}: {}",
                error.lines().last().unwrap_or("no message")
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Its time. Output goes to a pipe on both sides.
fn timed(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    command.output_of()?;
    Ok(began.elapsed())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.trim().to_string()
}
