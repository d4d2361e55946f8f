//! What two engines cannot have in common is made alike: ids, times, ages, places.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// A command's output. `folder` is the place of the engine, which names differ in.
pub fn normal(text: &str, folder: &Path) -> String {
    let place = folder.to_string_lossy();
    let text = text.replace(&format!("{place}/work"), "WORK");
    let text = processes(&text.replace(&*place, "PLACE"));
    let lines = text.lines().map(line).filter(|line| !advice(line));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_string()
}

/// `/proc/1697/root` becomes `/proc/PID/root`: how many processes were before it, the two
/// do not have in common.
fn processes(text: &str) -> String {
    let mut parts = text.split("/proc/");
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        out.push_str("/proc/");
        out.push_str(if rest.len() < part.len() { "PID" } else { "" });
        out.push_str(rest);
    }
    out
}

/// Lines of docker's client that tell where its help is.
fn advice(line: &str) -> bool {
    let help = line.starts_with("see 'docker ") || line.starts_with("See 'docker ");
    // The client's own log of a container that did not start.
    help || line.starts_with("time=\"TIME\" level=error")
}

fn line(line: &str) -> String {
    let mut line = line;
    for prefix in [
        "docker: ",
        "mini-docker: ",
        "error: ",
        "Error response from daemon: ",
        "Error: ",
    ] {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    let mut words = Vec::new();
    // Columns are as wide as their longest id: their width is told by other tests.
    for cell in line
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
    {
        words.push(ages(&tokens(cell)));
    }
    let line = words.join("  ");
    let line = line.trim_end_matches('.').trim_end_matches(": unknown");
    // Each engine names its own layers on the way to the runtime's error.
    let cause = "unable to start container process: ";
    let line = line
        .find(cause)
        .map_or(line, |at| &line[at + cause.len()..]);
    let mut letters = line.chars();
    let (first, second) = (letters.next(), line.chars().nth(1));
    // Go's errors were capitalized once, and are no more.
    match (first, second) {
        (Some(first), Some(second)) if second.is_ascii_lowercase() => {
            first.to_ascii_lowercase().to_string() + letters.as_str()
        }
        _ => line.to_string(),
    }
}

/// Ids and times inside a text.
fn tokens(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        out.push_str(&known(&word));
        word.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    times(&out)
}

fn known(word: &str) -> String {
    let hex = word
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match word.len() {
        64 if hex => "ID".into(),
        12 if hex => "SHORT-ID".into(),
        14 if hex => "CUT-ID".into(),
        _ => word.into(),
    }
}

/// `2026-11-28T21:16:48.152530766Z` and `2026-11-28 21:16:48 +0000 UTC` become TIME.
fn times(text: &str) -> String {
    let bytes = text.as_bytes();
    let date = |at: usize| {
        let pattern = b"dddd-dd-dd";
        pattern.iter().enumerate().all(|(offset, wanted)| {
            let byte = bytes.get(at + offset).copied().unwrap_or(0);
            if *wanted == b'd' {
                byte.is_ascii_digit()
            } else {
                byte == *wanted
            }
        })
    };
    let Some(at) = (0..bytes.len()).find(|at| text.is_char_boundary(*at) && date(*at)) else {
        return text.into();
    };
    if text[at..].starts_with("0001-01-01") {
        return text.into();
    }
    let rest = &text[at + 10..];
    let end = rest.find(|letter: char| !"0123456789T:.Z+ UTC".contains(letter));
    let rest = &rest[end.unwrap_or(rest.len())..];
    format!("{}TIME{}", &text[..at], times(rest))
}

/// `3 seconds`, `Less than a second`, `About a minute` become AGE.
fn ages(text: &str) -> String {
    let text = text
        .replace("Less than a second", "AGE")
        .replace("About a minute", "AGE");
    let words: Vec<&str> = text.split(' ').collect();
    let mut out: Vec<&str> = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let unit = ["second", "seconds", "minutes"];
        let counts = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty();
        match words.peek() {
            Some(next) if counts && unit.contains(next) => {
                words.next();
                out.push("AGE");
            }
            _ => out.push(word),
        }
    }
    out.join(" ")
}

/// The state of a container as facts, a path each. Facts of the machine around it, which
/// it does not see (`absent`), are none of the container's.
pub fn state(difference: &Value, folder: &Path) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    flatten(difference, String::new(), &mut facts);
    let place = folder.to_string_lossy();
    facts.retain(|path, value| {
        !(value == "absent" || path.starts_with("firewall") || path.starts_with("cwd"))
    });
    let alike = |text: &str| {
        let text = tokens(&text.replace(&*place, "PLACE"));
        // Each engine lays out its own store.
        for option in ["lowerdir", "upperdir", "workdir"] {
            if text.starts_with(&format!("{option}=")) || text.starts_with(&format!("{option}+=")) {
                return format!("{option}=…");
            }
        }
        match (text.starts_with('/'), text.rfind("/ID")) {
            // A cgroup or a file of a container's folder.
            (true, Some(at)) => format!("…{}", &text[at..]),
            _ if text.starts_with('@') => "new".into(),
            _ => text,
        }
    };
    let facts = facts.into_iter().map(|(path, value)| {
        let value = of_machine(&path, &alike(&value));
        (alike(&path), value)
    });
    facts.collect()
}

/// What depends on the machine that the suite runs on, and on neither engine.
fn of_machine(path: &str, value: &str) -> String {
    let disks = ["btrfs", "ext4", "f2fs", "xfs"];
    match path.rsplit('.').next() {
        Some("source") if value.starts_with("/dev/") => "DISK".into(),
        Some("type") if disks.contains(&value) => "DISK".into(),
        Some("super_options") if value.contains("nr_inodes=") => "OF-MACHINE".into(),
        // An order that has no meaning.
        Some("list") => {
            let mut rules: Vec<&str> = value.split(", ").collect();
            rules.sort_unstable();
            rules.join(", ")
        }
        _ => value.into(),
    }
}

fn flatten(value: &Value, path: String, facts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let below = match path.is_empty() {
                    true => name.clone(),
                    false => format!("{path}.{name}"),
                };
                flatten(member, below, facts);
            }
        }
        // A list is one fact, in an order of its own: options and capabilities are sets.
        Value::Array(values) => {
            let mut words: Vec<String> = values.iter().map(text).collect();
            words.retain(|word| {
                !["lowerdir", "upperdir", "workdir"]
                    .iter()
                    .any(|own| word.starts_with(own))
            });
            words.sort();
            facts.insert(path, words.join(" "));
        }
        other => {
            facts.insert(path, text(other));
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_proc_are_made_alike() {
        let text = "open /proc/1697/root and /proc/self/fd";
        let expected = "open /proc/PID/root and /proc/self/fd";
        assert_eq!(normal(text, Path::new("/x")), expected);
    }

    #[test]
    fn ids_times_and_ages_are_made_alike() {
        let id = "0123456789abcdef".repeat(4);
        let text =
            format!("docker: {id} up  2026-11-28T21:16:48.1Z  Up 3 seconds (healthy) /x/y\n");
        assert_eq!(
            normal(&text, Path::new("/x")),
            "ID up  TIME  Up AGE (healthy) PLACE/y"
        );
    }
}
