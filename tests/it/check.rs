//! `tp check`: a verdict for each way in which a run can end.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;

use crate::support::{Course, error_line, exists, ids, printed, sandbox_or_skip, text};

/// A hostname of its own: three facts, and strictness twice.
pub const EXPECTED: &str =
    "inside: {process: {namespaces: {uts: new}, hostname: mine}}\nafter: {exit: {status: 0}}\n";
pub const HONEST: &str = "exec unshare -u sh -c 'hostname mine; exec \"$@\"' sh \"$@\"\n";
pub const UNTOUCHED: &str = "exec \"$@\"\n";

/// The document of `tp check ARGUMENTS --format json`, valid by its schema.
pub fn document(course: &Course, arguments: &[&str], code: i32) -> Value {
    let mut all = vec!["check", "--format", "json"];
    all.extend(arguments);
    valid(&printed(&course.run(&all), code))
}

fn valid(document: &str) -> Value {
    let schema = include_str!("../../schemas/tp-result-v1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let mistakes: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}\n{document:#}");
    document
}

fn course(work: &str) -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, work);
    course
}

#[test]
fn what_the_kernel_holds_passes_with_all_its_points() {
    if !sandbox_or_skip() {
        return;
    }
    let document = document(&course(HONEST), &["1.1"], 0);
    let exercise = &document["exercises"][0];
    assert_eq!(exercise["status"], "pass", "{document:#}");
    assert_eq!(exercise["points"], exercise["out_of"]);
    assert!(ids(&document, "pass").contains(&"inside.process.namespaces.uts".to_owned()));
    assert_eq!(ids(&document, "fail"), [""; 0]);
}

#[test]
fn the_untouched_exercise_fails_on_the_first_fact_and_earns_nothing() {
    if !sandbox_or_skip() {
        return;
    }
    let document = document(&course(UNTOUCHED), &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["inside.process.namespaces.uts"]);
    // Without the namespace the name is no second red.
    assert_eq!(ids(&document, "skipped"), ["inside.process.hostname"]);
    assert_eq!(document["points"], 0.0);
    assert!(document["out_of"].as_f64().unwrap() >= 3.0);
}

#[test]
fn a_right_part_earns_its_points_and_the_wrong_part_is_explained() {
    if !sandbox_or_skip() {
        return;
    }
    let document = document(&course("exec unshare -u \"$@\"\n"), &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["inside.process.hostname"]);
    let (points, out_of) = (
        document["points"].as_f64().unwrap(),
        document["out_of"].as_f64().unwrap(),
    );
    assert!(0.0 < points && points < out_of, "{points} of {out_of}");
    let checks = document["exercises"][0]["checks"].as_array().unwrap();
    let failed = checks
        .iter()
        .find(|check| check["status"] == "fail")
        .unwrap();
    assert_eq!(failed["expected"], "mine");
    for part in ["what", "meaning", "cause"] {
        let text = failed["explanation"][part].as_str().unwrap();
        assert!(!text.is_empty(), "{part}: {failed:#}");
    }
    assert!(!failed["explanation"]["man"].as_array().unwrap().is_empty());
}

#[test]
fn weights_are_the_points_of_the_facts_that_they_name() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let weights = "weights: {inside.process.hostname: 6}\n";
    course.shell("1.1", "own-name", weights, EXPECTED, HONEST);
    let heavy = document(&course, &["1.1"], 0);
    course.shell("1.1", "own-name", "", EXPECTED, HONEST);
    let light = document(&course, &["1.1"], 0);
    let difference = heavy["out_of"].as_f64().unwrap() - light["out_of"].as_f64().unwrap();
    assert_eq!(difference, 5.0);
}

#[test]
fn a_change_that_nobody_asked_for_fails_too() {
    if !sandbox_or_skip() {
        return;
    }
    let work = "exec unshare -u -i sh -c 'hostname mine; exec \"$@\"' sh \"$@\"\n";
    let document = document(&course(work), &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["inside.nothing_else"]);
}

#[test]
fn what_a_program_leaves_on_its_machine_fails_at_the_end() {
    if !sandbox_or_skip() {
        return;
    }
    let work = "unshare -u sh -c 'hostname mine; checkpoint inside'; hostname left\n";
    let document = document(&course(work), &["1.1"], 1);
    assert_eq!(
        ids(&document, "fail"),
        ["after.nothing_else"],
        "{document:#}"
    );
}

#[test]
fn a_checkpoint_that_is_never_reached_is_told_once() {
    if !sandbox_or_skip() {
        return;
    }
    let document = document(&course("exit 0\n"), &["1.1"], 1);
    assert_eq!(ids(&document, "fail"), ["inside"]);
}

#[test]
fn a_program_that_a_signal_ended_is_a_verdict_with_the_signal() {
    if !sandbox_or_skip() {
        return;
    }
    let work = "unshare -u sh -c 'hostname mine; checkpoint inside'; kill -SEGV $$\n";
    let document = document(&course(work), &["1.1"], 1);
    let failed = ids(&document, "fail");
    assert!(
        failed.iter().any(|id| id.starts_with("after.")),
        "{document:#}"
    );
    assert!(document.to_string().contains("SEGV"), "{document:#}");
}

#[test]
fn what_this_machine_lacks_makes_an_exercise_unsupported_and_never_failed() {
    let course = Course::new();
    course.shell("1.1", "own-name", "needs: [iproute2]\n", EXPECTED, HONEST);
    let mut command = course.tp_in_namespace(&["check", "1.1", "--format", "json"], || {
        crate::doctor::hide("ip")
    });
    let output = command.output().unwrap();
    let document = valid(&printed(&output, 77));
    let exercise = &document["exercises"][0];
    assert_eq!(exercise["status"], "unsupported");
    assert_eq!(document["points"], 0.0);
    let reason = exercise["reason"].as_str().unwrap();
    assert_eq!(reason, "`ip` is not installed: sudo apt install iproute2");
}

/// A course whose workspace has a mini-docker of its own, and an exercise that
/// keeps what it says.
fn course_with_engine(source: &str) -> Course {
    let course = Course::new();
    let spec = "programs: [mini-docker]\nwatch: [/srv]\n";
    let expected = "inside:\n  machine:\n    files:\n      \
                    /srv/said: {type: file, mode: \"0644\", content: built here}\n\
                    after:\n  machine:\n    files:\n      \
                    /srv/said: {type: file, mode: \"0644\", content: built here}\n  \
                    exit: {status: 0}\n";
    let work = "mini-docker >/srv/said\n\"$@\"\n";
    course.shell("1.1", "engine", spec, expected, work);
    let package = "[package]\nname = \"mini-docker\"\nversion = \"0.0.1\"\nedition = \"2024\"\n\n\
                   [[bin]]\nname = \"mini-docker\"\npath = \"main.rs\"\n";
    course.folder.write("course/Cargo.toml", package);
    course.folder.write("course/main.rs", source);
    course
}

#[test]
fn the_engine_that_an_exercise_asks_for_is_built_and_on_its_path() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course_with_engine("fn main() {\n    println!(\"built here\");\n}\n");
    let passed = document(&course, &["1.1"], 0);
    assert_eq!(passed["exercises"][0]["status"], "pass", "{passed:#}");
}

#[test]
fn an_engine_that_does_not_compile_is_told_and_is_not_the_students_fault() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course_with_engine("fn main() {\n    let x: u8 = \"seven\";\n}\n");
    let document = document(&course, &["1.1"], 77);
    let exercise = &document["exercises"][0];
    assert_eq!(exercise["status"], "unsupported", "{document:#}");
    let reason = exercise["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "mini-docker does not compile: error[E0308]: mismatched types; \
         `cargo build -p mini-docker` shows where"
    );
}

#[test]
fn where_no_user_namespace_can_be_made_nothing_runs_and_the_remedy_is_told() {
    let course = course(HONEST);
    let mut command = course.tp_in_namespace(&["check", "1.1", "--format", "json"], || {
        fs::write("/proc/sys/user/max_user_namespaces", "0")
    });
    let document = valid(&printed(&command.output().unwrap(), 77));
    let exercise = &document["exercises"][0];
    assert_eq!(exercise["status"], "unsupported", "{document:#}");
    let reason = exercise["reason"].as_str().unwrap();
    assert!(
        reason.contains("sysctl user.max_user_namespaces=") && reason.lines().count() == 1,
        "{reason}"
    );
    assert_ne!(document["host"]["user_namespaces"], "available");
}

#[test]
fn a_broken_snapshot_is_the_courses_error_with_its_place() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(HONEST);
    let broken = "inside:\n  process: {hostnam: mine}\n";
    course.put("1.1", "own-name", "expected.yaml", broken);
    let document = document(&course, &["1.1"], 2);
    let exercise = &document["exercises"][0];
    assert_eq!(exercise["status"], "error");
    insta::assert_snapshot!(
        exercise["reason"].as_str().unwrap(),
        @"exercises/01-chapter/1-own-name/expected.yaml:2:13: unknown fact `hostnam` in `process`; did you mean `hostname`?"
    );
}

#[test]
fn rust_that_does_not_compile_is_shown_in_the_compilers_words_and_others_go_on() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    course.rust(
        "1.1",
        "broken",
        EXPECTED,
        "fn main() {\n    let x: u8 = \"seven\";\n}\n",
    );
    course.shell("1.2", "own-name", "", EXPECTED, HONEST);
    let document = document(&course, &["--all"], 1);
    assert_eq!(ids(&document, "fail"), ["build"], "{document:#}");
    let build = &document["exercises"][0]["checks"][0]["explanation"];
    let message = build["what"].as_str().unwrap();
    assert!(
        message.contains("error[E0308]: mismatched types"),
        "{message}"
    );
    assert!(message.contains("work.rs:2:17"), "{message}");
    assert!(!message.contains('\u{1b}'), "{message:?}");
    assert_eq!(document["exercises"][1]["status"], "pass", "{document:#}");
}

#[test]
fn a_rust_exercise_runs_as_its_program() {
    if !sandbox_or_skip() {
        return;
    }
    let work = "use std::os::unix::process::CommandExt;\n\
        fn main() {\n\
            let mut arguments = std::env::args().skip(1);\n\
            let mut unshare = std::process::Command::new(\"unshare\");\n\
            unshare.args([\"-u\", \"sh\", \"-c\", \"hostname mine; exec \\\"$@\\\"\", \"sh\"]);\n\
            let error = unshare.args(&mut arguments).exec();\n\
            panic!(\"{error}\");\n\
        }\n";
    let course = Course::new();
    course.rust("1.1", "in-rust", EXPECTED, work);
    let document = document(&course, &["1.1"], 0);
    assert_eq!(document["exercises"][0]["status"], "pass", "{document:#}");
}

#[test]
fn the_exit_code_tells_the_worst_that_was_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    course.shell("1.1", "good", "", EXPECTED, HONEST);
    course.shell("1.2", "bad", "", EXPECTED, UNTOUCHED);
    course.shell("1.3", "broken", "", "inside: {process: {x: 1}}\n", HONEST);
    for (asked, code) in [
        (&["good"][..], 0),
        (&["good", "bad"], 1),
        (&["bad", "broken", "good"], 2),
        (&["nobody"], 2),
    ] {
        let mut arguments = vec!["check"];
        arguments.extend(asked);
        let output = course.run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{asked:?}: {output:?}");
    }
}

#[test]
fn exercises_are_called_by_number_name_and_chapter() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    course.shell("1.1", "first", "", EXPECTED, HONEST);
    course.shell("1.2", "second", "", EXPECTED, HONEST);
    course.shell("2.1", "third", "", EXPECTED, HONEST);
    for (asked, found) in [
        (&["1.2"][..], &["1.2"][..]),
        (&["second"], &["1.2"]),
        (&["1"], &["1.1", "1.2"]),
        (&["02-chapter"], &["2.1"]),
        (&["2.1", "first"], &["2.1", "1.1"]),
        (&["--all"], &["1.1", "1.2", "2.1"]),
    ] {
        let document = document(&course, asked, 0);
        let exercises = document["exercises"].as_array().unwrap();
        let checked: Vec<&str> = exercises
            .iter()
            .map(|exercise| exercise["id"].as_str().unwrap())
            .collect();
        assert_eq!(checked, found, "{asked:?}");
    }
}

#[test]
fn an_unknown_exercise_is_answered_with_the_nearest_name() {
    let course = course(HONEST);
    let line = error_line(&course.run(&["check", "own-nmae"]), 2);
    insta::assert_snapshot!(line, @"error: no exercise or chapter is called `own-nmae`; did you mean `own-name`? `tp list` shows all");
}

#[test]
fn solutions_are_checked_in_place_of_ones_own_file() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(UNTOUCHED);
    course.solution("1.1", "own-name", "work.sh", HONEST);
    document(&course, &["1.1"], 1);
    document(&course, &["1.1", "--solutions"], 0);
    let work = course.exercise("1.1", "own-name").join("work.sh");
    assert_eq!(fs::read_to_string(work).unwrap(), UNTOUCHED);
}

#[test]
fn the_document_names_course_exercises_versions_and_machine() {
    if !sandbox_or_skip() {
        return;
    }
    let document = document(&course(HONEST), &["1.1"], 0);
    assert_eq!(document["format"], "tp-result/v1");
    assert_eq!(document["course"]["id"], "test-course");
    assert_eq!(document["course"]["version"], "0.0.1");
    assert_eq!(document["exercises"][0]["name"], "own-name");
    assert_eq!(document["exercises"][0]["version"], 1);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(document["host"]["kernel"], release.trim());
    assert_eq!(document["host"]["root"], geteuid().is_root());
}

#[test]
fn root_and_an_ordinary_user_get_the_same_document() {
    if !sandbox_or_skip() {
        return;
    }
    if !geteuid().is_root() {
        println!("as an ordinary user only: root compares the two");
    }
    let work =
        "exec unshare -u -m sh -c 'id; hostname x; mount -t tmpfs t /mnt; exec \"$@\"' sh \"$@\"\n";
    let course = course(work);
    let own = document(&course, &["1.1"], 1);
    let mut other = course.tp_as_ordinary(&["check", "1.1", "--format", "json"]);
    let other = valid(&printed(&other.output().unwrap(), 1));
    assert_eq!(other["host"]["root"], false);
    assert_eq!(without_circumstances(own), without_circumstances(other));
}

/// Without what is about the moment and the caller.
fn without_circumstances(mut document: Value) -> Value {
    document["started"] = Value::Null;
    document["host"] = Value::Null;
    document["exercises"][0]["duration_ms"] = Value::Null;
    document
}

#[test]
fn an_interrupted_check_says_so_and_leaves_nothing() {
    if !sandbox_or_skip() {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mark = format!("{}.{}", 4000 + signal as i32, std::process::id());
        let course = course(&format!("sleep {mark}\n"));
        course.shell(
            "1.1",
            "own-name",
            "limits: {seconds: 300}\n",
            EXPECTED,
            &format!("sleep {mark}\n"),
        );
        let child = course
            .tp(&["check", "1.1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("the exercise runs", || runs(&mark));
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("interrupted"), "{signal}: {told}");
        assert!(!told.contains("panicked"), "{told}");
        assert_ne!(output.status.code(), Some(0), "{signal}: {told}");
        wait_until("nothing is left", || !runs(&mark));
        let list = printed(&course.run(&["list", "--format", "json"]), 0);
        assert!(list.contains("\"attempts\": 0"), "no attempt: {list}");
    }
}

#[test]
fn an_interrupt_between_exercises_ends_the_whole() {
    if !sandbox_or_skip() {
        return;
    }
    let mark = format!("4100.{}", std::process::id());
    let course = Course::new();
    let patient = "limits: {seconds: 300}\n";
    course.shell("1.1", "one", patient, EXPECTED, &format!("sleep {mark}\n"));
    course.shell("1.2", "two", patient, EXPECTED, &format!("sleep {mark}\n"));
    let child = course
        .tp(&["check", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the exercise runs", || runs(&mark));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let line = error_line(&output, 2);
    assert!(line.contains("interrupted; 1 of 2 were checked"), "{line}");
    wait_until("nothing is left", || !runs(&mark));
}

/// Whether a process on this machine is `sleep MARK`.
fn runs(mark: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap();
    entries.flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line == format!("sleep\0{mark}\0").into_bytes()
    })
}

/// Waits for something that comes for sure; only a hang ends it.
pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let hang = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < hang, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_checks_at_once_do_not_disturb_each_other() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(HONEST);
    let start = |command: &mut Command| command.stdout(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| start(&mut course.tp(&["check", "1.1", "--format", "json"])))
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        valid(&printed(&output, 0));
    }
    assert!(exists(&course.path("home/letter.txt")));
}
