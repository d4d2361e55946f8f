//! An ordinary user's way out: pasta(1) or slirp4netns(1), where one is installed.
//!
//! A veth has an end on the machine, and the machine's network is root's. What a user
//! can have is a TAP device in the container's namespace, which belongs to the user's
//! own user namespace, and a program outside that reads its packets and does with
//! ordinary sockets what they ask for. Both programs are that.
//!
//! Published ports do not need them: their proxy makes its connections inside the
//! container's namespace.
//!
//! Read: pasta(1), slirp4netns(1), network_namespaces(7), user_namespaces(7)

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use labs::explain::Explain;
use labs::namespaces::{Kind, keep};
use nix::mount::{MntFlags, umount2};

use super::lease::{Server, began};
use crate::engine::Engine;

/// How long a program may take until the container has a route.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a user is told who has neither.
pub const NEITHER: &str = "an ordinary user's container has no way out of its network: install \
    pasta (package passt) or slirp4netns, or say --net none or --net host";

/// The program that is there, pasta first: it copies the machine's own addresses.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let names = ["pasta", "slirp4netns"];
    let all = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// Gives the namespace of `pid` a way out, and the program that keeps it: it ends
/// with the caller, or by [`super::servers::stop`].
///
/// The program gives up its privileges before it opens the namespace, and then may
/// not look into /proc/PID/ns any more. So it gets a file of the namespace's own, a
/// bind mount in the caller's mount namespace, for as long as it needs to find it.
///
/// `None` without a program, or where the machine itself has no way out.
///
/// # Errors
/// What the program complained of, in one line.
pub fn start(engine: &Engine, id: &str, pid: i32) -> anyhow::Result<Option<Server>> {
    let Some(program) = program().filter(|_| machine_has_way_out()) else {
        return Ok(None);
    };
    let folder = engine.monitor(id);
    let (namespace, log) = (folder.join("netns"), folder.join("uplink.log"));
    File::create(&namespace).with_context(|| format!("create {}", namespace.display()))?;
    keep(Explain::new(false), Kind::Net, &pid.to_string(), &namespace)?;
    let started = launch(&program, &namespace, &log, pid);
    let _ = umount2(&namespace, MntFlags::MNT_DETACH);
    let child = started.with_context(|| program.display().to_string())?;
    let pid = child.id().cast_signed();
    Ok(Some(Server {
        pid,
        began: began(pid).unwrap_or(0),
    }))
}

fn launch(program: &Path, namespace: &Path, log: &Path, pid: i32) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    if program.ends_with("pasta") {
        // It forwards no port of the machine, and nothing of the machine's own
        // loopback can be reached by the address of the gateway.
        command.args(["--foreground", "--config-net", "--no-map-gw", "--ns-ifname"]);
        command.arg("eth0");
        for option in ["-t", "-u", "-T", "-U"] {
            command.args([option, "none"]);
        }
        command.args(["--netns-only", "--netns"]).arg(namespace);
    } else {
        command.args(["--configure", "--mtu=65520", "--disable-host-loopback"]);
        command.arg("--netns-type=path").arg(namespace).arg("eth0");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(log)?);
    // SAFETY: prctl(2) between fork and exec; nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    if let Err(why) = wait(&mut child, pid) {
        let _ = child.kill();
        let _ = child.wait();
        // pasta tells twice what it also sends to a system log that may not be there.
        let said = fs::read_to_string(log).unwrap_or_default();
        let said = said.lines().rfind(|line| !line.contains("syslog"));
        anyhow::bail!("{}", said.map_or(why, str::trim));
    }
    Ok(child)
}

/// Waits until there is a default route in the namespace.
fn wait(child: &mut Child, pid: i32) -> Result<(), &'static str> {
    let routes = format!("/proc/{pid}/net/route");
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if has_default(Path::new(&routes)) {
            return Ok(());
        }
        if let Ok(Some(_)) = child.try_wait() {
            return Err("it has ended");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err("the container got no route within 5 seconds")
}

/// A machine without a network is no fault of the container's, and needs no program.
fn machine_has_way_out() -> bool {
    let none = "00000000000000000000000000000000 00 ";
    let six = fs::read_to_string("/proc/self/net/ipv6_route").unwrap_or_default();
    // The kernel's own entry for "unreachable" is on the loopback.
    has_default(Path::new("/proc/self/net/route"))
        || six
            .lines()
            .any(|line| line.starts_with(none) && !line.ends_with(" lo"))
}

/// Whether a table as in proc_pid_net(5) has a route to 0.0.0.0/0.
fn has_default(routes: &Path) -> bool {
    let text = fs::read_to_string(routes).unwrap_or_default();
    let default = |line: &str| line.split_whitespace().nth(1) == Some("00000000");
    text.lines().skip(1).any(default)
}
