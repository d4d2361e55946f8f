//! The JSON Schema of a snapshot and the page of facts, made from the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::parse::AFTER;
use crate::state::vocabulary::{Entries, Field, OBSERVATION, Shape, ValueType, field, places};

/// The schema of `expected.yaml`, JSON Schema draft 2020-12.
///
/// It says where what may stand. What hangs on several places at once (a
/// matcher that accepts everything, one symbol for two namespaces) is for the
/// program to find.
pub fn expected_schema() -> Value {
    let mut schema = Schema {
        definitions: BTreeMap::new(),
    };
    let sections = |schema: &mut Schema, names: &[&str]| {
        let fields = names.iter().filter_map(|name| field(OBSERVATION, name));
        schema.record(fields)
    };
    let checkpoint = sections(&mut schema, &["process", "machine"]);
    let after = sections(&mut schema, &["machine", "exit"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "expected.yaml",
        "description": "What is to have changed at each checkpoint of an exercise, and nothing else.",
        "type": "object",
        "properties": {AFTER: after},
        "propertyNames": {"pattern": "^[a-z0-9_-]{1,64}$"},
        "additionalProperties": checkpoint,
        "$defs": schema.definitions,
    })
}

struct Schema {
    definitions: BTreeMap<String, Value>,
}

impl Schema {
    fn record<'a>(&mut self, fields: impl Iterator<Item = &'a Field>) -> Value {
        let properties: Map<String, Value> = fields
            .map(|field| {
                let mut schema = self.shape(field.name, field.shape, field.optional);
                if let Value::Object(map) = &mut schema {
                    map.insert("description".into(), field.about.into());
                }
                (field.name.to_owned(), schema)
            })
            .collect();
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }

    fn shape(&mut self, name: &str, shape: Shape, optional: bool) -> Value {
        match shape {
            // A plain group is no fact of its own.
            Shape::Group(fields) if !optional => self.record(fields.iter()),
            Shape::Group(fields) => {
                let record = self.record(fields.iter());
                self.define(&format!("record_{name}"), or_absent(record))
            }
            Shape::Table(kind, entries) => {
                let entry = self.shape(name, entries.shape(kind), true);
                json!({"type": "object", "additionalProperties": entry})
            }
            Shape::Leaf(_, value_type) => self.named("", value_type, optional, |value, any_of| {
                any_of.push(value.clone());
                any_of.extend(matchers(value, value_type));
            }),
            Shape::List(_, value_type) => {
                self.named("list_of_", value_type, optional, |value, any_of| {
                    any_of.push(json!({"type": "array", "items": value}));
                    any_of.push(matcher("any", json!({"const": true})));
                })
            }
            Shape::Set(_, value_type) => {
                self.named("set_of_", value_type, optional, |value, any_of| {
                    let list = json!({"type": "array", "items": value, "uniqueItems": true});
                    any_of.push(list.clone());
                    any_of.push(json!({
                        "type": "object",
                        "properties": {"added": list, "removed": list},
                        "minProperties": 1,
                        "additionalProperties": false,
                    }));
                })
            }
        }
    }

    /// A reference to the definition for that type in that form.
    fn named(
        &mut self,
        form: &str,
        value_type: ValueType,
        optional: bool,
        write: impl Fn(&Value, &mut Vec<Value>),
    ) -> Value {
        let suffix = if optional { "_or_absent" } else { "" };
        let name = format!("{form}{}{suffix}", type_name(value_type));
        let mut any_of = Vec::new();
        write(&value(value_type), &mut any_of);
        let pattern = json!({"anyOf": any_of});
        self.define(
            &name,
            if optional {
                or_absent(pattern)
            } else {
                pattern
            },
        )
    }

    /// A reference to that pattern, or to one for each cgroup version.
    fn define(&mut self, name: &str, pattern: Value) -> Value {
        let mut name = name.to_owned();
        // Two tables of one name may have entries of different kinds.
        let known = self.definitions.get(&name);
        if known.is_some_and(|known| *known != pattern) {
            name.push_str("_2");
        }
        let name = name.as_str();
        let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
        let versions = format!("{name}_by_version");
        self.definitions
            .insert(versions.clone(), by_version(&reference(name)));
        self.definitions.insert(name.to_owned(), pattern);
        reference(&versions)
    }
}

fn or_absent(schema: Value) -> Value {
    json!({"anyOf": [schema, {"const": "absent"}]})
}

/// The pattern itself, or one for each cgroup version.
fn by_version(pattern: &Value) -> Value {
    json!({"anyOf": [pattern, {
        "type": "object",
        "properties": {"v1": pattern, "v2": pattern},
        "minProperties": 1,
        "additionalProperties": false,
    }]})
}

fn matcher(name: &str, argument: Value) -> Value {
    json!({
        "type": "object",
        "properties": {name: argument},
        "required": [name],
        "additionalProperties": false,
    })
}

fn matchers(value: &Value, value_type: ValueType) -> Vec<Value> {
    let mut matchers = vec![matcher("any", json!({"const": true}))];
    if value_type != ValueType::Namespace {
        let values = json!({"type": "array", "items": value, "minItems": 1, "uniqueItems": true});
        matchers.push(matcher("one_of", values));
    }
    if matches!(
        value_type,
        ValueType::Integer(..) | ValueType::Amount | ValueType::Id
    ) {
        let bound = json!({"anyOf": [
            {"type": "integer"},
            {"type": "string", "pattern": "^[+-]?[0-9]+[KMGT]?$"},
        ]});
        matchers.push(matcher("at_least", bound.clone()));
        matchers.push(matcher("at_most", bound.clone()));
        let both = json!({"type": "array", "items": bound, "minItems": 2, "maxItems": 2});
        matchers.push(matcher("between", both));
    }
    if matches!(
        value_type,
        ValueType::Text | ValueType::Word(_) | ValueType::Amount
    ) {
        matchers.push(matcher(
            "matches",
            json!({"type": "string", "not": {"pattern": "^[*?]+$"}}),
        ));
    }
    matchers
}

fn value(value_type: ValueType) -> Value {
    match value_type {
        ValueType::Text => json!({"type": "string"}),
        ValueType::Word(words) => json!({"enum": words}),
        ValueType::Integer(i64::MIN, _) => json!({"type": "integer"}),
        ValueType::Integer(least, i64::MAX) => json!({"type": "integer", "minimum": least}),
        ValueType::Integer(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        ValueType::Boolean => json!({"type": "boolean"}),
        ValueType::Namespace => json!({
            "description": "`new`, `host`, a shared new one (`$a`), or one that the baseline names (`@blue`).",
            "type": "string",
            "pattern": "^(new|host|\\$[A-Za-z0-9_]+|@.+)$",
        }),
        ValueType::Id => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": u32::MAX},
            {"const": "unmapped"},
        ]}),
        ValueType::Amount => json!({"type": ["string", "integer"]}),
    }
}

/// A name for the definition of that type.
fn type_name(value_type: ValueType) -> String {
    match value_type {
        ValueType::Text => "text".into(),
        ValueType::Word(words) => format!("word_{}", words.first().unwrap_or(&"")),
        ValueType::Integer(i64::MIN, _) => "integer".into(),
        ValueType::Integer(least, i64::MAX) => format!("integer_from_{least}"),
        ValueType::Integer(least, most) => format!("integer_{least}_to_{most}"),
        ValueType::Boolean => "boolean".into(),
        ValueType::Namespace => "namespace".into(),
        ValueType::Id => "id".into(),
        ValueType::Amount => "amount".into(),
    }
}

/// The page of facts, in Markdown.
pub fn facts_page() -> String {
    let mut page = String::from(
        "# Facts\n\n\
         Every fact that `expected.yaml` and `answer.yaml` can name, below a checkpoint.\n\
         `*` is the key of an entry. A fact is skipped when one that it needs failed.\n\n\
         | fact | value | what it is | needs | read |\n|---|---|---|---|---|\n",
    );
    for (path, field) in places() {
        let Some(kind) = field.shape.kind() else {
            continue;
        };
        let code = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let section = path.split('.').next().unwrap_or_default();
        let needs: Vec<&str> = field
            .depends_on
            .iter()
            .copied()
            .filter(|on| on.split('.').next() == Some(section))
            .collect();
        let optional = if field.optional { ", or `absent`" } else { "" };
        let _ = writeln!(
            page,
            "| `{path}` | {}{optional} | {} | {} | {} |",
            form(field.shape),
            field.about,
            code(&needs),
            kind.man().join(", "),
        );
    }
    page
}

/// The form of a value, in words.
fn form(shape: Shape) -> String {
    match shape {
        Shape::Group(_) => String::new(),
        Shape::Leaf(_, value_type) => words(value_type),
        Shape::List(_, value_type) => format!("list of {}", words(value_type)),
        Shape::Set(_, value_type) => format!("set of {}", words(value_type)),
        Shape::Table(_, Entries::Value(value_type)) => format!("table of {}", words(value_type)),
        Shape::Table(_, Entries::Record(_)) => "table".into(),
    }
}

fn words(value_type: ValueType) -> String {
    match value_type {
        ValueType::Text => "text".into(),
        ValueType::Word(words) if words.len() <= 5 => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(" or "),
        ValueType::Word(words) => format!("names (`{}`, …)", words.first().unwrap_or(&"")),
        ValueType::Integer(..) => "number".into(),
        ValueType::Boolean => "`true` or `false`".into(),
        ValueType::Namespace => "namespace".into(),
        ValueType::Id => "id, or `unmapped`".into(),
        ValueType::Amount => "amount".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::check::verdict::{
        Check, CourseRef, ExerciseResult, Explanation, FORMAT, HostFacts, ResultDocument, Status,
    };
    use crate::expect::fixtures::{own_hostname, rich, run};
    use crate::expect::{Options, compare, parse, record};

    fn file(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    fn schema(name: &str) -> jsonschema::Validator {
        let text = std::fs::read_to_string(file(&format!("schemas/{name}.schema.json"))).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{name} is no schema");
        jsonschema::draft202012::new(&schema).unwrap()
    }

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    /// A file of the project that is made from the table: with
    /// TP_WRITE_GENERATED=1 it is written, else it must be as it would be.
    fn is_generated(path: &str, text: &str) {
        if std::env::var_os("TP_WRITE_GENERATED").is_some() {
            std::fs::create_dir_all(file(path).parent().unwrap()).unwrap();
            std::fs::write(file(path), text).unwrap();
        }
        let there = std::fs::read_to_string(file(path)).unwrap_or_default();
        assert!(
            there == text,
            "{path} is out of date: TP_WRITE_GENERATED=1 cargo test -p tp schema"
        );
    }

    #[test]
    fn the_files_made_from_the_table_are_up_to_date() {
        let schema = serde_json::to_string_pretty(&expected_schema()).unwrap();
        is_generated("schemas/expected.schema.json", &format!("{schema}\n"));
        is_generated("docs/facts.md", &facts_page());
    }

    #[test]
    fn recorded_snapshots_are_valid() {
        let schema = schema("expected");
        for run in [run(|_, _| {}), own_hostname(), rich()] {
            let text = record(&run, None, &[]).unwrap();
            let errors: Vec<String> = schema
                .iter_errors(&yaml(&text))
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{text}\n{errors:?}");
        }
    }

    #[test]
    fn the_schema_and_the_parser_say_the_same() {
        let schema = schema("expected");
        for (facts, good) in [
            ("hostname: {matches: \"tp-*\"}", true),
            ("hostname: {matches: \"*\"}", false),
            ("hostname: [a]", false),
            ("hostnam: a", false),
            ("hostname: {v1: a, v2: {any: true}}", true),
            ("hostname: {v3: a}", false),
            ("namespaces: {uts: $a, net: \"@blue\", mnt: host}", true),
            ("namespaces: {uts: other}", false),
            ("pids: {any: true}", true),
            ("pids: [0]", false),
            ("uid: {real: unmapped}", true),
            ("uid: {real: nobody}", false),
            ("capabilities: {effective: {added: [net_raw]}}", true),
            ("capabilities: {effective: {add: [net_raw]}}", false),
            ("capabilities: {effective: [raw]}", false),
            (
                "mounts: {/proc: absent, /sys: {type: sysfs, options: [ro]}}",
                true,
            ),
            ("mounts: absent", false),
            ("mounts: {/sys: {kind: sysfs}}", false),
            (
                "cgroups: {unified: {v2: {limits: {memory.max: {at_most: 1G}}}}}",
                true,
            ),
            ("seccomp_filters: {between: [1, 2, 3]}", false),
            ("no_new_privs: 1", false),
        ] {
            let text = format!("inside: {{process: {{{facts}}}}}\n");
            assert_eq!(schema.is_valid(&yaml(&text)), good, "the schema on {text}");
            assert_eq!(
                parse(&text, Path::new("x")).is_ok(),
                good,
                "the parser on {text}"
            );
        }
        for text in ["after: {process: {}}", "inside: {exit: {}}", "In: {}", "[]"] {
            assert!(!schema.is_valid(&yaml(text)), "{text}");
        }
    }

    fn document() -> Value {
        let expected = "inside: {process: {namespaces: {uts: new}, hostname: tp-lab}}";
        let expected = parse(expected, Path::new("expected.yaml")).unwrap();
        let failing = compare(&expected, &run(|_, _| {}), &Options::default());
        let exercise = |checks: Vec<Check>| ExerciseResult {
            id: "1.1".into(),
            name: "own-hostname".into(),
            version: 1,
            status: Status::Fail,
            points: checks.iter().map(|check| check.points).sum(),
            out_of: checks.iter().map(|check| check.out_of).sum(),
            reason: None,
            checks,
            output: "hello\n".into(),
            output_truncated: false,
            duration_ms: 12,
        };
        let unsupported = ExerciseResult {
            status: Status::Unsupported,
            reason: Some("no user namespaces".into()),
            ..exercise(Vec::new())
        };
        let document = ResultDocument {
            format: FORMAT.into(),
            generator: "tp 0.1.0".into(),
            course: CourseRef {
                id: "containers".into(),
                version: "1".into(),
            },
            host: HostFacts {
                kernel: "6.1.0".into(),
                architecture: "x86_64".into(),
                cgroup: "v2".into(),
                user_namespaces: "available".into(),
                root: false,
            },
            started: "2025-01-31T10:00:00Z".into(),
            points: 1.0,
            out_of: 4.0,
            exercises: vec![exercise(failing), unsupported],
        };
        serde_json::to_value(document).unwrap()
    }

    /// The value at the pointer replaced; taken away when `None`.
    fn with(document: &Value, pointer: &str, value: Option<Value>) -> Value {
        let mut document = document.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap();
        match value {
            Some(value) => parent.insert(name.into(), value),
            None => parent.remove(name),
        };
        document
    }

    #[test]
    fn a_result_document_is_valid_and_a_broken_one_is_not() {
        let schema = schema("tp-result-v1");
        let document = document();
        let errors: Vec<String> = schema
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        for (pointer, value) in [
            ("/format", Some(json!("tp-result/v2"))),
            ("/exercises", None),
            ("/exercises/0/checks/0/status", Some(json!("green"))),
            ("/exercises/0/checks/0/points", Some(json!("1"))),
            ("/exercises/0/checks/0/id", None),
            ("/exercises/0/checks/1/explanation/what", None),
            ("/exercises/0/points", Some(json!(-1))),
            ("/exercises/0/verdict", Some(json!("pass"))),
            ("/host/cgroup", Some(json!("v3"))),
            ("/started", Some(json!("yesterday"))),
        ] {
            let broken = with(&document, pointer, value);
            assert!(!schema.is_valid(&broken), "{pointer} is not looked at");
        }
        // Each field of an explanation is told.
        let explanation = serde_json::to_value(Explanation::default()).unwrap();
        assert_eq!(explanation.as_object().unwrap().len(), 4);
    }

    #[test]
    fn an_exercise_file_is_valid_and_a_broken_one_is_not() {
        let schema = schema("exercise");
        let full = "
version: 1
kind: shell
needs: [overlay]
limits: {seconds: 10, memory: 256M, processes: 64}
arguments: [checkpoint, inside]
rootfs: false
weights: {inside.process.hostname: 2}
ignore: [\"process.limits.*\"]
man: [unshare(1), uts_namespaces(7)]
";
        assert!(schema.is_valid(&yaml(full)));
        assert!(schema.is_valid(&yaml("{version: 1, kind: rust}")));
        for broken in [
            "{kind: rust}",
            "{version: 1}",
            "{version: 0, kind: rust}",
            "{version: 1, kind: python}",
            "{version: 1, kind: rust, neds: []}",
            "{version: 1, kind: rust, limits: {seconds: 0}}",
            "{version: 1, kind: rust, limits: {memory: lots}}",
            "{version: 1, kind: rust, weights: {a: -1}}",
            "{version: 1, kind: rust, man: [unshare]}",
            "{version: 1, kind: rust, arguments: []}",
        ] {
            assert!(!schema.is_valid(&yaml(broken)), "{broken}");
        }
    }
}
