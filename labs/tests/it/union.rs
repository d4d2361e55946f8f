//! `union-fs` against `mount -t overlay` (same kernel state, and layers written
//! by one read by the other), its errors, what it leaves behind, and that no
//! layer leads out of the directory it is copied to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Payload, inspect, peers, printed, program, shell};
use crate::{elsewhere, skipped};

/// A script as root of a user and mount namespace of its own, in an empty
/// tmpfs: what it does needs nothing of the machine's disks and leaves nothing.
fn machine(script: &str) -> String {
    assert!(!script.contains('\''), "{script}");
    let begin = "mount -t tmpfs tmpfs /mnt; cd /mnt";
    format!("exec unshare -U -r -m sh -euc '{begin}\n{script}'")
}

/// Whether this machine lets us do that; most labs cannot go without.
fn no_machine() -> bool {
    let output = shell(&machine(
        "mkdir l m; mount -t overlay -o lowerdir=l:l o m || true",
    ));
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        skipped(&format!("no user namespace or no overlay in it: {error}"));
    }
    !output.status.success()
}

/// Whether a tmpfs keeps the mark of an opaque directory (Linux 6.6).
fn opaque() -> bool {
    let output = shell(&machine(&format!(
        "{LAYERS}{THEIRS}\nrm -r m/cache\nmkdir m/cache"
    )));
    output.status.success()
}

/// An image of two layers, and directories for a container.
const LAYERS: &str = "
mkdir -p base/etc base/bin base/cache app/bin u w m
echo hello >base/etc/motd; echo 1234 >base/etc/key
echo old >base/bin/tool; ln base/bin/tool base/bin/same
echo a >base/cache/a; echo b >base/cache/b
echo app >app/bin/app; ln -s app app/bin/link
";
const OURS: &str =
    "union-fs mount --lower /mnt/app --lower /mnt/base --upper /mnt/u --work /mnt/w m";
const THEIRS: &str = "mount -t overlay -o lowerdir=/mnt/app:/mnt/base,upperdir=/mnt/u,\
                      workdir=/mnt/w,userxattr overlay m";

/// What a container does, by way of `m`; and how `docker diff` tells it.
fn changes(opaque: bool) -> (String, String) {
    let script = "echo changed >m/etc/motd; rm m/etc/key; chmod 700 m/bin/tool\n\
                  mkdir m/new; echo new >m/new/file\n";
    let told = "C /bin\nC /bin/tool\n";
    let etc = "C /etc\nD /etc/key\nC /etc/motd\nA /new\nA /new/file\n";
    if opaque {
        let script = format!("{script}rm -r m/cache; mkdir m/cache; echo c >m/cache/c\n");
        let cache = "C /cache\nD /cache/a\nD /cache/b\nA /cache/c\n";
        return (script, format!("{told}{cache}{etc}"));
    }
    (script.into(), format!("{told}{etc}"))
}

/// Every file of a tree with all but its times; a directory's length is that of
/// its file system's making.
fn listing(tree: &str) -> String {
    format!(
        "(cd {tree}; find . \\( -type d -printf \"%p %y %m\\n\" -o -printf \"%p %y %m %s %l\\n\" \
         \\) | sort; find . -type f -exec cksum {{}} + | sort -k3)\n"
    )
}

/// The files below a directory as `tp` sees them with the process's eyes.
fn watched(pid: u32, directory: &str) -> Value {
    let output = Command::new(program("tp"))
        .args(["inspect", &pid.to_string(), "--format", "json"])
        .args(["--watch", directory])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let mut document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["difference"]["files"].take()
}

fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let first = map.split_whitespace().eq(["0", "0", "4294967295"]);
    first && nix::unistd::geteuid().is_root()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("labs-union-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_kernel_holds_the_same_whether_union_fs_mounted_it_or_mount() {
    if no_machine() {
        return;
    }
    let opaque = opaque();
    let (script, _) = changes(opaque);
    let [ours, theirs] = [OURS, THEIRS].map(|mount| {
        let script = format!("{LAYERS}{mount}\n{script}\nexec $PAYLOAD");
        let payload = Payload::start(&machine(&script));
        let seen = ["/mnt/u", "/mnt/m"].map(|directory| watched(payload.pid, directory));
        (inspect(payload.pid), seen)
    });
    assert_eq!(ours, theirs);

    let (state, [upper, merged]) = ours;
    let mount = &state["mounts"]["/mnt/m"];
    assert_eq!(mount["type"], "overlay");
    let options = mount["super_options"].to_string();
    assert!(options.contains("lowerdir=/mnt/app:/mnt/base"), "{options}");
    assert_eq!(upper["/mnt/u/etc/key"]["type"], "whiteout");
    assert_eq!(merged["/mnt/m/etc/key"], Value::Null);
    assert_eq!(merged["/mnt/m/etc/motd"]["content"], "changed");
    assert_eq!(merged["/mnt/m/bin/link"]["content"], "app");
    let mark = &upper["/mnt/u/cache"]["opaque"];
    assert_eq!(
        mark,
        &if opaque {
            Value::Bool(true)
        } else {
            Value::Null
        }
    );
}

#[test]
fn diff_tells_what_docker_would_whoever_wrote_the_upper_directory() {
    if no_machine() {
        return;
    }
    let (script, told) = changes(opaque());
    for mount in [OURS, THEIRS] {
        let diff = "union-fs diff --upper u --lower app --lower base";
        let script =
            format!("{LAYERS}{mount}\n{script}\nunion-fs diff --mounted m\numount m\n{diff}");
        assert_eq!(
            printed(&machine(&script)),
            format!("{told}{told}"),
            "{mount}"
        );
    }
}

#[test]
fn a_commit_and_a_flat_copy_show_what_the_container_showed() {
    if no_machine() {
        return;
    }
    let (script, _) = changes(opaque());
    let stacked = "union-fs mount --lower /mnt/layer --lower /mnt/app --lower /mnt/base m";
    let as_mount = "mount -t overlay -o lowerdir=/mnt/layer:/mnt/app:/mnt/base,userxattr o m";
    let commit = "union-fs commit --upper u layer";
    // What one has written the other reads, both ways.
    for (written, layer, read) in [
        (THEIRS, commit, as_mount),
        (THEIRS, commit, stacked),
        (OURS, "cp -a u layer", stacked),
        (OURS, "cp -a u layer", as_mount),
    ] {
        let (merged, flat) = (listing("m"), listing("flat"));
        let script = format!(
            "{LAYERS}{written}\n{script}\n{merged}echo ==\numount m\n{layer}\n{read}\n{merged}\
             echo ==\nunion-fs flatten --upper u --lower app --lower base flat\n{flat}"
        );
        let output = printed(&machine(&script));
        let parts: Vec<&str> = output.split("==\n").collect();
        assert_eq!(parts.len(), 3, "{output}");
        assert!(parts[0].contains("./new/file f 644 4"), "{output}");
        assert!(!parts[0].contains("./etc/key"), "{output}");
        assert_eq!(parts[0], parts[1], "{written}; {layer}; {read}");
        assert_eq!(parts[0], parts[2], "{written}: flatten");
    }
}

#[test]
fn hard_links_stay_one_file_in_a_flat_copy() {
    if no_machine() {
        return;
    }
    let script = format!(
        "{LAYERS}union-fs flatten --lower app --lower base flat\n\
         test flat/bin/tool -ef flat/bin/same && echo one file"
    );
    assert_eq!(printed(&machine(&script)), "one file\n");
}

#[test]
fn without_root_the_command_sees_the_layers_and_the_machine_keeps_its_mounts() {
    if no_machine() {
        return;
    }
    let folder = Folder::new("inside");
    for name in ["a", "b", "m"] {
        fs::create_dir(folder.0.join(name)).unwrap();
    }
    fs::write(folder.0.join("a/name"), "a").unwrap();
    fs::write(folder.0.join("b/name"), "b").unwrap();
    fs::write(folder.0.join("b/other"), "b").unwrap();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let inside = printed(&format!(
        "cd {}; union-fs mount --user --lower a --lower b m -- sh -c 'cat m/name m/other; ! touch m/new \
         2>/dev/null'",
        folder.0.display()
    ));
    assert_eq!(inside, "ab");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    assert_eq!(fs::read_dir(folder.0.join("m")).unwrap().count(), 0);
}

/// More layers than a page of options has room for, when each is told whole.
fn many(mount: &str) -> String {
    let directory = format!("/mnt/{}", "a-long-name-".repeat(8));
    format!(
        "mkdir {directory} u w m; lower=\n\
         for layer in $(seq 100); do\n\
         mkdir {directory}/$layer; touch {directory}/$layer/from-$layer\n\
         lower=\"$lower --lower {directory}/$layer\"\n\
         done\n\
         {mount} $lower m\nls m | wc -l\n"
    )
}

#[test]
fn a_hundred_layers_with_long_names_are_mounted() {
    if no_machine() {
        return;
    }
    assert_eq!(printed(&machine(&many("union-fs mount"))), "100\n");
}

#[test]
fn a_kernel_without_lowerdir_plus_gets_them_in_one_page_by_short_names() {
    if no_machine() || !peers(&["strace"]) {
        return;
    }
    // The second fsconfig is the first layer: EINVAL is what Linux 6.5 says to it.
    let old = "strace -o /dev/null -e inject=fsconfig:error=EINVAL:when=2 union-fs mount --explain";
    let output = shell(&machine(&many(old)));
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "100\n", "{told}");
    assert!(told.contains("\"lowerdir=1:2:3:4:"), "{told}");
    let chdir = told.matches("chdir(").count();
    assert_eq!(chdir, 2, "it does not come back: {told}");
}

#[test]
fn names_with_commas_colons_and_backslashes_are_layers_like_others() {
    if no_machine() {
        return;
    }
    let script = r#"
        mkdir "a:b,c\\d" plain "u:,\\d" "w:,\\d" m
        touch "a:b,c\\d/below"
        union-fs mount --lower "a:b,c\\d" --lower plain --upper "u:,\\d" --work "w:,\\d" m
        touch m/above
        ls m; ls u*
        union-fs diff --mounted m
    "#;
    assert_eq!(printed(&machine(script)), "above\nbelow\nabove\nA /above\n");
}

#[test]
fn explain_prints_the_calls_in_their_order() {
    if no_machine() {
        return;
    }
    let mount = OURS.replace("union-fs", "union-fs --explain");
    let output = shell(&machine(&format!("{LAYERS}{mount}")));
    let told = String::from_utf8(output.stderr).unwrap();
    let mut from = 0;
    for call in [
        "fsopen(\"overlay\", FSOPEN_CLOEXEC) = ",
        "\"lowerdir+\", \"/mnt/app\", 0)",
        "\"lowerdir+\", \"/mnt/base\", 0)",
        "\"upperdir\", \"/mnt/u\", 0)",
        "\"userxattr\", NULL, 0)",
        "FSCONFIG_CMD_CREATE",
    ] {
        let at = told[from..].find(call);
        // Before Linux 6.8 the first layer may be refused; then all goes by mount(2).
        if at.is_none() && told.contains("EINVAL") {
            assert!(told.contains("mount(\"overlay\", "), "{told}");
            return;
        }
        assert!(at.is_some(), "`{call}` is not told, or too early:\n{told}");
        from += at.unwrap();
    }
    if !told.contains("EINVAL") {
        assert!(told.contains("move_mount("), "{told}");
    }
}

#[test]
fn an_error_is_one_line_that_names_the_place_and_the_remedy() {
    if no_machine() {
        return;
    }
    for (script, words) in [
        (
            "mkdir a m; union-fs mount --lower nothing --lower a m",
            &["/mnt/nothing", "ENOENT", "mkdir"][..],
        ),
        (
            "mkdir a b u w; union-fs mount --lower a --lower b --upper u --work w nowhere",
            &["nowhere", "ENOENT"],
        ),
        (
            "mkdir a u m; union-fs mount --lower a --upper u --work u m",
            &["EINVAL"],
        ),
        (
            "mkdir m; union-fs diff --mounted m",
            &["/mnt/m: no overlay is mounted there", "findmnt"],
        ),
        (
            "mkdir a; union-fs diff --lower a",
            &["no upper directory", "--upper"],
        ),
        (
            "mkdir a; union-fs which --lower a ../etc/passwd",
            &["../etc/passwd", "without `..`"],
        ),
        ("mkdir a; union-fs which --lower b x", &["b/: No such file"]),
        (
            "mkdir u there; union-fs commit --upper u there",
            &["there: File exists"],
        ),
    ] {
        let output = shell(&machine(script));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{script}: {error}");
        assert!(error.starts_with("error: "), "{script}: {error}");
        assert_eq!(error.lines().count(), 1, "{script}: {error}");
        for word in words {
            assert!(error.contains(word), "{script}: no `{word}`: {error}");
        }
    }
    let folder = Folder::new("refused");
    fs::create_dir(folder.0.join("a")).unwrap();
    if !is_root() {
        let script = format!("cd {}; union-fs mount --lower a a", folder.0.display());
        let error = String::from_utf8(shell(&script).stderr).unwrap();
        assert!(
            error.contains("fsopen") && error.contains("--user"),
            "{error}"
        );
    }
}

#[test]
fn which_goes_down_the_stack_as_the_kernel_does() {
    if no_machine() {
        return;
    }
    let which = "union-fs which --upper u --lower app --lower base";
    let script = format!(
        "{LAYERS}mkdir u/etc; mknod u/etc/key c 0 0; echo x >u/cache\n\
         {which} etc; {which} etc/motd; {which} /etc/key || echo nothing\n\
         {which} cache; {which} cache/a || echo covered; {which} bin/app"
    );
    let expected = "\
=> directory  u/etc
=> directory  base/etc
=> file       base/etc/motd
   whiteout   u/etc/key
   file       base/etc/key
nothing
=> file       u/cache
   directory  base/cache
   file       base/cache/a
covered
=> file       app/bin/app
";
    assert_eq!(printed(&machine(&script)), expected);
}

#[test]
fn no_link_in_a_layer_leads_a_copy_out_of_its_directory() {
    let folder = Folder::new("attack");
    let place = |name: &str| folder.0.join(name);
    for directory in ["victim", "evil", "base/etc"] {
        fs::create_dir_all(place(directory)).unwrap();
    }
    fs::write(place("victim/passwd"), "mine").unwrap();
    fs::write(place("base/etc/passwd"), "forged").unwrap();
    // The upper layer puts a link where the lower one has a directory with files.
    symlink(place("victim"), place("evil/etc")).unwrap();
    let go = |arguments: &[&str]| {
        let output = Command::new(program("union-fs"))
            .args(arguments)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    go(&["flatten", "--lower", "evil", "--lower", "base", "flat"]);
    go(&["commit", "--userxattr", "--upper", "evil", "layer"]);
    for copy in ["flat/etc", "layer/etc"] {
        assert_eq!(fs::read_link(place(copy)).unwrap(), place("victim"));
    }
    assert_eq!(fs::read_to_string(place("victim/passwd")).unwrap(), "mine");
    assert_eq!(fs::read_dir(place("victim")).unwrap().count(), 1);
}

#[test]
fn a_redirect_and_a_metacopy_are_followed_to_the_bytes() {
    if !is_root() {
        return elsewhere("redirect_dir and metacopy take root of the first user namespace");
    }
    let make = "
        mount -t tmpfs tmpfs /mnt; cd /mnt
        mkdir -p base/opt/old base/opt/far u w m; echo app >base/opt/old/app; echo far >base/opt/far/app
        echo big >base/big
        mount -t overlay -o lowerdir=/mnt/base,upperdir=/mnt/u,workdir=/mnt/w,redirect_dir=on,metacopy=on o m
        chmod 600 m/big
        mkdir m/other
        perl -e \"rename q(m/opt/old), q(m/opt/new) or die; rename q(m/opt/far), q(m/other/far) or die\"
    ";
    let machine = |rest: &str| format!("exec unshare -m sh -euc '{make}\n{rest}'");
    let payload = Payload::start(&machine("exec $PAYLOAD"));
    let upper = watched(payload.pid, "/mnt/u");
    drop(payload);
    assert_eq!(upper["/mnt/u/big"]["metacopy"], true);
    assert_eq!(upper["/mnt/u/big"]["content"], Value::Null);
    assert_eq!(upper["/mnt/u/opt/new"]["redirect"], "old");
    assert_eq!(upper["/mnt/u/other/far"]["redirect"], "/opt/far");

    let which = "union-fs which --upper u --lower base";
    let (merged, flat) = (listing("m"), listing("flat"));
    let output = printed(&machine(&format!(
        "{which} opt/new/app; {which} other/far/app; {which} big\n\
         union-fs diff --upper u --lower base\necho ==\n{merged}echo ==\n\
         union-fs flatten --upper u --lower base flat\n{flat}"
    )));
    let parts: Vec<&str> = output.split("==\n").collect();
    let told = "\
=> file       base/opt/old/app
=> file       base/opt/far/app
=> metacopy   u/big
=> file       base/big
C /big
C /opt
D /opt/far
A /opt/new
A /opt/new/app
D /opt/old
A /other
A /other/far
A /other/far/app
";
    assert_eq!(parts[0], told);
    assert_eq!(parts[1], parts[2]);
    assert!(parts[1].contains("./opt/new/app f 644 4"), "{output}");
}

/// Runs a script with a new btrfs on /mnt, in a mount namespace of its own, on a
/// file; `None`, said aloud, where that cannot be.
fn on_btrfs(name: &str, script: &str) -> Option<Output> {
    if !is_root() {
        elsewhere("only root of the first user namespace mounts a btrfs");
        return None;
    }
    if !peers(&["mkfs.btrfs", "btrfs", "losetup"]) {
        return None;
    }
    assert!(!script.contains('\''), "{script}");
    let folder = Folder::new(name);
    let here = folder.0.display();
    // A kernel without btrfs, or a container without loop devices: not ours to mend.
    let make =
        "truncate -s 128M disk && mkfs.btrfs -qf disk >/dev/null 2>&1 && mount -o loop disk /mnt";
    let output = shell(&format!("cd {here}; exec unshare -m sh -euc '{make}'"));
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        elsewhere(&format!("a machine with loop devices and btrfs: {why}"));
        return None;
    }
    let output = shell(&format!(
        "cd {here}; exec unshare -m sh -euc '{make}\n{script}'"
    ));
    Some(output)
}

#[test]
fn a_btrfs_snapshot_keeps_the_image_as_the_chapter_says() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/07-union/README.md"));
    let text = text.unwrap();
    let block = text
        .split("```sh\n")
        .find(|block| block.starts_with("# As root, in a mount"));
    let script = block.unwrap().split("```").next().unwrap();
    let script = script.replace('\'', "\u{2019}");
    // The disk is made again, from the chapter's own first lines.
    let rest = "cat /mnt/container/motd; ! touch /mnt/committed/new 2>/dev/null && echo read-only";
    let script = format!("umount /mnt; rm disk\n{script}\n{rest}");
    let Some(output) = on_btrfs("btrfs-chapter", &script) else {
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let output = String::from_utf8(output.stdout).unwrap();
    let list = text.split("```\n").find(|block| block.starts_with("ID "));
    let told = format!("hello\n{}changed\nread-only\n", list.unwrap());
    assert!(output.ends_with(&told), "{output}");
}

#[test]
fn snapshots_are_those_of_the_btrfs_tool_whichever_made_them() {
    // More than the 255 that the kernel tells at a time, and one within another.
    let script = r#"
        btrfs subvolume create /mnt/image >/dev/null
        mkdir -p /mnt/deep/er
        union-fs snapshot -r /mnt/image /mnt/deep/er/ours
        btrfs subvolume snapshot -r /mnt/image /mnt/theirs >/dev/null
        union-fs snapshot /mnt/deep/er/ours /mnt/image/inner
        for one in ours theirs; do
            place=$(find /mnt -name $one)
            btrfs subvolume show $place | grep -E "Parent UUID|Flags" | tr -d "[:blank:]"
        done | sort | uniq -c | sed "s/[0-9a-f]*-[-0-9a-f]*/UUID/"
        union-fs subvolumes /mnt | tail -n +2 | cut -c 6-
        for i in $(seq 300); do union-fs snapshot /mnt/image /mnt/deep/$i; done
        union-fs subvolumes /mnt | tail -n +3 | cut -d" " -f1 | sort >ours
        btrfs subvolume list /mnt | cut -d" " -f2 | sort >theirs
        cmp ours theirs; wc -l <ours
    "#;
    let Some(output) = on_btrfs("btrfs-tool", script) else {
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let told = "      2 Flags:readonly\n      2 ParentUUID:UUID\n \
                no         -            .\n \
                yes        image        deep/er/ours\n \
                no         -            image\n \
                no         deep/er/ours  image/inner\n \
                yes        image        theirs\n304\n";
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(squeezed(&output), squeezed(told), "{error}");
}

#[test]
fn without_root_the_owner_snapshots_and_nobody_else() {
    let user = |id: u32, rest: &str| {
        format!("setpriv --reuid={id} --regid={id} --clear-groups $(pwd)/union-fs {rest}")
    };
    let script = format!(
        "cp $(command -v union-fs) .; chmod 755 . union-fs
         btrfs subvolume create /mnt/image >/dev/null
         btrfs subvolume create /mnt/other >/dev/null
         mkdir -m 777 /mnt/open /mnt/plain; chown 4242 /mnt/image /mnt/plain
         {}
         {} || true
         {} || true
         {} || true
         {} || true
         {} || true
         {}",
        user(4242, "snapshot /mnt/image /mnt/open/own"),
        user(4242, "snapshot /mnt/other /mnt/open/other"),
        user(4242, "snapshot /mnt/image /mnt/own"),
        user(4242, "snapshot /mnt/image /mnt/open/own"),
        user(4242, "snapshot /mnt/plain /mnt/open/plain"),
        user(4242, "snapshot /mnt/image /tmp/image"),
        user(4243, "subvolumes /mnt | cut -c 6-"),
    );
    let Some(output) = on_btrfs("btrfs-user", &script) else {
        return;
    };
    let told = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let paths: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert_eq!(
        paths,
        ["PATH", ".", "image", "open/own", "other"],
        "{error}"
    );
    let expected = [
        ["name=\"other\"", "EPERM", "owns"],
        ["name=\"own\"", "EACCES", "denied"],
        ["name=\"own\"", "EEXIST", "another"],
        ["name=\"plain\"", "EINVAL", "256"],
        ["name=\"image\"", "ENOTTY", "btrfs"],
    ];
    assert_eq!(error.lines().count(), expected.len(), "{error}");
    for (line, words) in error.lines().zip(expected) {
        assert!(line.starts_with("error: ioctl("), "{line}");
        for word in words {
            assert!(line.contains(word), "no {word}: {line}");
        }
    }
}
