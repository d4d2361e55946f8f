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
