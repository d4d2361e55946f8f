//! `tp doctor`: what the machine can do, and the remedy for what it cannot.

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use serde_json::Value;

use crate::check::{EXPECTED, HONEST};
use crate::support::{Course, printed, sandbox_or_skip};

const PLACES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Makes a program as good as not installed, in a mount namespace of one's own.
pub fn hide(program: &str) -> io::Result<()> {
    for place in PLACES {
        let path = Path::new(place).join(program);
        if path.exists() {
            let bind = MsFlags::MS_BIND;
            mount(Some("/dev/null"), &path, None::<&str>, bind, None::<&str>)?;
        }
    }
    Ok(())
}

fn course() -> Course {
    let course = Course::new();
    course.shell("1.1", "plain", "", EXPECTED, HONEST);
    course.shell("1.2", "network", "needs: [iproute2]\n", EXPECTED, HONEST);
    course
}

fn row<'a>(document: &'a Value, feature: &str) -> &'a Value {
    let rows = document["features"].as_array().unwrap();
    rows.iter().find(|row| row["feature"] == feature).unwrap()
}

#[test]
fn every_feature_is_told_as_text_and_as_data() {
    let course = course();
    let code = if sandbox_or_skip() { 0 } else { 77 };
    let document = printed(&course.run(&["doctor", "--format", "json"]), code);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["format"], "tp-doctor/v1");
    let rows = document["features"].as_array().unwrap();
    for row in rows {
        let told = if row["works"] == true {
            "detail"
        } else {
            "remedy"
        };
        assert!(!row[told].as_str().unwrap().is_empty(), "{row}");
    }
    let page = printed(&course.run(&["doctor"]), code);
    let features = page.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(features >= rows.len(), "{page}");
}

#[test]
fn a_missing_tool_names_the_exercises_that_it_blocks_and_the_remedy() {
    let course = course();
    let mut command = course.tp_in_namespace(&["doctor", "--format", "json"], || hide("ip"));
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = row(&document, "iproute2");
    assert_eq!(row["works"], false, "{document:#}");
    assert_eq!(row["blocks"], serde_json::json!(["1.2"]));
    assert_eq!(row["remedy"], "sudo apt install iproute2");

    let mut command = course.tp_in_namespace(&["doctor"], || hide("ip"));
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let page = crate::support::text(&output.stdout);
    assert!(page.contains("sudo apt install iproute2"), "{page}");
    assert!(page.contains("1.2"), "{page}");
}

#[test]
fn without_user_namespaces_everything_is_blocked_and_the_sysctl_is_named() {
    let course = course();
    let mut command = course.tp_in_namespace(&["doctor", "--format", "json"], || {
        std::fs::write("/proc/sys/user/max_user_namespaces", "0")
    });
    let document = printed(&command.output().unwrap(), 77);
    let document: Value = serde_json::from_str(&document).unwrap();
    let row = row(&document, "user-namespace");
    assert_eq!(row["works"], false, "{document:#}");
    assert_eq!(row["blocks"], serde_json::json!(["1.1", "1.2"]));
    let remedy = row["remedy"].as_str().unwrap();
    assert!(
        remedy.contains("sysctl user.max_user_namespaces="),
        "{remedy}"
    );
}

#[test]
fn cargo_that_is_not_there_blocks_the_rust_exercises_only() {
    let course = course();
    course.rust("1.3", "in-rust", EXPECTED, "fn main() {}\n");
    let mut command = course.tp_in_namespace(&["doctor", "--format", "json"], || hide("cargo"));
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = row(&document, "rust");
    assert_eq!(row["works"], false, "{document:#}");
    assert_eq!(row["blocks"], serde_json::json!(["1.3"]));
}
