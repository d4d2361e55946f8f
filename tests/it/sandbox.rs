//! What the throw-away machine offers, and how an exercise's own scenery fails.

use crate::support::{Course, sandbox_or_skip, skip};

const EXPECTED: &str = "inside: {}\nafter: {exit: {status: 0}}\n";

fn run_with_setup(setup: &str, work: &str) -> Option<serde_json::Value> {
    if !sandbox_or_skip() {
        return None;
    }
    let course = Course::new();
    course.shell("1.1", "scenery", "limits: {seconds: 2}\n", EXPECTED, work);
    let directory = course.directory("1.1", "scenery");
    course
        .folder
        .write(&format!("course/exercises/{directory}/setup.sh"), setup);
    Some(course.check("1.1")["exercises"][0].clone())
}

#[test]
fn a_setup_that_fails_is_our_error_told_in_its_own_words() {
    let setup = "echo cannot build the scenery >&2; exit 3\n";
    let Some(result) = run_with_setup(setup, "checkpoint inside\n") else {
        return;
    };
    assert_eq!(result["status"], "error");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("cannot build the scenery"), "{reason}");
    assert!(reason.contains("status 3"), "{reason}");
}

#[test]
fn a_setup_that_never_ends_is_our_error() {
    let Some(result) = run_with_setup("yes; sleep 1000\n", "checkpoint inside\n") else {
        return;
    };
    assert_eq!(result["status"], "error");
    assert!(
        result["reason"].as_str().unwrap().contains("setup.sh"),
        "{result}"
    );
}

#[test]
fn named_network_namespaces_work_inside() {
    if !std::path::Path::new("/usr/sbin/ip").exists()
        && !std::path::Path::new("/usr/bin/ip").exists()
    {
        return skip("ip(8) is not installed");
    }
    let work = "ip netns add blue && ip netns exec blue ip link && ip netns delete blue && checkpoint inside\n";
    let Some(result) = run_with_setup("exit 0\n", work) else {
        return;
    };
    let passed = |id: &str| {
        let checks = result["checks"].as_array().unwrap();
        checks
            .iter()
            .any(|check| check["id"] == id && check["status"] == "pass")
    };
    assert!(
        passed("inside") && passed("after.exit.status"),
        "{result:#}"
    );
}

#[test]
fn where_no_cgroup_is_delegated_an_exercise_with_cgroups_is_unsupported() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let spec = "cgroups: [memory, pids]\n";
    course.shell("1.1", "groups", spec, EXPECTED, "checkpoint inside\n");
    let output = course
        .tp_as_ordinary(&["check", "1.1", "--format", "json"])
        .output()
        .unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &verdict["exercises"][0];
    // An ordinary user who runs this test may well have a delegated cgroup.
    if !nix::unistd::geteuid().is_root() && result["status"] == "pass" {
        return;
    }
    assert_eq!(result["status"], "unsupported", "{result:#}");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("delegated to you"), "{reason}");
    let remedy = ["cgcreate", "systemd-run"].iter();
    assert!(remedy.clone().any(|word| reason.contains(word)), "{reason}");
}

#[test]
fn an_exercise_that_needs_the_other_cgroup_version_says_why_it_cannot_run() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let spec = "unsupported: {cgroup-v1: no such file, cgroup-v2: no such hierarchy}\n";
    course.shell("1.1", "other", spec, EXPECTED, "checkpoint inside\n");
    let result = course.check("1.1")["exercises"][0].clone();
    assert_eq!(result["status"], "unsupported");
    let reason = result["reason"].as_str().unwrap();
    let told = ["cgroup v1: no such file", "cgroup v2: no such hierarchy"];
    assert!(told.iter().any(|words| reason.contains(words)), "{reason}");
}

#[test]
fn a_machine_with_cgroups_shows_its_own_subtree_and_nothing_above() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let work = "if [ -e /sys/fs/cgroup/cgroup.controllers ]; then r=/sys/fs/cgroup; else r=/sys/fs/cgroup/pids; fi\n\
                grep -E '^[0-9]+:(pids)?:' /proc/self/cgroup | head -n 1 | cut -d: -f3\n\
                ls -d $r/*/\n\
                mkdir $r/own && echo 5 > $r/own/pids.max && cat $r/own/pids.max && rmdir $r/own && echo removed\n\
                exec checkpoint inside\n";
    course.shell("1.1", "groups", "cgroups: [pids]\n", EXPECTED, work);
    let result = course.check("1.1")["exercises"][0].clone();
    if result["status"] == "unsupported" {
        skip(result["reason"].as_str().unwrap());
        return;
    }
    assert_eq!(result["status"], "pass", "{result:#}");
    let output = result["output"].as_str().unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        lines.contains(&"5") && lines.contains(&"removed"),
        "{output}"
    );
    assert_eq!(lines[0], "/machine", "{output}");
    assert!(lines[1].ends_with("/machine/"), "{output}");
    assert_eq!(lines.iter().filter(|line| line.ends_with('/')).count(), 1);
}
