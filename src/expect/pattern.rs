//! What an expected snapshot says of one fact.

use serde_json::{Map, Value, json};

use crate::state::difference::ABSENT;
use crate::state::in_order;

/// An expectation, in the shape of the observation: branches down to facts.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// In the order of the file.
    Branch(Vec<(String, Tree)>),
    Pattern(Pattern),
}

/// A value or a matcher.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Exactly(Value),
    Absent,
    /// The namespace that the baseline's process is in.
    Host,
    /// A namespace that nothing else is in.
    New,
    /// `$a`: a new namespace that several places share.
    Shared(String),
    /// `@blue`: a namespace that the baseline had under a name.
    Named(String),
    AtLeast(Value),
    AtMost(Value),
    Between(Value, Value),
    OneOf(Vec<Value>),
    /// A glob: `*` any text, `?` one character, `[a-z]` one of these.
    Matches(String),
    /// Anything that differs from the baseline.
    Any,
    /// Of a set, against the baseline.
    Changed {
        added: Vec<Value>,
        removed: Vec<Value>,
    },
    /// One pattern for each cgroup version; none where only the other has it.
    ByCgroup {
        v1: Option<Box<Tree>>,
        v2: Option<Box<Tree>>,
    },
    /// `???` in an answer.
    Unanswered,
}

impl Tree {
    pub fn get(&self, name: &str) -> Option<&Tree> {
        match self {
            Self::Branch(branches) => branches
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, tree)| tree),
            Self::Pattern(_) => None,
        }
    }

    /// As it is written in the file, in the order of the alphabet.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Branch(branches) => {
                let values = branches
                    .iter()
                    .map(|(key, tree)| (key.clone(), tree.to_value()));
                in_order(values.collect())
            }
            Self::Pattern(pattern) => in_order(pattern.to_value()),
        }
    }

    /// The same with only what holds on a machine of that cgroup version;
    /// `None` when nothing does.
    pub fn on(&self, version: CgroupVersion) -> Option<Tree> {
        match self {
            Self::Pattern(Pattern::ByCgroup { v1, v2 }) => {
                let tree = if version == CgroupVersion::V1 { v1 } else { v2 };
                tree.as_deref().and_then(|tree| tree.on(version))
            }
            Self::Pattern(_) => Some(self.clone()),
            Self::Branch(branches) => {
                let kept: Vec<(String, Tree)> = branches
                    .iter()
                    .filter_map(|(key, tree)| Some((key.clone(), tree.on(version)?)))
                    .collect();
                // An entry of which nothing holds there is not there at all.
                (branches.is_empty() || !kept.is_empty()).then_some(Self::Branch(kept))
            }
        }
    }
}

/// The cgroup version that controls a machine's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

impl CgroupVersion {
    /// From the baseline: a hierarchy of its own for a controller is v1.
    pub fn of(baseline: &Value) -> Self {
        let hierarchies = baseline
            .pointer("/process/cgroups")
            .and_then(Value::as_object);
        match hierarchies {
            Some(map) if map.keys().any(|name| name != "unified") => Self::V1,
            _ => Self::V2,
        }
    }
}

impl Pattern {
    /// As it is written in the file.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Exactly(value) => value.clone(),
            Self::Absent => ABSENT.into(),
            Self::Host => "host".into(),
            Self::New => "new".into(),
            Self::Shared(symbol) | Self::Named(symbol) => symbol.clone().into(),
            Self::AtLeast(least) => json!({"at_least": least}),
            Self::AtMost(most) => json!({"at_most": most}),
            Self::Between(least, most) => json!({"between": [least, most]}),
            Self::OneOf(values) => json!({"one_of": values}),
            Self::Matches(glob) => json!({"matches": glob}),
            Self::Any => json!({"any": true}),
            Self::Changed { added, removed } => {
                let mut map = Map::new();
                if !added.is_empty() {
                    map.insert("added".into(), json!(added));
                }
                if !removed.is_empty() {
                    map.insert("removed".into(), json!(removed));
                }
                Value::Object(map)
            }
            Self::ByCgroup { v1, v2 } => [("v1", v1), ("v2", v2)]
                .into_iter()
                .filter_map(|(key, tree)| Some((key.to_owned(), tree.as_ref()?.to_value())))
                .collect(),
            Self::Unanswered => "???".into(),
        }
    }

    /// Whether it accepts more than one value, so that a recording keeps it.
    pub fn is_matcher(&self) -> bool {
        matches!(
            self,
            Self::AtLeast(_)
                | Self::AtMost(_)
                | Self::Between(..)
                | Self::OneOf(_)
                | Self::Matches(_)
                | Self::Any
        )
    }

    /// Whether a value of a leaf or list fits. Namespaces, sets and what needs
    /// the baseline are the comparison's own business.
    pub fn accepts(&self, found: &Value) -> bool {
        match self {
            Self::Exactly(value) => same(value, found),
            Self::AtLeast(least) => compare(found, least).is_some_and(std::cmp::Ordering::is_ge),
            Self::AtMost(most) => compare(found, most).is_some_and(std::cmp::Ordering::is_le),
            Self::Between(least, most) => {
                Self::AtLeast(least.clone()).accepts(found)
                    && Self::AtMost(most.clone()).accepts(found)
            }
            Self::OneOf(values) => values.iter().any(|value| same(value, found)),
            Self::Matches(glob) => match found {
                Value::String(text) => glob_matches(glob, text),
                other => glob_matches(glob, &other.to_string()),
            },
            _ => false,
        }
    }
}

/// Equal, or the same amount: `256M` is 268435456.
fn same(expected: &Value, found: &Value) -> bool {
    expected == found
        || (expected.is_string() != found.is_string() || has_unit(expected))
            && amount(expected).is_some()
            && amount(expected) == amount(found)
}

fn has_unit(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.ends_with(['K', 'M', 'G', 'T']))
}

fn compare(found: &Value, bound: &Value) -> Option<std::cmp::Ordering> {
    // `max` is more than any number.
    match (found.as_str(), amount(bound)) {
        (Some("max"), Some(_)) => Some(std::cmp::Ordering::Greater),
        (_, bound) => Some(amount(found)?.cmp(&bound?)),
    }
}

/// The number that a value says: `12`, `"12"`, `"256M"` (units of 1024).
pub fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from)),
        Value::String(text) => {
            let shift = match text.chars().last()? {
                'K' => 10,
                'M' => 20,
                'G' => 30,
                'T' => 40,
                _ => 0,
            };
            let digits = if shift == 0 {
                text.as_str()
            } else {
                &text[..text.len() - 1]
            };
            let number: i64 = digits.parse().ok()?;
            Some(i128::from(number) << shift)
        }
        _ => None,
    }
}

/// Whether the whole text fits the glob.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Where to go on when the text after the last `*` does not fit.
    let mut retry: Option<(usize, usize)> = None;
    let (mut g, mut t) = (0, 0);
    while t < text.len() {
        if glob.get(g) == Some(&'*') {
            retry = Some((g, t));
            g += 1;
        } else if let Some(width) = one_matches(&glob[g..], text[t]) {
            g += width;
            t += 1;
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (g, t) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|&one| one == '*')
}

/// The length of the glob's first element, when it fits the character.
fn one_matches(glob: &[char], character: char) -> Option<usize> {
    match glob {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let end = rest.iter().position(|&one| one == ']')?;
            let mut class = &rest[..end];
            let mut found = false;
            while let [first, tail @ ..] = class {
                (found, class) = match tail {
                    ['-', last, tail @ ..] => {
                        (found || (*first..=*last).contains(&character), tail)
                    }
                    tail => (found || *first == character, tail),
                };
            }
            found.then_some(end + 2)
        }
        [first, ..] if *first == character => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_fits_the_whole_text() {
        for (glob, text, fits) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web1", true),
            ("*b*d", "abcbd", true),
            ("*b*d", "abcbe", false),
            ("eth[0-9]", "eth7", true),
            ("eth[0-9]", "ethx", false),
            ("a?c", "abc", true),
            ("", "", true),
            ("*", "", true),
            ("[", "[", false),
            ("é*", "été", true),
        ] {
            assert_eq!(glob_matches(glob, text), fits, "{glob} on {text}");
        }
    }

    #[test]
    fn amounts_have_units() {
        assert!(Pattern::Exactly(json!("256M")).accepts(&json!("268435456")));
        assert!(Pattern::Exactly(json!(64)).accepts(&json!("64")));
        assert!(!Pattern::Exactly(json!("0644")).accepts(&json!("644")));
        assert!(Pattern::AtMost(json!("1G")).accepts(&json!("268435456")));
        assert!(!Pattern::AtMost(json!("1G")).accepts(&json!("max")));
        assert!(Pattern::AtLeast(json!("1G")).accepts(&json!("max")));
        assert!(!Pattern::AtLeast(json!(1)).accepts(&json!("some text")));
        assert!(!Pattern::AtLeast(json!(1)).accepts(&json!("unmapped")));
    }

    #[test]
    fn bounds_belong_to_the_range() {
        let between = Pattern::Between(json!(2), json!(4));
        let accepted: Vec<i64> = (0..6).filter(|n| between.accepts(&json!(n))).collect();
        assert_eq!(accepted, [2, 3, 4]);
    }
}
