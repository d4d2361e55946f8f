//! YAML read into a tree whose every node can be found again in the text.
//!
//! The parser gives a position to errors only. So each node keeps its number
//! in the order of reading, and a position is had by reading the text once
//! more with a visitor that fails at that number. Only errors pay for it.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};
use serde_json::{Number, Value};

/// More than any snapshot needs; an alias bomb reaches it soon.
const MAX_NODES: usize = 20_000;
const MAX_BYTES: usize = 1 << 20;

/// One node of the document, and its number in the order of reading.
#[derive(Clone, Debug)]
pub struct Node {
    pub number: usize,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Null,
    Scalar(Value),
    List(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// The key of a mapping, as it is written.
#[derive(Clone, Debug)]
pub struct Key {
    pub number: usize,
    pub text: String,
}

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Content {
    /// What it is, for a message.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Scalar(Value::String(text)) => format!("the text `{text}`"),
            Self::Scalar(Value::Bool(value)) => format!("the boolean {value}"),
            Self::Scalar(value) => format!("the number {value}"),
            Self::List(_) => "a list".into(),
            Self::Mapping(_) => "a mapping".into(),
        }
    }
}

/// Reads a document.
///
/// # Errors
///
/// What is wrong, and where, for anything that is not one YAML document of
/// plain data: syntax errors, tags, more than one document, or one too large.
pub fn read(text: &str) -> Result<Node, (Position, String)> {
    let start = Position { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        return Err((start, format!("the file is larger than {MAX_BYTES} bytes")));
    }
    let reader = Reader {
        next: &Cell::new(0),
        fail_at: None,
    };
    reader
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| {
            let position = position_of(&error).unwrap_or(start);
            (position, explain(text, position, &error))
        })
}

/// Where the node of that number stands in the text.
pub fn locate(text: &str, number: usize) -> Position {
    let reader = Reader {
        next: &Cell::new(0),
        fail_at: Some(number),
    };
    reader
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()
        .and_then(|error| position_of(&error))
        .unwrap_or(Position { line: 1, column: 1 })
}

fn position_of(error: &serde_yaml::Error) -> Option<Position> {
    error.location().map(|at| Position {
        line: at.line(),
        column: at.column(),
    })
}

fn explain(text: &str, position: Position, error: &serde_yaml::Error) -> String {
    let line = text.lines().nth(position.line - 1).unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    if indentation.contains('\t') {
        return "a tab character; YAML is indented with spaces".into();
    }
    let message = error.to_string();
    if message.contains("node content") && line.contains("???") {
        return "within `{…}` or `[…]`, `???` needs quotes: \"???\"".into();
    }
    if message.starts_with("deserializing from YAML containing more than one document") {
        return "more than one document (`---`); one is read".into();
    }
    // The parser repeats the place, which the caller puts in front.
    let end = message.find(" at line ").unwrap_or(message.len());
    let message = &message[..end];
    message
        .rsplit_once(": ")
        .map_or(message, |(_, last)| last)
        .to_owned()
}

/// Reads one node, unless it is the one to fail at.
#[derive(Clone, Copy)]
struct Reader<'a> {
    next: &'a Cell<usize>,
    fail_at: Option<usize>,
}

impl Reader<'_> {
    fn number<E: de::Error>(&self) -> Result<usize, E> {
        let number = self.next.get();
        self.next.set(number + 1);
        if self.fail_at == Some(number) {
            return Err(E::custom("here"));
        }
        if number >= MAX_NODES {
            return Err(E::custom("too large; is an alias repeated without end?"));
        }
        Ok(number)
    }

    fn scalar<E: de::Error>(&self, value: impl Into<Value>) -> Result<Node, E> {
        Ok(Node {
            number: self.number()?,
            content: Content::Scalar(value.into()),
        })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node {
            number: self.number()?,
            content: Content::Null,
        })
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        let Some(number) = Number::from_f64(value) else {
            self.number::<E>()?;
            return Err(E::custom("not a finite number"));
        };
        self.scalar(number)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let number = self.number()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node {
            number,
            content: Content::List(nodes),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let number = self.number()?;
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        while let Some(key) = map.next_key_seed(KeyReader(self, &pairs))? {
            pairs.push((key, map.next_value_seed(self)?));
        }
        Ok(Node {
            number,
            content: Content::Mapping(pairs),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        self.number::<A::Error>()?;
        Err(A::Error::custom("a YAML tag (`!…`); plain data is wanted"))
    }
}

/// Reads a key as it is written, so that `0x1f` stays text, and refuses one
/// that the mapping already has.
struct KeyReader<'a>(Reader<'a>, &'a [(Key, Node)]);

impl<'de> DeserializeSeed<'de> for KeyReader<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyReader<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name as key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
        let number = self.0.number()?;
        if self.1.iter().any(|(key, _)| key.text == text) {
            return Err(E::custom(format!("`{text}` is given twice")));
        }
        Ok(Key {
            number,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let (at, message) = read(text).unwrap_err();
        format!("{}:{}: {message}", at.line, at.column)
    }

    #[test]
    fn each_node_is_found_again_where_it_stands() {
        let text = "a:\n  b: {c: 1, d: [x, yy]}\n\"e\": ~\n";
        let places: Vec<(usize, usize)> = (0..10)
            .map(|number| locate(text, number))
            .map(|at| (at.line, at.column))
            .collect();
        let expected = [
            (1, 1), // the whole
            (1, 1), // a
            (2, 3), // its mapping
            (2, 3), // b
            (2, 6), // its mapping
            (2, 7), // c
            (2, 10),
            (2, 13), // d
            (2, 16), // its list
            (2, 17), // x
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn keys_stay_as_they_are_written() {
        let Content::Mapping(pairs) = read("0x1f: 1\nyes: 2\n0: 3\n").unwrap().content else {
            panic!("a mapping was read as something else");
        };
        let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.text.as_str()).collect();
        assert_eq!(keys, ["0x1f", "yes", "0"]);
    }

    #[test]
    fn what_is_not_plain_data_is_refused_with_its_place() {
        assert_eq!(error("a: 1\nb: 2\na: 3\n"), "3:1: `a` is given twice");
        assert_eq!(
            error("a:\n\tb: 1\n"),
            "2:1: a tab character; YAML is indented with spaces"
        );
        assert_eq!(
            error("a: !secret x\n"),
            "1:4: a YAML tag (`!…`); plain data is wanted"
        );
        assert!(error("a: 1\n---\nb: 2\n").contains("more than one document"));
        assert!(
            error("a: [1, 2\nb: 3\n").starts_with("2:"),
            "{}",
            error("a: [1, 2\nb: 3\n")
        );
        assert!(error("a: *nobody\n").contains("unknown anchor"));
        assert!(
            error("[a]: 1\n").starts_with("1:1: "),
            "{}",
            error("[a]: 1\n")
        );
    }

    #[test]
    fn an_alias_bomb_ends_soon() {
        let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for letter in 'b'..='i' {
            let before = (letter as u8 - 1) as char;
            let aliases = vec![format!("*{before}"); 9].join(", ");
            bomb.push_str(&format!("{letter}: &{letter} [{aliases}]\n"));
        }
        let message = error(&bomb);
        assert!(message.contains("repe"), "{message}");
    }

    #[test]
    fn depth_and_size_have_a_limit() {
        assert!(error(&"[".repeat(5000)).contains("1:"));
        assert!(error(&"a".repeat(MAX_BYTES + 1)).contains("larger than"));
    }
}
