//! The command line itself: help, completions, man pages.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use tp::ui::cli::Cli;

use crate::check::{EXPECTED, UNTOUCHED};
use crate::support::{Course, printed, text};

/// Every command that a person sees, as its words.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for inner in command.get_subcommands() {
            if inner.is_hide_set() || inner.get_name() == "help" {
                continue;
            }
            let mut path = path.to_vec();
            path.push(inner.get_name().to_owned());
            found.push(path.clone());
            below(inner, &path, found);
        }
    }
    let mut found = Vec::new();
    below(&Cli::command(), &[], &mut found);
    found
}

#[test]
fn every_commands_help_shows_an_example() {
    let course = Course::new();
    let all = commands();
    assert!(all.len() >= 18, "{all:?}");
    for path in all {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        let example = format!("  tp {}", path.join(" "));
        arguments.push("--help");
        let help = printed(&course.run(&arguments), 0);
        let (_, examples) = help
            .split_once("Example")
            .unwrap_or_else(|| panic!("{help}"));
        assert!(examples.contains(&example), "{help}");
    }
}

#[test]
fn every_example_of_the_help_is_a_command_that_is_understood() {
    for path in commands() {
        let mut command = Cli::command();
        let mut inner = &mut command;
        for name in &path {
            inner = inner.find_subcommand_mut(name).unwrap();
        }
        let examples = inner.get_after_help().map(ToString::to_string);
        for line in examples.unwrap_or_default().lines() {
            let Some((_, asked)) = line.split_once("tp ") else {
                continue;
            };
            // What a shell would do itself, and the words beside an example.
            let asked = asked
                .split("   ")
                .next()
                .unwrap()
                .split(" > ")
                .next()
                .unwrap();
            let asked = asked.replace("$(docker inspect -f '{{.State.Pid}}' web)", "4711");
            let words = ["tp"].into_iter().chain(asked.split_whitespace());
            if let Err(error) = Cli::command().try_get_matches_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}

#[test]
fn the_whole_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn completions_are_made_for_every_shell_and_bash_takes_them() {
    let course = Course::new();
    for (shell, words) in [
        ("bash", "complete -F _tp"),
        ("zsh", "#compdef tp"),
        ("fish", "complete -c tp"),
    ] {
        let script = printed(&course.run(&["completions", shell]), 0);
        assert!(script.contains(words), "{shell}: {script}");
        for command in ["inspect", "doctor", "snapshot"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let script = course.run(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(&script).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn each_command_has_a_man_page_with_its_example() {
    let course = Course::new();
    let directory = course.path("made/man1");
    printed(&course.run(&["man", directory.to_str().unwrap()]), 0);
    for path in commands() {
        let page = directory.join(format!("tp-{}.1", path.join("-")));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(page.contains(".TH tp"), "{page}");
    }
    let check = fs::read_to_string(directory.join("tp-check.1")).unwrap();
    assert!(check.contains("result.json"), "{check}");
    assert!(directory.join("tp.1").is_file());
}

#[test]
fn a_misspelt_command_is_answered_with_the_right_one() {
    let output = Course::new().run(&["chekc"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("error: unrecognized subcommand 'chekc'"),
        "{told}"
    );
    assert!(told.contains("'check'"), "{told}");
}

#[test]
fn help_and_version_go_to_the_standard_output() {
    let course = Course::new();
    assert!(printed(&course.run(&["--help"]), 0).contains("Exit codes: 0 all pass"));
    assert!(printed(&course.run(&["--version"]), 0).starts_with("tp "));
}

#[test]
fn a_reader_that_has_gone_ends_the_program_quietly() {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, UNTOUCHED);
    let mut child = course
        .tp(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
}
