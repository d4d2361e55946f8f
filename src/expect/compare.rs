//! A run held against an expected snapshot, strictly, both ways.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::explain::{self, How, Mismatch};
use super::parse::{AFTER, Expected};
use super::pattern::{CgroupVersion, Pattern, Tree};
use super::run::{Changes, Checkpoint, Run, is_ignored};
use super::texts::Texts;
use crate::check::verdict::{Check, Explanation, Status};
use crate::state::difference::{changed, is_empty};
use crate::state::in_order;
use crate::state::symbols::Symbols;
use crate::state::vocabulary::{Fact, FactKind, Shape, facts_in, value_at};

/// How to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Points by check id or a prefix of it (up to a `.`); the longest counts.
    /// Without one a check is worth 1, and reaching a checkpoint nothing.
    pub weights: BTreeMap<String, f64>,
    /// Globs of fact paths that vary from run to run.
    pub ignore: Vec<String>,
    pub texts: Texts,
}

/// Holds the run against the snapshot. For each expected checkpoint there is
///
/// - `NAME`: it was reached (for `after`: only when it was not);
/// - one check for each expected fact; an entry of a table is one fact;
/// - `NAME.nothing_else`: nothing changed but what is expected.
///
/// A fact is skipped when one that it depends on failed, and a change that
/// nobody expected is passed over when it follows from such a failure: the
/// failure itself is told already. What reaches the machine depends on
/// nothing, so that a leak is always told; but one that is still there at a
/// later checkpoint is not told again.
pub fn compare(expected: &Expected, run: &Run, options: &Options) -> Vec<Check> {
    let changes = Changes::of(run, &options.ignore);
    let version = CgroupVersion::of(&changes.baseline);
    let mut comparison = Comparison {
        changes: &changes,
        options,
        namespaces: Namespaces {
            symbols: &changes.symbols,
            bound: Vec::new(),
        },
        told: BTreeMap::new(),
        checks: Vec::new(),
    };
    for (name, tree) in &expected.checkpoints {
        let tree = tree.on(version).unwrap_or(Tree::Branch(Vec::new()));
        match changes.get(name) {
            Some(checkpoint) => comparison.checkpoint(checkpoint, &tree),
            None => comparison.not_reached(name, &tree),
        }
    }
    comparison.checks
}

struct Comparison<'a> {
    changes: &'a Changes,
    options: &'a Options,
    namespaces: Namespaces<'a>,
    /// The unexpected changes so far, by fact, and the checkpoint of each.
    told: BTreeMap<String, (Value, String)>,
    checks: Vec<Check>,
}

impl Comparison<'_> {
    fn checkpoint(&mut self, checkpoint: &Checkpoint, tree: &Tree) {
        let name = &checkpoint.name;
        let texts = &self.options.texts;
        if name != AFTER {
            let title = texts.message("check.reached", &[("checkpoint", name)]);
            self.push(name.clone(), title, Status::Pass, None, None, None);
        }
        // In the order of the vocabulary, which puts what others depend on first.
        let facts = self.expected_facts(name, tree);
        let mut failed: BTreeSet<String> = BTreeSet::new();
        for fact in &facts {
            let needs = fact.depends_on();
            let blocker = needs.iter().find(|path| failed.contains(*path));
            let mismatches = self.hold(checkpoint, fact, tree);
            if blocker.is_some() || !mismatches.is_empty() {
                failed.insert(fact.id());
            }
            self.fact(
                checkpoint,
                fact,
                tree,
                &mismatches,
                blocker.map(String::as_str),
            );
        }
        self.nothing_else(checkpoint, &facts, &failed);
    }

    /// The facts of the snapshot, less what is ignored.
    fn expected_facts(&self, checkpoint: &str, tree: &Tree) -> Vec<Fact> {
        let mut facts = facts_in(&tree.to_value());
        facts.retain(|fact| !is_ignored(checkpoint, &fact.id(), &self.options.ignore));
        facts
    }

    fn hold(&mut self, checkpoint: &Checkpoint, fact: &Fact, tree: &Tree) -> Vec<Mismatch> {
        let before = value_at(&checkpoint.baseline, &fact.path);
        let found = value_at(&checkpoint.observed, &fact.path);
        let scope = Scope {
            fact,
            path: fact.id(),
            partial: false,
        };
        let tree = fact.path.iter().try_fold(tree, |tree, name| tree.get(name));
        self.namespaces
            .hold(&scope, fact.kind, fact.shape, tree, before, found)
    }

    fn fact(
        &mut self,
        checkpoint: &Checkpoint,
        fact: &Fact,
        tree: &Tree,
        mismatches: &[Mismatch],
        blocker: Option<&str>,
    ) {
        let texts = &self.options.texts;
        let expected = fact.path.iter().try_fold(tree, |tree, name| tree.get(name));
        let (status, explanation) = match blocker {
            Some(on) => (
                Status::Skipped,
                Some(explain::skipped(texts, &checkpoint.name, on)),
            ),
            None if mismatches.is_empty() => (Status::Pass, None),
            None => {
                let change = self.changes.symbols.apply(&checkpoint.change);
                (
                    Status::Fail,
                    Some(explain::explain(texts, mismatches, &change)),
                )
            }
        };
        self.push(
            format!("{}.{}", checkpoint.name, fact.id()),
            explain::title(texts, fact),
            status,
            expected.map(Tree::to_value),
            self.found(checkpoint, fact, expected),
            explanation,
        );
    }

    /// What was found, in the form in which it was expected; `None` where it
    /// did not differ from the baseline.
    fn found(
        &self,
        checkpoint: &Checkpoint,
        fact: &Fact,
        expected: Option<&Tree>,
    ) -> Option<Value> {
        let before = value_at(&checkpoint.baseline, &fact.path);
        let found = value_at(&checkpoint.observed, &fact.path);
        let change = changed(fact.shape, before, found)?;
        let whole = matches!(expected, Some(Tree::Pattern(Pattern::Exactly(_))));
        let value = if whole { found? } else { &change };
        Some(self.changes.symbols.apply_to(fact.shape, value))
    }

    /// All that changed and was not expected is one check, so that its points
    /// do not hang on how much a mistake spills.
    fn nothing_else(&mut self, checkpoint: &Checkpoint, facts: &[Fact], failed: &BTreeSet<String>) {
        let expected: BTreeSet<String> = facts.iter().map(Fact::id).collect();
        let mut failed = failed.clone();
        let mut rest = Value::Object(Map::new());
        let mut mismatches = Vec::new();
        let mut told_at = None;
        for fact in facts_in(&checkpoint.change) {
            if expected.contains(&fact.id()) {
                continue;
            }
            if fact.depends_on().iter().any(|path| failed.contains(path)) {
                // It follows from a failure, and so does what depends on it.
                failed.insert(fact.id());
                continue;
            }
            let Some(change) = value_at(&checkpoint.change, &fact.path) else {
                continue;
            };
            match self.told.get(&fact.id()) {
                Some((earlier, at)) if earlier == change => {
                    told_at = Some(at.clone());
                    continue;
                }
                _ => {
                    let told = (change.clone(), checkpoint.name.clone());
                    self.told.insert(fact.id(), told);
                }
            }
            let before = value_at(&checkpoint.baseline, &fact.path);
            let found = value_at(&checkpoint.observed, &fact.path);
            let scope = Scope {
                fact: &fact,
                path: fact.id(),
                partial: false,
            };
            mismatches.extend(
                self.namespaces
                    .hold(&scope, fact.kind, fact.shape, None, before, found),
            );
            let change = self.changes.symbols.apply_to(fact.shape, change);
            insert_at(&mut rest, &fact.path, change);
        }
        let texts = &self.options.texts;
        let title = texts.message("check.nothing_else", &[("checkpoint", &checkpoint.name)]);
        let id = format!("{}.nothing_else", checkpoint.name);
        if mismatches.is_empty() {
            let status = if told_at.is_some() {
                Status::Skipped
            } else {
                Status::Pass
            };
            let explanation = told_at.map(|at| explain::skipped(texts, &at, "nothing_else"));
            self.push(id, title, status, None, None, explanation);
        } else {
            let change = self.changes.symbols.apply(&checkpoint.change);
            let explanation = explain::explain(texts, &mismatches, &change);
            let rest = Some(in_order(rest));
            self.push(id, title, Status::Fail, None, rest, Some(explanation));
        }
    }

    /// One red for the checkpoint; nothing can be said of its facts.
    fn not_reached(&mut self, name: &str, tree: &Tree) {
        let texts = &self.options.texts;
        let exit = self
            .changes
            .get(AFTER)
            .and_then(|after| after.observed.get("exit"));
        let explanation = explain::not_reached(texts, name, exit);
        let title = texts.message("check.reached", &[("checkpoint", name)]);
        self.push(
            name.to_owned(),
            title,
            Status::Fail,
            None,
            None,
            Some(explanation),
        );
        for fact in self.expected_facts(name, tree) {
            let expected = fact.path.iter().try_fold(tree, |tree, name| tree.get(name));
            self.push(
                format!("{name}.{}", fact.id()),
                explain::title(texts, &fact),
                Status::Skipped,
                expected.map(Tree::to_value),
                None,
                Some(explain::skipped_unreached(texts, name)),
            );
        }
        let title = texts.message("check.nothing_else", &[("checkpoint", name)]);
        let explanation = explain::skipped_unreached(texts, name);
        let id = format!("{name}.nothing_else");
        self.push(id, title, Status::Skipped, None, None, Some(explanation));
    }

    fn push(
        &mut self,
        id: String,
        title: String,
        status: Status,
        expected: Option<Value>,
        found: Option<Value>,
        explanation: Option<Explanation>,
    ) {
        // To reach a checkpoint is no merit by itself: the shipped work often does.
        let default = if id.contains('.') { 1.0 } else { 0.0 };
        let out_of = weight(&self.options.weights, &id).unwrap_or(default);
        let points = if status == Status::Pass { out_of } else { 0.0 };
        self.checks.push(Check {
            id,
            title,
            status,
            points,
            out_of,
            expected,
            found,
            explanation,
        });
    }
}

/// The points given for that id, or for the longest prefix of it.
pub(super) fn weight(weights: &BTreeMap<String, f64>, id: &str) -> Option<f64> {
    weights
        .iter()
        .filter(|(prefix, _)| {
            id == prefix.as_str()
                || id
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        })
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, points)| *points)
}

fn insert_at(target: &mut Value, path: &[String], value: Value) {
    match (target, path) {
        (Value::Object(map), [name]) => {
            map.insert(name.clone(), value);
        }
        (Value::Object(map), [name, rest @ ..]) => {
            let inner = map
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            insert_at(inner, rest, value);
        }
        _ => {}
    }
}

/// Which fact is being held, and how strictly.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub fact: &'a Fact,
    /// Of the place inside the fact that is looked at now.
    pub path: String,
    /// Whether what is not said of an entry is not asked either.
    pub partial: bool,
}

impl Scope<'_> {
    fn below(&self, name: &str) -> Self {
        Self {
            path: format!("{}.{name}", self.path),
            ..self.clone()
        }
    }
}

/// Holds single facts, and remembers which namespace each symbol stands for.
pub(super) struct Namespaces<'a> {
    pub symbols: &'a Symbols,
    /// The symbol (`new` for each that was to be so) and its identity.
    pub bound: Vec<(String, String)>,
}

impl Namespaces<'_> {
    /// What does not hold at this place, and below it. Without an expectation
    /// it must be as in the baseline.
    pub fn hold(
        &mut self,
        scope: &Scope<'_>,
        kind: FactKind,
        shape: Shape,
        expected: Option<&Tree>,
        before: Option<&Value>,
        found: Option<&Value>,
    ) -> Vec<Mismatch> {
        let place = Place {
            scope,
            kind,
            shape,
            before,
            found,
            symbols: self.symbols,
        };
        match expected {
            None if scope.partial || before == found => Vec::new(),
            None if before.is_none() && found.is_some_and(is_empty) => Vec::new(),
            None => self.unexpected(&place),
            Some(Tree::Pattern(Pattern::Absent)) if found.is_none() => Vec::new(),
            Some(tree @ Tree::Pattern(Pattern::Absent)) => {
                vec![place.mismatch(place.still_there(), Some(tree))]
            }
            Some(tree) => match shape {
                Shape::Set(..) => self.hold_set(&place, tree),
                Shape::Leaf(..) | Shape::List(..) => {
                    if self.accepts(tree, before, found) {
                        return Vec::new();
                    }
                    let how = match found {
                        None if place.is_entry() => How::MissingEntry,
                        _ if found == before => How::Unchanged,
                        _ => How::Different,
                    };
                    vec![place.mismatch(how, Some(tree))]
                }
                _ if found.is_none() && place.is_entry() => {
                    vec![place.mismatch(How::MissingEntry, Some(tree))]
                }
                _ => self.hold_below(&place, Some(tree)),
            },
        }
    }

    /// How a change is told that nobody expected.
    fn unexpected(&mut self, place: &Place<'_>) -> Vec<Mismatch> {
        let leaks = explain::leaks(place.kind) && place.scope.fact.is_machines();
        if leaks {
            return vec![place.mismatch(How::Leaked, None)];
        }
        match (place.before, place.found) {
            (None, Some(_)) if place.is_entry() => vec![place.mismatch(How::ExtraEntry, None)],
            (Some(_), None) if place.is_entry() => vec![place.mismatch(How::MissingEntry, None)],
            _ => match place.shape {
                Shape::Leaf(..) | Shape::List(..) => vec![place.mismatch(How::Unexpected, None)],
                Shape::Set(..) => {
                    place.set_mismatches(&elements(place.before), &elements(place.found), None)
                }
                _ => self.hold_below(place, None),
            },
        }
    }

    /// Each field of a group, or each entry of a table within an entry.
    fn hold_below(&mut self, place: &Place<'_>, tree: Option<&Tree>) -> Vec<Mismatch> {
        let at =
            |value: Option<&Value>, name: &str| value.and_then(|value| value.get(name)).cloned();
        let mut mismatches = Vec::new();
        let mut hold = |kind: Option<FactKind>, shape: Shape, name: &str| {
            let (before, found) = (at(place.before, name), at(place.found, name));
            mismatches.extend(self.hold(
                &place.scope.below(name),
                kind.unwrap_or(place.kind),
                shape,
                tree.and_then(|tree| tree.get(name)),
                before.as_ref(),
                found.as_ref(),
            ));
        };
        match place.shape {
            Shape::Group(fields) => {
                for field in fields {
                    hold(field.shape.kind(), field.shape, field.name);
                }
            }
            Shape::Table(kind, entries) => {
                let written = tree.map(Tree::to_value);
                let maps = [written.as_ref(), place.before, place.found];
                let keys: BTreeSet<&String> = maps
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_object)
                    .flat_map(Map::keys)
                    .collect();
                for key in keys {
                    hold(Some(kind), entries.shape(kind), key);
                }
            }
            _ => {}
        }
        mismatches
    }

    /// A set against the final one that the snapshot says or implies.
    fn hold_set(&self, place: &Place<'_>, tree: &Tree) -> Vec<Mismatch> {
        let before = elements(place.before);
        let wanted = match tree {
            Tree::Pattern(Pattern::Exactly(Value::Array(list))) => list.clone(),
            Tree::Pattern(Pattern::Changed { added, removed }) => {
                let kept = before
                    .iter()
                    .filter(|one| !removed.contains(one) && !added.contains(one));
                kept.chain(added).cloned().collect()
            }
            _ => before,
        };
        place.set_mismatches(&wanted, &elements(place.found), Some(tree))
    }

    /// Whether a single value fits, and remembers the namespace that it is.
    pub fn accepts(&mut self, tree: &Tree, before: Option<&Value>, found: Option<&Value>) -> bool {
        let (Tree::Pattern(pattern), Some(found)) = (tree, found) else {
            return false;
        };
        let id = found.as_str().unwrap_or_default();
        match pattern {
            Pattern::Any => before != Some(found),
            Pattern::Host => self.symbols.is_host(id),
            Pattern::Named(name) => self.symbols.named(name) == Some(id),
            Pattern::New => {
                let free = self.bound.iter().all(|(_, other)| other != id);
                self.bound.push(("new".into(), id.to_owned()));
                free && self.symbols.is_new(id)
            }
            Pattern::Shared(symbol) => self.bind(symbol, id),
            pattern => pattern.accepts(found),
        }
    }

    /// Two symbols never stand for one namespace, nor one symbol for two.
    fn bind(&mut self, symbol: &str, id: &str) -> bool {
        let known = self
            .bound
            .iter()
            .find(|(bound, other)| bound == symbol || other == id);
        match known {
            Some((bound, other)) => bound == symbol && other == id,
            None if self.symbols.is_new(id) => {
                self.bound.push((symbol.to_owned(), id.to_owned()));
                true
            }
            None => false,
        }
    }
}

fn elements(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// One place, before and now.
struct Place<'a> {
    scope: &'a Scope<'a>,
    kind: FactKind,
    shape: Shape,
    before: Option<&'a Value>,
    found: Option<&'a Value>,
    symbols: &'a Symbols,
}

impl Place<'_> {
    /// Whether it is a whole entry of a table: what comes and goes as one.
    fn is_entry(&self) -> bool {
        let whole = self.scope.fact.entry.is_some() && self.scope.path == self.scope.fact.id();
        whole || self.kind == FactKind::CgroupLimit && !matches!(self.shape, Shape::Table(..))
    }

    /// The way in which something is there that was to be absent.
    fn still_there(&self) -> How {
        match self.shape {
            _ if self.is_entry() => How::ExtraEntry,
            Shape::Set(..) => How::ExtraElement,
            _ if self.before == self.found => How::Unchanged,
            _ => How::Different,
        }
    }

    fn mismatch(&self, how: How, expected: Option<&Tree>) -> Mismatch {
        let told = |value: &Value| self.symbols.apply_to(self.shape, value);
        Mismatch {
            kind: self.kind,
            how,
            path: self.scope.path.clone(),
            entry: self.entry(),
            machine: self.scope.fact.is_machines(),
            expected: expected.map(Tree::to_value),
            found: self.found.map(told),
            baseline: self.before.map(told),
            missing: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The last part of the path for a limit of a cgroup, else the entry.
    fn entry(&self) -> Option<String> {
        let fact = self.scope.fact;
        if self.kind == FactKind::CgroupLimit {
            return self
                .scope
                .path
                .rsplit_once(".limits.")
                .map(|(_, file)| file.to_owned());
        }
        fact.entry.clone()
    }

    fn set_mismatches(
        &self,
        wanted: &[Value],
        found: &[Value],
        expected: Option<&Tree>,
    ) -> Vec<Mismatch> {
        let without = |these: &[Value], those: &[Value]| -> Vec<String> {
            let rest = these.iter().filter(|one| !those.contains(one));
            rest.map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
                .collect()
        };
        let (missing, extra) = (without(wanted, found), without(found, wanted));
        let mut mismatches = Vec::new();
        if !missing.is_empty() {
            let mismatch = self.mismatch(How::MissingElement, expected);
            mismatches.push(Mismatch {
                missing,
                ..mismatch
            });
        }
        if !extra.is_empty() {
            let mismatch = self.mismatch(How::ExtraElement, expected);
            mismatches.push(Mismatch { extra, ..mismatch });
        }
        mismatches
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::expect::fixtures::{self, mount, own_hostname, rich, run};
    use crate::expect::{parse, record};
    use crate::state::facts::{Exit, NamespaceId, NamespaceKind};

    fn held(expected: &str, run: &Run) -> Vec<Check> {
        let expected = parse(expected, Path::new("expected.yaml")).unwrap();
        compare(&expected, run, &Options::default())
    }

    /// `id status` of all that did not pass.
    fn bad(checks: &[Check]) -> Vec<String> {
        checks
            .iter()
            .filter(|check| check.status != Status::Pass)
            .map(|check| format!("{} {:?}", check.id, check.status))
            .collect()
    }

    const OWN_HOSTNAME: &str = "
inside:
  process:
    namespaces: {uts: new}
    hostname: tp-lab
after: {exit: {status: 0}}
";

    #[test]
    fn a_run_as_expected_passes_with_all_points() {
        let checks = held(OWN_HOSTNAME, &own_hostname());
        let ids: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "inside",
                "inside.process.namespaces.uts",
                "inside.process.hostname",
                "inside.nothing_else",
                "after.exit.status",
                "after.nothing_else",
            ]
        );
        assert!(bad(&checks).is_empty(), "{checks:#?}");
        assert!(checks.iter().all(|check| check.points == check.out_of));
    }

    #[test]
    fn an_untouched_machine_fails_once_and_skips_what_follows() {
        let checks = held(OWN_HOSTNAME, &run(|_, _| {}));
        assert_eq!(
            bad(&checks),
            [
                "inside.process.namespaces.uts Fail",
                "inside.process.hostname Skipped"
            ]
        );
        assert!(
            checks
                .iter()
                .filter(|check| check.status != Status::Pass)
                .all(|check| {
                    check.points == 0.0 && check.explanation.is_some() && check.found.is_none()
                })
        );
    }

    #[test]
    fn a_name_set_without_a_namespace_is_a_leak_into_the_machine() {
        let run = run(|process, machine| {
            process.view.hostname = "tp-lab".into();
            machine.view.hostname = "tp-lab".into();
        });
        let checks = held(OWN_HOSTNAME, &run);
        assert_eq!(
            bad(&checks),
            [
                "inside.process.namespaces.uts Fail",
                "inside.process.hostname Skipped",
                "inside.nothing_else Fail"
            ]
        );
        let leak = checks
            .iter()
            .find(|check| check.id == "inside.nothing_else")
            .unwrap();
        assert_eq!(
            leak.found,
            Some(serde_json::json!({"machine": {"hostname": "tp-lab"}}))
        );
    }

    #[test]
    fn what_follows_from_a_failure_is_no_second_red() {
        let expected = "inside: {process: {namespaces: {pid: new}, pids: [1]}}";
        let run = run(|process, _| {
            process
                .namespaces
                .insert(NamespaceKind::PidForChildren, NamespaceId(900));
        });
        assert_eq!(
            bad(&held(expected, &run)),
            [
                "inside.process.namespaces.pid Fail",
                "inside.process.pids Skipped"
            ]
        );
        let mut run = own_hostname();
        run.after.as_mut().unwrap().exit = Some(Exit {
            status: None,
            signal: Some("KILL".into()),
        });
        assert_eq!(bad(&held(OWN_HOSTNAME, &run)), ["after.exit.status Fail"]);
    }

    #[test]
    fn an_unexpected_change_fails() {
        let mut run = own_hostname();
        let process = run.checkpoints[0].1.process.as_mut().unwrap();
        process
            .view
            .mounts
            .insert("/mnt".into(), mount("tmpfs", ""));
        let checks = held(OWN_HOSTNAME, &run);
        assert_eq!(bad(&checks), ["inside.nothing_else Fail"]);
    }

    #[test]
    fn a_leak_that_stays_is_told_once() {
        let mut run = own_hostname();
        let leak = |observation: &mut crate::state::facts::Observation, name: &str| {
            observation.machine.as_mut().unwrap().view.hostname = name.into();
        };
        leak(&mut run.checkpoints[0].1, "tp-lab");
        leak(run.after.as_mut().unwrap(), "tp-lab");
        assert_eq!(
            bad(&held(OWN_HOSTNAME, &run)),
            ["inside.nothing_else Fail", "after.nothing_else Skipped"]
        );
        leak(run.after.as_mut().unwrap(), "other");
        assert_eq!(
            bad(&held(OWN_HOSTNAME, &run)),
            ["inside.nothing_else Fail", "after.nothing_else Fail"]
        );
    }

    #[test]
    fn what_a_process_sees_of_the_machine_is_told_once() {
        let run = run(|process, machine| {
            for view in [&mut process.view, &mut machine.view] {
                view.network_namespaces
                    .insert("blue".into(), NamespaceId(900));
                view.mounts
                    .insert("/run/netns/blue".into(), mount("nsfs", ""));
            }
            machine.view.hostname = "x".into();
            process.view.hostname = "x".into();
            process
                .namespaces
                .insert(NamespaceKind::Uts, NamespaceId(901));
        });
        let text = record(&run, None, &[]).unwrap();
        let expected = "\
inside:
  process:
    namespaces: {uts: new}
    hostname: x
  machine:
    hostname: x
    mounts:
      /run/netns/blue: {type: nsfs, source: nsfs}
    network_namespaces: {blue: new}
after: {exit: {status: 0}}
";
        assert_eq!(text, expected);
        assert!(bad(&held(&text, &run)).is_empty());
    }

    #[test]
    fn a_checkpoint_that_was_not_reached_is_one_red() {
        let mut run = own_hostname();
        run.checkpoints.clear();
        let checks = held(OWN_HOSTNAME, &run);
        assert_eq!(
            bad(&checks),
            [
                "inside Fail",
                "inside.process.namespaces.uts Skipped",
                "inside.process.hostname Skipped",
                "inside.nothing_else Skipped",
            ]
        );
    }

    #[test]
    fn one_symbol_is_one_namespace_and_two_are_two() {
        let shared = |first: u64, second: u64| {
            let mut run = own_hostname();
            let mut later = run.checkpoints[0].1.clone();
            let at = |observation: &mut crate::state::facts::Observation, inode| {
                let process = observation.process.as_mut().unwrap();
                process
                    .namespaces
                    .insert(NamespaceKind::Uts, NamespaceId(inode));
            };
            at(&mut run.checkpoints[0].1, first);
            at(&mut later, second);
            run.checkpoints.push(("later".into(), later));
            run
        };
        let expected = |first: &str, second: &str| {
            format!(
                "inside: {{process: {{namespaces: {{uts: {first}}}, hostname: tp-lab}}}}\n\
                 later: {{process: {{namespaces: {{uts: {second}}}, hostname: tp-lab}}}}\n"
            )
        };
        let passes =
            |first, second, run: &Run| bad(&held(&expected(first, second), run)).is_empty();
        assert!(passes("$a", "$a", &shared(900, 900)));
        assert!(!passes("$a", "$a", &shared(900, 901)));
        assert!(passes("$a", "$b", &shared(900, 901)));
        assert!(!passes("$a", "$b", &shared(900, 900)));
        assert!(!passes("new", "new", &shared(900, 900)));
        assert!(passes("new", "new", &shared(900, 901)));
        assert!(
            !passes("$a", "$a", &shared(107, 107)),
            "the machine's own is not new"
        );
    }

    #[test]
    fn a_namespace_of_the_baseline_has_its_name() {
        let joined = |inode: u64| {
            let mut run = run(|process, _| {
                process
                    .namespaces
                    .insert(NamespaceKind::Net, NamespaceId(inode));
            });
            let names = [("blue", 500), ("red", 501)];
            let all = [
                &mut run.baseline,
                &mut run.checkpoints[0].1,
                run.after.as_mut().unwrap(),
            ];
            for observation in all {
                let process = observation
                    .process
                    .iter_mut()
                    .map(|process| &mut process.view);
                let machine = observation
                    .machine
                    .iter_mut()
                    .map(|machine| &mut machine.view);
                for view in process.chain(machine) {
                    view.network_namespaces = names
                        .map(|(name, inode)| (name.to_owned(), NamespaceId(inode)))
                        .into();
                }
            }
            run
        };
        let expected = "inside: {process: {namespaces: {net: \"@blue\"}}}";
        assert!(bad(&held(expected, &joined(500))).is_empty());
        assert_eq!(
            bad(&held(expected, &joined(501))),
            ["inside.process.namespaces.net Fail"]
        );
        assert_eq!(
            bad(&held(expected, &joined(900))),
            ["inside.process.namespaces.net Fail"]
        );
        let new = "inside: {process: {namespaces: {net: new}}}";
        assert_eq!(
            bad(&held(new, &joined(500))),
            ["inside.process.namespaces.net Fail"]
        );
        assert!(
            record(&joined(500), None, &[])
                .unwrap()
                .contains("net: \"@blue\"")
        );
    }

    #[test]
    fn points_follow_the_longest_prefix() {
        let weights = [
            ("inside", 2.0),
            ("inside.process.hostname", 5.0),
            ("in", 9.0),
        ]
        .map(|(id, points)| (id.to_owned(), points));
        let options = Options {
            weights: weights.into(),
            ..Options::default()
        };
        let expected = parse(OWN_HOSTNAME, Path::new("expected.yaml")).unwrap();
        let checks = compare(&expected, &own_hostname(), &options);
        let out_of: Vec<f64> = checks.iter().map(|check| check.out_of).collect();
        assert_eq!(out_of, [2.0, 2.0, 5.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn what_is_ignored_is_neither_compared_nor_told() {
        let mut run = own_hostname();
        run.checkpoints[0].1.process.as_mut().unwrap().cwd = "/tmp/x".into();
        assert_eq!(bad(&held(OWN_HOSTNAME, &run)), ["inside.nothing_else Fail"]);
        for glob in ["process.cwd", "inside.process.cwd", "*.cwd"] {
            let expected = parse(OWN_HOSTNAME, Path::new("expected.yaml")).unwrap();
            let options = Options {
                ignore: vec![glob.into()],
                ..Options::default()
            };
            assert!(
                bad(&compare(&expected, &run, &options)).is_empty(),
                "{glob}"
            );
            assert!(!record(&run, None, &options.ignore).unwrap().contains("cwd"));
        }
    }

    #[test]
    fn a_fact_of_one_cgroup_version_is_not_asked_on_the_other() {
        let run = run(|process, _| {
            process.cgroups.get_mut("unified").unwrap().path = "/box".into();
        });
        let cgroups = "inside: {process: {cgroups: {memory: {v1: {path: /box}}, unified: ";
        let good = format!("{cgroups}{{v2: {{path: /box}}}}}}}}}}");
        assert!(bad(&held(&good, &run)).is_empty());
        let wrong = format!("{cgroups}{{v2: {{path: /other}}}}}}}}}}");
        assert_eq!(
            bad(&held(&wrong, &run)),
            ["inside.process.cgroups.unified Fail"]
        );
    }

    #[test]
    fn a_recorded_run_passes_its_own_snapshot() {
        for run in [run(|_, _| {}), own_hostname(), rich()] {
            let text = record(&run, None, &[]).unwrap();
            let checks = held(&text, &run);
            assert!(bad(&checks).is_empty(), "{text}\n{:#?}", bad(&checks));
        }
    }

    #[test]
    fn one_altered_fact_fails_a_recorded_run() {
        let run = rich();
        let text = record(&run, None, &[]).unwrap();
        let mut altered = 0;
        let ends = run.checkpoints.iter().map(|(_, one)| one).chain(&run.after);
        for (index, observation) in ends.enumerate() {
            let value = serde_json::to_value(observation).unwrap();
            for other in fixtures::alterations(&value) {
                // A section that was not observed is no difference.
                let sections = |value: &Value| value.as_object().map(Map::len);
                if sections(&other) != sections(&value) {
                    continue;
                }
                let Ok(observation) = serde_json::from_value(other.clone()) else {
                    continue;
                };
                let mut run = run.clone();
                match run.checkpoints.get_mut(index) {
                    Some((_, old)) => *old = observation,
                    None => run.after = Some(observation),
                }
                assert!(
                    !bad(&held(&text, &run)).is_empty(),
                    "passed though altered: {other:#}"
                );
                altered += 1;
            }
        }
        assert!(altered > 200, "{altered}");
    }
}
