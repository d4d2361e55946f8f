//! Chapter 04: `cgroup-vfs` on whatever the machine has, v1, v2 or both, as root
//! or in a delegated subtree; and libcgroup's tools beside it.
//!
//! Every test makes cgroups of its own name, and a guard removes them, also when
//! the test fails.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use labs::cgroups::bpf::Instruction;
use labs::cgroups::{Group, Machine, Version, cpu, memory};
use nix::errno::Errno;
use serde_json::Value;

use crate::support::{Payload, difference, other_hierarchies, peers, printed, shell};
use crate::{elsewhere, skipped};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A cgroup of this test alone.
struct Scene {
    name: String,
}

impl Scene {
    /// A name that nobody has; nothing is made yet.
    fn named() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tpcg-{}-{number}", std::process::id());
        Self { name }
    }

    /// `None`, said aloud, where this user may make none.
    fn new() -> Option<Self> {
        let scene = Self::named();
        let made = shell(&format!("cgroup-vfs create {}", scene.name));
        if made.status.success() {
            return Some(scene);
        }
        let reason = String::from_utf8_lossy(&made.stderr).into_owned();
        match is_root() {
            true => skipped(&format!("no cgroups here: {reason}")),
            false => elsewhere(&format!("no cgroup is delegated to this user: {reason}")),
        }
        None
    }

    fn group(&self) -> Group {
        Group::find(&Machine::look(None).unwrap(), &self.name).unwrap()
    }

    /// Where the files of a controller are.
    fn place(&self, controller: &str) -> PathBuf {
        self.group().directory(controller).unwrap().path.clone()
    }

    fn version(&self, controller: &str) -> Version {
        self.group().directory(controller).unwrap().version
    }

    fn read(&self, controller: &str, file: &str) -> String {
        let text = fs::read_to_string(self.place(controller).join(file)).unwrap();
        text.trim_end().to_string()
    }

    /// Runs `cgroup-vfs WORD GROUP…`.
    fn run(&self, word: &str, rest: &str) -> Output {
        shell(&format!("cgroup-vfs {word} {} {rest}", self.name))
    }

    fn set(&self, settings: &str) {
        printed(&format!("cgroup-vfs set {} {settings}", self.name));
    }

    /// Everywhere that it is.
    fn directories(&self) -> Vec<PathBuf> {
        let group = self.group();
        group
            .directories()
            .into_iter()
            .map(|one| one.path.clone())
            .collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.directories().is_empty() {
            return;
        }
        let gone = self.run("delete --recursive --kill", "");
        if !std::thread::panicking() {
            assert!(gone.status.success(), "{}", error_of(&gone));
            assert!(self.directories().is_empty(), "{:?}", self.directories());
        }
    }
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It failed, with one line that has all these words.
fn refused(output: &Output, words: &[&str]) {
    let error = error_of(output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.starts_with("error: ") && error.lines().count() == 1,
        "{error}"
    );
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

/// Waits for a state that comes by itself.
fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_word_writes_the_file_that_the_machine_has_and_reads_it_again() {
    let Some(scene) = Scene::new() else { return };
    scene.set("memory=64M pids=20 cpu=50% cpu-max=50% cpuset=0 memory-high=32M");
    match scene.version("memory") {
        Version::V1 => {
            assert_eq!(scene.read("memory", "memory.limit_in_bytes"), "67108864");
            assert_eq!(
                scene.read("memory", "memory.soft_limit_in_bytes"),
                "33554432"
            );
        }
        Version::V2 => {
            assert_eq!(scene.read("memory", "memory.max"), "67108864");
            assert_eq!(scene.read("memory", "memory.high"), "33554432");
        }
    }
    match scene.version("cpu") {
        Version::V1 => {
            assert_eq!(scene.read("cpu", "cpu.shares"), "512");
            assert_eq!(scene.read("cpu", "cpu.cfs_quota_us"), "50000");
        }
        Version::V2 => {
            assert_eq!(scene.read("cpu", "cpu.weight"), "50");
            assert_eq!(scene.read("cpu", "cpu.max"), "50000 100000");
        }
    }
    assert_eq!(scene.read("pids", "pids.max"), "20");
    assert_eq!(scene.read("cpuset", "cpuset.cpus"), "0");

    let words = "memory pids cpu cpu-max cpuset memory-high pids.max";
    let got = printed(&format!("cgroup-vfs get {} {words}", scene.name));
    let says = "memory: 64M\npids: 20\ncpu: 50%\ncpu-max: 50%\ncpuset: 0\nmemory-high: 32M\npids.max: 20\n";
    assert_eq!(got, says);

    scene.set("memory-high=max memory=max pids=max cpu-max=max");
    let got = printed(&format!(
        "cgroup-vfs get {} memory memory-high pids cpu-max",
        scene.name
    ));
    assert_eq!(
        got,
        "memory: max\nmemory-high: max\npids: max\ncpu-max: max\n"
    );
}

#[test]
fn explain_tells_the_directories_that_strace_sees_made_and_removed() {
    if !peers(&["strace"]) {
        return;
    }
    let Some(scene) = Scene::new() else { return };
    for words in [
        format!("create {}/a", scene.name),
        format!("delete {}/a", scene.name),
    ] {
        let both = shell(&format!(
            "strace -qq -e signal=none -e trace=mkdir,rmdir -o /dev/stdout cgroup-vfs --explain {words}"
        ));
        let seen = String::from_utf8_lossy(&both.stdout).into_owned();
        let told: String = error_of(&both)
            .lines()
            .filter(|line| line.starts_with("mkdir(") || line.starts_with("rmdir("))
            .map(|line| format!("{line}\n"))
            .collect();
        // strace fills up with blanks before the equals sign, and a directory that
        // was busy for a moment is tried again.
        let calls = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| !line.contains("EBUSY"))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(calls(&told), calls(&seen));
        assert!(!calls(&told).is_empty(), "{seen}");
    }
}

#[test]
fn the_command_and_its_children_are_inside_and_the_caller_is_not() {
    let Some(scene) = Scene::new() else { return };
    let before = fs::read_to_string("/proc/self/cgroup").unwrap();
    let inside = scene.run("exec", "sh -c 'cat /proc/self/cgroup'");
    let inside = String::from_utf8(inside.stdout).unwrap();
    let ending = format!("/{}", scene.name);
    let there = inside
        .lines()
        .filter(|line| line.ends_with(&ending))
        .count();
    assert_eq!(there, scene.directories().len(), "{inside}");
    assert_eq!(fs::read_to_string("/proc/self/cgroup").unwrap(), before);

    assert_eq!(scene.run("exec", "sh -c 'exit 7'").status.code(), Some(7));
    assert_eq!(
        scene.run("exec", "no-such-command").status.code(),
        Some(127)
    );
}

#[test]
fn a_process_that_runs_already_is_moved_and_goes_up_when_its_cgroup_is_deleted() {
    let Some(scene) = Scene::new() else { return };
    printed(&format!("cgroup-vfs create {0}/a {0}/b", scene.name));
    let payload = Payload::start(&format!("exec cgroup-vfs exec {}/a $PAYLOAD", scene.name));
    let place = || fs::read_to_string(format!("/proc/{}/cgroup", payload.pid)).unwrap();
    let is_in = |name: &str| {
        let ending = format!("/{}{name}", scene.name);
        place().lines().any(|line| line.ends_with(&ending))
    };
    assert!(is_in("/a"));
    printed(&format!(
        "cgroup-vfs classify {}/b {}",
        scene.name, payload.pid
    ));
    assert!(is_in("/b") && !is_in("/a"), "{}", place());

    let deleted = shell(&format!("cgroup-vfs delete {}/b", scene.name));
    match scene.version("memory") {
        Version::V1 => {
            assert!(deleted.status.success(), "{}", error_of(&deleted));
            assert!(is_in("") && !is_in("/b"), "{}", place());
        }
        // The parent hands controllers on: it takes no process.
        Version::V2 => refused(&deleted, &["cgroup.procs", "EBUSY", "no-internal-process"]),
    }
}

#[test]
fn at_the_memory_limit_a_process_of_the_cgroup_dies_and_no_other() {
    let Some(scene) = Scene::new() else { return };
    scene.set("memory=16M");
    // No swap to flee to, where the kernel has any.
    scene.run("set", "swap=0");
    let greedy = "sh -c 'head -c 200000000 /dev/zero | tail >/dev/null'";
    let output = scene.run("exec", greedy);
    // tail(1) keeps a line that never ends; 137 is 128 + SIGKILL.
    assert_eq!(output.status.code(), Some(137), "{}", error_of(&output));
    let group = scene.group();
    let kills = memory::oom_kills(group.directory("memory").unwrap());
    assert!(kills >= Some(1), "{kills:?}");

    // The same outside is nobody's business.
    let outside = shell("head -c 200000000 /dev/zero | tail >/dev/null");
    assert!(outside.status.success(), "{}", error_of(&outside));
}

#[test]
fn at_the_limit_of_processes_fork_fails() {
    let Some(scene) = Scene::new() else { return };
    scene.set("pids=4");
    let bomb = "sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 3600 </dev/null >/dev/null 2>&1 & done'";
    let output = scene.run("exec", bomb);
    assert!(!output.status.success());
    assert!(
        error_of(&output).to_lowercase().contains("fork"),
        "{}",
        error_of(&output)
    );
    // 3 of them, and the shell that is gone.
    assert_eq!(scene.read("pids", "pids.current"), "3");
    assert!(scene.read("pids", "pids.events").starts_with("max "));
}

#[test]
fn frozen_processes_use_no_time_and_go_on_when_thawed() {
    // Declared before the cgroup, so dropped after it: on v1 a frozen process does
    // not die, and its parent would be waited for in vain.
    let _payload;
    let Some(scene) = Scene::new() else { return };
    let spin = format!(
        "exec cgroup-vfs exec {} sh -c 'sleep 3600 & while :; do :; done'",
        scene.name
    );
    _payload = Payload::start(&spin);
    let group = scene.group();
    let used = || cpu::usage(group.directory("cpuacct").unwrap()).unwrap();
    let start = used();
    until("processor time", || used() > start);

    scene.set("freeze=yes");
    assert_eq!(
        printed(&format!("cgroup-vfs get {} freeze", scene.name)),
        "freeze: yes\n"
    );
    let frozen = used();
    // Time for the other: this very test's.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(100) {
        std::hint::spin_loop();
    }
    assert_eq!(used(), frozen);

    scene.set("freeze=no");
    until("processor time after thawing", || used() > frozen);
    // And frozen again: the guard has to get rid of it all the same.
    scene.set("freeze=yes");
}

/// `--at` for each hierarchy that can say no to devices: v1's, and v2's by BPF.
fn device_hierarchies() -> Vec<String> {
    let machine = Machine::look(None).unwrap();
    let v1 = machine
        .hierarchies
        .iter()
        .find(|one| one.version == Version::V1 && one.has("devices"));
    v1.into_iter()
        .chain(machine.v2())
        .map(|one| one.point.display().to_string())
        .collect()
}

#[test]
fn a_device_that_is_not_allowed_can_neither_be_opened_nor_made() {
    if !is_root() {
        return elsewhere("saying which devices are allowed needs CAP_SYS_ADMIN");
    }
    for point in device_hierarchies() {
        let Some(scene) = Scene::new() else { return };
        let at = format!("--at {point}");
        let node = std::env::temp_dir().join(&scene.name);
        // /dev/null alone. Reading /dev/zero, and the attack: a node of one's own.
        let attack = format!(
            "head -c1 /dev/null && echo null; head -c1 /dev/zero >/dev/null && echo zero; \
             mknod {0} c 1:5 || mknod {0} c 1 5 && echo made; true",
            node.display()
        );
        let inside = || {
            let run = shell(&format!(
                "cgroup-vfs {at} exec {} sh -c '{attack}'",
                scene.name
            ));
            let _ = fs::remove_file(&node);
            String::from_utf8(run.stdout).unwrap()
        };
        assert_eq!(inside(), "null\nzero\nmade\n", "{point}");
        printed(&format!(
            "cgroup-vfs {at} set {} devices='c 1:3 rw'",
            scene.name
        ));
        assert_eq!(inside(), "null\n", "{point}");
        // Another list in its place, not beside it.
        printed(&format!(
            "cgroup-vfs {at} set {} devices='c 1:3 rw,c 1:5 r'",
            scene.name
        ));
        assert_eq!(inside(), "null\nzero\n", "{point}");
        printed(&format!("cgroup-vfs {at} set {} devices=all", scene.name));
        assert_eq!(inside(), "null\nzero\nmade\n", "{point}");
    }
}

#[test]
fn what_is_sent_carries_the_class_of_its_cgroup() {
    if !is_root() {
        return elsewhere("a BPF program on a cgroup needs CAP_BPF and CAP_NET_ADMIN");
    }
    if !peers(&["nft", "ip", "bash"]) {
        return;
    }
    let machine = Machine::look(None).unwrap();
    let Some(unified) = machine.v2() else {
        return elsewhere("cgroup2 is not mounted here");
    };
    let Some(scene) = Scene::new() else { return };
    // On a network of its own. A packet over lo keeps its priority to the input.
    let script = format!(
        "ip link set lo up
         nft add table inet t
         nft add chain inet t input \"{{ type filter hook input priority 0; }}\"
         nft add rule inet t input udp dport 9 meta priority 1:2 counter
         vfs='cgroup-vfs --at {point}'
         send='echo hi >/dev/udp/127.0.0.1/9'
         seen() {{ nft list ruleset | grep -o 'packets [0-9]*'; }}
         bash -c \"$send\"; seen
         $vfs set {name} net-class=1:2
         $vfs exec {name} bash -c \"$send\"; seen
         bash -c \"$send\"; seen
         $vfs set {name} net-class=0:0
         $vfs exec {name} bash -c \"$send\"; seen
         $vfs set {name} net-prio=lo:65538
         $vfs exec {name} bash -c \"$send\"; seen",
        point = unified.point.display(),
        name = scene.name,
    );
    let file = std::env::temp_dir().join(format!("{}.sh", scene.name));
    fs::write(&file, script).unwrap();
    let output = shell(&format!("unshare --net sh -eu {}", file.display()));
    fs::remove_file(&file).unwrap();
    let error = error_of(&output);
    if error.contains("nft") || error.contains("Could not process rule") {
        return elsewhere(&format!("this kernel has no nf_tables: {error}"));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches("packets "))
        .collect();
    assert_eq!(seen, ["0", "1", "1", "1", "2"], "{error}");
}

/// Runs a script beside a v1 controller's hierarchy, on a mount point of the
/// test's own in a mount namespace of its own; `None`, said aloud, where that may
/// not be. The script has `$vfs` for a `cgroup-vfs` there, and a cgroup `a`.
///
/// A hierarchy is on every process's list as soon as it is mounted, and may outlive
/// its last mount: only in a virtual machine (`.ci/vm`) is that nobody else's affair.
fn with_v1(controller: &str, unshare: &str, script: &str) -> Option<String> {
    if !is_root() {
        elsewhere("v1 hierarchies are mounted by root alone");
        return None;
    }
    if std::env::var_os("TP_VM").is_none() {
        elsewhere("every process of a machine sees a new hierarchy: `.ci/vm` mounts it");
        return None;
    }
    // Its number; 0 while nothing of it is mounted.
    let hierarchy = || {
        let table = fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let line = table.lines().find(|line| line.starts_with(controller))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let Some(before) = hierarchy() else {
        elsewhere(&format!("this kernel has no {controller}"));
        return None;
    };
    let _alone = other_hierarchies();
    let scene = Scene::named();
    let point = std::env::temp_dir().join(&scene.name);
    fs::create_dir(&point).unwrap();
    let script = format!(
        "vfs='cgroup-vfs --at {point}'
         cgroup-vfs mount {controller} {point}
         $vfs create a
         trap '$vfs delete a; umount {point}' EXIT
         {script}",
        point = point.display(),
    );
    let file = std::env::temp_dir().join(format!("{}.sh", scene.name));
    fs::write(&file, script).unwrap();
    let output = shell(&format!("unshare {unshare} sh -eu {}", file.display()));
    fs::remove_file(&file).unwrap();
    // It shows nothing here, and is not in use.
    fs::remove_dir(&point).unwrap();
    let error = error_of(&output);
    assert!(output.status.success(), "{error}");
    // Without a cgroup it ends with its last mount; one of somebody else's stays.
    until("the end of the hierarchy", || {
        before != "0" || hierarchy().as_deref() == Some("0")
    });
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_class_of_v1_is_on_what_the_sockets_of_its_cgroup_send() {
    if !peers(&["nft", "ip", "bash"]) {
        return;
    }
    let script = "
        ip link set lo up
        nft add table inet t
        nft add chain inet t output \"{ type filter hook output priority 0; }\"
        nft add rule inet t output udp dport 9 meta cgroup 0x10002 counter
        send='echo hi >/dev/udp/127.0.0.1/9'
        seen() { nft list ruleset | grep -o 'packets [0-9]*'; }
        $vfs exec a bash -c \"$send\"; seen
        $vfs set a net-class=1:2
        $vfs get a net-class net_cls.classid
        $vfs exec a bash -c \"$send\"; seen
        bash -c \"$send\"; seen
        $vfs set a net-class=0:0
        $vfs exec a bash -c \"$send\"; seen";
    let Some(seen) = with_v1("net_cls", "--net --mount", script) else {
        return;
    };
    let expected = "packets 0\nnet-class: 1:2\nnet_cls.classid: 65538\n\
                    packets 1\npackets 1\npackets 1\n";
    assert_eq!(seen, expected);
}

/// Lets a socket take only what comes with that priority: a BPF program, as
/// those of the chapter, but on a socket. `bpf(BPF_PROG_LOAD)`, `SO_ATTACH_BPF`.
fn take_only(socket: &UdpSocket, priority: i32) -> nix::Result<()> {
    const BPF_PROG_LOAD: u32 = 5;
    const SOCKET_FILTER: u64 = 1;
    // `return packet->priority == priority ? all of it : nothing;`
    let program = [
        Instruction::load(2, 1, 32),
        Instruction::set(0, 0),
        Instruction::skip_unless(2, priority, 1),
        Instruction::set(0, i32::MAX),
        Instruction::exit(),
    ];
    let license = c"GPL";
    let mut attributes = [0_u64; 16];
    attributes[0] = SOCKET_FILTER | (program.len() as u64) << 32;
    attributes[1] = program.as_ptr() as u64;
    attributes[2] = license.as_ptr() as u64;
    // SAFETY: the pointers and the size belong to arrays that live here.
    let loaded = Errno::result(unsafe {
        let attributes = attributes.as_ptr();
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, attributes, 128)
    })?;
    // SAFETY: a descriptor that the kernel has just given, and ours alone.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded as i32) };
    let number = loaded.as_raw_fd();
    // SAFETY: an option of four bytes.
    Errno::result(unsafe {
        let (socket, option) = (socket.as_raw_fd(), (&raw const number).cast());
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, option, 4)
    })?;
    Ok(())
}

#[test]
fn a_priority_of_v1_is_on_what_its_cgroup_sends_over_that_interface() {
    if !peers(&["bash"]) {
        return;
    }
    // No network of the test's own: net_prio knows the interfaces of the first
    // network namespace alone. So a socket counts, and nothing of it is changed.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    if is_root() {
        take_only(&socket, 65538).unwrap();
    }
    let script = format!(
        "sort /sys/class/net/*/ifindex | wc -l
         $vfs get a net_prio.ifpriomap | wc -l
         send='echo $0 >/dev/udp/127.0.0.1/{port}'
         $vfs exec a bash -c \"$send\" before
         $vfs set a net-prio=lo:65538
         bash -c \"$send\" outside
         $vfs exec a bash -c \"$send\" inside
         $vfs set a net-prio=lo:0
         $vfs exec a bash -c \"$send\" after
         $vfs set a net-prio=lo:65538
         $vfs exec a bash -c \"$send\" again"
    );
    let Some(seen) = with_v1("net_prio", "--mount", &script) else {
        return;
    };
    let interfaces: Vec<&str> = seen.lines().collect();
    assert_eq!(interfaces[0], interfaces[1], "net_prio knows all of them");
    let received = || {
        let mut buffer = [0; 16];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    // All are here since they were sent, and those without it were not taken.
    socket.set_nonblocking(true).unwrap();
    assert_eq!([received(), received()], ["inside\n", "again\n"]);
    let rest = socket.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(rest.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_hierarchy_that_is_not_mounted_is_mounted_on_a_place_of_ones_own() {
    if !is_root() {
        return elsewhere("v1 hierarchies are mounted by root alone");
    }
    let alone = other_hierarchies();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    if own.lines().all(|line| line.starts_with("0::")) {
        return elsewhere("a machine of v2 alone mounts no v1 hierarchy");
    }
    let scene = Scene::named();
    let point = std::env::temp_dir().join(&scene.name);
    fs::create_dir(&point).unwrap();
    let script = format!(
        "vfs='cgroup-vfs --at {point}'
         cgroup-vfs mount none,name={name} {point}
         $vfs create name={name}:a
         $vfs list name={name}:/
         $vfs exec name={name}:a sh -c 'grep {name} /proc/self/cgroup' | cut -d: -f2-
         $vfs delete name={name}:a
         umount {point}",
        point = point.display(),
        name = scene.name,
    );
    let file = std::env::temp_dir().join(format!("{}.sh", scene.name));
    fs::write(&file, script).unwrap();
    let output = shell(&format!("unshare --mount sh -eu {}", file.display()));
    let name = format!("name={}", scene.name);
    // A hierarchy ends with its last mount if no cgroup is left in it. One that has just
    // been removed is there for a moment longer; then it takes another mount to end.
    let again = format!(
        "unshare --mount sh -c 'mount -t cgroup -o none,{name} none {0} && umount {0}'",
        point.display()
    );
    for _ in 0..60 {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        if !own.contains(&name) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        shell(&again);
    }
    drop(alone);
    fs::remove_file(&file).unwrap();
    fs::remove_dir(&point).unwrap();
    let says = format!("{name}:/\n{name}:/a\n{name}:/a\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        says,
        "{}",
        error_of(&output)
    );
}

#[test]
fn cgroup2_can_be_mounted_without_root() {
    let point = std::env::temp_dir().join(&Scene::named().name);
    fs::create_dir(&point).unwrap();
    let inside = shell(&format!(
        "unshare -UrmC sh -euc 'cgroup-vfs mount cgroup2 {0}; test -e {0}/cgroup.procs; echo there'",
        point.display()
    ));
    fs::remove_dir(&point).unwrap();
    assert_eq!(inside.stdout, b"there\n", "{}", error_of(&inside));
}

#[test]
fn events_of_all_processes_of_a_cgroup_are_counted() {
    let Some(scene) = Scene::new() else { return };
    let output = scene.run(
        "perf",
        "sh -c 'sh -c \"i=0; while [ \\$i -lt 20000 ]; do i=\\$((i+1)); done\"'",
    );
    if !is_root() {
        return refused(
            &output,
            &["perf_event_open", "CAP_PERFMON", "perf_event_paranoid"],
        );
    }
    let text = error_of(&output);
    let number = |event: &str| -> f64 {
        let line = text.lines().find(|line| line.ends_with(event)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("cpu-clock") > 0.0, "{text}");
    assert!(number("page-faults") > 0.0, "{text}");
}

/// A disk of this machine, `MAJOR:MINOR`.
fn disk() -> Option<String> {
    let mut disks: Vec<PathBuf> = fs::read_dir("/sys/block")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    disks.sort();
    let is_real = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        ["vd", "sd", "nvme", "xvd", "loop"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    // The last in the order of names is rather a disk than a loop.
    let disk = disks.iter().rfind(is_real)?;
    Some(fs::read_to_string(disk.join("dev")).ok()?.trim().into())
}

#[test]
fn a_disk_is_limited_by_its_number_and_the_limit_is_taken_away() {
    let Some(scene) = Scene::new() else { return };
    let Some(disk) = disk() else {
        return elsewhere("this machine has no disk");
    };
    scene.set(&format!("disk-read={disk}:1M disk-write-ops={disk}:100"));
    match scene.version("blkio") {
        Version::V1 => {
            let limit = scene.read("blkio", "blkio.throttle.read_bps_device");
            assert_eq!(limit, format!("{disk} 1048576"));
        }
        Version::V2 => {
            let limit = scene.read("blkio", "io.max");
            assert_eq!(
                limit,
                format!("{disk} rbps=1048576 wbps=max riops=max wiops=100")
            );
        }
    }
    let got = || {
        printed(&format!(
            "cgroup-vfs get {} disk-read disk-write-ops",
            scene.name
        ))
    };
    assert_eq!(
        got(),
        format!("disk-read: {disk} 1048576\ndisk-write-ops: {disk} 100\n")
    );
    scene.set(&format!("disk-read={disk}:max disk-write-ops={disk}:max"));
    assert_eq!(got(), "disk-read: \ndisk-write-ops: \n");
}

/// The slide's tree below a name of this test.
fn university(scene: &Scene) -> PathBuf {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("04-cgroups/university.yaml"),
    );
    let file = std::env::temp_dir().join(format!("{}.yaml", scene.name));
    fs::write(
        &file,
        text.unwrap()
            .replace("university:", &format!("{}:", scene.name)),
    )
    .unwrap();
    file
}

#[test]
fn the_slides_tree_is_applied_and_its_shares_are_really_obtained() {
    let Some(scene) = Scene::new() else { return };
    let file = university(&scene);
    printed(&format!("cgroup-vfs apply {} 2>/dev/null", file.display()));
    for (name, percent) in [("professors", 50), ("students", 30), ("system", 20)] {
        let got = printed(&format!("cgroup-vfs get {}/{name} cpu memory", scene.name));
        assert!(
            got.starts_with(&format!("cpu: {percent}%\nmemory: ")),
            "{got}"
        );
        let group = Group::find(
            &Machine::look(None).unwrap(),
            &format!("{}/{name}", scene.name),
        );
        let limit = memory::max(group.unwrap().directory("memory").unwrap()).unwrap();
        let whole = memory::of_machine().unwrap();
        assert!(
            limit.abs_diff(whole * percent / 100) <= 4096,
            "{limit} of {whole}"
        );
    }
    // Long enough for turns on a processor that others want, too.
    let text = printed(&format!("cgroup-vfs measure --seconds 8 {}", scene.name));
    let mut lines = 0;
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let percent = |word: &str| word.trim_end_matches('%').parse::<i32>().unwrap();
        let (should, is) = (percent(words[1]), percent(words[2]));
        assert!((should - is).abs() <= 5, "{text}");
        lines += 1;
    }
    assert_eq!(lines, 3, "{text}");

    let tree = printed(&format!("cgroup-vfs tree {}", scene.name));
    assert!(tree.lines().next().unwrap().starts_with("GROUP"), "{tree}");
    let students = tree
        .lines()
        .find(|line| line.starts_with("  students"))
        .unwrap();
    assert!(students.contains(" 30% "), "{tree}");

    printed(&format!("cgroup-vfs apply --remove {}", file.display()));
    fs::remove_file(file).unwrap();
    assert!(scene.directories().is_empty());
}

#[test]
fn the_slides_tree_shares_out_an_interface_and_what_one_leaves_the_others_borrow() {
    if !is_root() {
        return elsewhere("a BPF program on a cgroup needs CAP_BPF and CAP_NET_ADMIN");
    }
    if !peers(&["nft", "ip", "tc", "bash"]) {
        return;
    }
    let machine = Machine::look(None).unwrap();
    let Some(unified) = machine.v2() else {
        return elsewhere("cgroup2 is not mounted here");
    };
    let scene = Scene::named();
    let file = std::env::temp_dir().join(format!("{}.yaml", scene.name));
    let tree = format!(
        "network: {{interface: out, rate: 8mbit}}\n\
         groups: {{{}: {{groups: {{professors: {{network: 50%}}, students: {{network: 30%}}, \
         system: {{network: 20%}}}}}}}}\n",
        scene.name
    );
    fs::write(&file, tree).unwrap();
    // A wire of its own; at its far end nft counts by the sender's port. dd(1)
    // waits where the queue is full, so each sends all that it may.
    let script = format!(
        "ip link add out type veth peer name far
         ip addr add 10.9.0.1/24 dev out
         ip link set out up
         ip link set far up
         ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev out
         nft add table netdev t
         nft add chain netdev t far \"{{ type filter hook ingress device far priority 0; }}\"
         for port in 7001 7002 7003; do nft add rule netdev t far udp dport $port counter; done
         vfs='cgroup-vfs --at {point}'
         $vfs apply {file}
         trap '$vfs apply --remove {file}' EXIT
         send() {{ $vfs exec {name}/$1 bash -c \"exec dd if=/dev/zero bs=1400 >/dev/udp/10.9.0.2/$2\" 2>/dev/null & }}
         send professors 7001; send students 7002; send system 7003
         bytes() {{ set -- $(nft list ruleset | sed -n 's/.* bytes //p'); echo $*; }}
         sum() {{ set -- $(bytes); echo $(($1 + $2 + $3)); }}
         until set -- $(bytes); [ $1 -gt 9999 ] && [ $2 -gt 9999 ] && [ $3 -gt 9999 ]; do sleep 0.1; done
         bytes
         end=$(($(sum) + 4000000))
         until [ $(sum) -gt $end ]; do sleep 0.1; done
         bytes
         borrowed() {{ tc -s class show dev out classid 1:1 | sed -n 's/.*borrowed: \\([0-9]*\\).*/\\1/p'; }}
         borrowed
         $vfs delete --kill {name}/students
         $vfs delete --kill {name}/system
         set -- $(bytes); end=$(($1 + 1400000))
         until set -- $(bytes); [ $1 -gt $end ]; do sleep 0.1; done
         borrowed",
        point = unified.point.display(),
        file = file.display(),
        name = scene.name,
    );
    let script_file = std::env::temp_dir().join(format!("{}.sh", scene.name));
    fs::write(&script_file, script).unwrap();
    let output = shell(&format!("unshare --net sh -eu {}", script_file.display()));
    fs::remove_file(&script_file).unwrap();
    fs::remove_file(&file).unwrap();
    let error = error_of(&output);
    if error.contains("Could not process rule") || error.contains("qdisc") {
        return elsewhere(&format!(
            "this kernel has no netdev rules or no HTB: {error}"
        ));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<i64>> = text
        .lines()
        .map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect())
        .collect();
    let [start, end, together, alone] = &lines[..] else {
        panic!("{text}{error}")
    };
    let sent: Vec<i64> = start.iter().zip(end).map(|(from, to)| to - from).collect();
    let whole: i64 = sent.iter().sum();
    for (sent, share) in sent.iter().zip([50, 30, 20]) {
        let got = sent * 100 / whole;
        assert!((got - share).abs() <= 5, "{text}");
    }
    // 1000 packets more, half of them over its own share; none while all sent.
    assert!(alone[0] - together[0] > 300, "{text}");
    assert!(scene.directories().is_empty());
}

#[test]
fn a_mistake_in_the_last_line_of_a_file_makes_nothing() {
    let scene = Scene::named();
    let file = std::env::temp_dir().join(format!("{}.yaml", scene.name));
    let text = format!("groups:\n  {0}: {{}}\n  {0}-b: {{cpu: 50}}\n", scene.name);
    fs::write(&file, text).unwrap();
    let output = shell(&format!("cgroup-vfs apply {}", file.display()));
    fs::remove_file(&file).unwrap();
    refused(&output, &[".yaml", "-b.cpu", "wants a value such as 50%"]);
    assert!(scene.directories().is_empty());
}

#[test]
fn what_is_wrong_is_told_in_one_line_with_the_remedy() {
    let vfs = |words: &str| shell(&format!("cgroup-vfs {words}"));
    refused(&vfs("set x cpu"), &["WORD=VALUE"]);
    refused(&vfs("set x cpuu=5%"), &["cpuu", "there are cpu, cpu-max"]);
    refused(&vfs("set x memory=lots"), &["memory=lots", "64M"]);
    refused(
        &vfs("create nothing:x"),
        &["no controller of the kernel", "cpuset"],
    );
    refused(&vfs("create ../x"), &["without `.` and `..`"]);
    refused(
        &vfs("get tpcg-absent"),
        &["no such cgroup", "cgroup-vfs create"],
    );
    refused(&vfs("delete tpcg-absent"), &["no such cgroup"]);
    refused(&vfs("exec tpcg-absent true"), &["no such cgroup"]);
    refused(
        &vfs("--at /proc create x"),
        &["no cgroup hierarchy is mounted at /proc"],
    );
    refused(
        &vfs("mount cpu /absent"),
        &["mount(\"cgroup\", \"/absent\""],
    );
    refused(&vfs("apply /absent.yaml"), &["/absent.yaml"]);
    assert_eq!(vfs("set x").status.code(), Some(2));

    let Some(scene) = Scene::new() else { return };
    refused(
        &scene.run("classify", "4194305"),
        &["cgroup.procs", "ESRCH", "no such process"],
    );
    refused(&scene.run("set", "pids.max=some"), &["pids.max", "EINVAL"]);
    refused(
        &scene.run("set", "disk-read=/dev/null:1M"),
        &["/dev/null", "not a block device"],
    );
    refused(&scene.run("measure", ""), &["needs two cgroups below it"]);
    printed(&format!("cgroup-vfs create {}/below", scene.name));
    refused(&scene.run("delete", ""), &["rmdir", "EBUSY", "--recursive"]);
}

#[test]
fn an_ordinary_user_is_told_to_get_a_delegated_subtree() {
    if is_root() {
        return elsewhere("root may make cgroups anywhere");
    }
    // Absolute: at the root of the tree, where this user owns nothing.
    let scene = Scene::named();
    let output = shell(&format!("cgroup-vfs create /{}", scene.name));
    refused(&output, &["mkdir(", "EACCES", "delegated subtree"]);
}

#[test]
fn a_delegated_cgroup_is_the_users_but_for_its_own_limits() {
    if !is_root() {
        return elsewhere("root delegates; the other tests of this file run in such a subtree");
    }
    let scene = Scene::named();
    if Scene::new().is_none() {
        return;
    }
    printed(&format!("cgroup-vfs create --owner 4242 {}", scene.name));
    let limits = [
        "memory.max",
        "memory.limit_in_bytes",
        "pids.max",
        "cpu.weight",
        "cpu.shares",
    ];
    for directory in scene.directories() {
        use std::os::unix::fs::MetadataExt;
        let owner = |file: &str| {
            fs::metadata(directory.join(file))
                .map(|meta| meta.uid())
                .ok()
        };
        assert_eq!(owner("."), Some(4242), "{directory:?}");
        assert_eq!(owner("cgroup.procs"), Some(4242), "{directory:?}");
        for file in limits {
            assert!(
                owner(file).is_none_or(|uid| uid == 0),
                "{directory:?} {file}"
            );
        }
    }
}

// ---- against libcgroup's tools ----

/// `-g CONTROLLER:PATH` for each, as libcgroup names a cgroup: from the root of
/// its hierarchy, which in a delegated subtree is another path in each.
fn libcgroup(scene: &Scene, controllers: &[&str], below: &str) -> Vec<(String, String)> {
    let machine = Machine::look(None).unwrap();
    controllers
        .iter()
        .map(|controller| {
            let hierarchy = machine.find(controller).unwrap();
            let directory = hierarchy.directory(&scene.name).path;
            let path = directory.strip_prefix(&hierarchy.point).unwrap();
            (controller.to_string(), format!("{}{below}", path.display()))
        })
        .collect()
}

fn dash_g(groups: &[(String, String)]) -> String {
    let words: Vec<String> = groups
        .iter()
        .map(|(c, path)| format!("-g {c}:{path}"))
        .collect();
    words.join(" ")
}

/// What both are told to set, with the names that this machine has.
fn limits() -> [(&'static str, String); 3] {
    let machine = Machine::look(None).unwrap();
    let v1 = |controller: &str| machine.find(controller).unwrap().version == Version::V1;
    let memory = if v1("memory") {
        "memory.limit_in_bytes"
    } else {
        "memory.max"
    };
    let cpu = if v1("cpu") {
        "cpu.shares=512"
    } else {
        "cpu.weight=50"
    };
    [
        ("memory", format!("{memory}=67108864")),
        ("pids", "pids.max=20".into()),
        ("cpu", cpu.into()),
    ]
}

const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
const TOOLS: [&str; 7] = [
    "cgcreate",
    "cgset",
    "cgget",
    "cgexec",
    "cgclassify",
    "cgdelete",
    "lscgroup",
];

/// libcgroup 2 opens and changes the root's files also where only a delegated
/// subtree is to change.
fn no_libcgroup() -> bool {
    if !peers(&TOOLS) {
        return true;
    }
    let scene = Scene::named();
    let groups = libcgroup(&scene, &CONTROLLERS, "");
    let tried = shell(&format!("cgcreate {}", dash_g(&groups)));
    if !tried.status.success() {
        assert!(!is_root(), "{}", error_of(&tried));
        elsewhere(&format!(
            "libcgroup's tools work as root only: {}",
            error_of(&tried)
        ));
    }
    !tried.status.success()
}

#[test]
fn a_limited_process_is_the_state_that_libcgroups_tools_make() {
    if no_libcgroup() {
        return;
    }
    let state = |script: &str| -> Value {
        let mut state = difference(script);
        assert!(state["cgroups"].is_object(), "{state}");
        state["cgroups"].take()
    };
    let scene = Scene::named();
    let groups = libcgroup(&scene, &CONTROLLERS, "");
    let controllers = CONTROLLERS.join(",");
    let name = &scene.name;
    let ours = state(&format!(
        "cgroup-vfs create {controllers}:{name}
         cgroup-vfs set {name} memory=64M pids=20 cpu=50%
         exec cgroup-vfs exec {controllers}:{name} $PAYLOAD"
    ));
    scene.run("delete --kill", "");

    let set: String = limits()
        .iter()
        .zip(&groups)
        .map(|((_, limit), (_, path))| format!("cgset -r {limit} {path}\n"))
        .collect();
    let all = dash_g(&groups);
    let theirs = state(&format!("cgcreate {all}\n{set}exec cgexec {all} $PAYLOAD"));
    assert_eq!(ours, theirs);
    assert!(ours.to_string().contains("67108864"), "{ours}");
}

#[test]
fn what_libcgroup_makes_is_ours_to_use() {
    if no_libcgroup() {
        return;
    }
    let scene = Scene::named();
    let groups = libcgroup(&scene, &CONTROLLERS, "");
    let (name, all) = (&scene.name, dash_g(&groups));
    printed(&format!("cgcreate {all}"));
    let list = printed(&format!("cgroup-vfs list memory:{name}"));
    assert!(list.trim_end().ends_with(name.as_str()), "{list}");
    printed(&format!("cgset -r {} {}", limits()[1].1, groups[1].1));
    assert_eq!(
        printed(&format!("cgroup-vfs get {name} pids")),
        "pids: 20\n"
    );

    let payload = Payload::start("exec $PAYLOAD");
    printed(&format!(
        "cgroup-vfs classify memory,pids,cpu:{name} {}",
        payload.pid
    ));
    assert_eq!(scene.group().processes(), [payload.pid]);
    drop(payload);
    until("an empty cgroup", || scene.group().processes().is_empty());
    printed(&format!("cgroup-vfs delete {name}"));
    let left = printed("lscgroup");
    assert!(!left.contains(name.as_str()), "{left}");
}

#[test]
fn what_we_make_is_libcgroups_to_use() {
    if no_libcgroup() {
        return;
    }
    let scene = Scene::named();
    let groups = libcgroup(&scene, &CONTROLLERS, "");
    let (name, all) = (&scene.name, dash_g(&groups));
    printed(&format!("cgroup-vfs create memory,pids,cpu:{name}"));
    printed(&format!("cgroup-vfs set {name} pids=20"));
    let list = printed("lscgroup");
    assert!(list.contains(&groups[1].1), "{list}");
    let got = printed(&format!("cgget -nv -r pids.max {}", groups[1].1));
    assert_eq!(got.trim(), "20");

    let payload = Payload::start(&format!("exec cgexec {all} $PAYLOAD"));
    assert_eq!(scene.group().processes(), [payload.pid]);
    let moved = Payload::start("exec $PAYLOAD");
    printed(&format!("cgclassify {all} {}", moved.pid));
    let mut both = [payload.pid, moved.pid];
    both.sort();
    assert_eq!(scene.group().processes(), both);
    drop((payload, moved));
    until("an empty cgroup", || scene.group().processes().is_empty());
    // Of several `-g` cgdelete(1) deletes the first alone; on v2 that is all there is.
    for (controller, path) in &groups {
        shell(&format!("cgdelete -g {controller}:{path}"));
    }
    assert!(scene.directories().is_empty(), "{:?}", scene.directories());
}

#[test]
fn on_v2_a_cgroup_that_hands_controllers_on_takes_no_process() {
    let Some(scene) = Scene::new() else { return };
    if scene.version("memory") == Version::V1 {
        return elsewhere("this machine's controllers are v1's, which has no such rule");
    }
    printed(&format!("cgroup-vfs create {}/leaf", scene.name));
    let words = ["cgroup.procs", "EBUSY", "no-internal-process"];
    refused(&scene.run("exec", "true"), &words);

    // And the other way round: who has a process hands nothing on.
    let other = Scene::new().unwrap();
    let payload = Payload::start(&format!("exec cgroup-vfs exec {} $PAYLOAD", other.name));
    let output = shell(&format!("cgroup-vfs create {}/below", other.name));
    refused(&output, &["cgroup.subtree_control", "EBUSY", "leaf"]);
    drop(payload);
}

#[test]
fn help_shows_examples_and_every_word() {
    let help = printed("cgroup-vfs --help");
    assert!(
        help.contains("Examples:") && help.contains("Exit status:"),
        "{help}"
    );
    let help = printed("cgroup-vfs set --help");
    for word in [
        "cpu=50%",
        "memory=64M",
        "devices=",
        "net-class=1:2",
        "net-prio=",
    ] {
        assert!(help.contains(word), "no {word} in {help}");
    }
}
