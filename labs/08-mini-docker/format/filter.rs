//! `--filter key=value`: several values of one key are alternatives, several keys have
//! all to hold.

use std::collections::BTreeMap;

use anyhow::bail;

#[derive(Clone, Debug, Default)]
pub struct Filters {
    values: BTreeMap<String, Vec<String>>,
}

impl Filters {
    /// # Errors
    /// A filter without `=`, or with a key that is not among `known`, in docker's words.
    pub fn parse(given: &[String], known: &[&str]) -> anyhow::Result<Self> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for filter in given {
            let Some((key, value)) = filter.split_once('=') else {
                bail!(
                    "invalid argument {filter:?} for \"-f, --filter\" flag: bad format of filter (expected name=value)"
                );
            };
            let key = key.trim().to_lowercase();
            if !known.contains(&key.as_str()) {
                bail!("Invalid filter '{key}'");
            }
            values.entry(key).or_default().push(value.trim().into());
        }
        Ok(Self { values })
    }

    pub fn get(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }

    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Whether there is no such filter, or one of its values satisfies `holds`.
    pub fn any(&self, key: &str, holds: impl Fn(&str) -> bool) -> bool {
        let values = self.get(key);
        values.is_empty() || values.iter().any(|value| holds(value))
    }

    /// `label=a` and `label=a=b`: every one has to be there.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.get("label").iter().all(|wish| has_label(labels, wish))
    }

    /// `label!=a`: none may be there.
    pub fn without_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let unwanted = self.get("label!");
        unwanted.is_empty() || !unwanted.iter().all(|wish| has_label(labels, wish))
    }

    /// A yes-or-no filter.
    ///
    /// # Errors
    /// Another value than `true`, `1`, `false`, `0`.
    pub fn flag(&self, key: &str) -> anyhow::Result<Option<bool>> {
        match self.get(key).first().map(String::as_str) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(value) => bail!("Invalid filter '{key}={value}'"),
        }
    }
}

/// Whether `pattern` matches somewhere in `text`. docker takes regular expressions
/// here; of those `^`, `$`, `.` and `*` are known, which is what people write.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match pattern.split_first() {
        Some(('^', rest)) => here(rest, &text),
        _ => (0..=text.len()).any(|at| here(&pattern, &text[at..])),
    }
}

fn here(pattern: &[char], text: &[char]) -> bool {
    let same = |one: char, text: &[char]| {
        let first = text.first();
        first.is_some_and(|letter| one == '.' || one == *letter)
    };
    match pattern {
        [] => true,
        ['$'] => text.is_empty(),
        [one, '*', rest @ ..] => {
            let mut text = text;
            loop {
                if here(rest, text) {
                    return true;
                }
                if !same(*one, text) {
                    return false;
                }
                text = &text[1..];
            }
        }
        [one, rest @ ..] => same(*one, text) && here(rest, &text[1..]),
    }
}

fn has_label(labels: &BTreeMap<String, String>, wish: &str) -> bool {
    match wish.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
        None => labels.contains_key(wish),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_anywhere_unless_they_are_anchored() {
        for (pattern, text, result) in [
            ("eb", "web", true),
            ("^eb", "web", false),
            ("^web$", "web", true),
            ("^web$", "web2", false),
            ("w.*2", "web2", true),
            ("a*b", "b", true),
            ("", "x", true),
        ] {
            assert_eq!(matches(pattern, text), result, "{pattern} {text}");
        }
    }

    #[test]
    fn unknown_filters_are_refused_in_dockers_words() {
        let error = |filter: &str| {
            Filters::parse(&[filter.into()], &["label"])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(error("foo=a"), "Invalid filter 'foo'");
        assert!(error("foo").ends_with("bad format of filter (expected name=value)"));
    }
}
