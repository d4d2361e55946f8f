//! The texts for people, by stable keys, in the language in use.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use serde_yaml::Value;

const ENGLISH: &str = include_str!("../../texts/en.yaml");

/// A catalogue of texts. A key is the path in the file: `hostname.meaning`;
/// `{name}` in a text is a place that is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    texts: BTreeMap<String, String>,
}

impl Default for Texts {
    fn default() -> Self {
        Self::english()
    }
}

impl Texts {
    /// The English texts, which are part of the program.
    pub fn english() -> Self {
        // A test reads the file; it is part of the program.
        Self {
            texts: flatten(ENGLISH).unwrap_or_default(),
        }
    }

    /// The texts of `texts/LANGUAGE.yaml` in the course, English for every key
    /// that it does not have.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no mapping of texts. That there is
    /// none is no error: the course need not be in every language.
    pub fn load(language: &str, course_root: &Path) -> anyhow::Result<Self> {
        if language == "en" {
            return Ok(Self::english());
        }
        if language.is_empty()
            || !language
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            bail!("`{language}` is no language; write a code such as `fr`");
        }
        let path = course_root.join("texts").join(format!("{language}.yaml"));
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::english()),
            read => read.with_context(|| format!("read {}", path.display()))?,
        };
        Self::english()
            .translated(&text)
            .with_context(|| path.display().to_string())
    }

    /// These texts with those of a translation over them.
    ///
    /// # Errors
    ///
    /// When it is no mapping of texts.
    pub fn translated(mut self, yaml: &str) -> anyhow::Result<Self> {
        self.texts.extend(flatten(yaml)?);
        Ok(self)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// A general message, `messages.KEY`, with its places filled in; the key
    /// itself when there is none.
    pub fn message(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.get(&format!("messages.{key}"))
            .map_or_else(|| key.to_owned(), |text| fill(text, values))
    }
}

/// Fills in `{name}`; a place that has no value stays.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let value = rest.find('}').and_then(|close| {
            let (_, value) = values.iter().find(|(name, _)| *name == &rest[1..close])?;
            Some((close, value))
        });
        match value {
            Some((close, value)) => {
                filled.push_str(value);
                rest = &rest[close + 1..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn flatten(yaml: &str) -> anyhow::Result<BTreeMap<String, String>> {
    fn walk(
        prefix: &str,
        value: Value,
        texts: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        match value {
            Value::String(text) => {
                texts.insert(prefix.to_owned(), text.trim_end().to_owned());
            }
            Value::Mapping(map) => {
                for (key, value) in map {
                    let Value::String(key) = key else {
                        bail!("`{prefix}`: a key is no text")
                    };
                    let path = if prefix.is_empty() {
                        key
                    } else {
                        format!("{prefix}.{key}")
                    };
                    walk(&path, value, texts)?;
                }
            }
            _ => bail!("`{prefix}` is no text; put it in quotes"),
        }
        Ok(())
    }
    let mut texts = BTreeMap::new();
    walk("", serde_yaml::from_str(yaml)?, &mut texts)?;
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once_and_unknown_ones_stay() {
        let filled = fill("{a} {b} {c}", &[("a", "{b}"), ("b", "2")]);
        assert_eq!(filled, "{b} 2 {c}");
        assert_eq!(fill("no {place", &[("place", "x")]), "no {place");
    }

    #[test]
    fn the_english_texts_are_a_mapping_of_texts() {
        assert!(flatten(ENGLISH).unwrap().len() > 10);
    }

    #[test]
    fn a_translation_falls_back_to_english_key_by_key() {
        let french = Texts::english()
            .translated("messages: {check: {reached: \"point `{checkpoint}` atteint\"}}")
            .unwrap();
        assert_eq!(
            french.message("check.reached", &[("checkpoint", "x")]),
            "point `x` atteint"
        );
        let key = "check.nothing_else";
        assert_eq!(french.message(key, &[]), Texts::english().message(key, &[]));
        assert_ne!(french.message(key, &[]), key);
    }

    #[test]
    fn a_language_is_read_beside_the_course() {
        let folder = std::env::temp_dir().join(format!("tp-texts-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("texts")).unwrap();
        std::fs::write(
            folder.join("texts/fr.yaml"),
            "hostname: {title: nom de la machine}",
        )
        .unwrap();
        let french = Texts::load("fr", &folder).unwrap();
        assert_eq!(french.get("hostname.title"), Some("nom de la machine"));
        assert!(Texts::load("../fr", &folder).is_err());
        assert_eq!(Texts::load("de", &folder).unwrap(), Texts::english());
        std::fs::write(folder.join("texts/it.yaml"), "hostname: [1]").unwrap();
        assert!(Texts::load("it", &folder).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
