//! kill -9 at each step: whatever was there before is there after, and nothing is
//! left of what was being made.
//!
//! A build with debug assertions kills itself at the step that `MINI_DOCKER_KILL_AT`
//! counts to. So each command is run once for each of its steps, until it comes
//! through.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::support::Store;

/// More steps than any command has; one that never comes through is a mistake.
const MOST: u32 = 300;

/// Runs a command with a kill at each of its steps. `prepare` before each, `check`
/// after each; both are told which.
fn at_each_step(
    store: &Store,
    words: &[&str],
    prepare: impl Fn(&Store),
    check: impl Fn(&Store, u32),
) {
    for step in 1..MOST {
        prepare(store);
        let mut command = store.command(words);
        let output = command
            .env("MINI_DOCKER_KILL_AT", step.to_string())
            .output()
            .unwrap();
        // The monitor is a process of its own, and may be the one that was killed.
        let killed = output.status.signal() == Some(libc::SIGKILL)
            || String::from_utf8_lossy(&output.stderr).contains("killed before: ")
            || String::from_utf8_lossy(&output.stderr).contains("monitor");
        check(store, step);
        nothing_is_left(store, words, step);
        if !killed && output.status.success() {
            assert!(step > 1, "{words:?} has no steps");
            return;
        }
        assert!(killed, "{words:?} at step {step}: {output:?}");
    }
    panic!("{words:?} does not come through in {MOST} steps");
}

/// After one more command: no half-made folder, no name without a container, no
/// process, no cgroup of a container that is gone.
fn nothing_is_left(store: &Store, words: &[&str], step: u32) {
    let ids = store.printed(&["ps", "-aq", "--no-trunc"]);
    let ids: BTreeSet<&str> = ids.lines().collect();
    let at = format!("{words:?} at step {step}");
    let root = store.folder.join("store");
    for name in fs::read_dir(root.join("names")).unwrap().flatten() {
        let id = fs::read_link(name.path()).unwrap();
        assert!(
            ids.contains(id.to_str().unwrap()),
            "{at}: {name:?} is nobody's"
        );
    }
    for folder in fs::read_dir(root.join("containers")).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        // One without a lock yet is given a moment.
        if !name.starts_with(".new-") {
            assert!(ids.contains(name.as_str()), "{at}: {name} is left");
        }
    }
    let start = Instant::now();
    loop {
        let left = processes_of(&root);
        let running = store.printed(&["ps", "-q"]).lines().count();
        // Each container that runs has a monitor and a first process.
        if left <= running * 2 {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{at}: {left} processes, {running} run"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    for id in cgroups() {
        let ours = root.join("containers").join(&id).exists();
        assert!(!ours || ids.contains(id.as_str()), "{at}: cgroup of {id}");
    }
}

/// How many processes have their root or their program's arguments in a store.
fn processes_of(root: &Path) -> usize {
    let wanted = format!("MINI_DOCKER_ROOT={}", root.display());
    let own = std::process::id();
    let environ = |pid: u32| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| String::from_utf8_lossy(&environ(*pid)).contains(&wanted))
        .count()
}

/// The ids that have a cgroup on this machine.
fn cgroups() -> Vec<String> {
    let mut ids = Vec::new();
    for hierarchy in fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        for group in fs::read_dir(hierarchy.path().join("mini-docker"))
            .into_iter()
            .flatten()
            .flatten()
        {
            ids.push(group.file_name().to_string_lossy().into_owned());
        }
    }
    ids
}

fn remove_all(store: &Store) {
    for id in store.printed(&["ps", "-aq"]).lines() {
        store.printed(&["rm", "-f", id]);
    }
}

const IDLE: [&str; 3] = [
    "sh",
    "-c",
    "trap 'exit 0' TERM; while :; do sleep 0.05; done",
];

fn with_net_none<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut all = words.to_vec();
    all.insert(1, "--net");
    all.insert(2, "none");
    all
}

#[test]
fn create_killed_at_any_step_leaves_a_container_or_nothing() {
    let store = Store::new();
    store.printed(&["create", "--name", "other", "base", "true"]);
    let words = with_net_none(&["create", "--name", "web", "base", "true"]);
    at_each_step(
        &store,
        &words,
        |store| drop(store.run(&["rm", "-f", "web"])),
        |store, _| {
            // Whether or not it came to be, its name is to be had.
            store.run(&["rm", "web"]);
            store.printed(&["create", "--name", "web", "base", "true"]);
            assert!(store.printed(&["ps", "-a"]).contains("other"));
        },
    );
}

#[test]
fn run_killed_at_any_step_leaves_nothing_running_alone() {
    let store = Store::new();
    store.printed(&["create", "--name", "other", "base", "true"]);
    let words = with_net_none(&["run", "-d", "--name", "web", "base"]);
    at_each_step(
        &store,
        &[&words[..], &IDLE].concat(),
        |store| drop(store.run(&["rm", "-f", "web"])),
        |store, step| {
            store.run(&["rm", "-f", "web"]);
            let words = with_net_none(&["run", "--rm", "--name", "web", "base", "echo", "well"]);
            assert_eq!(store.printed(&words), "well", "step {step}");
        },
    );
}

#[test]
fn start_killed_at_any_step_leaves_a_container_that_starts() {
    let store = Store::new();
    let words = with_net_none(&["create", "--name", "web", "base"]);
    store.printed(&[&words[..], &IDLE].concat());
    at_each_step(
        &store,
        &["start", "web"],
        |store| drop(store.printed(&["stop", "-t", "0", "web"])),
        |store, _| {
            store.printed(&["start", "web"]);
            assert_eq!(store.field("web", "/State/Status"), "running");
        },
    );
}

#[test]
fn stop_and_restart_killed_at_any_step_are_done_by_the_next_one() {
    let store = Store::new();
    let words = with_net_none(&["run", "-d", "--name", "web", "base"]);
    store.printed(&[&words[..], &IDLE].concat());
    at_each_step(
        &store,
        &["restart", "-t", "0", "web"],
        |store| drop(store.printed(&["start", "web"])),
        |store, _| {
            store.printed(&["stop", "-t", "0", "web"]);
            assert_eq!(store.field("web", "/State/Status"), "exited");
        },
    );
}

#[test]
fn rename_killed_at_any_step_leaves_one_of_the_two_names() {
    let store = Store::new();
    let id = store.printed(&["create", "--name", "old", "base", "true"]);
    at_each_step(
        &store,
        &["rename", "old", "new"],
        |store| {
            if !store.run(&["inspect", "old"]).status.success() {
                store.printed(&["rename", "new", "old"]);
            }
        },
        |store, _| {
            let name = store.field(&id, "/Name");
            let (own, free) = match name.as_str() {
                Some("/old") => ("old", "new"),
                Some("/new") => ("new", "old"),
                other => panic!("{other:?}"),
            };
            assert_eq!(store.field(own, "/Id"), id.as_str());
            // The other one can be had, by anybody.
            store.printed(&["create", "--name", free, "base", "true"]);
            store.printed(&["rm", free]);
        },
    );
}

#[test]
fn rm_killed_at_any_step_leaves_the_container_or_nothing() {
    let store = Store::new();
    at_each_step(
        &store,
        &["rm", "web"],
        |store| {
            store.run(&["rm", "web"]);
            store.printed(&["create", "--name", "web", "base", "true"]);
        },
        |store, _| {
            store.run(&["rm", "web"]);
            assert_eq!(store.printed(&["ps", "-aq"]), "");
        },
    );
}

#[test]
fn images_survive_what_is_killed_while_it_makes_them() {
    let store = Store::new();
    let words = with_net_none(&[
        "run",
        "--name",
        "web",
        "base",
        "sh",
        "-c",
        "echo mine > /mine",
    ]);
    store.printed(&words);
    let archive = store.folder.join("store/export.tar");
    let saved = store.folder.join("store/save.tar");
    let (archive, saved) = (archive.to_str().unwrap(), saved.to_str().unwrap());
    store.printed(&["export", "-o", archive, "web"]);
    store.printed(&["save", "-o", saved, "base"]);
    for words in [
        &["commit", "web", "made"][..],
        &["import", archive, "made"],
        &["load", "-i", saved],
    ] {
        at_each_step(
            &store,
            words,
            |store| drop(store.run(&["rmi", "made"])),
            |store, _| {
                store.printed(&["images"]);
                store.printed(words);
                let image = if words[0] == "load" { "base" } else { "made" };
                let run = with_net_none(&["run", "--rm", image, "cat", "/etc/passwd"]);
                assert!(store.printed(&run).contains("root"));
            },
        );
    }
}

#[test]
fn a_damaged_record_is_one_line_and_nothing_else_is_lost() {
    for file in ["container.json", "state.json"] {
        let store = Store::new();
        let id = store.printed(&with_net_none(&[
            "run", "-d", "--name", "web", "base", "true",
        ]));
        store.printed(&["wait", "web"]);
        store.printed(&["create", "--name", "other", "base", "true"]);
        let path = store.folder.join("store/containers").join(&id).join(file);
        for text in ["", "{", "[]", "\0\0\0\0"] {
            fs::write(&path, text).unwrap();
            let error = store.fails(&["start", "web"], 1);
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(error.contains(file) && error.contains("damaged"), "{error}");
            assert!(store.printed(&["ps", "-a"]).contains("other"));
            assert_eq!(store.run(&["start", "other"]).status.code(), Some(0));
        }
        store.run(&["rm", "-f", "web"]);
        assert!(!store.printed(&["ps", "-aq", "--no-trunc"]).contains(&id));
        store.printed(&["create", "--name", "web", "base", "true"]);
        remove_all(&store);
    }
}

#[test]
fn a_full_disk_is_one_line_and_loses_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return super::support::elsewhere("a small file system takes root");
    }
    let store = Store::new();
    // In a mount namespace of the shell's: the test's own machine sees nothing of it.
    let script = r#"
        mount -t tmpfs -o size=24m tmpfs "$1" && shift
        "$@" create --name one base true >/dev/null || exit 10
        dd if=/dev/zero of="$MINI_DOCKER_ROOT/fill" bs=4k 2>/dev/null
        "$@" create --name two base true && exit 11
        "$@" start one && exit 12
        rm "$MINI_DOCKER_ROOT/fill"
        "$@" create --name two base true >/dev/null || exit 13
        "$@" start one two >/dev/null || exit 14
        [ "$("$@" ps -aq | wc -l)" = 2 ] || exit 15
        # A monitor of theirs may still have a file open to write.
        for try in $(seq 100); do
            mount -o remount,ro "$MINI_DOCKER_ROOT/.." 2>/dev/null && break
            [ "$try" != 100 ] || exit 16
            sleep 0.1
        done
        "$@" ps -aq > /dev/null && exit 0
        exit 17
    "#;
    let inner = store.command(&[]);
    let binary = inner.get_program().to_str().unwrap();
    let folder = store.folder.to_str().unwrap();
    let output = std::process::Command::new("unshare")
        .args(["-n", "-m", "sh", "-c", script, "sh", folder, binary])
        .env("MINI_DOCKER_ROOT", store.folder.join("store"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let lines: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("mini-docker: "))
        .collect();
    assert!(
        lines.iter().all(|line| line.contains("No space left")),
        "{errors}"
    );
}
