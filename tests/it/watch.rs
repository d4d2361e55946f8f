//! Watch mode, on a terminal: the exercise, its verdict, the keys.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::check::{HONEST, UNTOUCHED};
use crate::learning::{course, log};
use crate::support::{Course, printed, sandbox_or_skip};
use crate::typist::Typist;

/// Leaving the other screen.
const BACK: &str = "\u{1b}[?1049l";

fn opened() -> Option<(Course, Typist)> {
    if !sandbox_or_skip() {
        return None;
    }
    let course = course();
    let mut person = Typist::new(course.tp(&[]));
    person.see("first");
    person.see("UTS");
    Some((course, person))
}

/// Quits, and finds the terminal as it was.
fn quit(mut person: Typist) {
    person.type_in("q");
    assert_eq!(person.end(), 0, "{}", person.seen);
    assert!(person.seen.contains(BACK), "{:?}", person.seen);
    assert!(person.is_cooked(), "the terminal is as it was");
}

#[test]
fn on_a_terminal_the_bare_command_opens_the_first_exercise_and_a_save_checks_it() {
    let Some((course, mut person)) = opened() else {
        return;
    };
    course.put("1.1", "first", "work.sh", HONEST);
    person.see("1 of 3 passed");
    person.type_in("n");
    person.see("second");
    quit(person);
    let list = printed(&course.run(&["list", "--format", "json"]), 0);
    assert_eq!(list.matches("\"passed\": true").count(), 1, "{list}");
    // It opens again where it was left.
    let mut person = Typist::new(course.tp(&[]));
    person.see("second");
    quit(person);
}

#[test]
fn a_new_file_in_place_of_the_old_is_a_save_too() {
    let Some((course, mut person)) = opened() else {
        return;
    };
    let folder = course.exercise("1.1", "first");
    fs::write(folder.join(".work.sh.swp"), HONEST).unwrap();
    fs::rename(folder.join(".work.sh.swp"), folder.join("work.sh")).unwrap();
    person.see("1 of 3 passed");
    quit(person);
}

#[test]
fn keys_show_hints_the_list_and_help() {
    let Some((_course, mut person)) = opened() else {
        return;
    };
    person.type_in("h");
    person.see("first-uts");
    person.type_in("h");
    person.see("second-uts");
    person.type_in("l");
    person.see("third");
    person.type_in("\u{1b}");
    person.see("first");
    person.type_in("?");
    person.see("scroll");
    person.type_in("?");
    quit(person);
}

#[test]
fn a_reset_asks_first() {
    let Some((course, mut person)) = opened() else {
        return;
    };
    let work = course.exercise("1.1", "first").join("work.sh");
    fs::write(&work, "exit 7\n").unwrap();
    person.see("7");
    person.type_in("r");
    person.see("y / n");
    person.type_in("n");
    person.type_in("r");
    person.see("y / n");
    assert_eq!(fs::read_to_string(&work).unwrap(), "exit 7\n");
    person.type_in("y");
    crate::check::wait_until("it is as shipped", || {
        fs::read_to_string(&work).unwrap() == UNTOUCHED
    });
    person.see("UTS");
    quit(person);
}

#[test]
fn the_shell_opens_from_it_and_comes_back_to_it() {
    let Some((_course, mut person)) = opened() else {
        return;
    };
    person.type_in("s");
    person.see("throw-away");
    person.type_in("echo in-$((1 + 1))\r");
    person.see("in-2");
    person.type_in("exit\r");
    person.see("first");
    quit(person);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let Some((course, mut person)) = opened() else {
            return;
        };
        person.signal(signal);
        person.end();
        assert!(person.seen.contains(BACK), "{signal}: {:?}", person.seen);
        assert!(person.is_cooked(), "{signal}");
        assert!(log(&course).contains("\"attempt\""), "{}", log(&course));
    }
}

#[test]
fn a_run_that_is_killed_loses_nothing_of_the_progress() {
    let Some((course, mut person)) = opened() else {
        return;
    };
    course.put("1.1", "first", "work.sh", HONEST);
    person.see("1 of 3 passed");
    let before = log(&course);
    person.signal(Signal::SIGKILL);
    person.end();
    assert!(log(&course).starts_with(&before));
    let list = printed(&course.run(&["list", "--format", "json"]), 0);
    assert_eq!(list.matches("\"passed\": true").count(), 1, "{list}");
}

#[test]
fn a_terminal_of_twenty_columns_and_six_rows_is_enough() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    let mut person = Typist::at(course.tp(&[]), 20, 6);
    person.see("0 of 3 passed");
    // After a save the verdict is what there is room for.
    course.put("1.1", "first", "work.sh", "exec unshare -u \"$@\"\n");
    person.see("FAIL");
    person.type_in("l");
    person.see("third");
    person.type_in("\u{1b}");
    person.see("first");
    quit(person);
}

#[test]
fn a_terminal_that_goes_without_a_signal_ends_it_too() {
    if !sandbox_or_skip() {
        return;
    }
    let course = course();
    // In a session of its own it is told nothing; the shell outlives the
    // signal, and ends when it ends.
    let tp = course.tp(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; setsid --wait \"$0\"; exit 0"]);
    command
        .arg(tp.get_program())
        .current_dir(course.path("home"));
    for (name, value) in tp.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut person = Typist::new(command);
    person.see("UTS");
    // Now it only waits for keys; whoever draws would notice by itself.
    std::thread::sleep(std::time::Duration::from_millis(500));
    person.hang_up();
}
