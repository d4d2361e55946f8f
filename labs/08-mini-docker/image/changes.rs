//! `-c` of `commit` and `import`: an instruction as it stands in a Dockerfile, applied
//! to an image's configuration.
//!
//! Read: docker-commit(1), Dockerfile(5)

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// Applies one instruction to the `config` object of a configuration.
///
/// # Errors
/// An instruction that is not one of these, or that lacks its words.
pub fn apply(config: &mut Map<String, Value>, change: &str) -> anyhow::Result<()> {
    let change = change.trim();
    let (word, rest) = change
        .split_once(char::is_whitespace)
        .unwrap_or((change, ""));
    let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
    if rest.is_empty() {
        bail!("{word} requires at least one argument");
    }
    match &*word {
        "CMD" => set(config, "Cmd", command(rest)),
        "ENTRYPOINT" => set(config, "Entrypoint", command(rest)),
        "USER" => set(config, "User", json!(one(rest)?)),
        "WORKDIR" => {
            let before = config
                .get("WorkingDir")
                .and_then(Value::as_str)
                .unwrap_or("/");
            let path = std::path::Path::new(before).join(one(rest)?);
            set(config, "WorkingDir", json!(path.to_string_lossy()));
        }
        "ENV" => {
            for (name, value) in pairs(rest)? {
                let list = list(config, "Env");
                let begins = format!("{name}=");
                list.retain(|old| !old.as_str().is_some_and(|old| old.starts_with(&begins)));
                list.push(json!(format!("{name}={value}")));
            }
        }
        "LABEL" => {
            for (name, value) in pairs(rest)? {
                map(config, "Labels").insert(name, json!(value));
            }
        }
        "EXPOSE" => {
            for port in words(rest)? {
                let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
                let (first, last) = number.split_once('-').unwrap_or((number, number));
                let told = || format!("invalid containerPort: {port}");
                let (first, last): (u16, u16) = (
                    first.parse().with_context(told)?,
                    last.parse().with_context(told)?,
                );
                for number in first..=last {
                    map(config, "ExposedPorts").insert(format!("{number}/{protocol}"), json!({}));
                }
            }
        }
        "VOLUME" => {
            let paths = serde_json::from_str(rest).or_else(|_| words(rest))?;
            for path in paths {
                map(config, "Volumes").insert(path, json!({}));
            }
        }
        "ONBUILD" => list(config, "OnBuild").push(json!(rest)),
        _ => bail!("{word} is not a valid change command"),
    }
    Ok(())
}

fn set(config: &mut Map<String, Value>, key: &str, value: Value) {
    config.insert(key.into(), value);
}

fn list<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let entry = config.entry(key).or_insert(Value::Null);
    if !entry.is_array() {
        *entry = json!([]);
    }
    match entry {
        Value::Array(list) => list,
        _ => unreachable!("made an array a line above"),
    }
}

fn map<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let entry = config.entry(key).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = json!({});
    }
    match entry {
        Value::Object(map) => map,
        _ => unreachable!("made an object a line above"),
    }
}

/// `["a", "b"]` as it is; anything else is a line for a shell.
fn command(text: &str) -> Value {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => json!(words),
        Err(_) => json!(["/bin/sh", "-c", text]),
    }
}

fn one(text: &str) -> anyhow::Result<String> {
    match &*words(text)? {
        [word] => Ok(word.clone()),
        _ => bail!("requires exactly one argument: {text}"),
    }
}

/// `name=value …`, or the older `name value to the end`.
fn pairs(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let words = words(text)?;
    if !words[0].contains('=') {
        let (name, value) = text
            .split_once(char::is_whitespace)
            .with_context(|| format!("{text} must have two arguments"))?;
        return Ok(vec![(name.into(), value.trim().into())]);
    }
    let pair = |word: &String| {
        let (name, value) = word.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let told = || format!("syntax error - can't find = in {text:?}");
    words
        .iter()
        .map(|word| pair(word).with_context(told))
        .collect()
}

/// Words, with quotes and backslashes as a shell takes them.
fn words(text: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().extend(letters.next());
            }
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(open)) if letter == open => quote = None,
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        bail!("a quote without its end: {text}");
    }
    words.extend(word);
    if words.is_empty() {
        bail!("requires at least one argument");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[&str]) -> Value {
        let mut config = Map::new();
        for change in changes {
            apply(&mut config, change).unwrap();
        }
        Value::Object(config)
    }

    #[test]
    fn an_instruction_is_as_in_a_dockerfile() {
        assert_eq!(after(&["CMD [\"a\", \"b c\"]"])["Cmd"], json!(["a", "b c"]));
        assert_eq!(
            after(&["cmd echo hi"])["Cmd"],
            json!(["/bin/sh", "-c", "echo hi"])
        );
        assert_eq!(
            after(&["ENV A=1 B=\"2 3\"", "ENV A 4 5"])["Env"],
            json!(["B=2 3", "A=4 5"])
        );
        let ports = after(&["EXPOSE 80 53/udp 90-91"]);
        assert_eq!(
            ports["ExposedPorts"],
            json!({"80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}})
        );
        assert_eq!(after(&["WORKDIR /a", "WORKDIR b"])["WorkingDir"], "/a/b");
        assert_eq!(
            after(&["VOLUME /a /b"])["Volumes"],
            json!({"/a": {}, "/b": {}})
        );
        assert_eq!(after(&["LABEL a=b"])["Labels"], json!({"a": "b"}));
    }

    #[test]
    fn what_is_none_is_refused() {
        for change in [
            "",
            "RUN ls",
            "CMD",
            "EXPOSE x",
            "ENV A=\"1",
            "ENV A",
            "ENV =1",
            "USER a b",
        ] {
            assert!(apply(&mut Map::new(), change).is_err(), "{change}");
        }
    }
}
