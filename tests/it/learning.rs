//! The way through the course: where one stands, hints, reset, skip, solution.

use std::fs;

use serde_json::Value;

use crate::check::{EXPECTED, HONEST, UNTOUCHED};
use crate::support::{Course, error_line, exists, printed, sandbox_or_skip, text};

pub const HINTS: &str = "- when: inside.process.namespaces.uts\n  hints: [first-uts, second-uts, third-uts]\n\
                     - when: inside.process.hostname\n  hints: [first-name, second-name, third-name]\n\
                     - when: any\n  hints: [first-any, second-any, third-any]\n";

pub fn course() -> Course {
    let course = Course::new();
    for (id, name) in [("1.1", "first"), ("1.2", "second"), ("2.1", "third")] {
        course.shell(id, name, "", EXPECTED, UNTOUCHED);
        course.put(id, name, "hints.yaml", HINTS);
        course.solution(id, name, "work.sh", HONEST);
        course.solution(id, name, "README.md", "# Why\n\nBecause it is so.\n");
    }
    course
}

fn says(course: &Course, arguments: &[&str], code: i32) -> String {
    printed(&course.run(arguments), code)
}

pub fn log(course: &Course) -> String {
    let path = course.path("state");
    let mut found = String::new();
    for entry in walk(&path) {
        if entry.ends_with("progress.jsonl") {
            found += &fs::read_to_string(entry).unwrap();
        }
    }
    found
}

fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return vec![path.to_owned()];
    };
    entries
        .flatten()
        .flat_map(|entry| walk(&entry.path()))
        .collect()
}

#[test]
fn without_a_terminal_the_bare_command_tells_where_one_stands_and_what_is_next() {
    let course = course();
    for arguments in [&[][..], &["watch"]] {
        let told = says(&course, arguments, 0);
        assert!(told.contains("1.1") && told.contains("first"), "{told}");
        assert!(told.contains("tp check"), "{told}");
    }
    if !sandbox_or_skip() {
        return;
    }
    course.put("1.1", "first", "work.sh", HONEST);
    says(&course, &["check"], 0);
    let told = says(&course, &[], 0);
    assert!(told.contains("1.2") && told.contains("second"), "{told}");
}

#[test]
fn the_two_commands_of_the_readme_are_the_ones_that_work() {
    let readme = include_str!("../../README.md");
    let has = |line: &str| {
        readme
            .lines()
            .any(|found| found.split("  ").next() == Some(line))
    };
    assert!(
        has("cargo run") && has("cargo test --workspace"),
        "{readme}"
    );
    // `cargo run` is `tp` without arguments, in the course that it was built from.
    assert!(include_str!("../../Cargo.toml").contains("default-run = \"tp\""));
    let course = Course::new();
    let mut command = course.tp(&[]);
    let output = command.env_remove("TP_COURSE").output().unwrap();
    let told = printed(&output, 0);
    assert!(told.contains("Next: 0.1"), "{told}");
}

#[test]
fn the_list_shows_every_exercise_and_what_is_passed() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    course.put("1.2", "second", "work.sh", HONEST);
    says(&course, &["check", "1.2"], 0);
    let list: Value =
        serde_json::from_str(&says(&course, &["list", "--format", "json"], 0)).unwrap();
    let passed: Vec<bool> = list["exercises"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["passed"].as_bool().unwrap())
        .collect();
    assert_eq!(passed, [false, true, false]);
    let table = says(&course, &["list"], 0);
    for name in ["1.1", "1.2", "2.1"] {
        assert!(table.contains(name), "{table}");
    }
    let chapter = says(&course, &["list", "2"], 0);
    assert!(
        chapter.contains("2.1") && !chapter.contains("1.1"),
        "{chapter}"
    );
}

#[test]
fn the_list_fits_a_terminal_of_twenty_columns() {
    let course = course();
    for arguments in [&["list"][..], &[], &["read", "1.1"], &["hint", "1.1"]] {
        let mut command = course.tp(arguments);
        let told = printed(&command.env("COLUMNS", "20").output().unwrap(), 0);
        for line in told.lines() {
            assert!(line.chars().count() <= 20, "{arguments:?}: {line:?}");
        }
    }
}

#[test]
fn reading_an_exercise_shows_its_problem_and_a_chapter_its_text() {
    let course = course();
    course.put(
        "1.1",
        "first",
        "README.md",
        "# One\n\nThe **problem** of it.\n",
    );
    course.folder.write(
        "course/labs/01-chapter/README.md",
        "# Chapter one\n\nIts text.\n",
    );
    let told = says(&course, &["read", "1.1"], 0);
    assert!(told.contains("The problem of it."), "{told}");
    assert_eq!(
        says(&course, &["read"], 0),
        told,
        "the next exercise without a name"
    );
    let told = says(&course, &["read", "1"], 0);
    assert!(told.contains("Its text."), "{told}");
}

#[test]
fn hints_follow_what_failed_and_go_one_layer_deeper_each_time() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    says(&course, &["check", "1.1"], 1);
    for layer in ["first-uts", "second-uts", "third-uts", "third-uts"] {
        let told = says(&course, &["hint", "1.1"], 0);
        assert!(told.contains(layer), "{layer}: {told}");
    }
    course.put("1.1", "first", "work.sh", "exec unshare -u \"$@\"\n");
    says(&course, &["check", "1.1"], 1);
    let told = says(&course, &["hint"], 0);
    assert!(told.contains("first-name"), "{told}");
    course.put("1.1", "first", "work.sh", "exit 0\n");
    says(&course, &["check", "1.1"], 1);
    let told = says(&course, &["hint", "first"], 0);
    assert!(told.contains("first-any"), "{told}");
}

#[test]
fn reset_brings_back_what_was_shipped_and_keeps_ones_own_aside() {
    let course = course();
    says(&course, &["list"], 0);
    course.put("1.1", "first", "work.sh", "my own work\n");
    let told = says(&course, &["reset", "1.1"], 0);
    let work = course.exercise("1.1", "first").join("work.sh");
    assert_eq!(fs::read_to_string(&work).unwrap(), UNTOUCHED);
    let kept: Vec<_> = walk(&course.path("state"))
        .into_iter()
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text == "my own work\n"))
        .collect();
    assert_eq!(kept.len(), 1, "{told}");
    assert!(
        told.contains(kept[0].file_name().unwrap().to_str().unwrap()),
        "{told}"
    );
    // A second time there is nothing to do, and nothing more is kept.
    says(&course, &["reset", "1.1"], 0);
    assert!(exists(&kept[0]));
}

#[test]
fn the_solution_is_shown_after_passing_or_when_asked_for_anyway() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let line = error_line(&course.run(&["solution", "1.1"]), 2);
    assert!(line.contains("--anyway"), "{line}");
    let told = says(&course, &["solution", "1.1", "--anyway"], 0);
    assert!(
        told.contains("hostname mine") && told.contains("Because it is so."),
        "{told}"
    );
    course.put("1.2", "second", "work.sh", HONEST);
    says(&course, &["check", "1.2"], 0);
    let told = says(&course, &["solution", "1.2"], 0);
    assert!(told.contains("hostname mine"), "{told}");
}

#[test]
fn what_is_skipped_comes_again_after_the_others() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    says(&course, &["skip"], 0);
    assert!(says(&course, &["read"], 0).contains("second"));
    for (id, name) in [("1.2", "second"), ("2.1", "third")] {
        course.put(id, name, "work.sh", HONEST);
        says(&course, &["check", id], 0);
    }
    assert!(says(&course, &["read"], 0).contains("first"));
}

#[test]
fn progress_is_appended_and_never_rewritten() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut before = String::new();
    for arguments in [
        &["check", "1.1"][..],
        &["hint", "1.1"],
        &["skip", "1.1"],
        &["check", "1.2"],
    ] {
        course.run(arguments);
        let after = log(&course);
        assert!(
            after.starts_with(&before) && after.len() > before.len(),
            "{after}"
        );
        before = after;
    }
    for line in before.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_torn_last_line_of_the_log_loses_nothing_else() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    course.put("1.1", "first", "work.sh", HONEST);
    says(&course, &["check", "1.1"], 0);
    let path = walk(&course.path("state"))
        .into_iter()
        .find(|path| path.ends_with("progress.jsonl"))
        .unwrap();
    let mut torn = fs::read_to_string(&path).unwrap();
    torn += "{\"time\":\"2026-01-01T00:00";
    fs::write(&path, torn).unwrap();
    let output = course.run(&["list", "--format", "json"]);
    let list: Value = serde_json::from_str(&printed(&output, 0)).unwrap();
    assert_eq!(list["exercises"][0]["passed"], true);
    assert!(!text(&output.stderr).contains("panicked"));
    course.put("1.2", "second", "work.sh", HONEST);
    says(&course, &["check", "1.2"], 0);
    let list: Value =
        serde_json::from_str(&says(&course, &["list", "--format", "json"], 0)).unwrap();
    assert_eq!(list["exercises"][0]["passed"], true);
    assert_eq!(list["exercises"][1]["passed"], true);
}

#[test]
fn checking_the_solutions_is_no_progress_of_ones_own() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    says(&course, &["check", "--all", "--solutions"], 0);
    let list: Value =
        serde_json::from_str(&says(&course, &["list", "--format", "json"], 0)).unwrap();
    let rows = list["exercises"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["passed"] == false), "{list:#}");
}

#[test]
fn a_new_exercise_can_be_begun_and_only_its_content_is_missing() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    for (id, name, kind) in [("1.3", "more", "shell"), ("1.4", "ask", "question")] {
        let told = says(&course, &["dev", "new", id, name, "--kind", kind], 0);
        assert!(told.contains("tp dev snapshot"), "{told}");
        let list = says(&course, &["list"], 0);
        assert!(list.contains(id) && list.contains(name), "{list}");
    }
    course.solution("1.3", "more", "work.sh", HONEST);
    says(&course, &["dev", "snapshot", "1.3", "--accept"], 0);
    says(&course, &["check", "1.3", "--solutions"], 0);
}
