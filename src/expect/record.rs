//! The expected snapshot of a run, as the text of `expected.yaml`.

use std::fmt::Write;

use anyhow::{Result, bail};
use serde_json::Value;

use super::parse::Expected;
use super::pattern::{CgroupVersion, Pattern, Tree};
use super::run::{Changes, Run};
use crate::state::difference::ABSENT;
use crate::state::vocabulary::{OBSERVATION, Shape, ValueType, value_at};

/// A line of a recorded snapshot is not longer.
const WIDTH: usize = 88;

/// Records what changed in the run. Where `previous` has a matcher that still
/// fits, or a pattern for the other cgroup version, that is kept.
///
/// # Errors
///
/// When two checkpoints of the run have the same name.
pub fn record(run: &Run, previous: Option<&Expected>, ignore: &[String]) -> Result<String> {
    for (index, (name, _)) in run.checkpoints.iter().enumerate() {
        if run.checkpoints[..index]
            .iter()
            .any(|(other, _)| other == name)
        {
            bail!("checkpoint `{name}` was reached twice; give each its own name");
        }
    }
    let changes = Changes::of(run, ignore);
    let mut text = String::new();
    for checkpoint in &changes.checkpoints {
        let recorder = Recorder {
            changes: &changes,
            observed: &checkpoint.observed,
            version: CgroupVersion::of(&changes.baseline),
        };
        let earlier = previous.and_then(|expected| expected.get(&checkpoint.name));
        let group = Shape::Group(OBSERVATION);
        let tree = recorder.tree(group, &checkpoint.change, &mut Vec::new(), earlier);
        write_pair(&mut text, 0, &checkpoint.name, &tree);
    }
    Ok(text)
}

struct Recorder<'a> {
    changes: &'a Changes,
    observed: &'a Value,
    version: CgroupVersion,
}

impl Recorder<'_> {
    /// The expectation for a change; `previous` is what there was in its place.
    fn tree(
        &self,
        shape: Shape,
        change: &Value,
        path: &mut Vec<String>,
        previous: Option<&Tree>,
    ) -> Tree {
        if let Some(Tree::Pattern(Pattern::ByCgroup { v1, v2 })) = previous {
            let (mine, other) = match self.version {
                CgroupVersion::V1 => (v1, v2),
                CgroupVersion::V2 => (v2, v1),
            };
            let tree = self.plain_tree(shape, change, path, mine.as_deref());
            return self.by_version(Some(tree), other.as_deref());
        }
        let tree = self.plain_tree(shape, change, path, previous);
        match differs_by_version(path) {
            // What was recorded without a mark was so on both.
            true => self.by_version(Some(tree), previous),
            false => tree,
        }
    }

    /// One mark for each version, or none where both are the same.
    fn by_version(&self, mine: Option<Tree>, other: Option<&Tree>) -> Tree {
        if let (Some(mine), Some(other)) = (&mine, other)
            && mine == other
        {
            return mine.clone();
        }
        let (mine, other) = (mine.map(Box::new), other.cloned().map(Box::new));
        let (v1, v2) = match self.version {
            CgroupVersion::V1 => (mine, other),
            CgroupVersion::V2 => (other, mine),
        };
        Tree::Pattern(Pattern::ByCgroup { v1, v2 })
    }

    fn plain_tree(
        &self,
        shape: Shape,
        change: &Value,
        path: &mut Vec<String>,
        previous: Option<&Tree>,
    ) -> Tree {
        // A text may be `absent` too, as that of a host name.
        if change == ABSENT && value_at(self.observed, path).is_none() {
            return Tree::Pattern(Pattern::Absent);
        }
        match (shape, change) {
            (Shape::Group(fields), Value::Object(map)) => {
                let known = fields
                    .iter()
                    .map(|field| (field.name.to_owned(), field.shape));
                self.branches(known.collect(), map, path, previous)
            }
            (Shape::Table(kind, entries), Value::Object(map)) => {
                // Also entries that only the other cgroup version has.
                let mut keys: Vec<String> = map.keys().cloned().collect();
                if let Some(Tree::Branch(branches)) = previous {
                    keys.extend(branches.iter().map(|(key, _)| key.clone()));
                }
                keys.sort();
                keys.dedup();
                let known = keys.into_iter().map(|key| (key, entries.shape(kind)));
                self.branches(known.collect(), map, path, previous)
            }
            (Shape::Leaf(..) | Shape::List(..), _) => self.leaf(shape, change, path, previous),
            (Shape::Set(..), Value::Object(map)) => {
                let list = |name: &str| {
                    map.get(name)
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default()
                };
                let (added, removed) = (list("added"), list("removed"));
                Tree::Pattern(Pattern::Changed { added, removed })
            }
            _ => Tree::Pattern(Pattern::Exactly(change.clone())),
        }
    }

    /// In the order of the vocabulary, which the file keeps.
    fn branches(
        &self,
        known: Vec<(String, Shape)>,
        map: &serde_json::Map<String, Value>,
        path: &mut Vec<String>,
        previous: Option<&Tree>,
    ) -> Tree {
        let mut branches = Vec::new();
        for (name, shape) in known {
            let earlier = previous.and_then(|tree| tree.get(&name));
            path.push(name.clone());
            let tree = match map.get(&name) {
                Some(change) => Some(self.tree(shape, change, path, earlier)),
                None => earlier.and_then(|tree| self.of_the_other_version(tree, path)),
            };
            path.pop();
            branches.extend(tree.map(|tree| (name, tree)));
        }
        Tree::Branch(branches)
    }

    /// What only holds on machines of the other cgroup version.
    fn of_the_other_version(&self, previous: &Tree, path: &mut Vec<String>) -> Option<Tree> {
        match previous {
            Tree::Pattern(Pattern::ByCgroup { v1, v2 }) => {
                let other = match self.version {
                    CgroupVersion::V1 => v2,
                    CgroupVersion::V2 => v1,
                };
                Some(self.by_version(None, Some(other.as_deref()?)))
            }
            _ if differs_by_version(path) => Some(self.by_version(None, Some(previous))),
            Tree::Pattern(_) => None,
            Tree::Branch(branches) => {
                let kept: Vec<(String, Tree)> = branches
                    .iter()
                    .filter_map(|(name, tree)| {
                        path.push(name.clone());
                        let kept = self.of_the_other_version(tree, path);
                        path.pop();
                        Some((name.clone(), kept?))
                    })
                    .collect();
                (!kept.is_empty()).then_some(Tree::Branch(kept))
            }
        }
    }

    fn leaf(&self, shape: Shape, change: &Value, path: &[String], previous: Option<&Tree>) -> Tree {
        if let Some(Tree::Pattern(pattern)) = previous
            && pattern.is_matcher()
            && let Some(found) = value_at(self.observed, path)
        {
            let differs = value_at(&self.changes.baseline, path) != Some(found);
            if pattern.accepts(found) || *pattern == Pattern::Any && differs {
                return Tree::Pattern(pattern.clone());
            }
        }
        let told = self.changes.symbols.apply_to(shape, change);
        Tree::Pattern(match (shape, told.as_str()) {
            (Shape::Leaf(_, ValueType::Namespace), Some("host")) => Pattern::Host,
            (Shape::Leaf(_, ValueType::Namespace), Some("new")) => Pattern::New,
            (Shape::Leaf(_, ValueType::Namespace), Some(symbol)) if symbol.starts_with('@') => {
                Pattern::Named(symbol.to_owned())
            }
            (Shape::Leaf(_, ValueType::Namespace), Some(symbol)) => {
                Pattern::Shared(symbol.to_owned())
            }
            (Shape::Leaf(_, ValueType::Amount), Some(text)) => {
                let bytes = path.last().is_some_and(|file| file.starts_with("memory."));
                Pattern::Exactly(readable_amount(text, bytes))
            }
            _ => Pattern::Exactly(told),
        })
    }
}

/// Whether a fact at that place is marked for the cgroup version on which it was
/// recorded, until the other has it too: the hierarchies that a process is in,
/// and what is told of a cgroup.
fn differs_by_version(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["process", "cgroups", _] => true,
        ["machine", "cgroups", _, field] => field != "limits",
        ["machine", "cgroups", _, "limits", _] => true,
        _ => false,
    }
}

/// A number as a number, and one of bytes with the largest unit that keeps it.
fn readable_amount(text: &str, bytes: bool) -> Value {
    let Ok(number) = text.parse::<i64>() else {
        return text.into();
    };
    let unit = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')]
        .into_iter()
        .find(|(shift, _)| bytes && number != 0 && number % (1 << shift) == 0);
    match unit {
        Some((shift, unit)) => format!("{}{unit}", number >> shift).into(),
        None => number.into(),
    }
}

/// `name: value`, on one line where that reads well.
fn write_pair(text: &mut String, indent: usize, name: &str, tree: &Tree) {
    let margin = " ".repeat(indent);
    let name = scalar(&Value::from(name));
    let line = format!("{margin}{name}: {}", flow(tree));
    match tree {
        Tree::Branch(branches) if !(reads_well(tree) && line.chars().count() <= WIDTH) => {
            let _ = writeln!(text, "{margin}{name}:");
            for (name, tree) in branches {
                write_pair(text, indent + 2, name, tree);
            }
        }
        _ if line.chars().count() <= WIDTH => {
            let _ = writeln!(text, "{line}");
        }
        tree => write_wrapped(
            text,
            &format!("{margin}{name}:"),
            indent + 2,
            &tree.to_value(),
        ),
    }
}

/// Whether a mapping is small enough for one line.
fn reads_well(tree: &Tree) -> bool {
    let Tree::Branch(branches) = tree else {
        return true;
    };
    let plain = branches.iter().all(|(_, tree)| match tree {
        Tree::Branch(inner) => inner.is_empty(),
        Tree::Pattern(pattern) => !matches!(pattern, Pattern::ByCgroup { .. }),
    });
    plain || leaves(tree) == 1
}

fn leaves(tree: &Tree) -> usize {
    match tree {
        Tree::Branch(branches) => branches.iter().map(|(_, tree)| leaves(tree)).sum(),
        Tree::Pattern(_) => 1,
    }
}

/// A value too long for its line: lists are broken over several.
fn write_wrapped(text: &mut String, head: &str, indent: usize, value: &Value) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            let _ = writeln!(text, "{head}");
            for (name, value) in map {
                let head = format!("{margin}{}:", scalar(&Value::from(name.as_str())));
                write_wrapped(text, &head, indent + 2, value);
            }
        }
        Value::Array(values) => {
            let mut line = format!("{head} [");
            for (index, value) in values.iter().enumerate() {
                let last = index + 1 == values.len();
                let element = format!("{}{}", flow_value(value), if last { "]" } else { "," });
                let opens = line.ends_with('[');
                if !opens && line.chars().count() + 1 + element.chars().count() > WIDTH {
                    let _ = writeln!(text, "{line}");
                    line = format!("{margin}{element}");
                } else {
                    line.push_str(if opens { "" } else { " " });
                    line.push_str(&element);
                }
            }
            let closed = if values.is_empty() { "]" } else { "" };
            let _ = writeln!(text, "{line}{closed}");
        }
        value => {
            let _ = writeln!(text, "{head} {}", scalar(value));
        }
    }
}

fn flow(tree: &Tree) -> String {
    match tree {
        Tree::Branch(branches) => {
            let pairs = branches.iter().map(|(name, tree)| {
                format!("{}: {}", scalar(&Value::from(name.as_str())), flow(tree))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Tree::Pattern(pattern) => flow_value(&pattern.to_value()),
    }
}

fn flow_value(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| {
                format!(
                    "{}: {}",
                    scalar(&Value::from(name.as_str())),
                    flow_value(value)
                )
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Array(values) => {
            format!(
                "[{}]",
                values.iter().map(flow_value).collect::<Vec<_>>().join(", ")
            )
        }
        value => scalar(value),
    }
}

/// A scalar in YAML, in quotes where it would else be read as something else.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.-+=$ ".contains(c);
    let starts = |c: char| c.is_ascii_alphanumeric() || "/_$.".contains(c);
    if text.starts_with(starts) && text.chars().all(plain) && !text.ends_with(' ') {
        // Numbers, booleans and the like would not come back as text, nor, from
        // a reader of YAML 1.1, `yes` and `0644`.
        let old = matches!(text.as_str(), "yes" | "no" | "on" | "off" | "y" | "n")
            || text.chars().all(|c| c.is_ascii_digit());
        if !old && serde_yaml::from_str(text).is_ok_and(|read: Value| read == *text) {
            return text.clone();
        }
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::expect::fixtures::{own_hostname, rich, run};
    use crate::expect::parse;
    use crate::state::facts::Mount;

    fn parsed(text: &str) -> Expected {
        parse(text, Path::new("expected.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_small_snapshot_reads_as_one_would_write_it() {
        let text = record(&own_hostname(), None, &[]).unwrap();
        assert_eq!(
            text,
            "\
inside:
  process:
    namespaces: {uts: new}
    hostname: tp-lab
after: {exit: {status: 0}}
"
        );
        let nothing = record(&run(|_, _| {}), None, &[]).unwrap();
        assert_eq!(nothing, "inside: {}\nafter: {exit: {status: 0}}\n");
    }

    #[test]
    fn another_root_has_a_table_of_mounts_of_its_own() {
        let root = |source: &str, options: &[&str]| Mount {
            fs_type: "tmpfs".into(),
            source: source.into(),
            options: options.iter().map(|option| (*option).into()).collect(),
            ..Mount::default()
        };
        let record_with = |source: &str, options: &[&str], keep: &str| {
            let mut run = run(|process, _| {
                process.view.mounts.retain(|point, _| point == keep);
                process
                    .view
                    .mounts
                    .insert("/".into(), root(source, options));
            });
            let process = run.baseline.process.as_mut().unwrap();
            process.view.mounts.insert("/".into(), root("old", &[]));
            record(&run, None, &[]).unwrap()
        };
        // As alike as it is to the machine's, a /proc in there has to be made.
        let pivoted = record_with("new", &[], "/proc");
        assert!(
            pivoted.contains("/: {type: tmpfs, source: new}"),
            "{pivoted}"
        );
        assert!(pivoted.contains("/proc: {type: proc"), "{pivoted}");
        assert!(!pivoted.contains("absent"), "{pivoted}");
        // A remount is no other root: what is not there any more was unmounted.
        let remounted = record_with("old", &["ro"], "");
        assert!(remounted.contains("/: {options: [ro]}"), "{remounted}");
        assert!(remounted.contains("/proc: absent"), "{remounted}");
    }

    #[test]
    fn a_large_snapshot_stays_readable() {
        let text = record(&rich(), None, &[]).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        for line in [
            "    hostname: \"yes\"",
            "    uid_map: [0 1000 1]",
            "    capabilities:",
            "      effective: {removed: [net_raw]}",
            "      permitted: []",
            "      /proc: absent",
            "    cgroups: {unified: {v2: {limits: {memory.max: 256M}, path: /box}}}",
            "    network_namespaces: {blue: $c}",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_recorded_is_read_as_the_same() {
        for run in [own_hostname(), rich()] {
            let text = record(&run, None, &[]).unwrap();
            let mut again = String::new();
            for (name, tree) in &parsed(&text).checkpoints {
                write_pair(&mut again, 0, name, tree);
            }
            assert_eq!(again, text);
            assert_eq!(record(&run, Some(&parsed(&text)), &[]).unwrap(), text);
        }
    }

    #[test]
    fn a_matcher_is_kept_as_long_as_it_fits() {
        let previous =
            |hostname: &str| parsed(&format!("inside: {{process: {{hostname: {hostname}}}}}"));
        for (matcher, kept) in [
            ("{matches: \"tp-*\"}", true),
            ("{matches: \"xx-*\"}", false),
            ("{any: true}", true),
            ("{one_of: [a, tp-lab]}", true),
            ("other", false),
        ] {
            let text = record(&own_hostname(), Some(&previous(matcher)), &[]).unwrap();
            assert_eq!(
                text.contains(&format!("hostname: {matcher}")),
                kept,
                "{text}"
            );
        }
    }

    #[test]
    fn the_pattern_for_the_other_cgroup_version_is_kept() {
        let run = run(|process, _| {
            process.cgroups.get_mut("unified").unwrap().path = "/new".into();
        });
        let previous = parsed(
            "inside: {process: {cgroups: {memory: {v1: {path: /old}}, unified: {v2: {path: /old}}}}}",
        );
        let text = record(&run, Some(&previous), &[]).unwrap();
        assert!(text.contains("memory: {v1: {path: /old}}"), "{text}");
        assert!(text.contains("unified: {v2: {path: /new}}"), "{text}");
        assert_eq!(record(&run, Some(&parsed(&text)), &[]).unwrap(), text);
    }

    #[test]
    fn one_version_is_recorded_at_a_time_and_the_other_is_kept() {
        let on = |hierarchy: &str, file: &str| {
            let limits = [(file.to_owned(), "33554432".to_owned())].into();
            let group = crate::state::facts::Group {
                controllers: ["memory".to_owned()].into(),
                limits,
                ..Default::default()
            };
            let mut run = run(|process, machine| {
                machine.cgroups.insert("/box".into(), group);
                let own = process.cgroups.get_mut("unified").unwrap();
                own.path = "/box".into();
            });
            let stages = [&mut run.baseline, &mut run.checkpoints[0].1];
            for stage in stages {
                let cgroups = &mut stage.process.as_mut().unwrap().cgroups;
                let own = cgroups.remove("unified").unwrap();
                cgroups.insert(hierarchy.to_owned(), own);
            }
            run
        };
        let v1 = on("memory", "memory.limit_in_bytes");
        let v2 = on("unified", "memory.max");
        let first = record(&v1, None, &[]).unwrap();
        assert!(first.contains("controllers: {v1: [memory]}"), "{first}");
        let both = record(&v2, Some(&parsed(&first)), &[]).unwrap();
        for line in [
            "      memory: {v1: {path: /box}}",
            "      unified: {v2: {path: /box}}",
            "        controllers: [memory]",
            "          memory.limit_in_bytes: {v1: 32M}",
            "          memory.max: {v2: 32M}",
        ] {
            assert!(both.lines().any(|one| one == line), "{line}\n{both}");
        }
        for run in [&v1, &v2] {
            let again = record(run, Some(&parsed(&both)), &[]).unwrap();
            assert_eq!(again, both, "each keeps the other's");
            let checks = crate::expect::compare(&parsed(&both), run, &Default::default());
            let failed: Vec<_> = checks
                .iter()
                .filter(|check| check.status != crate::check::verdict::Status::Pass)
                .collect();
            assert!(failed.is_empty(), "{failed:?}");
            let checks = crate::expect::compare(&parsed(&first), run, &Default::default());
            let passes = checks
                .iter()
                .all(|check| check.status == crate::check::verdict::Status::Pass);
            assert_eq!(
                passes,
                std::ptr::eq(run, &v1),
                "what is not recorded is not so"
            );
        }
    }

    #[test]
    fn two_checkpoints_of_one_name_are_refused() {
        let mut run = own_hostname();
        run.checkpoints.push(run.checkpoints[0].clone());
        let error = record(&run, None, &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "checkpoint `inside` was reached twice; give each its own name"
        );
    }

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in [
            "",
            " ",
            "a b",
            "yes",
            "true",
            "null",
            "~",
            "12",
            "0x1f",
            "1e3",
            ".5",
            "0 1000 1",
            "a: b",
            "a #b",
            "{x}",
            "[x]",
            "- x",
            "\"",
            "\\",
            "'",
            "é",
            "a\nb",
            "\t",
            "\u{7f}",
            "\u{85}",
            "\u{feff}x",
            "*x",
            "&x",
            "!x",
            "%x",
            "@x",
            "$x",
            "`x",
            "???",
            "<<",
            "=",
            "2024-01-01",
            "x ",
            ".inf",
            "---",
            "...",
            "fd00::1/64",
            "a,b",
            "\u{2028}",
        ] {
            let written = format!("{{{}: {}}}", scalar(&text.into()), scalar(&text.into()));
            let read: Value = serde_yaml::from_str(&written)
                .unwrap_or_else(|error| panic!("{text:?} as {written}: {error}"));
            assert_eq!(read, serde_json::json!({text: text}), "{written}");
        }
    }
}
