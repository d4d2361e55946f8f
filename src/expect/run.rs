//! A run as it was observed, and what changed in it.

use serde_json::{Map, Value};

use super::parse::AFTER;
use super::pattern::glob_matches;
use crate::state::difference::difference;
use crate::state::facts::Observation;
use crate::state::in_order;
use crate::state::symbols::Symbols;
use crate::state::vocabulary::{Field, OBSERVATION, Shape, field};

/// All that was observed of one run of one exercise.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Before the program's first instruction.
    pub baseline: Observation,
    /// In the order in which they were reached.
    pub checkpoints: Vec<(String, Observation)>,
    /// When the program had ended: the machine, and the exit.
    pub after: Option<Observation>,
}

/// A run as values, less what is ignored, with its changes.
pub(super) struct Changes {
    pub baseline: Value,
    /// `after` is the last of them.
    pub checkpoints: Vec<Checkpoint>,
    pub symbols: Symbols,
}

pub(super) struct Checkpoint {
    pub name: String,
    /// What it is held against.
    pub baseline: Value,
    pub observed: Value,
    /// In the kernel's numbers, not yet in symbols.
    pub change: Value,
}

impl Changes {
    /// A name reached twice counts the first time.
    pub fn of(run: &Run, ignore: &[String]) -> Self {
        let value = |name: &str, observation: &Observation| {
            let mut value = in_order(serde_json::to_value(observation).unwrap_or_default());
            forget(&mut value, name, "", ignore);
            value
        };
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        let after = run.after.iter().map(|observation| (AFTER, observation));
        // The name of the end is not for the program to give.
        let named = run
            .checkpoints
            .iter()
            .map(|(name, observation)| (name.as_str(), observation))
            .filter(|(name, _)| *name != AFTER);
        for (name, observation) in named.chain(after) {
            if checkpoints.iter().any(|known| known.name == name) {
                continue;
            }
            let mut baseline = value(name, &run.baseline);
            let observed = value(name, observation);
            forget_the_old_root(&mut baseline, &observed);
            let change = without_repetition(difference(&baseline, &observed));
            checkpoints.push(Checkpoint {
                name: name.to_owned(),
                baseline,
                observed,
                change,
            });
        }
        let baseline = value("", &run.baseline);
        let symbols = Symbols::new(&baseline, checkpoints.iter().map(|one| &one.change));
        Self {
            baseline,
            checkpoints,
            symbols,
        }
    }

    pub fn get(&self, checkpoint: &str) -> Option<&Checkpoint> {
        self.checkpoints.iter().find(|one| one.name == checkpoint)
    }
}

/// A process whose root is another file system has a table of mounts of its own:
/// nothing in it is the machine's, however alike, so all of it is told. What went
/// with the old root goes without saying. pivot_root(2)
fn forget_the_old_root(baseline: &mut Value, observed: &Value) {
    let root = |run: &Value| run.pointer("/process/mounts/~1").map(file_system);
    if root(observed).is_some()
        && root(baseline) != root(observed)
        && let Some(mounts) = baseline.pointer_mut("/process/mounts")
    {
        *mounts = Value::Object(Map::new());
    }
}

/// What a mount shows, whatever its flags: a remount is no other root.
fn file_system(mount: &Value) -> Map<String, Value> {
    let mut mount = mount.as_object().cloned().unwrap_or_default();
    mount.remove("options");
    mount.remove("propagation");
    if let Some(options) = mount.get_mut("super_options").and_then(Value::as_array_mut) {
        options.retain(|option| option != "ro");
    }
    mount
}

/// A process that is still in the machine's namespace sees the machine's
/// changes there: those are told once, as the machine's.
fn without_repetition(mut change: Value) -> Value {
    let machine = change.get("machine").cloned().unwrap_or_default();
    let namespaces = change
        .pointer("/process/namespaces")
        .cloned()
        .unwrap_or_default();
    let shared = |field: &Field| {
        let namespace = field
            .depends_on
            .iter()
            .find_map(|path| path.strip_prefix("process.namespaces."));
        namespace.is_some_and(|name| namespaces.get(name).is_none())
    };
    let Some(process) = change.get_mut("process").and_then(Value::as_object_mut) else {
        return change;
    };
    let Some(Shape::Group(fields)) = field(OBSERVATION, "process").map(|one| one.shape) else {
        return change;
    };
    for field in fields {
        let Some(theirs) = machine.get(field.name) else {
            continue;
        };
        match field.shape {
            // Each of the IPC tables for itself.
            Shape::Group(inner) => {
                let ours = process.get_mut(field.name).and_then(Value::as_object_mut);
                let Some(ours) = ours else { continue };
                for field in inner.iter().filter(|field| shared(field)) {
                    remove_if_same(ours, field.name, theirs.get(field.name));
                }
                if ours.is_empty() {
                    process.remove(field.name);
                }
            }
            _ if shared(field) => remove_if_same(process, field.name, Some(theirs)),
            _ => {}
        }
    }
    if process.is_empty()
        && let Some(sections) = change.as_object_mut()
    {
        sections.remove("process");
    }
    change
}

fn remove_if_same(map: &mut Map<String, Value>, name: &str, other: Option<&Value>) {
    if map.get(name) == other {
        map.remove(name);
    }
}

/// Takes what is ignored out of an observation.
fn forget(value: &mut Value, checkpoint: &str, path: &str, ignore: &[String]) {
    let Value::Object(map) = value else { return };
    map.retain(|key, value| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if is_ignored(checkpoint, &path, ignore) {
            return false;
        }
        forget(value, checkpoint, &path, ignore);
        true
    });
}

/// Whether one of the globs names the fact, or something that it is part of,
/// with or without its checkpoint.
pub(super) fn is_ignored(checkpoint: &str, path: &str, ignore: &[String]) -> bool {
    let full = format!("{checkpoint}.{path}");
    ignore.iter().any(|glob| {
        [path, &full]
            .into_iter()
            .any(|path| glob_matches(glob, path) || glob_matches(&format!("{glob}.*"), path))
    })
}
