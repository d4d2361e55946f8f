//! `tp dev snapshot`: records what the solution does, and shows the change.

use std::fs;

use crate::check::{EXPECTED, HONEST, UNTOUCHED};
use crate::support::{Course, exists, printed, sandbox_or_skip};
use crate::typist::Typist;

/// An exercise with a solution, and this snapshot if any.
fn course(expected: Option<&str>, solution: &str) -> Option<Course> {
    if !sandbox_or_skip() {
        return None;
    }
    let course = Course::new();
    course.shell(
        "1.1",
        "own-name",
        "",
        expected.unwrap_or_default(),
        UNTOUCHED,
    );
    course.solution("1.1", "own-name", "work.sh", solution);
    if expected.is_none() {
        fs::remove_file(course.exercise("1.1", "own-name").join("expected.yaml")).unwrap();
    }
    Some(course)
}

fn recorded(course: &Course) -> String {
    fs::read_to_string(course.exercise("1.1", "own-name").join("expected.yaml")).unwrap()
}

fn snapshot(course: &Course, arguments: &[&str], code: i32) -> String {
    let mut all = vec!["dev", "snapshot"];
    all.extend(arguments);
    printed(&course.run(&all), code)
}

#[test]
fn a_snapshot_is_recorded_from_the_solution_less_the_baseline() {
    let Some(course) = course(None, HONEST) else {
        return;
    };
    snapshot(&course, &["1.1", "--accept"], 0);
    insta::assert_snapshot!(recorded(&course), @"
    inside:
      process:
        namespaces: {uts: new}
        hostname: mine
    after: {exit: {status: 0}}
    ");
    printed(&course.run(&["check", "1.1", "--solutions"]), 0);
    printed(&course.run(&["check", "1.1"]), 1);
}

#[test]
fn recorded_again_nothing_changes() {
    let Some(course) = course(None, HONEST) else {
        return;
    };
    snapshot(&course, &["1.1", "--accept"], 0);
    let first = recorded(&course);
    assert_eq!(snapshot(&course, &["1.1"], 0), "1.1 own-name: unchanged\n");
    snapshot(&course, &["--accept"], 0);
    assert_eq!(recorded(&course), first);
}

#[test]
fn a_change_is_shown_and_without_a_terminal_not_taken() {
    let Some(course) = course(None, HONEST) else {
        return;
    };
    snapshot(&course, &["1.1", "--accept"], 0);
    let first = recorded(&course);
    course.solution(
        "1.1",
        "own-name",
        "work.sh",
        &HONEST.replace("mine", "yours"),
    );
    let told = snapshot(&course, &["1.1"], 1);
    insta::assert_snapshot!(told, @"
    1.1 own-name:
     inside:
       process:
         namespaces: {uts: new}
    -    hostname: mine
    +    hostname: yours
     after: {exit: {status: 0}}

    not accepted: say --accept, or answer on a terminal
    ");
    assert_eq!(recorded(&course), first);
}

#[test]
fn a_rejected_change_leaves_the_file_and_an_accepted_one_replaces_it() {
    let Some(course) = course(Some(EXPECTED), &HONEST.replace("mine", "yours")) else {
        return;
    };
    let told = snapshot(&course, &["1.1", "--reject"], 1);
    assert!(
        told.contains("yours") && !told.contains("say --accept"),
        "{told}"
    );
    assert_eq!(recorded(&course), EXPECTED);
    snapshot(&course, &["1.1", "--accept"], 0);
    assert!(recorded(&course).contains("hostname: yours"));
    let leftovers: Vec<_> = fs::read_dir(course.exercise("1.1", "own-name"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn on_a_terminal_a_key_decides() {
    let Some(course) = course(None, HONEST) else {
        return;
    };
    for (key, code, taken) in [("n\r", 1, false), ("y\r", 0, true)] {
        let mut person = Typist::new(course.tp(&["dev", "snapshot", "1.1"]));
        person.see("[y/n]");
        person.type_in(key);
        assert_eq!(person.end(), code);
        let file = course.exercise("1.1", "own-name").join("expected.yaml");
        assert_eq!(exists(&file), taken);
    }
}

#[test]
fn what_differs_from_run_to_run_is_refused_until_it_is_ignored() {
    let random = HONEST.replace(
        "hostname mine",
        "hostname h$(od -An -N6 -tx1 /dev/urandom | tr -d \" \")",
    );
    let Some(course) = course(Some(EXPECTED), &random) else {
        return;
    };
    let told = snapshot(&course, &["1.1", "--accept"], 2);
    assert!(
        told.contains("gave another snapshot than the first"),
        "{told}"
    );
    assert!(told.contains("ignore:"), "{told}");
    assert_eq!(recorded(&course), EXPECTED);
    let spec = "version: 1\nkind: shell\nignore: [inside.process.hostname]\n";
    course.put("1.1", "own-name", "exercise.yaml", spec);
    snapshot(&course, &["1.1", "--accept"], 0);
    assert!(
        !recorded(&course).contains("hostname"),
        "{}",
        recorded(&course)
    );
}

#[test]
fn what_an_author_loosened_to_a_matcher_stays_loose() {
    let loose = EXPECTED.replace("hostname: mine", "hostname: {matches: 'm*'}");
    let Some(course) = course(Some(&loose), HONEST) else {
        return;
    };
    snapshot(&course, &["1.1", "--accept"], 0);
    assert!(
        recorded(&course).contains("{matches: "),
        "{}",
        recorded(&course)
    );
    // But not where it no longer holds.
    course.solution(
        "1.1",
        "own-name",
        "work.sh",
        &HONEST.replace("mine", "yours"),
    );
    snapshot(&course, &["1.1", "--accept"], 0);
    assert!(
        recorded(&course).contains("hostname: yours"),
        "{}",
        recorded(&course)
    );
}

#[test]
fn a_solution_that_shows_nothing_or_does_not_end_is_refused_with_what_it_printed() {
    let Some(course) = course(None, "echo words; exit 0\n") else {
        return;
    };
    let told = snapshot(&course, &["1.1", "--accept"], 2);
    assert!(
        told.contains("reached no checkpoint") && told.contains("words"),
        "{told}"
    );
    course.put(
        "1.1",
        "own-name",
        "exercise.yaml",
        "version: 1\nkind: shell\nlimits: {seconds: 1}\n",
    );
    course.solution("1.1", "own-name", "work.sh", "echo words; sleep 100\n");
    let told = snapshot(&course, &["1.1", "--accept"], 2);
    assert!(
        told.contains("did not come to its end") && told.contains("words"),
        "{told}"
    );
    fs::remove_dir_all(course.path("course/solutions")).unwrap();
    let told = snapshot(&course, &["1.1", "--accept"], 2);
    assert!(
        told.contains("No such file or directory") && !told.contains("os error"),
        "{told}"
    );
    assert!(!exists(
        &course.exercise("1.1", "own-name").join("expected.yaml")
    ));
}

#[test]
fn a_question_is_recorded_from_its_scenario() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let scenario = "unshare -u sh -c 'checkpoint one; hostname x; checkpoint two'\n";
    course.question(
        "1.1",
        "own-name",
        scenario,
        "",
        "one: {process: {hostname: ???}}\n",
    );
    snapshot(&course, &["1.1", "--accept"], 0);
    insta::assert_snapshot!(recorded(&course), @"
    one: {process: {namespaces: {uts: $a}}}
    two:
      process:
        namespaces: {uts: $a}
        hostname: x
    after: {exit: {status: 0}}
    ");
}
