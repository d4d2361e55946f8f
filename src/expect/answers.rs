//! The answers to a question, held against what the kernel does hold.

use super::compare::{Namespaces, Options, Scope, weight};
use super::explain::{self, How, Mismatch};
use super::parse::Expected;
use super::pattern::{CgroupVersion, Pattern, Tree};
use super::run::{Changes, Run, is_ignored};
use crate::check::verdict::{Check, Explanation, Status};
use crate::state::vocabulary::{Fact, facts_in, value_at};

/// Holds each answer against the run. Only what the answer file has is asked:
/// of an entry only the fields that it names, and nothing of what else
/// changed. No answer waits for another, and the right one is not given away.
pub fn answers(answers: &Expected, run: &Run, options: &Options) -> Vec<Check> {
    let changes = Changes::of(run, &options.ignore);
    let version = CgroupVersion::of(&changes.baseline);
    let mut namespaces = Namespaces {
        symbols: &changes.symbols,
        bound: Vec::new(),
    };
    let mut checks = Vec::new();
    for (name, tree) in &answers.checkpoints {
        let tree = tree.on(version).unwrap_or(Tree::Branch(Vec::new()));
        let observed = changes.get(name).map(|checkpoint| &checkpoint.observed);
        for fact in facts_in(&tree.to_value()) {
            if is_ignored(name, &fact.id(), &options.ignore) {
                continue;
            }
            // `new` twice may be one namespace: no answer waits for another.
            namespaces.bound.retain(|(symbol, _)| symbol != "new");
            let Some(answer) = fact
                .path
                .iter()
                .try_fold(&tree, |tree, name| tree.get(name))
            else {
                continue;
            };
            let (status, explanation) = match observed {
                None => {
                    let explanation = explain::skipped_unreached(&options.texts, name);
                    (Status::Skipped, Some(explanation))
                }
                Some(_) if unanswered(answer) => {
                    let explanation = explain::explanation(&options.texts, "unanswered", &[]);
                    (Status::Fail, Some(explanation))
                }
                Some(observed) => {
                    let before = value_at(&changes.baseline, &fact.path);
                    let found = value_at(observed, &fact.path);
                    let scope = Scope {
                        fact: &fact,
                        path: fact.id(),
                        partial: true,
                    };
                    let shape = fact.shape;
                    let wrong =
                        namespaces.hold(&scope, fact.kind, shape, Some(answer), before, found);
                    match wrong.first() {
                        None => (Status::Pass, None),
                        Some(first) => (Status::Fail, Some(explain_answer(options, &fact, first))),
                    }
                }
            };
            let id = format!("{name}.{}", fact.id());
            let out_of = weight(&options.weights, &id).unwrap_or(1.0);
            checks.push(Check {
                id,
                title: explain::title(&options.texts, &fact),
                status,
                points: if status == Status::Pass { out_of } else { 0.0 },
                out_of,
                expected: Some(answer.to_value()),
                found: None,
                explanation,
            });
        }
    }
    checks
}

fn unanswered(tree: &Tree) -> bool {
    match tree {
        Tree::Pattern(pattern) => *pattern == Pattern::Unanswered,
        Tree::Branch(branches) => branches.iter().any(|(_, tree)| unanswered(tree)),
    }
}

/// What the fact is about, without what the kernel holds.
fn explain_answer(options: &Options, fact: &Fact, mismatch: &Mismatch) -> Explanation {
    let answer = mismatch
        .expected
        .as_ref()
        .map(explain::tell)
        .unwrap_or_default();
    let told = match mismatch.how {
        // Of a set, or of an entry that is not there, the path says it better.
        How::MissingEntry => fact.id(),
        _ => answer,
    };
    let mut explanation = explain::explanation(&options.texts, "answer", &[("expected", &told)]);
    explanation.meaning = explain::meaning(&options.texts, fact.kind);
    explanation.man = fact
        .kind
        .man()
        .iter()
        .map(|&page| page.to_owned())
        .collect();
    explanation
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::expect::fixtures::own_hostname;
    use crate::expect::parse_answers;

    fn statuses(text: &str) -> Vec<(String, Status)> {
        let given = parse_answers(text, Path::new("answer.yaml")).unwrap();
        let checks = answers(&given, &own_hostname(), &Options::default());
        for check in &checks {
            assert_eq!(check.found, None, "the right answer is given away");
            assert_eq!(check.explanation.is_some(), check.status != Status::Pass);
        }
        checks
            .into_iter()
            .map(|check| (check.id, check.status))
            .collect()
    }

    #[test]
    fn new_may_be_answered_in_two_places_that_are_one_namespace() {
        let mut run = own_hostname();
        let mut later = run.checkpoints[0].1.clone();
        later.machine = None;
        run.checkpoints.push(("later".into(), later));
        let text = "
inside: {process: {namespaces: {uts: new}}}
later: {process: {namespaces: {uts: new}}}
";
        let given = parse_answers(text, Path::new("answer.yaml")).unwrap();
        for check in answers(&given, &run, &Options::default()) {
            assert_eq!(check.status, Status::Pass, "{}", check.id);
        }
    }

    #[test]
    fn each_answer_stands_for_itself() {
        let text = "
inside:
  process:
    namespaces: {uts: host, mnt: host}
    hostname: tp-lab
    domainname: ???
    mounts: {/proc: {type: proc}, /mnt: absent, /sys: {type: sysfs}}
never: {process: {hostname: x}}
";
        let expected = [
            ("inside.process.namespaces.mnt", Status::Pass),
            ("inside.process.namespaces.uts", Status::Fail),
            ("inside.process.hostname", Status::Pass),
            ("inside.process.domainname", Status::Fail),
            ("inside.process.mounts./mnt", Status::Pass),
            ("inside.process.mounts./proc", Status::Pass),
            ("inside.process.mounts./sys", Status::Fail),
            ("never.process.hostname", Status::Skipped),
        ];
        assert_eq!(
            statuses(text),
            expected.map(|(id, status)| (id.to_owned(), status))
        );
    }
}
