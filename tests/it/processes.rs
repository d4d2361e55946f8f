//! `tp inspect` and `tp diff`, on processes in namespaces of their own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::unistd::geteuid;
use serde_json::Value;

use crate::support::{Course, error_line, printed, skip, text};

/// A process that runs until it is dropped.
struct Kept(Child);

impl Kept {
    /// Runs `unshare -U -r OPTIONS` and a shell script in it that prints a line
    /// when all is done.
    fn unshared(options: &[&str], script: &str) -> Option<Self> {
        let script = format!("{script}; echo ready; exec sleep 1000");
        let mut child = Command::new("unshare")
            .args(["-U", "-r"])
            .args(options)
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        if line != "ready\n" {
            let told = child.wait_with_output().unwrap();
            skip(&format!("unshare -U: {}", text(&told.stderr)));
            return None;
        }
        Some(Self(child))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn json(output: &str) -> Value {
    serde_json::from_str(output).unwrap()
}

#[test]
fn a_process_is_its_difference_from_the_caller() {
    let Some(kept) = Kept::unshared(&["-u", "-i"], "hostname inner") else {
        return;
    };
    let course = Course::new();
    let output = course.run(&["inspect", &kept.pid(), "--format", "json"]);
    let difference = &json(&printed(&output, 0))["difference"];
    assert_eq!(
        difference["namespaces"],
        serde_json::json!({"user": "new", "uts": "new", "ipc": "new"})
    );
    assert_eq!(difference["hostname"], "inner");
    let map = format!("0 {} 1", geteuid());
    assert_eq!(difference["uid_map"], serde_json::json!([map]));
    assert_eq!(difference["interfaces"], Value::Null, "{difference:#}");
}

#[test]
fn yaml_and_json_say_the_same() {
    let Some(kept) = Kept::unshared(&["-u"], "hostname inner") else {
        return;
    };
    let course = Course::new();
    let page = |format: &str| {
        printed(
            &course.run(&["inspect", &kept.pid(), "--format", format]),
            0,
        )
    };
    let yaml: Value = serde_yaml::from_str(&page("yaml")).unwrap();
    assert_eq!(yaml["difference"], json(&page("json"))["difference"]);
    assert_eq!(yaml["process"]["name"], "sleep");
}

#[test]
fn the_page_for_people_tells_what_is_new_and_what_is_the_same() {
    let Some(kept) = Kept::unshared(&["-u", "-m"], "hostname inner; mount -t tmpfs mine /mnt")
    else {
        return;
    };
    let course = Course::new();
    let page = printed(&course.run(&["inspect", &kept.pid()]), 0);
    assert!(page.contains("+ uts      new"), "{page}");
    assert!(page.contains("= pid      the same"), "{page}");
    assert!(page.contains("~ host name inner"), "{page}");
    assert!(page.contains("/mnt tmpfs"), "{page}");
    assert!(!page.contains('\u{1b}'), "no colour into a pipe: {page:?}");
    let wide: Vec<&str> = page
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(wide.len() * 10 < page.lines().count(), "{wide:#?}");
}

#[test]
fn two_processes_are_held_against_each_other_both_ways() {
    let (Some(one), Some(two)) = (
        Kept::unshared(&["-u"], "hostname one"),
        Kept::unshared(&["-u", "-n"], "hostname two"),
    ) else {
        return;
    };
    let course = Course::new();
    let diff = |a: &Kept, b: &Kept| {
        let output = course.run(&["diff", &a.pid(), &b.pid(), "--format", "json"]);
        json(&printed(&output, 0))["difference"].clone()
    };
    let there = diff(&one, &two);
    assert_eq!(there["hostname"], "two");
    assert_eq!(there["namespaces"]["net"], "new");
    assert_eq!(there["namespaces"]["pid"], Value::Null, "{there:#}");
    assert_eq!(diff(&two, &one)["hostname"], "one");
    let page = printed(&course.run(&["diff", &one.pid(), &two.pid()]), 0);
    assert!(page.contains("host name two, there one"), "{page}");
}

#[test]
fn a_process_does_not_differ_from_itself() {
    let Some(kept) = Kept::unshared(&["-u"], "hostname one") else {
        return;
    };
    let course = Course::new();
    let output = course.run(&["diff", &kept.pid(), &kept.pid(), "--format", "json"]);
    let document = json(&printed(&output, 0));
    assert_eq!(
        document["difference"],
        serde_json::json!({}),
        "{document:#}"
    );
}

#[test]
fn against_another_process_in_place_of_the_caller() {
    let (Some(one), Some(two)) = (
        Kept::unshared(&["-u"], "hostname one"),
        Kept::unshared(&["-u"], "hostname two"),
    ) else {
        return;
    };
    let course = Course::new();
    let output = course.run(&[
        "inspect",
        &two.pid(),
        "--against",
        &one.pid(),
        "--format",
        "json",
    ]);
    let document = json(&printed(&output, 0));
    assert_eq!(document["against"]["pid"].to_string(), one.pid());
    assert_eq!(document["difference"]["hostname"], "two");
}

#[test]
fn looking_changes_nothing_of_the_process() {
    let Some(kept) = Kept::unshared(&["-u", "-n", "-m"], "hostname one") else {
        return;
    };
    let state = || {
        let link = |name: &str| std::fs::read_link(format!("/proc/{}/ns/{name}", kept.pid()));
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", kept.pid()));
        (link("uts").unwrap(), link("net").unwrap(), mounts.unwrap())
    };
    let before = state();
    printed(&Course::new().run(&["inspect", &kept.pid()]), 0);
    assert_eq!(before, state());
}

#[test]
fn a_process_that_is_gone_is_told_in_one_line() {
    let course = Course::new();
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id().to_string();
    child.wait().unwrap();
    for arguments in [
        &["inspect", &pid][..],
        &["diff", &std::process::id().to_string(), &pid],
        &["inspect", "0"],
        &["inspect", "--", "-7"],
    ] {
        let line = error_line(&course.run(arguments), 2);
        assert!(line.contains("is gone"), "{line}");
    }
}

#[test]
fn a_process_of_somebody_else_is_told_in_one_line_with_a_remedy() {
    let course = Course::new();
    // As root the tests have a process to look at that is not the user's own.
    let mut command = Command::new("sleep");
    command.arg("1000");
    let foreign = geteuid().is_root().then(|| {
        command.uid(0);
        Kept(command.spawn().unwrap())
    });
    let pid = foreign.as_ref().map_or("1".to_owned(), Kept::pid);
    let output = course.tp_as_ordinary(&["inspect", &pid]).output().unwrap();
    let line = error_line(&output, 2);
    assert!(line.contains("EACCES") || line.contains("EPERM"), "{line}");
    assert!(line.ends_with("look as its owner or as root"), "{line}");
}

#[test]
fn what_is_no_number_is_refused() {
    let output = Course::new().run(&["inspect", "init"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: invalid value 'init'"));
}
