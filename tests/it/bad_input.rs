//! Bad input: one clear line that names the place and the remedy, and nothing
//! is lost.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use nix::mount::{MsFlags, mount};

use crate::check::{EXPECTED, HONEST, UNTOUCHED, document};
use crate::support::{Course, error_line, printed, sandbox_or_skip, text};

fn course(work: &str) -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, work);
    course.solution("1.1", "own-name", "work.sh", HONEST);
    course
}

/// Not text, and not YAML.
const GARBAGE: &[u8] = b"\xff\xfe\0\x01\x80garbage\0";

/// What a broken file of the course is answered with.
fn refused(course: &Course, arguments: &[&str], place: &str, words: &str) {
    let line = error_line(&course.run(arguments), 2);
    assert!(line.contains(place), "{place}: {line}");
    assert!(line.contains(words), "{words}: {line}");
    assert!(!line.contains("os error"), "{line}");
}

#[test]
fn a_broken_course_yaml_is_one_line_with_its_place() {
    for (content, place, words) in [
        (
            &b"id: x\n\tversion: 1\n"[..],
            "course.yaml:2:",
            "tab character",
        ),
        (
            b"id: [x]\nversion: '1'\n",
            "course.yaml:1:5",
            "expected a string",
        ),
        (
            b"id: x\nversoin: '1'\n",
            "course.yaml:2:1",
            "did you mean `version`?",
        ),
        (b"id: x\n", "course.yaml:1:1", "missing field `version`"),
        (b"", "course.yaml:1:1", "empty"),
        (GARBAGE, "course.yaml", "not UTF-8 text"),
    ] {
        let course = course(UNTOUCHED);
        fs::write(course.path("course/course.yaml"), content).unwrap();
        for arguments in [&["check"][..], &["list"], &["doctor"], &["shell"], &[]] {
            refused(&course, arguments, place, words);
        }
    }
}

#[test]
fn a_broken_exercise_yaml_is_one_line_with_its_place() {
    let path = "exercises/01-chapter/1-own-name/exercise.yaml";
    for (content, place, words) in [
        (&b"version: 1\n\tkind: shell\n"[..], ":2:", "tab character"),
        (b"version: one\nkind: shell\n", ":1:10", "one"),
        (b"version: 1\nkind: shel\n", ":2:7", "did you mean `shell`?"),
        (
            b"version: 1\nkind: shell\nlimist: {}\n",
            ":3:1",
            "did you mean `limits`?",
        ),
        (
            b"version: 1\nkind: shell\nlimits: {memory: lots}\n",
            ":3:",
            "not a size",
        ),
        (b"", ":1:1", "empty"),
        (GARBAGE, "", "not UTF-8 text"),
    ] {
        let course = course(UNTOUCHED);
        course.put("1.1", "own-name", "exercise.yaml", content);
        refused(&course, &["check", "1.1"], &format!("{path}{place}"), words);
        refused(&course, &["dev", "check"], &format!("{path}{place}"), words);
    }
}

#[test]
fn a_broken_hints_yaml_is_one_line_with_its_place() {
    for (content, place, words) in [
        (
            &b"- when: any\n\thints: [a]\n"[..],
            "hints.yaml:2:",
            "tab character",
        ),
        (b"- when: any\n  hints: a\n", "hints.yaml:2:10", "sequence"),
        (
            b"- whn: any\n  hints: [a]\n",
            "hints.yaml:1:3",
            "did you mean `when`?",
        ),
        (b"when: any\n", "hints.yaml:1:1", "sequence"),
        (GARBAGE, "hints.yaml", "not UTF-8 text"),
    ] {
        let course = course(UNTOUCHED);
        course.put("1.1", "own-name", "hints.yaml", content);
        refused(&course, &["hint", "1.1"], place, words);
    }
}

#[test]
fn a_broken_expected_yaml_is_the_verdict_error_with_its_place() {
    if !sandbox_or_skip() {
        return;
    }
    for (content, place, words) in [
        (&b"inside:\n\tprocess: {}\n"[..], ":2:1: ", "tab character"),
        (
            b"inside: {process: {hostname: [x]}}\n",
            ":1:30: ",
            "hostname",
        ),
        (
            b"inside: {proces: {}}\n",
            ":1:10: ",
            "did you mean `process`?",
        ),
        (b"- inside\n", ":1:1: ", "mapping"),
        (
            b"inside: {process: {hostname: {matches: '*'}}}\n",
            ":1:40: ",
            "accepts every value",
        ),
        (b"", ":1:1: ", "empty"),
        (GARBAGE, ": ", "not UTF-8 text"),
    ] {
        let course = course(HONEST);
        course.put("1.1", "own-name", "expected.yaml", content);
        let document = document(&course, &["1.1"], 2);
        let reason = document["exercises"][0]["reason"].as_str().unwrap();
        let begin = format!("exercises/01-chapter/1-own-name/expected.yaml{place}");
        assert!(reason.starts_with(&begin), "{begin}: {reason}");
        assert!(
            reason.contains(words) && reason.lines().count() == 1,
            "{reason}"
        );
        // By hand it is the same line.
        let mut shell = course.tp(&["shell", "1.1"]);
        let script = File::open(course.folder.write("script", "checkpoint\n")).unwrap();
        let line = error_line(&shell.stdin(script).output().unwrap(), 2);
        assert!(line.contains(reason), "{line}");
    }
}

#[test]
fn a_need_that_nobody_knows_is_the_verdict_error() {
    let course = course(HONEST);
    let spec = "version: 1\nkind: shell\nneeds: [overlya]\n";
    course.put("1.1", "own-name", "exercise.yaml", spec);
    let document = document(&course, &["1.1"], 2);
    let reason = document["exercises"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no feature `overlya`"), "{reason}");
    assert!(reason.contains("overlay"), "{reason}");
}

#[test]
fn work_that_is_no_text_fails_as_any_other_wrong_work() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(UNTOUCHED);
    course.put("1.1", "own-name", "work.sh", GARBAGE);
    let document = document(&course, &["1.1"], 1);
    assert_eq!(document["exercises"][0]["status"], "fail", "{document:#}");
    // One stray byte in a comment takes nothing away.
    let latin = [b"# caf\xe9\n", HONEST.as_bytes()].concat();
    course.put("1.1", "own-name", "work.sh", latin);
    printed(&course.run(&["check", "1.1"]), 0);
}

#[test]
fn work_that_is_gone_is_named_with_its_remedy_and_the_remedy_works() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(UNTOUCHED);
    printed(&course.run(&["list"]), 0);
    let work = course.exercise("1.1", "own-name").join("work.sh");
    fs::remove_file(&work).unwrap();
    let document = document(&course, &["1.1"], 2);
    insta::assert_snapshot!(
        document["exercises"][0]["reason"].as_str().unwrap(),
        @"exercises/01-chapter/1-own-name/work.sh: No such file or directory; `tp reset 1.1` restores it"
    );
    printed(&course.run(&["reset", "1.1"]), 0);
    assert_eq!(fs::read_to_string(&work).unwrap(), UNTOUCHED);
}

/// As root everything can be read; the program is run as somebody else.
fn closed(course: &Course, path: &Path, arguments: &[&str]) -> Output {
    let mut command = course.tp_as_ordinary(arguments);
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    let output = command.output().unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    output
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    if !sandbox_or_skip() {
        return;
    }
    for file in ["exercise.yaml", "README.md"] {
        let course = course(UNTOUCHED);
        let path = course.exercise("1.1", "own-name").join(file);
        let line = error_line(&closed(&course, &path, &["check", "1.1"]), 2);
        assert!(
            line.contains(file) && line.contains("Permission denied"),
            "{line}"
        );
    }
    for file in ["work.sh", "expected.yaml"] {
        let course = course(UNTOUCHED);
        let path = course.exercise("1.1", "own-name").join(file);
        let told = printed(&closed(&course, &path, &["check", "1.1"]), 2);
        assert!(
            told.contains(file) && told.contains("Permission denied"),
            "{told}"
        );
        assert!(!told.contains("os error"), "{told}");
    }
    let course = course(UNTOUCHED);
    let path = course.path("course/exercises");
    let line = error_line(&closed(&course, &path, &["check", "1.1"]), 2);
    assert!(line.contains("exercises"), "{line}");
}

#[test]
fn a_course_that_is_not_there_is_told_with_what_to_set() {
    let course = course(UNTOUCHED);
    let mut command = course.tp(&["list"]);
    let line = error_line(&command.env("TP_COURSE", "/nowhere").output().unwrap(), 2);
    insta::assert_snapshot!(line, @"error: TP_COURSE=/nowhere: no folder `exercises` there; set it to the course's folder");
}

/// Takes away (or gives back) the right to write, in a whole tree.
fn writable(path: &Path, yes: bool) {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    let mode = if yes { mode | 0o200 } else { mode & !0o222 };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            writable(&entry.unwrap().path(), yes);
        }
    }
}

#[test]
fn a_course_that_can_only_be_read_is_checked_all_the_same() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(HONEST);
    let mut check = course.tp_as_ordinary(&["check", "1.1"]);
    let mut reset = course.tp_as_ordinary(&["reset", "1.1"]);
    let mut accept = course.tp_as_ordinary(&["dev", "snapshot", "1.1", "--accept"]);
    let mut new = course.tp_as_ordinary(&["dev", "new", "1.2", "more", "--kind", "shell"]);
    printed(&check.output().unwrap(), 0);
    let work = course.exercise("1.1", "own-name").join("work.sh");
    fs::write(&work, "# changed\nexit 1\n").unwrap();
    writable(&course.path("course"), false);
    let outputs = [
        check.output(),
        reset.output(),
        accept.output(),
        new.output(),
    ];
    writable(&course.path("course"), true);
    let [check, reset, accept, new] = outputs.map(|output| output.unwrap());
    printed(&check, 1);
    let line = error_line(&reset, 2);
    assert!(
        line.contains("work.sh: Permission denied; nothing was reset"),
        "{line}"
    );
    assert_eq!(fs::read_to_string(&work).unwrap(), "# changed\nexit 1\n");
    let line = error_line(&accept, 2);
    assert!(line.contains("expected.yaml: Permission denied"), "{line}");
    let line = error_line(&new, 2);
    assert!(line.contains("1.2") || line.contains("2-more"), "{line}");
}

/// A verdict that could not be written down: the verdict holds, and one line
/// says what is lost.
fn warned(output: &Output, code: i32, words: &str) {
    printed(output, code);
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("warning: ") && stderr.contains("progress.jsonl"),
        "{stderr}"
    );
    assert!(
        stderr.contains(words) && stderr.contains("TP_STATE_DIR"),
        "{stderr}"
    );
}

#[test]
fn a_state_folder_that_can_only_be_read_costs_the_progress_and_not_the_verdict() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(HONEST);
    fs::create_dir_all(course.path("state")).unwrap();
    let mut check = course.tp_as_ordinary(&["check", "1.1"]);
    writable(&course.path("state"), false);
    let output = check.output().unwrap();
    writable(&course.path("state"), true);
    warned(&output, 0, "Permission denied");
}

/// Mounts a file system of 64 KiB there and fills it to the last byte.
fn full(path: &Path) -> io::Result<()> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, path, tmpfs, MsFlags::empty(), Some("size=64k"))?;
    let mut fill = File::create(path.join("fill"))?;
    match io::copy(&mut io::repeat(b'x'), &mut fill) {
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOSPC) => Ok(()),
        other => Err(io::Error::other(format!("not full: {other:?}"))),
    }
}

#[test]
fn a_full_disk_costs_the_progress_and_not_the_verdict() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course(HONEST);
    let state = course.path("state");
    fs::create_dir_all(&state).unwrap();
    let mut check = course.tp_in_namespace(&["check", "1.1"], move || full(&state));
    warned(&check.output().unwrap(), 0, "No space left on device");
}

#[test]
fn on_a_full_disk_nothing_is_reset_and_ones_own_work_stays() {
    let course = course(UNTOUCHED);
    printed(&course.run(&["list"]), 0);
    course.put("1.1", "own-name", "work.sh", "my own\n");
    let shipped = course.path("shipped");
    let state = course.path("state");
    let mut reset = course.tp_in_namespace(&["reset", "1.1"], move || {
        // What is kept of the shipped file stays readable beside the full disk.
        fs::rename(&state, &shipped)?;
        fs::create_dir(&state)?;
        full(&state)?;
        copy(&shipped, &state)
    });
    let line = error_line(&reset.output().unwrap(), 2);
    assert!(
        line.contains("nothing was reset") || line.contains("no shipped copy"),
        "{line}"
    );
    let work = course.exercise("1.1", "own-name").join("work.sh");
    assert_eq!(fs::read_to_string(work).unwrap(), "my own\n");
}

/// The folders and links of a tree: they need no space.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            std::os::unix::fs::symlink(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[test]
fn an_output_that_cannot_be_written_is_one_line_for_every_command() {
    let course = course(UNTOUCHED);
    let own = std::process::id().to_string();
    let commands: [&[&str]; 15] = [
        &["check", "1.1"],
        &["check", "1.1", "--format", "json"],
        &[],
        &["list"],
        &["read", "1.1"],
        &["hint", "1.1"],
        &["skip", "1.1"],
        &["solution", "1.1", "--anyway"],
        &["inspect", &own],
        &["diff", &own, &own],
        &["doctor"],
        &["completions", "bash"],
        &["dev", "check", "--times", "1"],
        &["dev", "snapshot", "--reject"],
        &["shell", "1.1"],
    ];
    for arguments in commands {
        let mut command = course.tp(arguments);
        let script = File::open(course.folder.write("script", "checkpoint; echo x\n")).unwrap();
        command
            .stdin(script)
            .stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = command.output().unwrap();
        let line = error_line(&output, 2);
        assert!(
            line.contains("No space left on device; "),
            "{arguments:?}: {line}"
        );
    }
}

#[test]
fn a_full_disk_behind_the_standard_error_is_no_crash() {
    let course = course(UNTOUCHED);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&["check", "nobody"][..], &["bogus"], &["check", "1.1"]] {
        let mut command = course.tp(arguments);
        let status = command.stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn nonsense_of_every_kind_is_refused_without_a_panic() {
    let course = course(UNTOUCHED);
    let long = "x".repeat(100_000);
    for arguments in [
        &["check", ""][..],
        &["check", "\u{1b}[2J"],
        &["check", "1.1.1"],
        &["check", "-1"],
        &["check", "999999999999999999999.1"],
        &["check", &long],
        &["hint", "nobody"],
        &["reset", "nobody"],
        &["read", "nobody"],
        &["solution", "nobody"],
        &["shell", "1"],
        &["list", "99"],
        &["dev", "new", "1.1", "own-name", "--kind", "shell"],
        &["dev", "new", "x", "y", "--kind", "shell"],
        &["inspect", "99999999999"],
        &["man", "/dev/null/man"],
    ] {
        let output = course.run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(
            told.starts_with("error: ") && !told.contains("panicked"),
            "{told}"
        );
        assert!(
            !told.contains('\u{1b}') && !told.contains("os error"),
            "{told:?}"
        );
    }
}
