//! Questions: answers held against what the kernel then does hold.

use crate::check::document;
use crate::support::{Course, ids, sandbox_or_skip};

const SCENARIO: &str = "exec unshare -u sh -c 'hostname inner; exec checkpoint inside'\n";
const EXPECTED: &str =
    "inside: {process: {namespaces: {uts: new}, hostname: inner}}\nafter: {exit: {status: 0}}\n";

fn asked(answer: &str) -> Option<Course> {
    if !sandbox_or_skip() {
        return None;
    }
    let course = Course::new();
    course.question("1.1", "who", SCENARIO, EXPECTED, answer);
    Some(course)
}

#[test]
fn what_is_not_answered_yet_fails_without_giving_the_answer_away() {
    let answer = "inside:\n  process:\n    namespaces: {uts: \"???\"}\n    hostname: ???\n";
    let Some(course) = asked(answer) else { return };
    let document = document(&course, &["1.1"], 1);
    assert_eq!(
        ids(&document, "fail"),
        ["inside.process.namespaces.uts", "inside.process.hostname"]
    );
    assert_eq!(document["points"], 0.0);
    let told = document["exercises"][0]["checks"].to_string();
    assert!(!told.contains("inner"), "{told}");
}

#[test]
fn a_wrong_answer_fails_and_the_right_one_beside_it_earns_its_points() {
    let answer = "inside: {process: {namespaces: {uts: new}, hostname: machine}}\n";
    let Some(course) = asked(answer) else { return };
    let document = document(&course, &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["inside.process.hostname"]);
    assert_eq!(ids(&document, "pass"), ["inside.process.namespaces.uts"]);
    assert_eq!(document["points"], 1.0);
    let told = document["exercises"][0]["checks"].to_string();
    assert!(!told.contains("inner"), "the answer is given away: {told}");
}

#[test]
fn right_answers_pass() {
    let answer = "inside: {process: {namespaces: {uts: new}, hostname: inner}}\n";
    let Some(course) = asked(answer) else { return };
    let document = document(&course, &["1.1"], 0);
    assert_eq!(document["exercises"][0]["status"], "pass");
}

#[test]
fn an_answer_that_cannot_be_read_is_the_students_mistake_with_its_place() {
    for (answer, place, words) in [
        (
            "inside: {process: {hostnam: x}}\n",
            ":1:20: ",
            "did you mean `hostname`",
        ),
        ("inside:\n\tprocess: {}\n", ":2:1: ", "tab"),
        ("inside: [\n", ":2:1: ", ""),
        ("", ":1:1: ", "empty"),
    ] {
        let Some(course) = asked(answer) else { return };
        let document = document(&course, &["1.1"], 1);
        assert_eq!(ids(&document, "fail"), ["answer"], "{document:#}");
        let what = document["exercises"][0]["checks"][0]["explanation"]["what"]
            .as_str()
            .unwrap();
        assert!(what.contains(&format!("answer.yaml{place}")), "{what}");
        assert!(what.contains(words) && what.lines().count() == 1, "{what}");
    }
}

#[test]
fn matchers_are_no_answers() {
    let Some(course) = asked("inside: {process: {hostname: {any: true}}}\n") else {
        return;
    };
    let document = document(&course, &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["answer"], "{document:#}");
}
