//! `tp shell`: the sandbox opened by hand, from a script and on a terminal.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::check::{EXPECTED, UNTOUCHED};
use crate::support::{Course, printed, sandbox_or_skip};
use crate::typist::Typist;

fn course() -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, UNTOUCHED);
    course
}

fn typed(course: &Course, script: &str) -> std::process::Output {
    let mut child = course
        .tp(&["shell", "1.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_script_on_the_standard_input_runs_inside_and_is_checked_where_it_says_so() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let script = "unshare -u sh -c 'hostname mine; checkpoint inside'\nhostname\nid -u\n";
    let told = printed(&typed(&course, script), 0);
    assert!(told.contains("inside"), "{told}");
    assert!(!told.to_lowercase().contains("fail"), "{told}");
    assert!(told.contains("machine\n0\n"), "{told}");
}

#[test]
fn each_checkpoint_of_a_script_gets_its_own_verdict() {
    if !sandbox_or_skip() {
        return;
    }
    let script = "checkpoint\nunshare -u sh -c 'hostname mine; checkpoint'\n";
    let told = printed(&typed(&course(), script), 0).to_lowercase();
    let (failed, passed) = (told.find("fail"), told.rfind("pass"));
    assert!(failed.is_some() && failed < passed, "{told}");
}

#[test]
fn a_checkpoint_that_the_exercise_does_not_have_is_told_with_those_it_has() {
    if !sandbox_or_skip() {
        return;
    }
    let told = printed(&typed(&course(), "checkpoint elsewhere\necho on\n"), 0);
    assert!(told.contains("elsewhere"), "{told}");
    assert!(told.contains("it has inside"), "{told}");
    assert!(told.contains("on\n"), "the shell goes on: {told}");
}

#[test]
fn what_is_done_in_the_shell_is_gone_with_it() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let script = "echo x > /root/kept; echo x > /tmp/kept; hostname other; setsid sleep 1000 &\n";
    printed(&typed(&course, script), 0);
    let told = printed(
        &typed(&course, "ls /root/kept /tmp/kept 2>/dev/null; hostname\n"),
        0,
    );
    assert_eq!(told, "machine\n");
}

#[test]
fn on_a_terminal_what_is_typed_is_checked_at_once_and_exit_gives_the_terminal_back() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo marked-$((40 + 2))\r");
    person.see("marked-42");
    assert!(!person.is_cooked(), "keys go to the sandbox as they are");
    person.type_in("unshare -u sh -c 'hostname mine; checkpoint inside; echo let-$((1 + 1))'\r");
    person.see("let-2");
    person.type_in("tty; echo on-$((2 + 1))\r");
    person.see("/dev/pts/");
    person.see("on-3");
    person.type_in("exit\r");
    assert_eq!(person.end(), 0, "{}", person.seen);
    assert!(person.is_cooked(), "the terminal is as it was");
}

#[test]
fn interrupts_typed_in_the_shell_go_to_what_runs_there_and_not_to_the_runner() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo begun-$((1 + 1)); sleep 1000\r");
    person.see("begun-2");
    std::thread::sleep(Duration::from_millis(200));
    person.type_in("\u{3}");
    person.type_in("echo still-$((1 + 2))\r");
    person.see("still-3");
    person.type_in("exit\r");
    assert_eq!(person.end(), 0, "{}", person.seen);
}

#[test]
fn a_terminal_that_goes_away_ends_the_sandbox() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&["shell", "1.1"]));
    person.type_in("echo there-$((1 + 1))\r");
    person.see("there-2");
    person.hang_up();
}
