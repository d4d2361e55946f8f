//! Exercises that attack the machine, the runner or the verdict.
//!
//! Each gets its verdict, the runner goes on, and the machine is object for
//! object what it was: processes, mounts, namespaces, cgroups, interfaces, and
//! every file of the home and of a folder beside it.
//!
//! A program of its own, so that no other test runs meanwhile and is counted.

// Helpers of tests are tests, too, but clippy's exception is for `#[test]` only.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Course, exists, ids, sandbox_or_skip};
use tp::observe::host::{Census, census};

/// One attack at a time: the census is of the whole machine.
static TURN: Mutex<()> = Mutex::new(());

const EXPECTED: &str =
    "inside: {process: {namespaces: {uts: new}, hostname: mine}}\nafter: {exit: {status: 0}}\n";
const HONEST: &str = "exec unshare -u sh -c 'hostname mine; exec checkpoint inside'\n";

/// Runs `attack` as an exercise with short limits, then an honest one, and
/// holds the machine afterwards against what it was. Returns the verdict.
fn attack(work: &str) -> Option<Value> {
    if !sandbox_or_skip() {
        return None;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    let limits = "limits: {seconds: 3, memory: 128M, processes: 32}\n";
    course.shell("1.1", "attack", limits, EXPECTED, work);
    course.shell("1.2", "honest", "", EXPECTED, HONEST);
    // What the runner itself keeps is there before the count.
    course.run(&["check", "1.2"]);

    let before = count(&course);
    let verdict = course.check("1.1");
    settled(&course, &before);

    assert_eq!(verdict["exercises"][0]["status"], "fail", "{verdict:#}");
    let honest = course.check("1.2");
    assert_eq!(
        honest["exercises"][0]["status"], "pass",
        "the runner goes on: {honest:#}"
    );
    Some(verdict)
}

fn count(course: &Course) -> Census {
    census(&[&course.path("home"), &course.path("course/exercises")])
}

/// Processes of others come and go; what an attack left behind stays.
fn settled(course: &Course, before: &Census) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let changes = before.difference(&count(course));
        if changes.is_empty() {
            return;
        }
        if Instant::now() > patience {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            panic!("left behind:\n{}", changes.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn failed(verdict: &Value) -> Vec<String> {
    ids(verdict, "fail")
}

#[test]
fn an_endless_loop_ends_at_the_time_limit() {
    let Some(verdict) = attack("while :; do :; done\n") else {
        return;
    };
    assert_eq!(failed(&verdict), ["time_limit"]);
}

#[test]
fn a_fork_bomb_stays_inside() {
    let Some(verdict) = attack("bomb() { bomb | bomb & }; bomb; while :; do bomb; done\n") else {
        return;
    };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn one_that_eats_all_memory_ends_at_the_memory_limit() {
    let Some(verdict) = attack("tail /dev/zero; while :; do sleep 1; done\n") else {
        return;
    };
    assert_eq!(failed(&verdict), ["memory_limit"]);
}

#[test]
fn one_that_fills_every_disk_it_finds_fills_only_its_own() {
    let work = "for d in /root /tmp /var /dev/shm /usr /home; do cat /dev/zero > $d/fill; done\n\
                mount -t tmpfs -o size=100G big /mnt\n\
                i=0; while [ $i -lt 100 ]; do dd if=/dev/zero of=/mnt/$i bs=1M count=60; i=$((i+1)); done\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn one_that_ignores_every_signal_still_ends() {
    let work = "trap '' TERM INT HUP QUIT USR1 USR2; while :; do sleep 1; done\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["time_limit"]);
}

#[test]
fn one_that_kills_everything_it_sees_kills_only_itself() {
    let Some(verdict) = attack("kill -9 1; kill -9 -1; kill -STOP 1 $PPID; exit 0\n") else {
        return;
    };
    assert!(
        failed(&verdict).contains(&"inside".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn a_daemon_that_forked_twice_does_not_outlive_the_sandbox() {
    let work = "setsid sh -c 'setsid sleep 1000 & exit' & \
                (unshare -Urpf --mount-proc sleep 1000 &) ; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        failed(&verdict).contains(&"inside".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn one_that_closes_every_descriptor_is_still_seen() {
    let work = "exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-\n\
                unshare -u checkpoint inside\nexit 0\n";
    let Some(verdict) = attack(work) else { return };
    // It reached the checkpoint in a namespace of its own, and forgot the name.
    assert_eq!(failed(&verdict), ["inside.process.hostname"]);
}

#[test]
fn removing_everything_removes_nothing_of_the_machine() {
    let work = "mount -o remount,bind,rw /usr; mount -o remount,rw /usr; umount -l /usr\n\
                rm -rf --no-preserve-root / 2>/dev/null; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn mounting_over_everything_hides_nothing_from_the_runner() {
    let work = "for d in /proc /sys /dev /root /opt /run /etc /tmp /usr; do mount -t tmpfs over $d; done\n\
                exit 0\n";
    let Some(verdict) = attack(work) else { return };
    let failed = failed(&verdict);
    assert!(failed.contains(&"inside".to_owned()), "{verdict:#}");
    assert!(
        failed.contains(&"after.nothing_else".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn another_checkpoint_in_place_of_the_real_one_convinces_nobody() {
    let work = "printf '#!/bin/sh\\necho inside: pass\\n' > /opt/tp/bin/checkpoint\n\
                unshare -u sh -c 'hostname mine; checkpoint inside'\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
}

#[test]
fn a_verdict_that_the_program_prints_is_only_output() {
    let work = "echo '{\"format\":\"tp-result/v1\",\"exercises\":[{\"status\":\"pass\"}]}'\n\
                printf '\\033[2J\\033]0;pass\\007 1.1 PASS\\n'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(output.contains("1.1 PASS"));
    assert!(
        !output.contains('\u{1b}') && !output.contains('\u{7}'),
        "{output:?}"
    );
}

#[test]
fn the_runners_terminal_cannot_be_reached() {
    let work = "{ echo broken > /dev/tty; } 2>&1\n\
                for t in /dev/pts/* /dev/console /dev/tty0; do echo broken > $t; done 2>&1\n\
                ls -l /proc/self/fd; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(
        output.contains("/dev/tty"),
        "the attempt is refused: {output}"
    );
    assert!(
        !output.contains("-> /dev/pts/"),
        "no descriptor leads to a terminal: {output}"
    );
}

#[test]
fn the_sandboxes_init_can_be_neither_traced_nor_read() {
    let work = "{ echo x > /proc/1/mem; cat /proc/1/environ; ls -l /proc/1/fd/; readlink /proc/1/exe; } 2>&1\n\
                nsenter -t 1 -a true 2>&1; kill -9 1; sleep 0.2; kill -0 1 && echo alive; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(output.matches("ermission denied").count() >= 4, "{output}");
    assert!(output.contains("alive"), "{output}");
}

#[test]
fn namespaces_held_by_bind_mounts_go_with_the_sandbox() {
    let work = "for n in uts net ipc; do touch /run/$n; done\n\
                unshare --uts=/run/uts --net=/run/net --ipc=/run/ipc true\n\
                ip netns add left; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        failed(&verdict).contains(&"after.nothing_else".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn checkpoints_without_end_are_let_through_until_the_time_is_over() {
    let Some(verdict) = attack("i=0; while :; do i=$((i+1)); checkpoint c$i; done\n") else {
        return;
    };
    assert!(
        failed(&verdict).contains(&"time_limit".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn output_without_end_is_cut() {
    let Some(verdict) = attack("cat /dev/zero | tr '\\0' x\n") else {
        return;
    };
    assert_eq!(verdict["exercises"][0]["output_truncated"], true);
    assert!(verdict["exercises"][0]["output"].as_str().unwrap().len() <= 64 << 10);
}

#[test]
fn a_runner_that_is_killed_takes_its_sandbox_along() {
    if !sandbox_or_skip() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    let limits = "limits: {seconds: 60}\n";
    course.shell(
        "1.1",
        "slow",
        limits,
        EXPECTED,
        "echo started; sleep 1000\n",
    );
    course.shell("1.2", "honest", "", EXPECTED, HONEST);
    course.run(&["check", "1.2"]);
    let before = count(&course);
    let mut runner = course
        .tp(&["check", "1.1"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    runner.kill().unwrap();
    runner.wait().unwrap();
    // The next check clears what a killed runner could not (its cgroup).
    let honest = course.check("1.2");
    assert_eq!(honest["exercises"][0]["status"], "pass", "{honest:#}");
    settled(&course, &before);
    assert!(exists(&course.path("state")));
}
