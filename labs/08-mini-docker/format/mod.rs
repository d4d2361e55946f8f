//! As docker prints: tables, Go templates, sizes, times.
//!
//! docker is a Go program, and its users write Go's templates: `ps --format`,
//! `inspect -f`. What is here is the part of that language that people use, on JSON
//! values instead of Go's structs.
//!
//! | file | what |
//! |---|---|
//! | [`template`](self::template()) | `lex` → `parse` → `eval`, with `functions` |
//! | [`listing`] | rows of a listing: docker's table, or the user's template |
//! | [`containers`] | a container's row: its state and ports in docker's words |
//! | [`filter`] | `--filter key=value` |
//! | [`words`] | sizes, times, spans |
//!
//! Read: Go's text/template and text/tabwriter

pub mod containers;
pub mod document;
mod eval;
pub mod filter;
pub(crate) mod functions;
mod lex;
pub mod listing;
mod parse;
pub mod words;

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::{Context as _, bail};
use serde_json::Value;

pub use words::{ago, binary_size, go_time, now, seconds_since, size};

/// A template, parsed once and rendered for each row.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<parse::Node>,
    source: String,
}

impl Template {
    /// # Errors
    /// What does not parse, in Go's words: `template: :1: unclosed action`.
    pub fn new(text: &str) -> anyhow::Result<Self> {
        match parse::parse(text) {
            Ok(nodes) => Ok(Self {
                nodes,
                source: text.into(),
            }),
            Err((offset, what)) => {
                let line = text[..offset.min(text.len())].matches('\n').count() + 1;
                bail!("template: :{line}: {what}")
            }
        }
    }

    /// The template with `value` as its dot.
    ///
    /// # Errors
    /// A field that is not there, a call that fails, in Go's words and with its place.
    pub fn render(&self, value: &Value) -> anyhow::Result<String> {
        self.render_with(value, &Value::Null)
    }

    /// The same, where fields that are called with an argument (`{{.Label "a"}}`) are
    /// looked up in `methods`: field name to argument to result.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_with(&self, value: &Value, methods: &Value) -> anyhow::Result<String> {
        self.run(eval::Context::new(&self.source, value, methods))
    }

    /// The template on a listing's headers: functions leave their text alone.
    fn header(&self, titles: &Value) -> anyhow::Result<String> {
        self.run(eval::Context::new(&self.source, titles, &Value::Null).for_header())
    }

    fn run(&self, mut context: eval::Context) -> anyhow::Result<String> {
        match context.render(&self.nodes) {
            Ok(()) => Ok(context.output),
            Err(eval::Stop::Fail(offset, what)) => {
                let before = &self.source[..offset.min(self.source.len())];
                let line = before.matches('\n').count() + 1;
                let column = offset - before.rfind('\n').map_or(0, |at| at + 1);
                bail!("template: :{line}:{column}: executing \"\" {what}")
            }
            // A break outside of a loop is refused when the template is parsed.
            Err(eval::Stop::Break | eval::Stop::Continue) => Ok(context.output),
        }
    }
}

/// Renders a Go template (`{{ .NetworkSettings.IPAddress }}`) on a JSON value.
///
/// # Errors
/// A template that does not parse or a field that is not there, in docker's words.
pub fn template(text: &str, value: &Value) -> anyhow::Result<String> {
    let rendered = Template::new(text).and_then(|template| template.render(value));
    rendered.context("template parsing error")
}

/// Rows in columns, three spaces apart, as Go's tabwriter aligns them. Each line,
/// the header's too, ends with a line feed.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|title| (*title).to_string()).collect();
    let mut lines = vec![header];
    lines.extend(rows.iter().cloned());
    align(&lines)
}

/// What docker asks of the tabwriter: columns of ten at least, padding of three, and
/// nothing after a line's last cell.
pub(crate) fn align(lines: &[Vec<String>]) -> String {
    let (least, padding) = (10, 3);
    let width = |text: &str| text.chars().count();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![least; columns];
    for line in lines {
        // The last cell is not ended by a tab, so it is in no column.
        for (column, cell) in line.iter().enumerate().take(line.len().saturating_sub(1)) {
            widths[column] = widths[column].max(width(cell) + padding);
        }
    }
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < line.len() {
                text.extend(std::iter::repeat_n(' ', widths[column] - width(cell)));
            }
        }
        text.push('\n');
    }
    text
}

/// Writes to standard output. A reader who has gone (`| head`) is no error; on a
/// terminal, control characters of labels and paths are shown, not obeyed.
///
/// # Errors
/// A full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    let shown = if output.is_terminal() {
        visible(text)
    } else {
        text.into()
    };
    match output
        .write_all(shown.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// `text` with its control characters, but tab and line feed, written as escapes:
/// a label must not be able to move a cursor or to rename a window.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && letter != '\n' && letter != '\t' {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(text: &str) -> String {
        let value = json!({
            "Name": "web", "Empty": "", "Count": 3, "Zero": 0, "On": true,
            "List": ["a", "b", "c"], "None": [], "Nil": null,
            "Labels": {"x": "1", "y.z": "2"},
            "State": {"Status": "running", "Pid": 7},
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]},
        });
        template(text, &value).unwrap_or_else(|error| format!("{error:#}"))
    }

    #[test]
    fn fields_chains_and_functions_print_as_go_prints_them() {
        for (text, expected) in [
            ("{{.Name}}", "web"),
            ("{{ .State.Status }}!", "running!"),
            ("{{json .State}}", r#"{"Status":"running","Pid":7}"#),
            (
                "{{.List}} {{.Labels}} {{.State}}",
                "[a b c] map[x:1 y.z:2] {running 7}",
            ),
            (r#"{{join .List ","}}"#, "a,b,c"),
            (r#"{{index .Labels "y.z"}}{{index .List 1}}"#, "2b"),
            (r#"{{(index (index .Ports "80/tcp") 0).HostPort}}"#, "8080"),
            (
                "{{upper .Name}}{{lower \"AB\"}}{{title .Name}}{{len .List}}",
                "WEBabWeb3",
            ),
            (r#"{{range split "a:b" ":"}}<{{.}}>{{end}}"#, "<a><b>"),
            ("{{println .Name}}", "web\n"),
            (
                "{{truncate .Name 2}}{{.Name | upper | printf \"%-5s|\"}}",
                "weWEB  |",
            ),
            (
                "{{printf \"%q %d %v %05d %.2f\" .Name .Count .On 42 1.5}}",
                "\"web\" 3 true 00042 1.50",
            ),
            ("a  {{- /* none */ -}}  b", "ab"),
            ("{{.Labels.nope}}", "<no value>"),
            ("{{pad .Name 1 2}}", " web  "),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn control_structures_nest_and_keep_their_variables() {
        for (text, expected) in [
            ("{{if .Empty}}a{{else if .Zero}}b{{else}}c{{end}}", "c"),
            (
                "{{range $i, $e := .List}}{{if $i}},{{end}}{{$i}}{{$e}}{{end}}",
                "0a,1b,2c",
            ),
            ("{{range .None}}x{{else}}none{{end}}", "none"),
            (
                "{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}",
                "x=1;y.z=2;",
            ),
            (
                "{{range $p, $c := .Ports}}{{$p}}->{{(index $c 0).HostPort}}{{end}}",
                "80/tcp->8080",
            ),
            ("{{with .State}}{{.Pid}}{{$.Name}}{{end}}", "7web"),
            ("{{with .Empty}}x{{else}}y{{end}}", "y"),
            ("{{$x := 1}}{{if .On}}{{$x = 2}}{{end}}{{$x}}", "2"),
            (
                "{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}",
                "ac",
            ),
            (
                "{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}",
                "a",
            ),
            (
                "{{if and .On (not .Zero) (or .Empty .Name)}}yes{{end}}",
                "yes",
            ),
            (
                "{{eq .Count 3}}{{ne .Count 3}}{{lt 1 2}}{{le 2 2}}{{gt 1 2}}{{ge \"b\" \"a\"}}",
                "truefalsetruetruefalsetrue",
            ),
            ("{{eq .Name \"a\" \"web\"}}", "true"),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_have_gos_words_and_place() {
        for (text, expected) in [
            (
                "{{.Nope}}",
                "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"",
            ),
            (
                "{{.State.Nope}}",
                "template: :1:8: executing \"\" at <.State.Nope>: map has no entry for key \"Nope\"",
            ),
            ("{{", "template: :1: unclosed action"),
            ("{{.Name", "template: :1: unclosed action"),
            ("{{if .On}}", "template: :1: unexpected EOF"),
            ("{{nope .}}", "template: :1: function \"nope\" not defined"),
            ("\n{{end}}", "template: :2: unexpected {{end}}"),
            ("{{$x}}", "template: :1: undefined variable \"$x\""),
            (
                "{{index .List 9}}",
                "template: :1:2: executing \"\" at <index .List 9>: error calling index: index out of range: 9",
            ),
        ] {
            assert_eq!(
                rendered(text),
                format!("template parsing error: {expected}")
            );
        }
    }

    #[test]
    fn tables_have_ten_columns_at_least_and_three_spaces() {
        let rows = vec![vec!["a".into(), "long-long-long".into(), "x".into()]];
        assert_eq!(
            table(&["ID", "NAME", "END"], &rows),
            "ID        NAME             END\na         long-long-long   x\n"
        );
    }

    #[test]
    fn a_label_cannot_talk_to_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\tc\n"), "a\\u{1b}[2Jb\tc\n");
    }
}
