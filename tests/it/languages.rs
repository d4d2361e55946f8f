//! A second language lies beside the first: a pseudo-translation, in which each
//! text stands in «…», is all that these tests add to a course.

use serde_yaml::Value;

use crate::support::{Course, ids, printed, sandbox_or_skip, text};

const ENGLISH: &str = include_str!("../../texts/en.yaml");
const EXPECTED: &str = "inside: {process: {namespaces: {uts: new}, hostname: boxed}}\n";

/// Texts of the command line, which English keeps beside the code.
const HELP: &str = "{about: «companion», check: {about: «hold», ids: «which», \
                    examples: «Example», dev: «no such argument»}, dev: {about: «authors»}}";

fn pseudo(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_empty() => *text = format!("«{text}»"),
        Value::Mapping(map) => map.values_mut().for_each(pseudo),
        _ => {}
    }
}

/// A course in English and in `xx`, with one exercise that fails as it is.
fn course() -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, "checkpoint inside\n");
    let mut texts: Value = serde_yaml::from_str(ENGLISH).unwrap();
    pseudo(&mut texts);
    texts["messages"]["help"] = serde_yaml::from_str(HELP).unwrap();
    let texts = serde_yaml::to_string(&texts).unwrap();
    course.folder.write("course/texts/xx.yaml", &texts);
    let folder = format!("course/exercises/{}", course.directory("1.1", "own-name"));
    for (file, text) in [
        ("README.xx.md", "# «own name»\n\n«A problem.»\n"),
        (
            "hints.xx.yaml",
            "- when: any\n  hints: [«one», «two», «three»]\n",
        ),
    ] {
        course.folder.write(&format!("{folder}/{file}"), text);
    }
    course
}

fn said(course: &Course, arguments: &[&str], code: i32) -> String {
    let mut command = course.tp(arguments);
    printed(&command.env("TP_LANG", "xx").output().unwrap(), code)
}

#[test]
fn a_second_language_needs_texts_and_no_code() {
    let course = course();
    for (arguments, told) in [
        (&["list"][..], &["«own name»", "«open»"][..]),
        (&["read", "1.1"], &["«own name»", "«A problem.»"]),
        (&["hint", "1.1"], &["«Hint 1 of 3 for 1.1»", "«one»"]),
        (&["skip", "1.1"], &["«1.1 is left for later"]),
        (&[], &["«"]),
    ] {
        let output = said(&course, arguments, 0);
        for told in told {
            assert!(output.contains(told), "{arguments:?}: {output}");
        }
    }
    let mut doctor = course.tp(&["doctor"]);
    let doctor = text(&doctor.env("TP_LANG", "xx").output().unwrap().stdout);
    assert!(doctor.contains("«user namespaces»"), "{doctor}");
}

#[test]
fn a_page_of_kernel_state_is_in_the_language_and_its_data_is_not() {
    let course = course();
    let pid = std::process::id().to_string();
    let page = said(&course, &["inspect", &pid, "--against", &pid], 0);
    for told in ["«Process ", "«The same in both: «namespaces», «host name»"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let data = ["inspect", &pid, "--against", &pid, "--format", "yaml"];
    assert!(!said(&course, &data, 0).contains('«'));
}

#[test]
fn the_help_the_completions_and_the_man_pages_are_in_the_language() {
    let course = course();
    let help = said(&course, &["--help"], 0);
    for told in ["«companion»", "«hold»", "«authors»", "List the exercises"] {
        assert!(help.contains(told), "{told}: {help}");
    }
    let help = said(&course, &["check", "--help"], 0);
    for told in ["«hold»", "«which»", "«Example»", "Every exercise"] {
        assert!(help.contains(told), "{told}: {help}");
    }
    assert!(said(&course, &["completions", "fish"], 0).contains("«hold»"));
    said(&course, &["man", "."], 0);
    let page = std::fs::read_to_string(course.path("home/tp-check.1")).unwrap();
    assert!(page.contains("«hold»"), "{page}");
    assert!(!printed(&course.run(&["--help"]), 0).contains('«'));
}

#[test]
fn a_verdict_is_in_the_language_and_its_ids_are_not() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let verdict = said(&course, &["check", "1.1"], 1);
    for told in ["«FAIL»", "«UTS» namespace»", "«expected»"] {
        assert!(verdict.contains(told), "{told}: {verdict}");
    }
    let json = said(&course, &["check", "1.1", "--format", "json"], 1);
    let translated = serde_json::from_str(&json).unwrap();
    let english = course.check("1.1");
    for status in ["pass", "fail", "skipped"] {
        assert_eq!(ids(&translated, status), ids(&english, status));
    }
    assert!(!ids(&english, "fail").is_empty());
    assert_eq!(
        translated["exercises"][0]["status"],
        english["exercises"][0]["status"]
    );
}
