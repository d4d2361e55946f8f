//! `tp dev check`, the authors' gate: it holds a healthy exercise for healthy,
//! and finds each fault that an author can make.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::check::{EXPECTED, HONEST, UNTOUCHED};
use crate::support::{Course, printed, sandbox_or_skip, text};

const HINTS: &str = "- when: inside.process.namespaces.uts\n  hints: [one, two, three]\n\
                     - when: any\n  hints: [one, two, three]\n";

/// A course of one exercise, of which the gate has nothing to say.
fn healthy() -> Course {
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, UNTOUCHED);
    course.put("1.1", "own-name", "hints.yaml", HINTS);
    for (file, content) in [
        ("README.md", "# Why\n"),
        ("work.sh", HONEST),
        (
            "wrong/no-namespace.sh",
            "# caught by: inside.process.namespaces.uts\nexec \"$@\"\n",
        ),
        (
            "wrong/no-name.sh",
            "# caught by: inside.process.hostname\nexec unshare -u \"$@\"\n",
        ),
    ] {
        course.solution("1.1", "own-name", file, content);
    }
    course
}

/// What the gate prints, which ends with this code; paths below the course.
fn gate(course: &Course, arguments: &[&str], code: i32) -> String {
    let mut all = vec!["dev", "check", "--times", "2"];
    all.extend(arguments);
    let told = printed(&course.run(&all), code);
    let root = format!("{}/", course.path("course").display());
    told.replace(&root, "")
}

/// The complaint of a gate that has exactly one.
fn only_complaint(course: &Course) -> String {
    let told = gate(course, &["1.1"], 1);
    let complaints: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("    "))
        .collect();
    assert_eq!(complaints.len(), 1, "{told}");
    assert!(told.contains("0 exercises hold, 1 do not"), "{told}");
    complaints[0].trim().to_owned()
}

fn complaints(course: &Course) -> String {
    gate(course, &["1.1"], 1)
}

#[test]
fn a_healthy_exercise_holds() {
    if !sandbox_or_skip() {
        return;
    }
    let told = gate(&healthy(), &[], 0);
    insta::assert_snapshot!(told, @"
    + 1.1 own-name
    1 exercises hold, 0 do not
    ");
}

#[test]
fn a_healthy_question_holds() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let scenario = "unshare -u sh -c 'hostname mine; checkpoint inside'\n";
    let answer = |name: &str| format!("inside: {{process: {{hostname: {name}}}}}\n");
    course.question("1.1", "who", scenario, EXPECTED, &answer("\"???\""));
    course.put(
        "1.1",
        "who",
        "hints.yaml",
        HINTS.replace(".namespaces.uts", ".hostname"),
    );
    course.solution("1.1", "who", "answer.yaml", &answer("mine"));
    for name in ["machine", "yours"] {
        let wrong = format!("# caught by: inside.process.hostname\n{}", answer(name));
        course.solution("1.1", "who", &format!("wrong/{name}.yaml"), &wrong);
    }
    gate(&course, &[], 0);
}

#[test]
fn a_file_astray_is_found_in_both_trees_and_a_translation_is_none() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    course.put("1.1", "own-name", "README.fr.md", "# Un nom\n");
    course.put("1.1", "own-name", "hints.fr.yaml", HINTS);
    gate(&course, &[], 0);
    course.put("1.1", "own-name", "notes.txt", "x");
    assert_eq!(
        only_complaint(&course),
        "exercises/01-chapter/1-own-name/notes.txt: a file that does not belong here"
    );
    fs::remove_file(course.exercise("1.1", "own-name").join("notes.txt")).unwrap();
    course.solution("1.1", "own-name", "work.sh~", "x");
    assert_eq!(
        only_complaint(&course),
        "solutions/01-chapter/1-own-name/work.sh~: a file that does not belong here"
    );
}

#[test]
fn a_folder_astray_is_found_in_the_whole_course() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    course
        .folder
        .write("course/solutions/01-chapter/7-gone/work.sh", "x");
    course.folder.write("course/exercises/notes.txt", "x");
    let told = gate(&course, &[], 1);
    assert!(
        told.contains("solutions/01-chapter/7-gone: not an exercise of the course"),
        "{told}"
    );
    assert!(
        told.contains("exercises/notes.txt: a file that does not belong here"),
        "{told}"
    );
}

#[test]
fn a_missing_file_is_named() {
    if !sandbox_or_skip() {
        return;
    }
    for file in ["hints.yaml", "expected.yaml", "work.sh"] {
        let course = healthy();
        fs::remove_file(course.exercise("1.1", "own-name").join(file)).unwrap();
        let told = complaints(&course);
        let missing = format!("exercises/01-chapter/1-own-name/{file}: missing");
        assert!(told.contains(&missing), "{told}");
    }
}

#[test]
fn a_solution_that_is_not_there_is_named() {
    let course = healthy();
    fs::remove_dir_all(course.path("course/solutions")).unwrap();
    assert_eq!(
        only_complaint(&course),
        "solutions/01-chapter/1-own-name/work.sh: there is no solution"
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let links = "# T\n[a](exercise.yaml) [b](exercise.yaml#x) [c](#t) [d](https://example.org/x)\n\
                 ```\n[e](in/code)\n```\n";
    course.put("1.1", "own-name", "README.md", links);
    gate(&course, &[], 0);
    course.put("1.1", "own-name", "README.md", "# T\n[a](../nowhere.md)\n");
    assert_eq!(
        only_complaint(&course),
        "exercises/01-chapter/1-own-name/README.md: the link to ../nowhere.md leads nowhere"
    );
    let course = healthy();
    course
        .folder
        .write("course/course.md", "# C\n[x](labs/gone.md)\n");
    let told = gate(&course, &[], 1);
    assert!(
        told.contains("course.md: the link to labs/gone.md leads nowhere"),
        "{told}"
    );
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told_with_its_place() {
    let course = healthy();
    course.put(
        "1.1",
        "own-name",
        "expected.yaml",
        "inside:\n  proces: {}\n",
    );
    let told = only_complaint(&course);
    assert!(
        told.contains("expected.yaml:2:3: unknown fact `proces`"),
        "{told}"
    );
}

#[test]
fn a_solution_that_fails_is_told_with_what_fails() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let other = HONEST.replace("mine", "yours");
    course.solution("1.1", "own-name", "work.sh", &other);
    let told = complaints(&course);
    assert!(
        told.contains("the solution, run 1 of 2: fail (inside.process.hostname)"),
        "{told}"
    );
}

#[test]
fn a_solution_that_passes_only_now_and_then_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let fickle = "[ $(od -An -N1 -tu1 /dev/urandom) -lt 64 ] && exit 0\n";
    course.solution("1.1", "own-name", "work.sh", &format!("{fickle}{HONEST}"));
    let output = course.run(&["dev", "check", "1.1", "--times", "60"]);
    let told = printed(&output, 1);
    assert!(told.contains(" of 60: fail"), "{told}");
}

#[test]
fn hints_that_are_too_few_or_for_no_fact_or_no_hints_are_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let put = |text: &str| course.put("1.1", "own-name", "hints.yaml", text);
    put("- when: any\n  hints: [one, two]\n");
    assert_eq!(
        only_complaint(&course),
        "hints.yaml: 2 layers of hints; there should be 3 or more"
    );
    put("- when: inside.process.hostnam\n  hints: [one, two, three]\n");
    assert_eq!(
        only_complaint(&course),
        "hints.yaml: `when: inside.process.hostnam` is no fact of this exercise"
    );
    put("- whenever: any\n");
    let told = only_complaint(&course);
    assert!(
        told.contains("hints.yaml:1:3: unknown field `whenever`, expected `when` or `hints`"),
        "{told}"
    );
}

#[test]
fn a_snapshot_that_accepts_the_untouched_sandbox_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    course.put(
        "1.1",
        "own-name",
        "expected.yaml",
        "inside: {}\nafter: {exit: {status: 0}}\n",
    );
    let told = complaints(&course);
    assert!(
        told.contains("expected.yaml accepts the untouched sandbox"),
        "{told}"
    );
    assert!(
        told.contains("as shipped it should fail, but: pass"),
        "{told}"
    );
}

#[test]
fn an_exercise_that_is_shipped_solved_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    course.put("1.1", "own-name", "work.sh", HONEST);
    let told = complaints(&course);
    assert!(
        told.contains("as shipped it should fail, but: pass"),
        "{told}"
    );
    assert!(
        told.contains("the solution adds nothing to the exercise"),
        "{told}"
    );
}

#[test]
fn a_wrong_answer_that_passes_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let right = format!("# caught by: inside.process.hostname\n{HONEST}");
    course.solution("1.1", "own-name", "wrong/right.sh", &right);
    assert_eq!(
        only_complaint(&course),
        "solutions/01-chapter/1-own-name/wrong/right.sh: should fail on inside.process.hostname, but: pass"
    );
}

#[test]
fn a_wrong_answer_that_another_fact_catches_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let wrong = "# caught by: inside.process.namespaces.uts\nexec unshare -u \"$@\"\n";
    course.solution("1.1", "own-name", "wrong/no-name.sh", wrong);
    let told = only_complaint(&course);
    let begin = "solutions/01-chapter/1-own-name/wrong/no-name.sh: \
                 should fail on inside.process.namespaces.uts, but: fail (inside.process.hostname)";
    assert!(told.starts_with(begin), "{told}");
}

#[test]
fn a_wrong_answer_may_be_caught_by_a_change_that_nobody_asked_for() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let wrong = "# caught by: inside.process.namespaces.ipc\n\
                 exec unshare -u -i sh -c 'hostname mine; exec \"$@\"' sh \"$@\"\n";
    course.solution("1.1", "own-name", "wrong/too-much.sh", wrong);
    gate(&course, &["1.1"], 0);
}

#[test]
fn wrong_answers_that_are_too_few_or_name_no_fact_are_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let folder = course.path("course/solutions/01-chapter/1-own-name/wrong");
    fs::remove_file(folder.join("no-name.sh")).unwrap();
    assert_eq!(
        only_complaint(&course),
        "solutions/01-chapter/1-own-name/wrong: 1 known wrong answers; there should be 2 or more"
    );
    course.solution(
        "1.1",
        "own-name",
        "wrong/no-name.sh",
        "exec unshare -u \"$@\"\n",
    );
    assert_eq!(
        only_complaint(&course),
        "solutions/01-chapter/1-own-name/wrong/no-name.sh: \
         no line `caught by: FACT` tells what catches it"
    );
}

#[test]
fn a_step_of_the_solution_that_can_be_left_out_is_found() {
    if !sandbox_or_skip() {
        return;
    }
    let course = healthy();
    let long = format!("# why\nls /tmp >/dev/null\n{HONEST}");
    course.solution("1.1", "own-name", "work.sh", &long);
    let told = only_complaint(&course);
    assert_eq!(
        told,
        "solutions/01-chapter/1-own-name/work.sh:2: without `ls /tmp >/dev/null` it should fail, but: pass"
    );
}

#[test]
fn what_cannot_be_run_here_is_told_and_not_taken_for_good() {
    let course = healthy();
    course.put(
        "1.1",
        "own-name",
        "exercise.yaml",
        "version: 1\nkind: shell\nneeds: [iproute2]\n",
    );
    let mut command =
        course.tp_in_namespace(&["dev", "check", "1.1"], || crate::doctor::hide("ip"));
    let told = printed(&command.output().unwrap(), 77);
    assert!(told.contains("`ip` is not installed"), "{told}");
    assert!(
        told.contains("0 exercises hold, 0 do not, 1 cannot be run here"),
        "{told}"
    );
}

#[test]
fn rust_solutions_go_through_the_same_gate() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    let shipped = "use std::os::unix::process::CommandExt;\nuse std::process::Command;\n\n\
        fn main() {\n    let mut arguments = std::env::args().skip(1);\n\
        let mut command = Command::new(arguments.next().unwrap());\n\
        // TODO\n    panic!(\"{}\", command.args(arguments).exec());\n}\n";
    let solved = shipped
        .replace(
            "Command::new(arguments.next().unwrap())",
            "Command::new(\"unshare\")",
        )
        .replace(
            "// TODO\n",
            "command.args([\"-u\", \"sh\", \"-c\", \"hostname mine; exec \\\"$@\\\"\", \"sh\"]);\n",
        );
    course.rust("1.1", "in-rust", EXPECTED, shipped);
    course.put("1.1", "in-rust", "hints.yaml", HINTS);
    course.solution("1.1", "in-rust", "work.rs", &solved);
    let wrong = |fact: &str, text: &str| format!("// caught by: {fact}\n{text}");
    course.solution(
        "1.1",
        "in-rust",
        "wrong/no-namespace.rs",
        &wrong("inside.process.namespaces.uts", shipped),
    );
    course.solution(
        "1.1",
        "in-rust",
        "wrong/other-name.rs",
        &wrong("inside.process.hostname", &solved.replace("mine", "yours")),
    );
    gate(&course, &["1.1"], 0);
    // One that does not compile is found, with the compiler's words.
    course.solution("1.1", "in-rust", "work.rs", "fn main() { missing(); }\n");
    let told = complaints(&course);
    assert!(
        told.contains("fail (build") && told.contains("E0425"),
        "{told}"
    );
}

#[test]
fn a_folder_that_cannot_be_read_stops_the_gate_in_one_line() {
    let course = healthy();
    let mut command = course.tp_as_ordinary(&["dev", "check", "1.1"]);
    let wrong = course.path("course/solutions/01-chapter/1-own-name/wrong");
    let solution = wrong.parent().unwrap();
    fs::set_permissions(solution, fs::Permissions::from_mode(0o000)).unwrap();
    let output = command.output().unwrap();
    fs::set_permissions(solution, fs::Permissions::from_mode(0o755)).unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(told.contains("Permission denied"), "{told}");
    assert!(
        !told.contains("panicked") && !told.contains("os error"),
        "{told}"
    );
}
