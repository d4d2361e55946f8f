//! The binaries as a person runs them, as whoever runs the tests: root or not.
//! Each test looks inside (what the command sees) and outside (what the host
//! keeps).

use std::fs;
use std::path::Path;

use assert_cmd::Command;

use crate::skipped;

const KINDS: [(&str, &str); 8] = [
    ("-U", "user"),
    ("-m", "mnt"),
    ("-p", "pid"),
    ("-n", "net"),
    ("-i", "ipc"),
    ("-u", "uts"),
    ("-C", "cgroup"),
    ("-T", "time"),
];

fn unshare_hostname() -> Command {
    Command::new(env!("CARGO_BIN_EXE_unshare-hostname"))
}

fn namespaces() -> Command {
    Command::new(env!("CARGO_BIN_EXE_namespaces"))
}

fn host_name() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

fn namespace(kind: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
    link.display().to_string()
}

/// Root of most containers is root without this capability.
fn has_cap_sys_admin() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = u64::from_str_radix(line.unwrap().trim(), 16).unwrap();
    effective & 1 << 21 != 0
}

/// User namespaces are a feature of the machine; without them most labs cannot.
fn no_user_namespaces() -> bool {
    let output = namespaces()
        .args(["unshare", "-r", "true"])
        .output()
        .unwrap();
    if !output.status.success() {
        skipped(&format!(
            "no user namespaces: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    !output.status.success()
}

/// Runs to success and gives what the command printed.
fn printed(command: &mut Command) -> String {
    let output = command.assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// One line on standard error, `error: …`, and this exit status.
fn refused(command: &mut Command, status: i32) -> String {
    let output = command.assert().code(status).get_output().clone();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.starts_with("error: ") && error.lines().count() == 1,
        "{error}"
    );
    error
}

/// What a lab could leave behind on the machine.
fn machine() -> [String; 3] {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    [
        host_name(),
        read("/proc/self/mountinfo"),
        KINDS.map(|(_, kind)| namespace(kind)).join(" "),
    ]
}

#[test]
fn the_command_sees_the_new_name_and_the_host_keeps_its_own() {
    if no_user_namespaces() {
        return;
    }
    let before = machine();
    let inside = printed(unshare_hostname().args(["--user", "newhostname", "hostname"]));
    assert_eq!(inside, "newhostname\n");
    assert_ne!(before[0], "newhostname");
    assert_eq!(machine(), before);
}

#[test]
fn root_needs_no_user_namespace_and_an_ordinary_user_is_told_of_it() {
    let before = machine();
    let link = ["newhostname", "readlink", "/proc/self/ns/user"];
    if has_cap_sys_admin() {
        let inside = printed(unshare_hostname().args(link));
        assert_eq!(inside.trim(), namespace("user"));
    } else {
        let error = refused(unshare_hostname().args(link), 1);
        assert!(error.contains("unshare(CLONE_NEWUTS): EPERM"), "{error}");
        assert!(
            error.contains("--user") && error.contains("root"),
            "{error}"
        );
    }
    assert_eq!(machine(), before);
}

#[test]
fn explain_prints_the_calls_in_their_order_beside_the_commands_own_output() {
    if no_user_namespaces() {
        return;
    }
    let output = unshare_hostname()
        .args(["-U", "--explain", "box", "hostname"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "box\n");
    let told = String::from_utf8(output.stderr).unwrap();
    let mut from = 0;
    for call in [
        "unshare(CLONE_NEWUSER|CLONE_NEWUTS) = 0",
        "\"deny\"",
        "uid_map",
        "gid_map",
        "sethostname(\"box\", 3) = 0",
        "execvp(\"hostname\"",
    ] {
        let at = told[from..].find(call);
        assert!(at.is_some(), "`{call}` is not told, or too early:\n{told}");
        from += at.unwrap();
    }
}

/// `mount(NULL, "/", NULL, MS_REC|MS_PRIVATE, NULL) = 0` as name and flags; the
/// flags sorted, because strace has an order of its own.
fn name_and_flags(line: &str) -> String {
    let mut flags: Vec<&str> = line
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.starts_with("CLONE_") || word.starts_with("MS_"))
        .collect();
    flags.sort();
    format!("{}({})", line.split('(').next().unwrap(), flags.join("|"))
}

#[test]
fn explain_tells_the_calls_that_strace_sees() {
    if no_user_namespaces() {
        return;
    }
    if std::process::Command::new("strace")
        .arg("-V")
        .output()
        .is_err()
    {
        return skipped("this machine has no strace(1) to hold --explain against");
    }
    let traced = ["unshare", "setns", "sethostname", "mount", "clone3"];
    let namespaces = env!("CARGO_BIN_EXE_namespaces");
    for words in [
        &[
            env!("CARGO_BIN_EXE_unshare-hostname"),
            "-U",
            "--explain",
            "box",
            "/bin/true",
        ][..],
        &[
            namespaces,
            "unshare",
            "--explain",
            "-r",
            "-p",
            "-f",
            "--mount-proc",
            "/bin/true",
        ],
        &[
            namespaces,
            "unshare",
            "--explain",
            "-r",
            "-m",
            "--propagation=slave",
            "/bin/true",
        ],
        &[
            namespaces,
            "clone",
            "--explain",
            "-r",
            "-m",
            "-u",
            "-i",
            "-n",
            "-C",
            "-T",
            "/bin/true",
        ],
    ] {
        let output = std::process::Command::new("strace")
            .args(["-f", "-qq", "-e", "signal=none", "-e"])
            .arg(format!("trace={}", traced.join(",")))
            .args(["-o", "/dev/stdout"])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let (seen, told) = (output.stdout, output.stderr);
        let (seen, told) = (
            String::from_utf8(seen).unwrap(),
            String::from_utf8(told).unwrap(),
        );

        // strace: `4711 mount(…) = 0`; ours: `[pid 1] mount(…) = 0` or without.
        let seen: Vec<String> = seen
            .lines()
            .filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
            .filter(|line| !line.starts_with("<..."))
            .map(name_and_flags)
            .collect();
        let told: Vec<String> = told
            .lines()
            .map(|line| {
                line.strip_prefix("[pid ")
                    .map_or(line, |l| l.split_once("] ").unwrap().1)
            })
            .filter(|line| traced.contains(&line.split('(').next().unwrap()))
            .map(name_and_flags)
            .collect();
        assert_eq!(told, seen, "{words:?}");
        assert!(!told.is_empty());
    }
}

#[test]
fn a_name_longer_than_64_bytes_is_refused_before_the_command_runs() {
    if no_user_namespaces() {
        return;
    }
    let longest = "a".repeat(64);
    let inside = printed(unshare_hostname().args(["-U", &longest, "hostname"]));
    assert_eq!(inside.trim(), longest);

    let error = refused(
        unshare_hostname().args(["-U", &"a".repeat(65), "hostname"]),
        1,
    );
    assert!(
        error.contains("EINVAL") && error.contains("at most 64 bytes"),
        "{error}"
    );
    assert!(error.contains("choose a shorter one"), "{error}");
}

#[test]
fn exit_statuses_are_those_of_the_shell() {
    if no_user_namespaces() {
        return;
    }
    for start in [
        &["unshare", "-r"][..],
        &["unshare", "-r", "-f"],
        &["clone", "-r"],
    ] {
        let run = |words: &[&str]| {
            let mut command = namespaces();
            command.args(start).args(words);
            command
        };
        run(&["sh", "-c", "exit 7"]).assert().code(7);
        run(&["sh", "-c", "kill -TERM $$"]).assert().failure();
        let error = refused(&mut run(&["no-such-command"]), 127);
        assert!(error.contains("ENOENT: no such command"), "{error}");
        let error = refused(&mut run(&["/etc/passwd"]), 126);
        assert!(
            error.contains("EACCES: found, but not executable"),
            "{error}"
        );
    }
    refused(
        unshare_hostname().args(["-U", "box", "no-such-command"]),
        127,
    );
    refused(unshare_hostname().args(["-U", "box", "/etc/passwd"]), 126);
    namespaces()
        .args(["clone", "-r", "sh", "-c", "kill -9 $$"])
        .assert()
        .code(128 + 9);
    unshare_hostname().assert().code(2);
    namespaces()
        .args(["unshare", "--nonsense"])
        .assert()
        .code(2);
}

#[test]
fn clone_and_unshare_make_each_type_and_only_that_one() {
    if no_user_namespaces() {
        return;
    }
    let before = machine();
    for (flag, made) in KINDS {
        for call in ["clone", "unshare"] {
            let mut command = namespaces();
            // The user namespace always comes too: it is what lets us make the others.
            command.args([call, "-r", flag]);
            if call == "unshare" {
                command.arg("--fork");
            }
            let links = KINDS.map(|(_, kind)| format!("/proc/self/ns/{kind}"));
            // Without a /proc of its own a new PID namespace does not find itself
            // there; $$ of a shell that is PID 1 tells as much.
            if made == "pid" {
                assert_eq!(printed(command.args(["sh", "-c", "echo $$"])).trim(), "1");
                continue;
            }
            let inside = printed(command.arg("readlink").args(links));
            for ((_, kind), found) in KINDS.iter().zip(inside.lines()) {
                let is_new = found != namespace(kind);
                let meant = *kind == made || *kind == "user";
                assert_eq!(is_new, meant, "{call} {flag}: {kind} is {found}");
            }
            assert_eq!(inside.lines().count(), KINDS.len(), "{inside}");
        }
    }
    assert_eq!(machine(), before);
}

#[test]
fn setns_joins_all_eight_of_a_process_and_sees_what_it_sees() {
    if no_user_namespaces() {
        return;
    }
    let fifo = std::env::temp_dir().join(format!("labs-fifo-{}", std::process::id()));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // It names itself, says so, and lives until its standard input ends.
    let mut target = std::process::Command::new(env!("CARGO_BIN_EXE_namespaces"))
        .args([
            "clone",
            "-U",
            "-r",
            "-m",
            "-p",
            "-n",
            "-i",
            "-u",
            "-C",
            "-T",
            "--mount-proc",
        ])
        .args(["sh", "-c", "hostname box; echo ready > \"$0\"; read line"])
        .arg(&fifo)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(fs::read_to_string(&fifo).unwrap(), "ready\n");
    fs::remove_file(fifo).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", target.id());
    let child = fs::read_to_string(children).unwrap().trim().to_string();

    let enter =
        |words: &[&str]| printed(namespaces().args(["setns", "-t", &child, "-a"]).args(words));
    let name = enter(&["hostname"]);
    let first = enter(&["cat", "/proc/1/comm"]);
    let ids = enter(&[
        "readlink",
        "/proc/self/ns/user",
        "/proc/self/ns/mnt",
        "/proc/self/ns/time",
    ]);
    let theirs = ["user", "mnt", "time"].map(|kind| {
        fs::read_link(format!("/proc/{child}/ns/{kind}"))
            .unwrap()
            .display()
            .to_string()
    });

    drop(target.stdin.take());
    target.wait().unwrap();
    assert_eq!(name, "box\n");
    assert_eq!(first, "sh\n");
    assert_eq!(ids.lines().collect::<Vec<_>>(), theirs);
    assert!(
        !Path::new("/proc").join(&child).exists(),
        "the target is still there"
    );
    assert_ne!(host_name(), "box");
}

#[test]
fn a_private_mount_stays_inside() {
    if no_user_namespaces() {
        return;
    }
    let before = machine();
    let folder = std::env::temp_dir();
    let script = "mount -t tmpfs labs-witness \"$0\" && grep -c labs-witness /proc/self/mountinfo";
    let inside = printed(
        namespaces()
            .args(["unshare", "-r", "-m", "sh", "-c", script])
            .arg(&folder),
    );
    assert_eq!(inside, "1\n");
    assert_eq!(machine(), before);
}

#[test]
fn a_kept_namespace_outlives_its_process_and_ends_with_the_mount() {
    if no_user_namespaces() {
        return;
    }
    let before = machine();
    // A mount namespace can be kept only in one that was made earlier. Linux 6.18
    // tells the age by a number that each CPU draws from a stock of its own, so
    // that it is right only as long as all are made on one CPU.
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    let this = nix::unistd::Pid::from_raw(0);
    let allowed = sched_getaffinity(this).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap());
    let mut one = CpuSet::new();
    one.set(first.unwrap()).unwrap();
    sched_setaffinity(this, &one).unwrap();

    // On a machine of its own: keeping needs the right to mount outside.
    let script = r#"
        set -e; mount -t tmpfs tmpfs "$1"; cd "$1"; touch uts mnt user
        mount --bind "$1" "$1"; mount --make-private "$1"; cd "$1"
        "$0" unshare -u --keep uts hostname box
        "$0" setns --uts=uts hostname
        "$0" clone -m --keep mnt true
        "$0" setns --mount=mnt true
        umount uts
        ! "$0" setns --uts=uts hostname 2>/dev/null
        hostname outside; hostname
    "#;
    let program = env!("CARGO_BIN_EXE_namespaces");
    let point = std::env::temp_dir().join(format!("labs-kept-{}", std::process::id()));
    fs::create_dir(&point).unwrap();
    let output = namespaces()
        .args(["unshare", "-r", "-m", "-u", "sh", "-c", script, program])
        .arg(&point)
        .output();
    fs::remove_dir(&point).unwrap();
    let output = output.unwrap();
    let inside = String::from_utf8_lossy(&output.stdout);
    assert_eq!(inside, "box\noutside\n", "{output:?}");
    assert_eq!(machine(), before);
}

#[test]
fn list_tells_ids_owners_and_what_is_shared() {
    let text = printed(namespaces().arg("list"));
    for (_, kind) in KINDS {
        let line = text.lines().find(|line| line.starts_with(kind)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(format!("{kind}:[{}]", words[1]), namespace(kind));
        assert_eq!(words[3], "yes");
    }
    let absent = namespaces()
        .args(["list", "4194305"])
        .assert()
        .code(1)
        .get_output()
        .clone();
    let error = String::from_utf8(absent.stderr).unwrap();
    assert!(error.contains("no such process"), "{error}");
}

#[test]
fn wrong_use_is_told_in_one_line_with_the_remedy() {
    let error = refused(namespaces().args(["setns", "-u", "true"]), 1);
    assert!(error.contains("--target PID"), "{error}");
    let error = refused(
        namespaces().args(["clone", "-u", "-n", "--keep", "/x", "true"]),
        1,
    );
    assert!(error.contains("name exactly one"), "{error}");
    let error = refused(
        namespaces().args(["setns", "-t", "4194305", "-u", "true"]),
        1,
    );
    assert!(error.contains("no such process"), "{error}");
}

#[test]
fn keeping_on_a_file_that_does_not_exist_tells_to_make_it() {
    if no_user_namespaces() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_namespaces");
    let words = [
        "unshare", "-r", "-m", program, "unshare", "-u", "--keep", "/absent", "true",
    ];
    let error = refused(namespaces().args(words), 1);
    assert!(
        error.contains("ENOENT") && error.contains("`touch` it first"),
        "{error}"
    );
}

#[test]
fn help_shows_examples() {
    for mut command in [unshare_hostname(), namespaces()] {
        let help = printed(command.arg("--help"));
        assert!(
            help.contains("Examples:") && help.contains("Exit status:"),
            "{help}"
        );
    }
}
