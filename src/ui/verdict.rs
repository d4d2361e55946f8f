//! The verdict on an exercise, as a person reads it.

use colored::Colorize;
use serde_json::Value;

use super::{columns, is_utf8, sanitise, width, wrap};
use crate::check::verdict::{Check, ExerciseResult, Status};
use crate::expect::Texts;

/// Lines of the program's output that are shown: the last ones.
const OUTPUT_LINES: usize = 20;

/// The sign of a status; ASCII where the locale has no more.
pub fn symbol(status: Status) -> &'static str {
    match (status, is_utf8()) {
        (Status::Pass, true) => "✓",
        (Status::Pass, false) => "+",
        (Status::Fail, true) => "✗",
        (Status::Fail, false) => "x",
        (Status::Skipped, true) => "·",
        (Status::Skipped, false) => ".",
        (Status::Unsupported, true) => "–",
        (Status::Unsupported, false) => "-",
        (Status::Error, _) => "!",
    }
}

/// The word of a status, in the language in use.
fn word(status: Status, texts: &Texts) -> String {
    let key = match status {
        Status::Pass => "status.pass",
        Status::Fail => "status.fail",
        Status::Skipped => "status.skipped",
        Status::Unsupported => "status.unsupported",
        Status::Error => "status.error",
    };
    texts.message(key, &[])
}

fn paint(text: &str, status: Status) -> String {
    match status {
        Status::Pass => text.green(),
        Status::Fail | Status::Error => text.red().bold(),
        Status::Unsupported => text.yellow(),
        Status::Skipped => text.dimmed(),
    }
    .to_string()
}

/// Sign and word of a status, coloured.
pub fn mark(status: Status, texts: &Texts) -> String {
    paint(
        &format!("{} {}", symbol(status), word(status, texts)),
        status,
    )
}

/// Points without needless decimals: `2`, `1.5`.
pub fn points(points: f64) -> String {
    let rounded = (points * 100.0).round() / 100.0;
    rounded.to_string()
}

/// The whole verdict, for this terminal.
pub fn render(result: &ExerciseResult, texts: &Texts) -> String {
    render_at(result, texts, width())
}

/// The whole verdict, wrapped to `width` columns.
pub fn render_at(result: &ExerciseResult, texts: &Texts, width: usize) -> String {
    let mut out = head(result, texts, width);
    if let Some(reason) = &result.reason {
        out += &format!("{}\n", wrap(&sanitise(reason), width, "  "));
    }
    for check in &result.checks {
        out += &one(check, texts, width);
    }
    if matches!(result.status, Status::Fail | Status::Error) {
        out += &output(result, texts, width);
    }
    out
}

fn head(result: &ExerciseResult, texts: &Texts, width: usize) -> String {
    let (got, of) = (points(result.points), points(result.out_of));
    let status = paint(&word(result.status, texts), result.status);
    let mut head = format!("{} {}   {status}", result.id, result.name);
    if matches!(result.status, Status::Pass | Status::Fail) {
        head += &format!(
            "  {}",
            texts.message("verdict.points", &[("points", &got), ("out_of", &of)])
        );
    }
    let head = if columns(&head) <= width {
        head
    } else {
        wrap(&head, width, "")
    };
    format!("{head}\n")
}

fn one(check: &Check, texts: &Texts, width: usize) -> String {
    let status = check.status;
    let mark = mark(status, texts);
    let mut title = sanitise(&check.title);
    if status == Status::Pass {
        // Only what is wrong needs its name and its numbers.
        return line(&format!("{mark} {title}"), width);
    }
    title = format!("{title} ({})", sanitise(&check.id));
    let mut out = line(&format!("{mark} {title}"), width);
    let skipped = status == Status::Skipped;
    if !skipped && (check.expected.is_some() || check.found.is_some()) {
        out += &value(
            &texts.message("verdict.expected", &[]),
            check.expected.as_ref(),
            texts,
            width,
        );
        out += &value(
            &texts.message("verdict.found", &[]),
            check.found.as_ref(),
            texts,
            width,
        );
    }
    if let Some(why) = &check.explanation {
        let parts: &[&String] = if skipped {
            &[&why.meaning]
        } else {
            &[&why.what, &why.meaning, &why.cause]
        };
        for part in parts.iter().filter(|part| !part.is_empty()) {
            out += &format!("{}\n", wrap(&sanitise(part), width, "    "));
        }
        if !why.man.is_empty() && !skipped {
            let pages = why.man.join(", ");
            out += &format!("{}\n", wrap(&pages, width, "    ").dimmed());
        }
    }
    out
}

fn line(text: &str, width: usize) -> String {
    let wrapped = wrap(text, width.saturating_sub(2), "    ");
    format!("  {}\n", wrapped.trim_start())
}

fn value(label: &str, value: Option<&Value>, texts: &Texts, width: usize) -> String {
    let text = value.map_or_else(|| texts.message("check.nothing", &[]), compact);
    format!(
        "{}\n",
        wrap(&format!("{label}: {}", sanitise(&text)), width, "    ")
    )
}

/// A value as YAML on one line: `{uts: new}`, `[a, b]`.
pub fn compact(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => scalar(text),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(compact).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), compact(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// Quoted where YAML would read something else than this text.
fn scalar(text: &str) -> String {
    let value: Result<Value, _> = serde_yaml::from_str(text);
    let bare = value.is_ok_and(|value| value == *text)
        && !text.contains([',', '[', ']', '{', '}', '\n', '#'])
        && !text.contains(": ");
    if bare {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn output(result: &ExerciseResult, texts: &Texts, width: usize) -> String {
    let text = sanitise(result.output.trim_end());
    if text.is_empty() {
        return format!(
            "{}\n",
            wrap(&texts.message("verdict.no_output", &[]), width, "  ")
        );
    }
    let mut out = format!(
        "{}\n",
        wrap(&texts.message("verdict.output", &[]), width, "  ")
    );
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(OUTPUT_LINES);
    if first > 0 || result.output_truncated {
        out += &format!("    {}\n", texts.message("verdict.truncated", &[]));
    }
    for line in &lines[first..] {
        out += &format!("    | {line}\n");
    }
    out
}

/// One line over several verdicts.
pub fn summary(results: &[ExerciseResult], texts: &Texts) -> String {
    let passed = results
        .iter()
        .filter(|result| result.status == Status::Pass)
        .count();
    let got: f64 = results.iter().map(|result| result.points).sum();
    let of: f64 = results.iter().map(|result| result.out_of).sum();
    let values = [
        passed.to_string(),
        results.len().to_string(),
        points(got),
        points(of),
    ];
    let line = texts.message(
        "verdict.summary",
        &[
            ("passed", &values[0]),
            ("count", &values[1]),
            ("points", &values[2]),
            ("out_of", &values[3]),
        ],
    );
    format!("\n{}\n", wrap(&line, width(), ""))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::verdict::Explanation;

    pub(crate) fn failed() -> ExerciseResult {
        let check = |id: &str, status, title: &str| Check {
            id: id.into(),
            title: title.into(),
            status,
            points: 0.0,
            out_of: 1.0,
            expected: None,
            found: None,
            explanation: None,
        };
        let mut uts = check(
            "inside.process.namespaces.uts",
            Status::Fail,
            "UTS namespace",
        );
        uts.expected = Some(json!("new"));
        uts.explanation = Some(Explanation {
            what: "The process is in the machine's UTS namespace.".into(),
            meaning: "It shares its name.".into(),
            cause: "unshare(CLONE_NEWUTS) was not called.".into(),
            man: vec!["unshare(2)".into()],
        });
        ExerciseResult {
            id: "1.1".into(),
            name: "own-hostname".into(),
            version: 1,
            status: Status::Fail,
            points: 1.0,
            out_of: 3.0,
            reason: None,
            checks: vec![
                check("inside", Status::Pass, "checkpoint `inside` reached"),
                uts,
                check("inside.process.hostname", Status::Skipped, "host name"),
            ],
            output: "hello \u{1b}[2Jworld\n".into(),
            output_truncated: false,
            duration_ms: 12,
        }
    }

    #[test]
    fn a_failed_fact_is_told_with_what_was_expected_found_and_why() {
        colored::control::set_override(false);
        let text = render_at(&failed(), &Texts::english(), 80);
        assert!(
            text.starts_with("1.1 own-hostname   FAIL  1 of 3 points\n"),
            "{text}"
        );
        for part in [
            "pass checkpoint",
            "FAIL UTS namespace",
            "skipped host name",
            "expected: new",
            "found: nothing",
            "CLONE_NEWUTS",
            "unshare(2)",
            "| hello",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn it_fits_into_twenty_columns() {
        colored::control::set_override(false);
        let mut result = failed();
        result.output.clear();
        for line in render_at(&result, &Texts::english(), 20).lines() {
            assert!(columns(line) <= 20, "{line}");
        }
    }

    #[test]
    fn values_are_one_line_of_yaml_that_reads_back() {
        for value in [
            json!({"uts": "new", "n": 3}),
            json!(["a, b", "", "yes: no", "true", "12", "- x"]),
            json!({"added": []}),
            json!("a\nb"),
        ] {
            let text = compact(&value);
            assert_eq!(text.lines().count(), 1);
            assert_eq!(
                serde_yaml::from_str::<Value>(&text).unwrap(),
                value,
                "{text}"
            );
        }
        assert_eq!(compact(&json!({"uts": "new"})), "{uts: new}");
    }
}
