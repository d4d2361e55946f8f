//! The low-level runtime through its real binary: its commands, and in the place of
//! runc under podman and dockerd.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::skipped;

/// A bundle with a static busybox, a name of its own, and a state folder.
pub struct Bundle {
    pub folder: PathBuf,
    pub id: String,
    pub config: Value,
}

const PROGRAMS: [&str; 32] = [
    "sh", "cat", "chroot", "dd", "echo", "env", "grep", "head", "hostname", "id", "kill", "ln",
    "ls", "mkdir", "mknod", "mount", "nc", "ps", "pwd", "readlink", "sed", "sleep", "stat",
    "sysctl", "test", "touch", "true", "tty", "ulimit", "umount", "unshare", "wc",
];

impl Bundle {
    /// `None`, said aloud, where this cannot be tested.
    pub fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            super::support::elsewhere("a bundle of one's own is run by root");
            return None;
        }
        let Some(busybox) = busybox() else {
            skipped("no static busybox on this machine");
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("rt-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(format!("mini-runtime-test-{id}"));
        let bin = folder.join("rootfs/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy(&busybox, bin.join("busybox")).unwrap();
        for name in PROGRAMS {
            symlink("busybox", bin.join(name)).unwrap();
        }
        let config = config(&id);
        Some(Self { folder, id, config })
    }

    pub fn root(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    /// What is run, in a shell.
    pub fn script(&mut self, text: &str) -> &mut Self {
        self.config["process"]["args"] = json!(["sh", "-c", text]);
        self
    }

    /// `mini-runtime WORDS…`, on the bundle as `config` is now.
    pub fn command(&self, words: &[&str]) -> Command {
        let text = serde_json::to_vec_pretty(&self.config).unwrap();
        std::fs::write(self.folder.join("config.json"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mini-runtime"));
        command
            .arg("--root")
            .arg(self.folder.join("state"))
            .args(words);
        command.current_dir(&self.folder);
        command
    }

    pub fn runtime(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.runtime(&["run", &self.id])
    }

    /// The same, to success: what it printed.
    pub fn printed(&self) -> String {
        let output = self.run();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Creates and starts it in the background, with its output in a file.
    pub fn start(&self) -> i32 {
        let output = std::fs::File::create(self.folder.join("output")).unwrap();
        let mut create = self.command(&["create", "--pid-file", "pid", &self.id]);
        create
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        assert!(create.status().unwrap().success(), "{}", self.output());
        let started = self.runtime(&["start", &self.id]);
        assert!(started.status.success(), "{started:?}");
        std::fs::read_to_string(self.folder.join("pid"))
            .unwrap()
            .parse()
            .unwrap()
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }

    pub fn status(&self) -> String {
        let output = self.runtime(&["state", &self.id]);
        let state: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        state["status"].as_str().unwrap_or_default().to_string()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.runtime(&["delete", "--force", &self.id]);
        let left = cgroups_named(&self.id);
        let _ = std::fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// docker's shape of a config.json, with an empty network of its own.
fn config(id: &str) -> Value {
    let capabilities = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ];
    let mount = |kind: &str, target: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["true"],
            "env": ["PATH=/bin", "HOME=/"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
        },
        "root": { "path": "rootfs" },
        "hostname": "inside",
        "mounts": [
            mount("proc", "/proc", &["nosuid", "noexec", "nodev"]),
            mount("tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("devpts", "/dev/pts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
            mount("cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "ro"]),
            mount("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777"]),
        ],
        "linux": {
            "cgroupsPath": format!("/mini-runtime-test-{id}"),
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": [
                { "type": "mount" }, { "type": "network" }, { "type": "uts" }, { "type": "pid" },
                { "type": "ipc" }, { "type": "cgroup" },
            ],
            "maskedPaths": labs::root::MASKED_PATHS,
            "readonlyPaths": labs::root::READ_ONLY_PATHS,
        },
    })
}

pub fn busybox() -> Option<PathBuf> {
    let places = ["/bin/busybox", "/usr/bin/busybox"];
    places.iter().map(PathBuf::from).find(|path| {
        let output = Command::new("ldd").arg(path).output();
        path.exists() && output.is_ok_and(|output| !output.status.success())
    })
}

/// All directories of a cgroup of this test.
fn cgroups_named(id: &str) -> Vec<PathBuf> {
    let name = format!("mini-runtime-test-{id}");
    let folders = std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    let mut all: Vec<PathBuf> = folders.map(|entry| entry.path().join(&name)).collect();
    all.push(Path::new("/sys/fs/cgroup").join(&name));
    all.retain(|path| path.exists());
    all
}

/// Until it is so; a test that waits for ever tells nothing.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_container_goes_through_its_life() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.script("echo from $(hostname); sleep 1000");
    let id = bundle.id.clone();

    let pid = bundle.start();
    wait_until("the output", || bundle.output() == "from inside\n");
    assert_eq!(bundle.status(), "running");
    let name = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert!(name.ends_with("bin/busybox"), "{name:?}");
    let again = bundle.runtime(&["start", &id]);
    assert!(!again.status.success());

    let exec = bundle.runtime(&["exec", "-e", "A=b", &id, "sh", "-c", "echo $A; exit 7"]);
    assert_eq!(
        (exec.status.code(), exec.stdout.as_slice()),
        (Some(7), &b"b\n"[..])
    );
    let ps = bundle.runtime(&["ps", "--format", "json", &id]);
    let pids: Vec<i32> = serde_json::from_slice(&ps.stdout).unwrap();
    assert!(pids.contains(&pid));

    assert!(bundle.runtime(&["pause", &id]).status.success());
    assert_eq!(bundle.status(), "paused");
    assert!(bundle.runtime(&["resume", &id]).status.success());
    assert_eq!(bundle.status(), "running");

    let refused = bundle.runtime(&["delete", &id]);
    assert!(!refused.status.success(), "one that runs");
    assert!(bundle.runtime(&["kill", &id, "KILL"]).status.success());
    wait_until("its end", || bundle.status() == "stopped");
    assert!(!bundle.runtime(&["kill", &id, "TERM"]).status.success());
    assert!(bundle.runtime(&["delete", &id]).status.success());
    let gone = bundle.runtime(&["state", &id]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("does not exist"));
}

#[test]
fn what_cannot_be_run_is_told_as_callers_expect() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    std::fs::write(bundle.root().join("text"), "no program").unwrap();
    let cases = [
        (
            "nosuch",
            "exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            "/nosuch",
            "exec: \"/nosuch\": stat /nosuch: no such file or directory",
        ),
        ("/text", "exec: \"/text\": permission denied"),
        ("/bin", "exec: \"/bin\": is a directory"),
    ];
    for (program, says) in cases {
        bundle.config["process"]["args"] = json!([program]);
        let output = bundle.runtime(&["--log", "log", "--log-format", "json", "run", &bundle.id]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let log = std::fs::read_to_string(bundle.folder.join("log")).unwrap();
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert!(last["msg"].as_str().unwrap().contains(says), "{last}");
    }
    // A file of no format is found out only when the kernel is asked.
    let text = bundle.root().join("text");
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
    bundle.config["process"]["args"] = json!(["/text"]);
    let error = String::from_utf8(bundle.run().stderr).unwrap();
    assert!(error.contains("exec format error"), "{error}");
}

#[test]
fn limits_are_there_before_the_first_process_is() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"] = json!({
        "memory": { "limit": 64 << 20 },
        "pids": { "limit": 20 },
        "cpu": { "quota": 50_000, "period": 100_000, "shares": 512 },
    });
    bundle.script("sleep 1000");
    let pid = bundle.start();
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(cgroup.contains(&bundle.id), "{cgroup}");
    let read = |v1: &str, v2: &str| {
        let directories = cgroups_named(&bundle.id);
        let files = directories
            .iter()
            .flat_map(|one| [one.join(v1), one.join(v2)]);
        let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        texts
            .map(|text| text.trim().to_string())
            .next()
            .unwrap_or_default()
    };
    assert_eq!(
        read("memory.limit_in_bytes", "memory.max"),
        (64 << 20).to_string()
    );
    assert_eq!(read("pids.max", "pids.max"), "20");
    let quota = read("cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "50000" || quota == "50000 100000", "{quota}");
    assert!(
        bundle
            .runtime(&["update", "--pids-limit", "30", &bundle.id])
            .status
            .success()
    );
    assert_eq!(read("pids.max", "pids.max"), "30");
    assert_eq!(
        read("memory.limit_in_bytes", "memory.max"),
        (64 << 20).to_string()
    );
    let stats = bundle.runtime(&["events", "--stats", &bundle.id]);
    let stats: Value = serde_json::from_slice(&stats.stdout).unwrap();
    assert_eq!(stats["data"]["pids"]["limit"], 30, "{stats}");
}

/// On a machine of v1 as well: in a mount namespace whose only hierarchy is v2's, which
/// offers no controllers there, but all that v2 does without one.
#[test]
fn on_cgroup_v2_a_container_is_born_in_its_cgroup() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.script(
        "grep ^0: /proc/self/cgroup; grep cgroup2 /proc/mounts; mknod /disk b 254 0; \
         head -c 1 /disk; head -c 1 /dev/zero | wc -c; sleep 1000",
    );
    bundle.command(&["list"]);
    let script = format!(
        "umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup || exit 77
         R=\"$R --root $PWD/state\"
         $R create --pid-file pid {0} </dev/null >output 2>&1; $R start {0}
         for i in $(seq 200); do grep -q '^1$' output && break; sleep 0.05; done
         cat output; cat /proc/$(cat pid)/cgroup | grep ^0:
         $R exec {0} grep ^0: /proc/self/cgroup
         $R pause {0}; $R state {0} | grep status; $R resume {0}; $R state {0} | grep status
         $R delete --force {0}; ls -d /sys/fs/cgroup/*{0}",
        bundle.id
    );
    let output = apart(&bundle.folder, &script);
    if output.status.code() == Some(77) {
        return skipped("this kernel mounts no cgroup2");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // By the namespace its own cgroup is the root of all.
    assert_eq!(lines[0], "0::/", "{text}{output:?}");
    assert!(
        lines[1].starts_with("cgroup /sys/fs/cgroup cgroup2 ro,"),
        "{text}"
    );
    assert_eq!(lines[2], "head: /disk: Operation not permitted", "{text}");
    assert_eq!(lines[3], "1", "{text}");
    assert_eq!(lines[4], format!("0::/mini-runtime-test-{}", bundle.id));
    assert_eq!(lines[5], "0::/", "exec: {text}");
    assert_eq!(
        lines[6..],
        ["\"status\": \"paused\",", "\"status\": \"running\","],
        "{text}"
    );
}

#[test]
fn an_init_of_ours_reaps_and_hands_signals_on() {
    let store = crate::support::Store::new();
    let run = |words: &[&str]| {
        let mut all = vec!["run", "--rm", "--init", "--net", "none", "base"];
        all.extend(words);
        store.run(&all)
    };
    let output = run(&["sh", "-c", "readlink /proc/1/exe; echo $$; exit 5"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        (output.status.code(), text.as_ref()),
        (Some(5), "/sbin/docker-init\n2\n"),
        "{output:?}"
    );
    // An orphan is nobody's zombie: its parent has ended, and 1 has waited for it.
    let orphan = "(sleep 0.1 & echo $! >/orphan); p=/proc/$(cat /orphan); i=0
        while [ -e $p ] && [ $i != 600 ]; do i=$((i + 1)); sleep 0.1; done
        [ -e $p ] && cat $p/status; echo reaped";
    let output = run(&["sh", "-c", orphan]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "reaped\n",
        "{output:?}"
    );
    // PID 1 has no handler; it hands on what it gets, and ends as its child does.
    let term = "kill -TERM 1; sleep 1000";
    assert_eq!(run(&["sh", "-c", term]).status.code(), Some(128 + 15));
    assert_eq!(run(&["nosuch"]).status.code(), Some(127));
}

#[test]
fn hooks_run_at_their_moments_and_see_the_state() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let log = bundle.folder.join("hooks");
    let hook = |name: &str, file: &str| {
        let text =
            format!("echo {name} $(sed -n 's/.*\"status\": *\"\\([a-z]*\\)\".*/\\1/p') >> {file}");
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", text], "env": ["PATH=/usr/bin:/bin"] }])
    };
    let outside = log.display().to_string();
    bundle.config["hooks"] = json!({
        "prestart": hook("prestart", &outside),
        "createRuntime": hook("createRuntime", &outside),
        "createContainer": hook("createContainer", &outside),
        "startContainer": hook("startContainer", "/hooks"),
        "poststart": hook("poststart", &outside),
        "poststop": hook("poststop", &outside),
    });
    bundle.script("sleep 0.2; cat /hooks");
    assert_eq!(bundle.printed(), "startContainer created\n");
    let lines = std::fs::read_to_string(&log).unwrap();
    let names: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let expected = [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ];
    assert_eq!(names, expected, "{lines}");

    bundle.config["hooks"] = json!({ "createRuntime": [{ "path": "/bin/false" }] });
    let failed = bundle.run();
    let error = String::from_utf8_lossy(&failed.stderr);
    assert!(
        !failed.status.success() && error.contains("/bin/false"),
        "{error}"
    );
}

#[test]
fn mounts_have_the_options_that_are_asked_for() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let source = bundle.folder.join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "data").unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({ "destination": "/a", "source": source, "options": ["rbind", "ro", "noexec", "nosuid"] }));
    mounts.push(json!({ "destination": "/new/place/file", "source": source.join("file"), "options": ["bind"] }));
    mounts.push(json!({ "destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=700", "nodev"] }));
    bundle.config["root"]["readonly"] = json!(true);
    bundle.script(
        "cat /a/file /new/place/file; echo; grep -E ' /(a|t)? ' /proc/mounts | cut -d' ' -f2,3,4; \
         touch /x 2>&1; touch /a/x 2>&1; touch /t/x && echo written; touch /new/place/file && echo writable",
    );
    symlink("busybox", bundle.root().join("bin/cut")).unwrap();
    let text = bundle.printed();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("datadata"));
    let (root, bind, tmpfs) = (
        lines.next().unwrap(),
        lines.next().unwrap(),
        lines.next().unwrap(),
    );
    assert!(root.starts_with("/ ") && root.contains(" ro"), "{root}");
    assert!(bind.contains(" ro,nosuid,noexec"), "{bind}");
    assert!(
        tmpfs.contains("tmpfs rw,nodev") && tmpfs.contains("size=1024k"),
        "{tmpfs}"
    );
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(
        text.contains("written") && text.contains("writable"),
        "{text}"
    );
}

#[test]
fn an_ordinary_user_runs_a_bundle_in_a_user_namespace() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    // A copy that the user can reach: the build's folder may be somebody's home.
    let program = bundle.folder.join("mini-runtime");
    std::fs::copy(env!("CARGO_BIN_EXE_mini-runtime"), &program).unwrap();
    let linux = &mut bundle.config["linux"];
    linux["namespaces"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "type": "user" }));
    linux["uidMappings"] = json!([{ "containerID": 0, "hostID": 4242, "size": 1 }]);
    linux["gidMappings"] = json!([{ "containerID": 0, "hostID": 4242, "size": 1 }]);
    linux["resources"] = json!({});
    bundle.script("id -u; cat /proc/self/uid_map; hostname; ps | wc -l");
    bundle.command(&["list"]);
    let state = bundle.folder.join("state-of-the-user");
    std::fs::create_dir(&state).unwrap();
    // The places of mounts are made in the root.
    for folder in [&state, &bundle.root()] {
        nix::unistd::chown(folder, Some(4242.into()), Some(4242.into())).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=4242", "--regid=4242", "--clear-groups"])
        .arg(&program)
        .arg("--root")
        .arg(&state)
        .args(["run", &bundle.id])
        .current_dir(&bundle.folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words[..5], ["0", "0", "4242", "1", "inside"], "{text}");
}

/// A busybox image as a tar archive, for `import`.
fn image(folder: &Path) -> Option<PathBuf> {
    let bin = folder.join("image/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy(busybox()?, bin.join("busybox")).unwrap();
    for name in PROGRAMS {
        symlink("busybox", bin.join(name)).unwrap();
    }
    let archive = folder.join("image.tar");
    let status = Command::new("tar")
        .arg("-C")
        .arg(folder.join("image"))
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .status();
    status
        .is_ok_and(|status| status.success())
        .then_some(archive)
}

fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skipped(&format!("{program} is not installed"));
    }
    there
}

/// A script, in network and mount namespaces of its own: nothing that a daemon
/// mounts or wires is the machine's.
fn apart(folder: &Path, script: &str) -> Output {
    std::fs::write(folder.join("script"), script).unwrap();
    Command::new("timeout")
        .args([
            "-k",
            "10",
            "240",
            "unshare",
            "-n",
            "-m",
            "--propagation",
            "private",
            "sh",
            "script",
        ])
        .current_dir(folder)
        .env("R", env!("CARGO_BIN_EXE_mini-runtime"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn podman_runs_containers_through_it() {
    let Some(bundle) = Bundle::new() else { return };
    if !installed("podman") {
        return;
    }
    let Some(_) = image(&bundle.folder) else {
        return skipped("no tar");
    };
    let script = r#"
        P="podman --root $PWD/store --runroot $PWD/run --cgroup-manager cgroupfs \
           --storage-driver vfs --runtime $R"
        # Limits that a machine with small hard limits can give.
        L="--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --cgroup-parent /CGROUP"
        $P import image.tar box >/dev/null 2>&1
        $P run --rm $L box sh -c 'echo ran as $(id -u); exit 3'; echo code $?
        $P run --rm $L box nosuch 2>/dev/null; echo code $?
        $P run -d --name one $L box sleep 1000 >/dev/null; echo code $?
        $P exec one echo inside; echo code $?
        $P exec -t one tty; echo code $?
        $P kill one >/dev/null; $P rm -f one >/dev/null; echo code $?
        $P rmi -f box >/dev/null 2>&1
    "#;
    let script = script.replace("CGROUP", &format!("mini-runtime-test-{}", bundle.id));
    let output = apart(&bundle.folder, &script);
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let expected =
        "ran as 0\ncode 3\ncode 127\ncode 0\ninside\ncode 0\n/dev/pts/0\ncode 0\ncode 0\n";
    assert_eq!(
        text,
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    remove_cgroups(&bundle.id);
}

#[test]
fn dockerd_runs_containers_through_it() {
    let Some(bundle) = Bundle::new() else { return };
    if !installed("dockerd") || !installed("docker") {
        return;
    }
    let Some(_) = image(&bundle.folder) else {
        return skipped("no tar");
    };
    // Ended by its PID, and waited for: it takes its containers along.
    let script = r#"
        ip link set lo up
        mount -t tmpfs tmpfs /run
        dockerd --data-root $PWD/data --exec-root $PWD/exec --pidfile $PWD/dockerd.pid \
            -H unix://$PWD/socket --bridge=none --iptables=false --ip6tables=false \
            --storage-driver vfs --cgroup-parent /CGROUP \
            --add-runtime mini=$R >dockerd.log 2>&1 &
        D="docker -H unix://$PWD/socket"
        for i in $(seq 300); do $D version >/dev/null 2>&1 && break; sleep 0.1; done
        L="--runtime mini --network none"
        $D import image.tar box >/dev/null
        timeout 60 $D run --rm $L box sh -c 'echo ran as $(id -u); exit 3'; echo code $?
        timeout 60 $D run --rm $L box nosuch 2>/dev/null; echo code $?
        timeout 60 $D run --rm $L box /bin 2>/dev/null; echo code $?
        timeout 60 $D run --rm -t $L --memory 32m --pids-limit 20 box tty; echo code $?
        timeout 60 $D run -d --name one $L box sleep 1000 >/dev/null; echo code $?
        timeout 60 $D exec one echo inside; echo code $?
        timeout 60 $D pause one >/dev/null; $D inspect -f '{{ .State.Status }}' one
        timeout 60 $D unpause one >/dev/null; $D inspect -f '{{ .State.Status }}' one
        timeout 60 $D update --pids-limit 30 one >/dev/null; echo code $?
        timeout 60 $D rm -f one >/dev/null; echo code $?
        kill $(cat dockerd.pid); wait
    "#;
    let script = script.replace("CGROUP", &format!("mini-runtime-test-{}", bundle.id));
    let output = apart(&bundle.folder, &script);
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let expected = "ran as 0\ncode 3\ncode 127\ncode 126\n/dev/pts/0\ncode 0\ncode 0\ninside\n\
        code 0\npaused\nrunning\ncode 0\ncode 0\n";
    let log = std::fs::read_to_string(bundle.folder.join("dockerd.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(5).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, expected, "{errors}\n{tail:#?}");
    remove_cgroups(&bundle.id);
}

/// The parents, which podman and dockerd leave.
fn remove_cgroups(id: &str) {
    for path in cgroups_named(id) {
        for below in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(below.path());
        }
        let _ = std::fs::remove_dir(path);
    }
}

/// A process that goes with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
