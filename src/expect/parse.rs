//! `expected.yaml` and `answer.yaml`, read with every mistake in its place.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::pattern::{Pattern, Tree, amount};
use super::yaml::{self, Content, Key, Node, Position};
use crate::state::difference::ABSENT;
use crate::state::vocabulary::{Field, OBSERVATION, Shape, ValueType, field};

/// The checkpoint that every run ends with.
pub const AFTER: &str = "after";

/// The matchers, each the only key of a mapping.
pub const MATCHERS: [&str; 6] = ["at_least", "at_most", "between", "one_of", "matches", "any"];

/// An expected snapshot, or the answers to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// By checkpoint, in the order of the file.
    pub checkpoints: Vec<(String, Tree)>,
}

impl Expected {
    pub fn get(&self, checkpoint: &str) -> Option<&Tree> {
        self.checkpoints
            .iter()
            .find(|(name, _)| name == checkpoint)
            .map(|(_, tree)| tree)
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectError {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for ExpectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file.display(),
            self.line,
            self.column,
            self.message
        )
    }
}

impl std::error::Error for ExpectError {}

/// Reads an expected snapshot.
///
/// # Errors
///
/// The first mistake, with its line and column: what is no fact, what is of
/// the wrong type, and what would accept everything.
pub fn parse(text: &str, file: &Path) -> Result<Expected, ExpectError> {
    read(text, file, Dialect::Snapshot)
}

/// Reads the answers to a question: literal values and symbols only, and `???`
/// where there is no answer yet.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_answers(text: &str, file: &Path) -> Result<Expected, ExpectError> {
    read(text, file, Dialect::Answers)
}

fn read(text: &str, file: &Path, dialect: Dialect) -> Result<Expected, ExpectError> {
    let error = |position: Position, message: String| ExpectError {
        file: file.to_owned(),
        line: position.line,
        column: position.column,
        message,
    };
    let root = yaml::read(text).map_err(|(position, message)| error(position, message))?;
    Parser { dialect }
        .document(&root)
        .map_err(|Mistake(number, message)| error(yaml::locate(text, number), message))
}

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Snapshot,
    Answers,
}

/// The number of the node that is wrong, and why.
struct Mistake(usize, String);

type Parsed<T> = Result<T, Mistake>;

/// What a value is of: for messages, and for the values that it may have.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    shape: Shape,
    optional: bool,
}

impl<'a> Place<'a> {
    fn of(field: &'a Field) -> Self {
        Self {
            name: field.name,
            shape: field.shape,
            optional: field.optional,
        }
    }
}

impl Place<'_> {
    /// Whether it is held as one: no table, and a group only as an entry.
    fn is_fact(&self) -> bool {
        match self.shape {
            Shape::Group(_) => self.optional,
            Shape::Table(..) => false,
            _ => true,
        }
    }
}

struct Parser {
    dialect: Dialect,
}

impl Parser {
    fn document(&self, root: &Node) -> Parsed<Expected> {
        if let Content::Null = root.content {
            return Err(Mistake(root.number, "the file is empty".into()));
        }
        let Content::Mapping(pairs) = &root.content else {
            let message = format!(
                "a mapping from checkpoints to facts is wanted, not {}",
                root.content.describe()
            );
            return Err(Mistake(root.number, message));
        };
        let mut checkpoints = Vec::new();
        for (key, node) in pairs {
            checkpoints.push((key.text.clone(), self.checkpoint(key, node)?));
        }
        Ok(Expected { checkpoints })
    }

    /// `exit` is known only at the end, when there is no process any more.
    fn checkpoint(&self, key: &Key, node: &Node) -> Parsed<Tree> {
        let name = &key.text;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let message = format!(
                "`{name}` is no name for a checkpoint: lower-case letters, digits, `-` and `_`"
            );
            return Err(Mistake(key.number, message));
        }
        if let Content::Mapping(pairs) = &node.content {
            for (section, _) in pairs {
                let misplaced = match section.text.as_str() {
                    "exit" => name != AFTER,
                    "process" => name == AFTER,
                    _ => false,
                };
                if misplaced {
                    let message = format!("there is no `{}` at `{name}`", section.text);
                    return Err(Mistake(section.number, message));
                }
            }
        }
        self.record(name, OBSERVATION, node)
    }

    /// A mapping whose keys are all known.
    fn record(&self, name: &str, fields: &'static [Field], node: &Node) -> Parsed<Tree> {
        let pairs = mapping(name, node)?;
        let mut branches = Vec::new();
        for (key, node) in pairs {
            let Some(field) = field(fields, &key.text) else {
                return Err(Mistake(key.number, unknown_fact(name, fields, &key.text)));
            };
            branches.push((key.text.clone(), self.fact(Place::of(field), node)?));
        }
        Ok(Tree::Branch(branches))
    }

    fn fact(&self, place: Place<'_>, node: &Node) -> Parsed<Tree> {
        if let Content::Null = node.content {
            let message = format!("`{}` has no value; `{{}}` or `[]` say: empty", place.name);
            return Err(Mistake(node.number, message));
        }
        if let Some(tree) = self.anywhere(place, node)? {
            return Ok(tree);
        }
        match place.shape {
            Shape::Group(fields) => self.record(place.name, fields, node),
            Shape::Table(kind, entries) => {
                let mut branches = Vec::new();
                for (key, node) in mapping(place.name, node)? {
                    let entry = Place {
                        name: &key.text,
                        shape: entries.shape(kind),
                        optional: true,
                    };
                    branches.push((key.text.clone(), self.fact(entry, node)?));
                }
                Ok(Tree::Branch(branches))
            }
            Shape::Leaf(_, value_type) => self.leaf(place, value_type, node).map(Tree::Pattern),
            Shape::List(_, value_type) | Shape::Set(_, value_type) => {
                self.list(place, value_type, node).map(Tree::Pattern)
            }
        }
    }

    /// What may stand in the place of any fact: `absent`, `???`, `v1` and `v2`.
    fn anywhere(&self, place: Place<'_>, node: &Node) -> Parsed<Option<Tree>> {
        match &node.content {
            Content::Scalar(Value::String(text)) if text == ABSENT && place.optional => {
                Ok(Some(Tree::Pattern(Pattern::Absent)))
            }
            Content::Scalar(Value::String(text))
                if text == "???" && self.dialect == Dialect::Answers && place.is_fact() =>
            {
                Ok(Some(Tree::Pattern(Pattern::Unanswered)))
            }
            Content::Mapping(pairs)
                if !pairs.is_empty()
                    && pairs
                        .iter()
                        .all(|(key, _)| key.text == "v1" || key.text == "v2")
                    && place.is_fact() =>
            {
                self.refuse_matcher(node)?;
                let version = |name: &str| -> Parsed<Option<Box<Tree>>> {
                    let pair = pairs.iter().find(|(key, _)| key.text == name);
                    pair.map(|(_, node)| self.fact(place, node).map(Box::new))
                        .transpose()
                };
                let (v1, v2) = (version("v1")?, version("v2")?);
                Ok(Some(Tree::Pattern(Pattern::ByCgroup { v1, v2 })))
            }
            _ => Ok(None),
        }
    }

    /// One who may write a matcher in an answer need not know it.
    fn refuse_matcher(&self, node: &Node) -> Parsed<()> {
        if self.dialect == Dialect::Answers {
            return Err(Mistake(
                node.number,
                "an answer is a value, not a matcher".into(),
            ));
        }
        Ok(())
    }

    /// A single value, a symbol or a matcher.
    fn leaf(&self, place: Place<'_>, value_type: ValueType, node: &Node) -> Parsed<Pattern> {
        match &node.content {
            Content::Mapping(pairs) => {
                self.refuse_matcher(node)?;
                let (key, argument) = only_matcher(place, node, pairs)?;
                matcher(place, value_type, key, argument)
            }
            _ => literal(place, value_type, node),
        }
    }

    /// A list or a set, whole; or what is added to a set and removed from it.
    fn list(&self, place: Place<'_>, value_type: ValueType, node: &Node) -> Parsed<Pattern> {
        let is_set = matches!(place.shape, Shape::Set(..));
        match &node.content {
            Content::List(nodes) => Ok(Pattern::Exactly(
                elements(place, value_type, nodes, is_set)?.into(),
            )),
            Content::Mapping(pairs) if is_set && is_change(pairs) => {
                let mut change = [Vec::new(), Vec::new()];
                for (key, node) in pairs {
                    let Content::List(nodes) = &node.content else {
                        let message = format!("`{}` wants a list", key.text);
                        return Err(Mistake(node.number, message));
                    };
                    change[usize::from(key.text == "removed")] =
                        elements(place, value_type, nodes, true)?;
                }
                let [added, removed] = change;
                if added.is_empty() && removed.is_empty() {
                    let message = format!(
                        "`{}` neither adds nor removes anything; leave it out",
                        place.name
                    );
                    return Err(Mistake(node.number, message));
                }
                if let Some(both) = added.iter().find(|one| removed.contains(one)) {
                    let message = format!("{both} is both added and removed");
                    return Err(Mistake(node.number, message));
                }
                Ok(Pattern::Changed { added, removed })
            }
            Content::Mapping(pairs) => {
                self.refuse_matcher(node)?;
                let (key, argument) = only_matcher(place, node, pairs)?;
                if key.text == "any" && !is_set {
                    return any(argument);
                }
                let message = format!(
                    "`{}` is a list; `{}` is for single values",
                    place.name, key.text
                );
                Err(Mistake(key.number, message))
            }
            other => {
                let message = format!("`{}` wants a list, not {}", place.name, other.describe());
                Err(Mistake(node.number, message))
            }
        }
    }
}

fn is_change(pairs: &[(Key, Node)]) -> bool {
    !pairs.is_empty()
        && pairs
            .iter()
            .all(|(key, _)| matches!(&*key.text, "added" | "removed"))
}

fn elements(
    place: Place<'_>,
    value_type: ValueType,
    nodes: &[Node],
    is_set: bool,
) -> Parsed<Vec<Value>> {
    let mut values = Vec::new();
    for node in nodes {
        let value = value(place, value_type, node)?;
        if is_set && values.contains(&value) {
            return Err(Mistake(node.number, format!("{value} is given twice")));
        }
        values.push(value);
    }
    Ok(values)
}

fn mapping<'a>(name: &str, node: &'a Node) -> Parsed<&'a [(Key, Node)]> {
    match &node.content {
        Content::Mapping(pairs) => Ok(pairs),
        Content::Null => Err(Mistake(
            node.number,
            format!("`{name}` has no value; `{{}}` says that nothing changed"),
        )),
        other => Err(Mistake(
            node.number,
            format!(
                "`{name}` wants a mapping of facts, not {}",
                other.describe()
            ),
        )),
    }
}

/// The matcher and its argument: exactly one, and a known one.
fn only_matcher<'a>(
    place: Place<'_>,
    node: &Node,
    pairs: &'a [(Key, Node)],
) -> Parsed<(&'a Key, &'a Node)> {
    let known = MATCHERS.join("`, `");
    for (key, _) in pairs {
        if !MATCHERS.contains(&key.text.as_str()) {
            let meant = suggestion(MATCHERS.into_iter(), &key.text);
            let message = format!(
                "unknown matcher `{}` for `{}`{}",
                key.text,
                place.name,
                meant.unwrap_or_else(|| format!("; there are `{known}`"))
            );
            return Err(Mistake(key.number, message));
        }
    }
    match pairs {
        [(key, argument)] => Ok((key, argument)),
        [] => Err(Mistake(
            node.number,
            format!(
                "`{}` wants a value or one of the matchers `{known}`",
                place.name
            ),
        )),
        [_, (second, _), ..] => Err(Mistake(
            second.number,
            format!(
                "`{}` has a second matcher `{}`; one is allowed",
                place.name, second.text
            ),
        )),
    }
}

fn matcher(place: Place<'_>, value_type: ValueType, key: &Key, argument: &Node) -> Parsed<Pattern> {
    let everything = |pattern: Pattern| {
        let message = format!(
            "this `{}` accepts every value of `{}`",
            key.text, place.name
        );
        if accepts_everything(&pattern, value_type) {
            Err(Mistake(argument.number, message))
        } else {
            Ok(pattern)
        }
    };
    match key.text.as_str() {
        "at_least" => everything(Pattern::AtLeast(bound(place, value_type, key, argument)?)),
        "at_most" => everything(Pattern::AtMost(bound(place, value_type, key, argument)?)),
        "between" => {
            let Content::List(nodes) = &argument.content else {
                return Err(Mistake(
                    argument.number,
                    "`between` wants `[least, most]`".into(),
                ));
            };
            let [least, most] = nodes.as_slice() else {
                return Err(Mistake(
                    argument.number,
                    "`between` wants `[least, most]`".into(),
                ));
            };
            let least = bound(place, value_type, key, least)?;
            let most = bound(place, value_type, key, most)?;
            if amount(&least) > amount(&most) {
                let message = format!("nothing is between {least} and {most}");
                return Err(Mistake(argument.number, message));
            }
            everything(Pattern::Between(least, most))
        }
        "one_of" => match &argument.content {
            Content::List(nodes) if !nodes.is_empty() && value_type != ValueType::Namespace => {
                everything(Pattern::OneOf(elements(place, value_type, nodes, true)?))
            }
            Content::List(_) if value_type == ValueType::Namespace => Err(Mistake(
                argument.number,
                "a namespace is `new`, `host` or a symbol".into(),
            )),
            Content::List(_) => Err(Mistake(
                argument.number,
                "an empty `one_of` accepts nothing".into(),
            )),
            other => Err(Mistake(
                argument.number,
                format!("`one_of` wants a list of values, not {}", other.describe()),
            )),
        },
        "matches" => match &argument.content {
            Content::Scalar(Value::String(glob))
                if matches!(
                    value_type,
                    ValueType::Text | ValueType::Word(_) | ValueType::Amount
                ) =>
            {
                everything(Pattern::Matches(glob.clone()))
            }
            Content::Scalar(Value::String(_)) => Err(Mistake(
                key.number,
                format!("`matches` is for text; `{}` is not", place.name),
            )),
            other => Err(Mistake(
                argument.number,
                format!(
                    "`matches` wants a pattern in quotes, not {}",
                    other.describe()
                ),
            )),
        },
        _ => any(argument),
    }
}

fn any(argument: &Node) -> Parsed<Pattern> {
    match argument.content {
        Content::Scalar(Value::Bool(true)) => Ok(Pattern::Any),
        _ => Err(Mistake(
            argument.number,
            "`any` is written `{any: true}`".into(),
        )),
    }
}

/// The number that a comparison is made with.
fn bound(place: Place<'_>, value_type: ValueType, key: &Key, node: &Node) -> Parsed<Value> {
    if !matches!(
        value_type,
        ValueType::Integer(..) | ValueType::Amount | ValueType::Id
    ) {
        let message = format!("`{}` is for numbers; `{}` is not one", key.text, place.name);
        return Err(Mistake(key.number, message));
    }
    match &node.content {
        Content::Scalar(value) if amount(value).is_some() => Ok(value.clone()),
        other => Err(Mistake(
            node.number,
            format!("`{}` wants a number, not {}", key.text, other.describe()),
        )),
    }
}

/// Whether no value that the fact can have is refused.
fn accepts_everything(pattern: &Pattern, value_type: ValueType) -> bool {
    let (least, most) = match value_type {
        ValueType::Integer(least, most) => (i128::from(least), i128::from(most)),
        // An unmapped id is no number, so that a bound always says something.
        ValueType::Id => (i128::MIN, i128::MAX),
        _ => (0, i128::MAX),
    };
    let low = |value: &Value| amount(value).is_some_and(|number| number <= least);
    let high = |value: &Value| amount(value).is_some_and(|number| number >= most);
    match pattern {
        Pattern::AtLeast(bound) => low(bound),
        Pattern::AtMost(bound) => high(bound),
        Pattern::Between(from, to) => low(from) && high(to),
        Pattern::Matches(glob) => !glob.is_empty() && glob.chars().all(|one| "*?".contains(one)),
        Pattern::OneOf(values) => match value_type {
            ValueType::Boolean => values.len() == 2,
            ValueType::Word(words) => values.len() == words.len(),
            _ => false,
        },
        _ => false,
    }
}

/// A value of a leaf; of a namespace only a symbol, since its number is the
/// kernel's to choose.
fn literal(place: Place<'_>, value_type: ValueType, node: &Node) -> Parsed<Pattern> {
    if value_type != ValueType::Namespace {
        return value(place, value_type, node).map(Pattern::Exactly);
    }
    let Content::Scalar(Value::String(text)) = &node.content else {
        let found = node.content.describe();
        let message = format!(
            "`{}` wants `new`, `host`, `$a` or `@NAME`, not {found}",
            place.name
        );
        return Err(Mistake(node.number, message));
    };
    match text.as_str() {
        "new" => Ok(Pattern::New),
        "host" => Ok(Pattern::Host),
        symbol if is_symbol(symbol) => Ok(Pattern::Shared(text.clone())),
        symbol if symbol.len() > 1 && symbol.starts_with('@') => Ok(Pattern::Named(text.clone())),
        _ => {
            let message = format!(
                "`{}` is a namespace: `new`, `host`, `$a` or `@NAME`, not `{text}`",
                place.name
            );
            Err(Mistake(node.number, message))
        }
    }
}

fn is_symbol(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// A literal of that type.
fn value(place: Place<'_>, value_type: ValueType, node: &Node) -> Parsed<Value> {
    let wrong = |wanted: &str| {
        let message = format!(
            "`{}` wants {wanted}, not {}",
            place.name,
            node.content.describe()
        );
        Err(Mistake(node.number, message))
    };
    let Content::Scalar(value) = &node.content else {
        return wrong(type_name(value_type));
    };
    let fits = match value_type {
        ValueType::Text => value.is_string(),
        ValueType::Boolean => value.is_boolean(),
        ValueType::Integer(least, most) => amount(value)
            .is_some_and(|n| value.is_number() && (least.into()..=most.into()).contains(&n)),
        ValueType::Id => {
            value == "unmapped" || value.as_u64().is_some_and(|id| u32::try_from(id).is_ok())
        }
        ValueType::Amount => value.is_string() || amount(value).is_some(),
        ValueType::Word(words) => match value.as_str() {
            Some(word) if !words.contains(&word) => {
                let meant = suggestion(words.iter().copied(), word).unwrap_or_else(|| {
                    let few = if words.len() > 12 {
                        String::new()
                    } else {
                        words.join("`, `")
                    };
                    if few.is_empty() {
                        few
                    } else {
                        format!("; there are `{few}`")
                    }
                });
                let message = format!("`{}` cannot be `{word}`{meant}", place.name);
                return Err(Mistake(node.number, message));
            }
            word => word.is_some(),
        },
        ValueType::Namespace => false,
    };
    if fits {
        return Ok(value.clone());
    }
    match (value_type, value) {
        (ValueType::Text | ValueType::Word(_), Value::Number(_) | Value::Bool(_)) => {
            wrong("text (put it in quotes)")
        }
        (ValueType::Integer(least, most), Value::Number(_)) if least != i64::MIN => {
            wrong(&format!("a whole number from {least} to {most}"))
        }
        _ => wrong(type_name(value_type)),
    }
}

fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Text | ValueType::Word(_) => "text",
        ValueType::Integer(..) => "a whole number",
        ValueType::Boolean => "`true` or `false`",
        ValueType::Namespace => "`new`, `host` or a symbol",
        ValueType::Id => "an id or `unmapped`",
        ValueType::Amount => "an amount such as `256M`, or text",
    }
}

fn unknown_fact(record: &str, fields: &[Field], name: &str) -> String {
    let names = || fields.iter().map(|field| field.name);
    let rest = suggestion(names(), name).unwrap_or_else(|| {
        let names: Vec<&str> = names().collect();
        format!("; there are `{}`", names.join("`, `"))
    });
    format!("unknown fact `{name}` in `{record}`{rest}")
}

/// `; did you mean …?`, when one of the names is near enough.
pub(super) fn suggestion<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    names
        .map(|candidate| (edits(candidate, name), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
}

/// How many letters are to be added, taken away or changed (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text, Path::new("expected.yaml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        for (text, told) in [
            (
                "inside:\n  process:\n    hostnam: x\n",
                "3:5: unknown fact `hostnam` in `process`; did you mean `hostname`?",
            ),
            (
                "inside: {process: {hostname: 12}}",
                "1:30: `hostname` wants text (put it in quotes), not the number 12",
            ),
            (
                "inside: {process: {hostname: [a]}}",
                "1:30: `hostname` wants text, not a list",
            ),
            (
                "inside: {process: {hostname: }}",
                "1:30: `hostname` has no value; `{}` or `[]` say: empty",
            ),
            (
                "inside: {process: {pids: 1}}",
                "1:26: `pids` wants a list, not the number 1",
            ),
            (
                "inside: {process: {pids: [0]}}",
                "1:27: `pids` wants a whole number from 1 to 4294967295, not the number 0",
            ),
            (
                "inside: {process: {no_new_privs: 1}}",
                "1:34: `no_new_privs` wants `true` or `false`, not the number 1",
            ),
            (
                "inside: {process: {uid: {real: -1}}}",
                "1:32: `real` wants an id or `unmapped`, not the number -1",
            ),
            (
                "inside: {process: {capabilities: {effective: [net_rwa]}}}",
                "1:47: `effective` cannot be `net_rwa`; did you mean `net_raw`?",
            ),
            (
                "inside: {process: {setgroups: no}}",
                "1:31: `setgroups` cannot be `no`; there are `allow`, `deny`",
            ),
            (
                "inside: {process: {namespaces: {uts: nwe}}}",
                "1:38: `uts` is a namespace: `new`, `host`, `$a` or `@NAME`, not `nwe`",
            ),
            (
                "inside: {process: {pids: [], capabilities: {effective: {added: [kill], removed: [kill]}}}}",
                "1:56: \"kill\" is both added and removed",
            ),
            (
                "inside: {process: {routes: [a, a]}}",
                "1:32: \"a\" is given twice",
            ),
            (
                "inside: {process: {hostname: {at_most: 3}}}",
                "1:31: `at_most` is for numbers; `hostname` is not one",
            ),
            (
                "after: {exit: {status: {at_least: 1, at_most: 3}}}",
                "1:38: `status` has a second matcher `at_most`; one is allowed",
            ),
            (
                "after: {exit: {status: {at_leats: 1}}}",
                "1:25: unknown matcher `at_leats` for `status`; did you mean `at_least`?",
            ),
            (
                "after: {exit: {status: {at_least: 0}}}",
                "1:35: this `at_least` accepts every value of `status`",
            ),
            (
                "after: {exit: {status: {between: [0, 255]}}}",
                "1:34: this `between` accepts every value of `status`",
            ),
            (
                "after: {exit: {status: {between: [3, 2]}}}",
                "1:34: nothing is between 3 and 2",
            ),
            (
                "after: {exit: {status: {one_of: []}}}",
                "1:33: an empty `one_of` accepts nothing",
            ),
            (
                "after: {exit: {status: {any: false}}}",
                "1:30: `any` is written `{any: true}`",
            ),
            (
                "inside: {process: {hostname: {matches: \"*\"}}}",
                "1:40: this `matches` accepts every value of `hostname`",
            ),
            (
                "inside: {process: {no_new_privs: {one_of: [true, false]}}}",
                "1:43: this `one_of` accepts every value of `no_new_privs`",
            ),
            (
                "inside: {any: true}",
                "1:10: unknown fact `any` in `inside`; there are `process`, `machine`, `exit`",
            ),
            (
                "inside: {process: {mounts: {any: true}}}",
                "1:34: `any` wants a mapping of facts, not the boolean true",
            ),
            (
                "inside: {process: {mounts: {/proc: {any: true}}}}",
                "1:37: unknown fact `any` in `/proc`; there are `type`, `source`, `root`, `namespace`, `options`, `super_options`, `propagation`",
            ),
            (
                "inside:\n",
                "1:8: `inside` has no value; `{}` says that nothing changed",
            ),
            (
                "inside: {exit: {status: 0}}",
                "1:10: there is no `exit` at `inside`",
            ),
            (
                "after: {process: {}}",
                "1:9: there is no `process` at `after`",
            ),
            (
                "In side: {}",
                "1:1: `In side` is no name for a checkpoint: lower-case letters, digits, `-` and `_`",
            ),
            ("inside: {}\ninside: {}\n", "2:1: `inside` is given twice"),
            (
                "- a\n",
                "1:1: a mapping from checkpoints to facts is wanted, not a list",
            ),
            ("", "1:1: the file is empty"),
            ("# nothing\n", "2:1: the file is empty"),
        ] {
            assert_eq!(error(text), format!("expected.yaml:{told}"), "{text}");
        }
    }

    #[test]
    fn answers_are_values_and_may_be_missing() {
        let file = Path::new("answer.yaml");
        let text = "
inside:
  process:
    hostname: ???
    pids: ???
    namespaces: {uts: \"???\", net: host}
    mounts:
      /proc: ???
    uid_map: []
";
        let answers = parse_answers(text, file).unwrap();
        let process = answers
            .get("inside")
            .and_then(|tree| tree.get("process"))
            .unwrap();
        assert_eq!(
            process.get("hostname"),
            Some(&Tree::Pattern(Pattern::Unanswered))
        );
        for (text, told) in [
            (
                "inside: {process: {hostname: {any: true}}}",
                "1:30: an answer is a value, not a matcher",
            ),
            (
                "inside: {process: {pids: {any: true}}}",
                "1:26: an answer is a value, not a matcher",
            ),
            (
                "inside: {process: {hostname: ???}}",
                "1:30: within `{…}` or `[…]`, `???` needs quotes: \"???\"",
            ),
            (
                "inside: {process: \"???\"}",
                "1:19: `process` wants a mapping of facts, not the text `???`",
            ),
        ] {
            let error = parse_answers(text, file).unwrap_err().to_string();
            assert_eq!(error, format!("answer.yaml:{told}"));
        }
        let literal = parse("inside: {process: {hostname: \"???\"}}", file).unwrap();
        let process = literal
            .get("inside")
            .and_then(|tree| tree.get("process"))
            .unwrap();
        assert_eq!(
            process.get("hostname"),
            Some(&Tree::Pattern(Pattern::Exactly("???".into())))
        );
    }

    #[test]
    fn matchers_that_say_something_are_taken() {
        for fact in [
            "hostname: {matches: \"tp-*\"}",
            "hostname: {one_of: [a, b]}",
            "seccomp_filters: {at_least: 1}",
            "time_offsets: {boottime: {between: [0, 10]}}",
            "cgroups: {unified: {limits: {memory.max: {at_most: 1G}}}}",
            "cgroups: {memory: {v1: {path: /a}}, unified: {v2: {path: {any: true}}}}",
            "pids: {any: true}",
            "mounts: {/proc: absent}",
            "uid: {real: unmapped}",
            "uid: {real: {at_least: 0}}",
            "no_new_privs: {v1: true, v2: false}",
        ] {
            let text = format!("inside: {{process: {{{fact}}}}}");
            let parsed = parse(&text, Path::new("expected.yaml"));
            assert!(parsed.is_ok(), "{text}: {}", parsed.unwrap_err());
        }
    }
}
