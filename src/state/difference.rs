//! What changed between two observations, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::vocabulary::{Field, OBSERVATION, Shape};

/// The word that stands for what is no longer there.
pub const ABSENT: &str = "absent";

/// What is different in `observed`, in the shape of an observation:
///
/// - of a leaf or a list, the new value;
/// - of a table, the added entries whole, of changed entries the changed
///   fields, and `absent` for those removed;
/// - of a set, `{added, removed}`, or the whole set where that is no longer.
///
/// `{}` when nothing changed. A section (process, machine, exit) that was not
/// observed this time is no difference. Namespace identities stay as they are:
/// [`Symbols`](super::symbols::Symbols) names them.
pub fn difference(baseline: &Value, observed: &Value) -> Value {
    let mut sections = Map::new();
    for section in OBSERVATION {
        let Some(after) = observed.get(section.name) else {
            continue;
        };
        if let Some(change) = changed(section.shape, baseline.get(section.name), Some(after)) {
            sections.insert(section.name.to_owned(), change);
        }
    }
    Value::Object(sections)
}

/// The change of one place; `None` when there is none.
pub fn changed(shape: Shape, before: Option<&Value>, after: Option<&Value>) -> Option<Value> {
    if before == after {
        return None;
    }
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (_, None) => return Some(ABSENT.into()),
        (None, Some(after)) => return Some(without_empty(after)),
    };
    match shape {
        Shape::Group(fields) => changed_fields(fields, before, after),
        Shape::Leaf(..) | Shape::List(..) => Some(after.clone()),
        Shape::Set(..) => Some(changed_set(before, after)),
        Shape::Table(kind, entries) => {
            let keys: BTreeSet<&String> = keys(before).chain(keys(after)).collect();
            let changes: Map<String, Value> = keys
                .into_iter()
                .filter_map(|key| {
                    let change = changed(entries.shape(kind), before.get(key), after.get(key))?;
                    Some((key.clone(), change))
                })
                .collect();
            (!changes.is_empty()).then_some(Value::Object(changes))
        }
    }
}

fn changed_fields(fields: &[Field], before: &Value, after: &Value) -> Option<Value> {
    let changes: Map<String, Value> = fields
        .iter()
        .filter_map(|field| {
            let change = changed(field.shape, before.get(field.name), after.get(field.name))?;
            Some((field.name.to_owned(), change))
        })
        .collect();
    (!changes.is_empty()).then_some(Value::Object(changes))
}

fn changed_set(before: &Value, after: &Value) -> Value {
    let (before, after) = (elements(before), elements(after));
    let added: Vec<&Value> = after.iter().filter(|one| !before.contains(one)).collect();
    let removed: Vec<&Value> = before.iter().filter(|one| !after.contains(one)).collect();
    if after.len() <= added.len() + removed.len() {
        return json!(after);
    }
    let mut change = Map::new();
    if !added.is_empty() {
        change.insert("added".into(), json!(added));
    }
    if !removed.is_empty() {
        change.insert("removed".into(), json!(removed));
    }
    Value::Object(change)
}

/// A value without its empty lists and tables: what a new entry does not have
/// goes without saying.
pub fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !is_empty(value))
            .map(|(key, value)| (key.clone(), without_empty(value)))
            .collect(),
        _ => value.clone(),
    }
}

/// Whether a value is an empty list or table.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn keys(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().into_iter().flat_map(Map::keys)
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(facts: Value) -> Value {
        json!({"process": facts})
    }

    #[test]
    fn nothing_differs_from_itself() {
        let value = process(json!({"hostname": "a", "mounts": {"/": {"options": ["ro"]}}}));
        assert_eq!(difference(&value, &value), json!({}));
        assert_eq!(
            difference(&value, &json!({})),
            json!({}),
            "not observed is no difference"
        );
    }

    #[test]
    fn of_each_form_only_what_changed_is_told() {
        let before = process(json!({
            "hostname": "a", "domainname": "d", "pids": [],
            "capabilities": {"effective": ["a", "b", "c", "d"], "bounding": ["a", "b"]},
            "mounts": {
                "/": {"type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
                "/old": {"type": "proc"},
            },
        }));
        let after = process(json!({
            "hostname": "b", "domainname": "d", "pids": [1],
            "capabilities": {"effective": ["a", "c", "d", "e"], "bounding": []},
            "mounts": {
                "/": {"type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "ro"]},
                "/new": {"type": "sysfs", "options": []},
            },
        }));
        let expected = process(json!({
            "hostname": "b", "pids": [1],
            "capabilities": {"effective": {"added": ["e"], "removed": ["b"]}, "bounding": []},
            "mounts": {
                "/": {"options": {"added": ["ro"]}},
                "/new": {"type": "sysfs"},
                "/old": "absent",
            },
        }));
        assert_eq!(difference(&before, &after), expected);
    }

    #[test]
    fn a_set_is_told_whole_where_that_is_no_longer() {
        let set = |before: Value, after: Value| {
            let (before, after) = (
                process(json!({"routes": before})),
                process(json!({"routes": after})),
            );
            difference(&before, &after)["process"]["routes"].clone()
        };
        assert_eq!(set(json!([]), json!(["a"])), json!(["a"]));
        assert_eq!(set(json!(["a"]), json!(["b"])), json!(["b"]));
        assert_eq!(
            set(json!(["a", "b"]), json!(["a", "b", "c"])),
            json!({"added": ["c"]})
        );
        assert_eq!(
            set(json!(["a", "b", "c"]), json!(["a", "b"])),
            json!({"removed": ["c"]})
        );
    }
}
