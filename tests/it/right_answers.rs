//! The course's own exercises take every right answer, not only the one that
//! their solution gives: they ask for kernel state, not for its words.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Course, sandbox_or_skip, skip};

/// Other ways to solve shell exercises of the course, by name.
const OTHERS: [(&str, &str); 13] = [
    (
        "own-hostname",
        r#"unshare -u --fork sh -c 'hostname tp-lab; "$@"' sh "$@""#,
    ),
    (
        "own-hostname",
        r#"unshare -u sh -c 'hostname other; hostname tp-lab && checkpoint inside'"#,
    ),
    (
        "private-mounts",
        r#"mkdir /run/private
        unshare -m --propagation unchanged sh -c '
            mount --make-rprivate /
            mount scratch /run/private -t tmpfs
            "$@"' sh "$@""#,
    ),
    (
        "receive-only",
        r#"unshare -m --propagation unchanged sh -c '
            mount --make-rslave /
            sh /run/exchange "$@"' sh "$@""#,
    ),
    ("pid-one", r#"unshare -pf --mount-proc "$@""#),
    (
        "pid-one",
        r#"unshare -m unshare -p --fork sh -c '
            mount -t proc -o nosuid,nodev,noexec proc /proc
            exec "$@"' sh "$@""#,
    ),
    (
        "message-queue",
        r#"unshare -m unshare -i sh -c '
            mount -t mqueue container /run/mqueue
            touch /run/mqueue/results
            "$@"' sh "$@""#,
    ),
    (
        "root-again",
        r#"unshare -U --map-user=1000 --map-group=1000 sh -c '
            unshare -Uru sh -c "hostname mine; exec \"\$@\"" sh "$@"' sh "$@""#,
    ),
    (
        "kept-namespace",
        r#": > /run/kept
        unshare -u sh -c 'hostname kept; mount --bind /proc/$$/ns/uts /run/kept'
        nsenter --uts=/run/kept "$@""#,
    ),
    (
        "kept-namespace",
        r#"touch /run/kept
        unshare --uts=/run/kept true
        nsenter --uts=/run/kept hostname kept
        nsenter --uts=/run/kept "$@""#,
    ),
    ("cgroup-owner", r#"unshare -Ur unshare -C "$@""#),
    (
        "loopback",
        r#"unshare -n sh -c 'ip addr; ip link set dev lo up; "$@"' sh "$@""#,
    ),
    (
        "looks-right",
        r#"unshare -uinm sh -c '
            hostname vault
            ip link set lo up
            mount -t tmpfs -o mode=700 secret /run/data/secret
            "$@"' sh "$@""#,
    ),
];

/// The work file of the exercise with this name, below `exercises`.
fn work_file(exercises: &Path, name: &str) -> std::path::PathBuf {
    let chapters = fs::read_dir(exercises).unwrap();
    let folders = chapters.filter_map(|chapter| fs::read_dir(chapter.unwrap().path()).ok());
    let mut folders = folders.flatten().map(|entry| entry.unwrap().path());
    // `pid-one` is not `6-clone-pid-one`.
    let is_it = |folder: &Path| {
        let folder = folder.file_name().unwrap().to_string_lossy();
        folder.split_once('-').is_some_and(|(_, rest)| rest == name)
    };
    let folder = folders.find(|folder| is_it(folder));
    folder.unwrap().join("work.sh")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

#[test]
fn another_way_to_the_same_kernel_state_passes() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let exercises = course.path("course/exercises");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises"),
        &exercises,
    );
    for (name, work) in OTHERS {
        fs::write(work_file(&exercises, name), format!("{work}\n")).unwrap();
        let document: Value = course.check(name);
        let exercise = &document["exercises"][0];
        if exercise["status"] == "unsupported" {
            skip(&format!("{name}: {}", exercise["reason"]));
            continue;
        }
        assert_eq!(exercise["status"], "pass", "{name}:\n{work}\n{exercise:#}");
    }
}
