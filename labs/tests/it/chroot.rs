//! Chapter 06: `mini-chroot` as a person runs it, as root or not; the attacks that
//! chroot does not hold and pivot_root does; and against chroot(1), unshare(1),
//! pivot_root(8) and bwrap(1), by the kernel state that `tp` observes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;

use crate::support::{
    Payload, difference, inspect, inspect_against, peers, printed, program, shell, tool,
};
use crate::{elsewhere, skipped};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// How to get the capabilities: root has them, anybody else has -U.
fn who() -> &'static str {
    if is_root() { "" } else { "-U" }
}

/// A root built by `mini-chroot build`, gone with the test.
struct Box_(PathBuf);

impl Box_ {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("labs-box-{name}-{}", std::process::id()));
        let path = fs::canonicalize(path.parent().unwrap())
            .unwrap()
            .join(path.file_name().unwrap());
        let mini = program("mini-chroot");
        printed(&format!(
            "mini-chroot build {} sh ls cat head sleep {}",
            path.display(),
            mini.display()
        ));
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// `mini-chroot enter OPTIONS BOX -- COMMAND`, to success.
    fn enter(&self, options: &str, command: &str) -> String {
        printed(&self.line(options, command))
    }

    fn line(&self, options: &str, command: &str) -> String {
        let (who, path) = (who(), self.path());
        format!("exec mini-chroot enter {who} {options} {path} -- {command}")
    }
}

impl Drop for Box_ {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether this machine lets us do any of it; else the test says so.
fn can_enter() -> bool {
    let output = shell(&format!("exec mini-chroot enter {} / -- true", who()));
    let refused = String::from_utf8_lossy(&output.stderr);
    // `/` itself cannot be pivoted to; that is as far as a test needs to get.
    let can = refused.contains("pivot_root") || output.status.success();
    if !can {
        skipped(&format!("no mount namespace here: {refused}"));
    }
    can
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn listing(path: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    assert!(text.starts_with("error: "), "{text}");
    text
}

/// What entering a root could leave behind on the machine.
fn machine() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn the_files_that_a_program_needs_are_those_that_the_loader_tells_of() {
    if !peers(&["ldd"]) {
        return;
    }
    for name in ["ls", "sh", "mount"] {
        let Some(path) = tool(name) else { continue };
        let ours = labs::root::needed_files(&path).unwrap();
        let names = |paths: &mut dyn Iterator<Item = PathBuf>| {
            let mut names: Vec<_> = paths
                .map(|one| one.file_name().unwrap().to_owned())
                .collect();
            names.sort();
            names.dedup();
            names
        };
        let told = printed(&format!("ldd {} | grep -o '/[^ ]*'", path.display()));
        let theirs = names(&mut told.lines().map(PathBuf::from));
        assert!(!theirs.is_empty());
        assert_eq!(names(&mut ours.into_iter()), theirs, "{name}");
    }
}

#[test]
fn a_static_program_needs_nothing_and_a_script_its_interpreter() {
    let root = std::env::temp_dir().join(format!("labs-script-{}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    let script = root.join("hello");
    fs::write(&script, "#!/bin/sh -e\necho hello\n").unwrap();
    let needed = labs::root::needed_files(&script).unwrap();
    assert!(needed.contains(Path::new("/bin/sh")), "{needed:?}");
    assert!(
        needed.len() > 1,
        "the interpreter's own libraries: {needed:?}"
    );

    fs::write(&script, "neither\n").unwrap();
    let refused = labs::root::needed_files(&script).unwrap_err().to_string();
    assert!(
        refused.contains("neither an ELF program nor a script"),
        "{refused}"
    );
    let dir = root.join("never");
    let output = shell(&format!(
        "mini-chroot build {} sh no-such-command",
        dir.display()
    ));
    assert!(error(&output).contains("no-such-command: no such command"));
    assert!(!dir.exists(), "half a root was made");
    fs::remove_dir_all(root).unwrap();

    if peers(&["busybox"]) {
        let busybox = tool("busybox").unwrap();
        assert_eq!(labs::root::needed_files(&busybox).unwrap(), [].into());
    }
}

#[test]
fn both_ways_in_show_the_box_and_leave_the_machine_as_it_was() {
    if !can_enter() {
        return;
    }
    let before = machine();
    let made = Box_::new("in");
    for way in [
        "--chroot",
        "--pivot-root",
        "",
        "--dev",
        "--proc",
        "--dev --chroot",
    ] {
        let inside = made.enter(way, "ls /");
        assert_eq!(lines(&inside), listing(&made.path()), "{way}");
        // The working directory came along.
        assert_eq!(made.enter(way, "sh -c pwd"), "/\n", "{way}");
    }
    assert_eq!(machine(), before);
    assert_eq!(listing(&format!("{}/dev", made.path())), [] as [String; 0]);
}

#[test]
fn attack_the_escape_from_chroot_is_real_and_pivot_root_stops_it() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("escape");
    let top = listing("/");
    let host = fs::read_link("/proc/self/ns/mnt").unwrap();
    for furnished in ["", "--dev", "--proc"] {
        let out = made.enter(
            &format!("--chroot {furnished}"),
            "mini-chroot escape -- ls /",
        );
        assert_eq!(lines(&out), top, "a chroot has held: {furnished}");
        let held = made.enter(furnished, "mini-chroot escape -- ls /");
        assert_eq!(lines(&held), listing(&made.path()), "{furnished}");
    }
    // Once more, as the kernel sees it: every call of the attack succeeds.
    let out = difference(&made.line("--chroot", "mini-chroot escape -- $PAYLOAD"));
    assert_eq!(out["root"], json!(null), "{out}");
    let held = Payload::start(&made.line("", "mini-chroot escape -- $PAYLOAD"));
    let theirs = fs::read_link(format!("/proc/{}/ns/mnt", held.pid)).unwrap();
    assert_ne!(theirs, host);
    let table = fs::read_to_string(format!("/proc/{}/mountinfo", held.pid)).unwrap();
    assert_eq!(table.lines().count(), 1, "something is above: {table}");
}

#[test]
fn attack_an_open_directory_does_not_come_along() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("leak");
    for way in ["--chroot --proc", "--proc"] {
        let line = made.line(way, "ls /proc/self/fd");
        let open = printed(&format!("exec 9</; {line}"));
        // ls has the standard three, and the directory that it lists.
        assert_eq!(lines(&open), ["0", "1", "2", "3"], "{way}");
    }
}

#[test]
fn attack_a_link_in_the_root_does_not_lead_a_mount_out_of_it() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("links");
    let witness = Box_::new("witness");
    let trap = made.0.join("trap");
    std::os::unix::fs::symlink(&witness.0, &trap).unwrap();
    std::os::unix::fs::symlink("../../../../../..", made.0.join("up")).unwrap();
    fs::remove_dir(made.0.join("dev")).unwrap();
    std::os::unix::fs::symlink(witness.0.join("dev"), made.0.join("dev")).unwrap();

    let before = listing(&witness.path());
    // `..` stops at the box, so this makes directories in it.
    let target = format!("/up{}/made", witness.path());
    let show = made.enter(&format!("--bind /usr:{target}"), &format!("ls {target}/"));
    assert!(lines(&show).contains(&"bin"), "{show}");
    // An absolute one begins at the box, where it leads to nothing.
    fs::remove_file(&trap).unwrap();
    let other = std::env::temp_dir().join(format!("labs-trap-{}", std::process::id()));
    std::os::unix::fs::symlink(&other, &trap).unwrap();
    let refused = error(&shell(&made.line("--bind /usr:/trap/made", "true")));
    assert!(
        refused.contains("EEXIST: a link that leads nowhere"),
        "{refused}"
    );
    assert!(!other.exists(), "made outside");
    // A /dev that is a link is one in the box, or is refused; never the host's.
    let _ = shell(&made.line("--dev", "true"));
    assert_eq!(
        listing(&format!("{}/dev", witness.path())),
        [] as [String; 0]
    );
    assert_eq!(listing(&witness.path()), before);
}

#[test]
fn masked_paths_are_empty_and_read_only_ones_cannot_be_written() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("mask");
    let all = "--bind /sys:/sys:ro --dev --proc --mask oci --read-only oci";
    let table = made.enter(all, "cat /proc/self/mountinfo");
    let point = |path: &str| {
        let found = table
            .lines()
            .find(|line| line.split(' ').nth(4) == Some(path));
        found.map(str::to_owned)
    };
    let mut seen = 0;
    for path in labs::root::MASKED_PATHS {
        if !Path::new(path).exists() {
            assert_eq!(point(path), None, "{path}");
            continue;
        }
        seen += 1;
        let read = made.enter(
            all,
            &format!("sh -c 'if [ -d {path} ]; then ls -A {path}; else cat {path}; fi'"),
        );
        assert_eq!(read, "", "{path}");
        let mount = point(path).unwrap();
        let kind = mount.split(" - ").nth(1).unwrap();
        if Path::new(path).is_dir() {
            let flags = mount.split(' ').nth(5).unwrap();
            assert!(
                kind.starts_with("tmpfs") && flags.starts_with("ro"),
                "{mount}"
            );
        }
    }
    assert!(seen >= 2, "this kernel has nothing to mask");
    for path in labs::root::READ_ONLY_PATHS {
        if Path::new(path).exists() {
            let flags = point(path).unwrap();
            assert!(
                flags.split(' ').nth(5).unwrap().starts_with("ro,"),
                "{flags}"
            );
        }
    }
    let write = made.line(all, "sh -c 'echo box >/proc/sys/kernel/hostname'");
    let refused = String::from_utf8(shell(&write).stderr).unwrap();
    assert!(refused.contains("Read-only file system"), "{refused}");
}

#[test]
fn a_private_dev_has_nodes_that_work_and_terminals_of_its_own() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("dev");
    let names = made.enter("--dev", "ls /dev");
    let expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(lines(&names).join(" "), expected);
    let script = "echo gone >/dev/null; head -c2 /dev/zero | head -c1 >/dev/shm/one; \
                  head -c3 /dev/urandom >/dev/shm/three; ls -A /dev/shm; ls /dev/pts; \
                  echo x >/dev/full || echo full";
    let told = made.enter("--dev", &format!("sh -c '{script}' 2>/dev/null"));
    assert_eq!(lines(&told), ["one", "three", "ptmx", "full"]);
    // With a strict umask all the same.
    let modes = printed(&format!(
        "umask 077; {}",
        made.line("--dev", "ls -l /dev/null")
    ));
    assert!(modes.starts_with("crw-rw-rw-"), "{modes}");
}

#[test]
fn a_proc_of_its_own_shows_its_own_processes_and_less_when_asked() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("proc");
    let all = made.enter("--proc", "ls /proc");
    let numbers: Vec<&str> = all
        .lines()
        .filter(|name| name.parse::<u32>().is_ok())
        .collect();
    assert_eq!(numbers, ["1"]);
    assert!(lines(&all).contains(&"meminfo"));
    let less = made.enter("--proc=hidepid=invisible,subset=pid", "ls /proc");
    assert_eq!(lines(&less), ["1", "self", "thread-self"]);
    let payload = Payload::start(&made.line("--proc=hidepid=invisible,subset=pid", "$PAYLOAD"));
    let seen = inspect(payload.pid);
    let options = &seen["mounts"]["/proc"]["super_options"];
    assert_eq!(
        options,
        &json!(["hidepid=invisible", "subset=pid"]),
        "{seen}"
    );
}

#[test]
fn a_read_only_bind_is_so_with_all_that_is_mounted_below() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("bind");
    let data = Box_::new("data");
    // In a machine of its own, where two file systems lie one on the other.
    let script = format!(
        "mount -t tmpfs data {data}; mkdir {data}/deep; mount -t tmpfs deep {data}/deep
        echo here >{data}/deep/file
        exec mini-chroot enter --bind {data}:/a:ro --bind {data}:/b {box_} -- sh -c '
            cat /a/deep/file; (echo >/a/new) || echo a; (echo >/a/deep/new) || echo deep
            echo written >/b/deep/file; cat /a/deep/file' 2>/dev/null",
        data = data.path(),
        box_ = made.path()
    );
    let told = printed(&format!("exec unshare -U -r -m sh -euc \"{script}\""));
    assert_eq!(lines(&told), ["here", "a", "deep", "written"]);
    // One file, on a file that is made for it.
    let passwd = made.enter(
        "--bind /etc/passwd:/etc/host/passwd:ro",
        "cat /etc/host/passwd",
    );
    assert_eq!(passwd, fs::read_to_string("/etc/passwd").unwrap());
}

#[test]
fn an_idmapped_bind_shows_other_ids_and_changes_none_on_the_disk() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("idmap");
    let words = format!("--bind {}/etc:/files --idmap 0:1000:10", made.path());
    if !is_root() {
        // The map is for who owns the file system; -U cannot be that.
        let output = shell(&made.line(&words, "true"));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(error(&output).contains("--idmap"));
        return elsewhere("an idmapped mount of a disk takes root");
    }
    let line = made.line(&words, "ls -ln /files/passwd");
    let output = shell(&line);
    let refused = String::from_utf8_lossy(&output.stderr);
    if refused.contains("mount_setattr") && refused.contains("EINVAL") {
        // A tmpfs before Linux 6.3; the runs on a disk, and on newer kernels, see it.
        return elsewhere(&format!("this file system has no id maps: {refused}"));
    }
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(" 1000 1000 "), "{shown}{refused}");
    let on_disk = fs::metadata(made.0.join("etc/passwd")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&on_disk), 0);
    let payload = Payload::start(&made.line(&words, "$PAYLOAD"));
    let seen = inspect(payload.pid);
    let options = seen["mounts"]["/files"]["options"]
        .as_array()
        .unwrap()
        .clone();
    assert!(options.contains(&json!("idmapped")), "{seen}");
}

#[test]
fn a_chroot_is_the_state_that_chroot_and_unshare_make() {
    if !can_enter() || !peers(&["chroot", "unshare"]) {
        return;
    }
    let made = Box_::new("peer");
    let path = made.path();
    let ours = difference(&made.line("--chroot", "$PAYLOAD"));
    let as_root = if is_root() { "" } else { "-U -r" };
    let theirs = if is_root() {
        difference(&format!("exec chroot {path} $PAYLOAD"))
    } else {
        difference(&format!("exec unshare -U -r chroot {path} $PAYLOAD"))
    };
    assert_eq!(ours["root"], json!(path), "{ours}");
    assert_eq!(ours["mounts"], json!(null), "every mount is still there");
    assert_eq!(ours, theirs);
    let theirs = difference(&format!("exec unshare {as_root} --root {path} $PAYLOAD"));
    assert_eq!(ours, theirs);
}

/// By pivot_root(8), and a static umount from the root that it takes away.
fn by_pivot_root(made: &Box_) -> String {
    let as_root = if is_root() { "" } else { "-U -r" };
    format!(
        "export busybox=$(command -v busybox)
        exec unshare {as_root} -m sh -euc 'mount --rbind {path} {path}; cd {path}
        mkdir -p old; pivot_root . old; /old/$busybox umount -l /old; cd /; exec $PAYLOAD'",
        path = made.path()
    )
}

#[test]
fn a_pivoted_root_is_the_state_that_pivot_root_makes() {
    if !can_enter() || !peers(&["pivot_root", "unshare", "busybox"]) {
        return;
    }
    let made = Box_::new("pivot");
    let ours = difference(&made.line("", "$PAYLOAD"));
    let theirs = difference(&by_pivot_root(&made));
    assert_eq!(ours["namespaces"]["mnt"], json!("new"));
    assert_eq!(ours["root"], json!(null));
    // Told as its filesystem has it, and /tmp may be one of its own.
    let (path, root) = (made.path(), ours["mounts"]["/"]["root"].as_str().unwrap());
    assert!(path.ends_with(root), "{root}");
    assert_eq!(Path::new(root).file_name(), made.0.file_name());
    assert_eq!(ours, theirs);
}

#[test]
fn a_furnished_root_has_the_mounts_that_bubblewrap_makes() {
    if !can_enter() || !peers(&["bwrap"]) {
        return;
    }
    let made = Box_::new("bwrap");
    let path = made.path();
    let ours = difference(
        &made
            .line("-U --bind /usr:/usr:ro --dev --proc", "$PAYLOAD")
            .replace("-U -U", "-U"),
    );
    let theirs = difference(&format!(
        "exec bwrap --unshare-user --unshare-pid --uid 0 --gid 0 --bind {path} / \
         --ro-bind /usr /usr --dev /dev --proc /proc -- $PAYLOAD"
    ));
    assert_eq!(ours["root"], theirs["root"]);
    for namespace in ["user", "mnt", "pid"] {
        assert_eq!(
            ours["namespaces"][namespace],
            theirs["namespaces"][namespace]
        );
    }
    // It sets nosuid and nodev on every bind, so flags are compared where both set
    // them, and what is mounted where everywhere.
    let mut points = vec!["/", "/usr", "/dev", "/dev/pts", "/proc"];
    points.extend([
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
    ]);
    for point in points {
        let (ours, theirs) = (&ours["mounts"][point], &theirs["mounts"][point]);
        assert!(ours.is_object(), "{point}");
        for fact in ["type", "root"] {
            assert_eq!(ours[fact], theirs[fact], "{point}: {ours} {theirs}");
        }
    }
    let read_only = |seen: &serde_json::Value| {
        let options = seen["mounts"]["/usr"]["options"]
            .as_array()
            .unwrap()
            .clone();
        options.contains(&json!("ro"))
    };
    assert!(read_only(&ours) && read_only(&theirs));
}

/// Built by one and entered by the other; made by one and joined by the other.
#[test]
fn what_one_makes_the_other_enters() {
    if !can_enter() || !peers(&["chroot", "unshare", "busybox", "nsenter", "pivot_root"]) {
        return;
    }
    let ours = Box_::new("mixed");
    let as_root = if is_root() { "" } else { "unshare -U -r" };
    let told = printed(&format!("exec {as_root} chroot {} ls /", ours.path()));
    assert_eq!(lines(&told), listing(&ours.path()));

    let theirs = Box_(ours.0.with_extension("busybox"));
    printed(&format!(
        "mkdir -p {0}/bin; cp $(command -v busybox) {0}/bin/; ln -s busybox {0}/bin/ls; ln -s busybox {0}/bin/pwd",
        theirs.path()
    ));
    assert_eq!(theirs.enter("", "ls /"), "bin\n");
    assert_eq!(theirs.enter("--chroot", "pwd"), "/\n");

    let user = if is_root() { "" } else { "-U" };
    let scripts = [ours.line("", "$PAYLOAD"), by_pivot_root(&ours)];
    for script in scripts {
        let made = Payload::start(&script);
        let pid = made.pid;
        // The box has no nsenter; the program is found before the root changes.
        for joiner in [
            format!("exec nsenter -t {pid} {user} -m --preserve-credentials $PAYLOAD"),
            format!("exec namespaces setns -t {pid} {user} -m -- $PAYLOAD"),
        ] {
            let joined = Payload::start(&joiner);
            let difference = inspect_against(joined.pid, pid);
            for same in ["namespaces", "root", "mounts"] {
                assert_eq!(difference[same], json!(null), "{script}; {joiner}");
            }
        }
    }
}

#[test]
fn explain_tells_the_calls_that_strace_sees_in_their_order() {
    if !can_enter() || !peers(&["strace"]) {
        return;
    }
    let made = Box_::new("explain");
    let traced = [
        "unshare",
        "chroot",
        "pivot_root",
        "umount2",
        "mount",
        "open_tree",
        "mount_setattr",
        "move_mount",
        "chdir",
        "close_range",
        "mknodat",
    ];
    for options in [
        "--chroot",
        "",
        "--dev --proc --mask oci --read-only oci --bind /usr:/usr:ro",
    ] {
        let line = made.line(&format!("--explain {options}"), "sh -c :");
        let told = format!(
            "strace -f -qq -e signal=none -e trace={} -o $log {}",
            traced.join(","),
            line.trim_start_matches("exec ")
        );
        let told = printed(&format!(
            "log=$(mktemp); {told} 2>&1; echo ---; cat $log; rm $log"
        ));
        let (told, seen) = told.split_once("---\n").unwrap();
        let name = |line: &str| {
            line.split('(')
                .next()
                .unwrap()
                .rsplit(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        let names = |text: &str| {
            let names: Vec<String> = text
                .lines()
                .filter(|line| line.contains('(') && !line.contains("resumed>"))
                .map(name)
                .filter(|name| traced.contains(&name.as_str()))
                .collect();
            names
        };
        assert!(!names(told).is_empty());
        assert_eq!(names(told), names(seen), "{options}");
    }
}

#[test]
fn mistakes_are_told_in_one_line_with_the_remedy() {
    if !can_enter() {
        return;
    }
    let made = Box_::new("errors");
    let one_line = |output: &Output| {
        let text = error(output);
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    let who = who();
    let absent = "exec mini-chroot enter";
    for way in ["", "--chroot"] {
        let text = one_line(&shell(&format!("{absent} {who} {way} /absent -- sh")));
        assert!(text.contains("ENOENT: no such directory"), "{text}");
        let output = shell(&made.line(way, "no-such-command"));
        assert_eq!(output.status.code(), Some(127));
        let output = shell(&made.line(way, "/etc/passwd"));
        assert_eq!(output.status.code(), Some(126));
        assert_eq!(
            shell(&made.line(way, "sh -c 'exit 7'")).status.code(),
            Some(7)
        );
    }
    let text = one_line(&shell(&made.line("--bind /absent:/x", "sh")));
    assert!(
        text.contains("open_tree") && text.contains("check the path"),
        "{text}"
    );
    for wrong in [
        "--bind x",
        "--bind /usr:usr",
        "--bind /usr:/usr:rw:x",
        "--idmap 0:0",
        "--bind /a:/b --idmap x",
    ] {
        let output = shell(&made.line(wrong, "sh"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    if is_root() {
        return elsewhere("root needs no --user");
    }
    for way in ["", "--chroot"] {
        let text = one_line(&shell(&format!("{absent} {way} {} -- sh", made.path())));
        assert!(
            text.contains("EPERM") && text.contains("--user (-U)"),
            "{text}"
        );
    }
}

#[test]
fn help_shows_examples() {
    let help = printed("mini-chroot --help");
    assert!(
        help.contains("Examples:") && help.contains("Exit status:"),
        "{help}"
    );
}
