//! The course's own text, and proofs that the harness can fail.

use std::path::{Path, PathBuf};

use crate::support::program;
use crate::transcript::{Outcome, blocks};
use crate::{elsewhere, skipped};

/// What the chapters' console blocks may call.
const PROGRAMS: &[&str] = &[
    "side-by-side",
    "unshare-hostname",
    "namespaces",
    "ip-netns",
    "cgroup-vfs",
    "reducecap",
    "mini-chroot",
    "union-fs",
    "mini-docker",
];

/// The labs' programs in a folder that any user may read.
fn programs(name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("labs-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in PROGRAMS {
        std::fs::copy(program(name), folder.join(name)).unwrap();
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs one block that a test brings along.
fn run(name: &str, lines: &str) -> Outcome {
    run_about(name, "", lines)
}

/// The same, with a word after ```console.
fn run_about(name: &str, about: &str, lines: &str) -> Outcome {
    let folder = programs(name);
    let outcome = blocks("test", &format!("```console{about}\n{lines}\n```\n"))[0].run(&folder);
    std::fs::remove_dir_all(folder).unwrap();
    outcome
}

fn assert_same(name: &str, lines: &str) {
    match run(name, lines) {
        Outcome::Same => {}
        Outcome::Skipped(reason) => skipped(&reason),
        Outcome::Elsewhere(reason) => elsewhere(&reason),
        Outcome::Different(how) => panic!("{how}"),
    }
}

fn assert_different(name: &str, lines: &str) {
    match run(name, lines) {
        Outcome::Different(_) => {}
        Outcome::Skipped(reason) => skipped(&reason),
        Outcome::Elsewhere(reason) => elsewhere(&reason),
        Outcome::Same => panic!("accepted, and is wrong:\n{lines}"),
    }
}

/// The texts of a folder, translations (`README.fr.md`) with them.
fn texts_of(folder: &Path) -> Vec<PathBuf> {
    let is_text = |name: &str| {
        name.ends_with(".md") && (name.starts_with("README.") || name.starts_with("course."))
    };
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap())
        .filter(|entry| is_text(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}

#[test]
fn every_console_block_of_the_course_prints_what_the_text_says() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in std::fs::read_dir(labs).unwrap() {
        texts.extend(texts_of(&folder.unwrap().path()));
    }
    assert!(!texts.is_empty(), "the chapters have moved");
    texts.extend(texts_of(&labs.join("..")));
    texts.sort();

    let folder = programs("course");
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in texts {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let name = path.strip_prefix(labs).unwrap().display().to_string();
        // In the slow machine of `.ci/vm` only what its cgroups make different.
        if std::env::var_os("TP_VM").is_some() && !name.starts_with("04-cgroups") {
            continue;
        }
        for block in blocks(&name, &text) {
            seen += 1;
            match block.run(&folder) {
                Outcome::Same => {}
                Outcome::Skipped(reason) => skipped(&reason),
                Outcome::Elsewhere(reason) => elsewhere(&reason),
                Outcome::Different(how) => wrong.push(how),
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
    assert!(
        wrong.is_empty(),
        "the text has rotted:\n\n{}",
        wrong.join("\n\n")
    );
    assert!(seen > 0, "there is not one console block");
}

#[test]
fn a_right_transcript_is_accepted() {
    assert_same(
        "right",
        "$ echo one; echo two >&2\none\ntwo\n$ false\n$ echo $?\n1",
    );
}

#[test]
fn a_wrong_line_a_missing_line_and_a_line_too_many_are_refused() {
    assert_different("wrong", "$ echo one\ntwo");
    assert_different("missing", "$ echo one; echo two\none");
    assert_different("many", "$ echo one\none\ntwo");
    assert_different("silent", "$ true\nsomething");
    assert_different("last", "$ echo one\none\n$ echo two\nTWO");
}

#[test]
fn state_carries_on_from_command_to_command_and_into_a_nested_shell() {
    assert_same(
        "state",
        "$ cd /tmp\n$ pwd\n/tmp\n$ unshare -U -r -u bash\n# hostname box\n# hostname\nbox\n\
         # exit\n$ hostname\nmachine",
    );
}

#[test]
fn a_prompt_that_lies_about_who_you_are_is_refused() {
    assert_different("lie", "$ unshare -U -r bash\n$ echo one\none");
    assert_same("root", "# id -u\n0");
    assert_same("user", "$ id -u\n1000");
}

#[test]
fn placeholders_stand_for_one_word_and_for_whole_lines_only() {
    assert_same("word", "$ echo pid $$ here\npid … here");
    assert_different("words", "$ echo pid 1 2 here\npid … here");
    assert_same("lines", "$ seq 5\n1\n...\n5");
    assert_different("end", "$ seq 5\n1\n...\n6");
}

#[test]
fn equal_namespace_numbers_must_be_equal_and_different_ones_different() {
    let twice = "$ readlink /proc/self/ns/uts\nuts:[4026531838]\n$ unshare -U -r -u readlink \
                 /proc/self/ns/uts\n";
    assert_same("numbers", &format!("{twice}uts:[4026532200]"));
    assert_different("equal", &format!("{twice}uts:[4026531838]"));
}

#[test]
fn a_command_that_the_machine_lacks_is_skipped_and_named() {
    let outcome = run("lack", "$ no-such-program --help\n");
    assert!(
        matches!(&outcome, Outcome::Skipped(reason) if reason.contains("no-such-program")),
        "{outcome:?}"
    );
}

#[test]
fn a_block_cannot_touch_the_machine() {
    let witness = std::env::temp_dir().join(format!("labs-witness-{}", std::process::id()));
    std::fs::write(&witness, "here").unwrap();
    let before = nix::unistd::gethostname().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_same(
        "harm",
        "# hostname gone; rm -rf /tmp/* /home/*; mount -t tmpfs tmpfs /usr/share\n# kill -9 -1 2>/dev/null",
    );
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
    assert_eq!(
        std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
        mounts
    );
    assert_eq!(std::fs::read_to_string(&witness).unwrap(), "here");
    std::fs::remove_file(witness).unwrap();
}

#[test]
fn a_block_about_cgroups_has_a_tree_of_its_own_and_leaves_nothing_in_it() {
    let here = || std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let _same = crate::support::same_hierarchies();
    let before = here();
    let right = "# cgroup-vfs create memory:tpcg-text/a\n# cgroup-vfs list memory:tpcg-text | \
                 cut -d: -f2\n/tpcg-text\n/tpcg-text/a\n# cgroup-vfs delete -r memory:tpcg-text";
    let wrong = right.replace("/tpcg-text/a\n#", "/tpcg-text/b\n#");
    let same = run_about("tree", " cgroups", right);
    match same {
        // Where it cannot be run it is not accepted either.
        Outcome::Elsewhere(reason) => elsewhere(&reason),
        Outcome::Skipped(reason) => skipped(&reason),
        same => {
            assert_eq!(same, Outcome::Same);
            let different = run_about(
                "tree",
                " cgroups",
                &wrong.replace("tpcg-text", "tpcg-wrong"),
            );
            assert!(matches!(different, Outcome::Different(_)), "{different:?}");
        }
    }
    assert_eq!(here(), before);
}

#[test]
fn a_block_about_one_world_of_cgroups_is_run_in_that_world_alone() {
    let outcomes =
        [" cgroups-v1", " cgroups-v2"].map(|about| run_about("world", about, "# echo one\ntwo"));
    let run = outcomes
        .iter()
        .filter(|one| matches!(one, Outcome::Different(_)))
        .count();
    let left = outcomes
        .iter()
        .filter(|one| matches!(one, Outcome::Elsewhere(_)))
        .count();
    match run + left {
        // A machine is of one of the two, so at least one is left to the other.
        2 => assert!(left >= 1 && run <= 1, "{outcomes:?}"),
        _ => skipped(&format!("{outcomes:?}")),
    }
    let unknown = run_about("word", " cgroup-v3", "# echo one\none");
    assert!(matches!(unknown, Outcome::Different(_)), "{unknown:?}");
}
