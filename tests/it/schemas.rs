//! The published schemas say of a file what the program says of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::check::{EXPECTED, UNTOUCHED};
use crate::support::{Course, text};

fn exercise_schema() -> jsonschema::Validator {
    let schema = include_str!("../../schemas/exercise.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

fn expected_schema() -> jsonschema::Validator {
    let schema = include_str!("../../schemas/expected.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// The files of that name in the course of this project.
fn files(name: &str) -> Vec<PathBuf> {
    let exercises = Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises");
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let found = folders(&exercises)
        .into_iter()
        .filter(|path| !path.ends_with("target"))
        .flat_map(|chapter| folders(&chapter))
        .map(|exercise| exercise.join(name))
        .filter(|path| path.is_file());
    found.collect()
}

fn hold(schema: &jsonschema::Validator, name: &str, least: usize) {
    let files = files(name);
    assert!(files.len() >= least, "{files:?}");
    for file in files {
        let yaml: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let mistakes: Vec<String> = schema
            .iter_errors(&yaml)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(mistakes.is_empty(), "{}: {mistakes:#?}", file.display());
    }
}

#[test]
fn every_exercise_of_the_course_is_valid_by_its_schema() {
    hold(&exercise_schema(), "exercise.yaml", 14);
}

#[test]
fn every_snapshot_of_the_course_is_valid_by_its_schema() {
    hold(&expected_schema(), "expected.yaml", 14);
}

#[test]
fn the_schema_of_exercises_takes_and_refuses_what_the_program_does() {
    let schema = exercise_schema();
    let course = Course::new();
    course.shell("1.1", "own-name", "", EXPECTED, UNTOUCHED);
    for (spec, good) in [
        ("version: 1\nkind: shell\n", true),
        ("version: 3\nkind: question\nneeds: [overlay]\n", true),
        (
            "version: 1\nkind: shell\nlimits: {seconds: 1, memory: 64K, processes: 1}\n",
            true,
        ),
        ("version: 1\nkind: shell\nlimits: {memory: 4096}\n", true),
        (
            "version: 1\nkind: shell\nweights: {inside: 0.5}\nman: [unshare(2)]\n",
            true,
        ),
        (
            "version: 1\nkind: shell\ncgroups: [memory]\nunsupported: {cgroup-v2: why}\n",
            true,
        ),
        ("version: 1\nkind: shell\ncgroups: [ram]\n", false),
        ("version: 1\nkind: shell\nunsupported: {v2: why}\n", false),
        ("version: 1\n", false),
        ("kind: shell\n", false),
        ("version: 0\nkind: shell\n", false),
        ("version: one\nkind: shell\n", false),
        ("version: 1\nkind: perl\n", false),
        ("version: 1\nkind: shell\ncolour: red\n", false),
        ("version: 1\nkind: shell\nlimits: {seconds: 0}\n", false),
        ("version: 1\nkind: shell\nlimits: {seconds: 0.5}\n", false),
        ("version: 1\nkind: shell\nlimits: {memory: 0}\n", false),
        ("version: 1\nkind: shell\nlimits: {memory: 1T}\n", false),
        ("version: 1\nkind: shell\nlimits: {memory: 0M}\n", false),
        ("version: 1\nkind: shell\nlimits: {swap: 1M}\n", false),
        ("version: 1\nkind: shell\nweights: {inside: 0}\n", false),
        ("version: 1\nkind: shell\nrootfs: perhaps\n", false),
        ("version: 1\nkind: shell\narguments: checkpoint\n", false),
        (
            "version: 1\nkind: shell\nwatch: [/srv/upper]\nwatch_inside: [/m, /a/..b]\n",
            true,
        ),
        ("version: 1\nkind: shell\nwatch: [srv]\n", false),
        ("version: 1\nkind: shell\nwatch: [/srv/]\n", false),
        ("version: 1\nkind: shell\nwatch: [/srv/../etc]\n", false),
        ("version: 1\nkind: shell\nwatch: [/a//b]\n", false),
        ("version: 1\nkind: shell\nwatch_inside: [/]\n", false),
        ("[]\n", false),
    ] {
        let yaml: Value = serde_yaml::from_str(spec).unwrap();
        assert_eq!(schema.is_valid(&yaml), good, "the schema: {spec}");
        course.put("1.1", "own-name", "exercise.yaml", spec);
        let output = course.run(&["list"]);
        let told = text(&output.stderr);
        assert_eq!(output.status.success(), good, "the program: {spec}{told}");
    }
}

#[test]
fn the_schema_of_snapshots_takes_and_refuses_what_the_program_does() {
    let schema = expected_schema();
    for (snapshot, good) in [
        (EXPECTED, true),
        ("inside: {}\n", true),
        ("a: {process: {namespaces: {uts: $a, ipc: host}}}\n", true),
        ("a: {process: {hostname: {one_of: [x, y]}}}\n", true),
        ("a: {process: {hostnam: x}}\n", false),
        ("a: {process: {namespaces: {uts: other}}}\n", false),
        ("a: {exit: {status: zero}}\n", false),
        ("a: {process: {hostname: {at_leats: 1}}}\n", false),
        ("[a]\n", false),
    ] {
        let yaml: Value = serde_yaml::from_str(snapshot).unwrap();
        assert_eq!(schema.is_valid(&yaml), good, "the schema: {snapshot}");
        let parsed = tp::expect::parse(snapshot, Path::new("expected.yaml"));
        assert_eq!(parsed.is_ok(), good, "the program: {snapshot}{parsed:?}");
    }
}
