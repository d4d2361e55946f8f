//! Markdown as a terminal shows it. Nothing is told by colour alone: headings
//! keep their `#`, code its backquotes, links their address.

use colored::Colorize;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{sanitise, wrap};

/// Renders `text`, wrapped to `width` columns; code is not wrapped.
pub fn render(text: &str, width: usize) -> String {
    let mut page = Page {
        width: width.max(20),
        ..Page::default()
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for event in Parser::new_ext(&sanitise(text), options) {
        page.event(event);
    }
    page.flush();
    let mut out = page.out.trim_end().to_owned();
    out.push('\n');
    out
}

#[derive(Default)]
struct Page {
    width: usize,
    out: String,
    /// The paragraph that is being read.
    text: String,
    /// For each list that is open: the next number, or a bullet.
    lists: Vec<Option<u64>>,
    /// The marker of the list item that begins with the next paragraph.
    marker: Option<String>,
    quotes: usize,
    heading: Option<usize>,
    code: bool,
    bold: bool,
    links: Vec<String>,
    cells: usize,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => self.code_lines(&text),
            Event::Text(text) => self.words(&text),
            Event::Code(text) => {
                // A space in code is kept together with its word.
                let code = format!("`{text}`");
                for (at, word) in code.split(' ').enumerate() {
                    if at > 0 {
                        self.text.push(' ');
                    }
                    self.text += &word.cyan().to_string();
                }
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.flush_line(),
            Event::Rule => {
                self.flush();
                self.out += &format!("{}\n\n", "-".repeat(self.width.min(40)));
            }
            Event::Html(text) | Event::InlineHtml(text) if !text.starts_with("<!--") => {
                self.text += &text
            }
            _ => {}
        }
    }

    fn words(&mut self, text: &str) {
        if !self.bold {
            self.text += text;
            return;
        }
        for (at, word) in text.split(' ').enumerate() {
            if at > 0 {
                self.text.push(' ');
            }
            if !word.is_empty() {
                self.text += &word.bold().to_string();
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(level as usize);
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = true;
            }
            Tag::List(first) => {
                self.flush_line();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush_line();
                self.marker = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                });
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.quotes += 1;
            }
            Tag::Emphasis => self.text.push('_'),
            Tag::Strong => self.bold = true,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push(dest_url.to_string())
            }
            Tag::TableRow | Tag::TableHead => self.cells = 0,
            Tag::TableCell => {
                if self.cells > 0 {
                    self.text += " | ";
                }
                self.cells += 1;
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some(level) = self.heading.take() {
                    let marks = "#".repeat(level);
                    let title = std::mem::take(&mut self.text);
                    let lines = wrap(&format!("{marks} {title}"), self.width, "");
                    for line in lines.lines() {
                        self.out += &format!("{}\n", line.bold());
                    }
                    self.out.push('\n');
                }
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::CodeBlock => {
                self.code = false;
                self.out.push('\n');
            }
            TagEnd::List(_) => {
                self.flush_line();
                self.lists.pop();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            TagEnd::Item => self.flush_line(),
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes -= 1;
            }
            TagEnd::Emphasis => self.text.push('_'),
            TagEnd::Strong => self.bold = false,
            TagEnd::Link | TagEnd::Image => {
                // A place in the same page says nothing on a terminal.
                if let Some(address) = self
                    .links
                    .pop()
                    .filter(|address| !address.starts_with('#') && !self.text.ends_with(address))
                {
                    self.text += &format!(" ({address})");
                }
            }
            TagEnd::TableRow | TagEnd::TableHead => self.flush_line(),
            TagEnd::Table => self.out.push('\n'),
            _ => {}
        }
    }

    fn indent(&self) -> String {
        format!(
            "{}{}",
            "> ".repeat(self.quotes),
            "  ".repeat(self.lists.len())
        )
    }

    fn code_lines(&mut self, code: &str) {
        let indent = self.indent();
        for line in code.lines() {
            self.out += &format!("{indent}    {}\n", line.cyan());
        }
    }

    /// Ends a line of text.
    fn flush_line(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let indent = self.indent();
        let marker = self.marker.take();
        let more = marker
            .as_ref()
            .map_or(0, |marker| marker.len().saturating_sub(2));
        let mut lines = wrap(&text, self.width - more, &indent);
        if let Some(marker) = marker {
            // The marker stands where the indent of its list would be.
            lines.replace_range(indent.len().saturating_sub(2)..indent.len(), &marker);
        }
        self.out += &lines;
        self.out.push('\n');
    }

    /// Ends a paragraph: an empty line behind it, except in a list.
    fn flush(&mut self) {
        let had = !self.text.trim().is_empty();
        self.flush_line();
        if had && self.lists.is_empty() {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::columns;

    const TEXT: &str = "# A title that is `long`\n\nSome *words* and **more of them** with a [link](../x.md), and\nmore.\n\n\
        - one item that is rather long for its line\n- two\n  1. nested\n\n> quoted\n\n```console\n$ unshare -u\n```\n\nEnd.\n";

    fn plain(width: usize) -> String {
        colored::control::set_override(false);
        render(TEXT, width)
    }

    #[test]
    fn every_part_is_shown_in_order() {
        let text = plain(80);
        assert_eq!(
            text,
            "# A title that is `long`\n\nSome _words_ and more of them with a link (../x.md), and more.\n\n\
             - one item that is rather long for its line\n- two\n  1. nested\n\n> quoted\n\n    $ unshare -u\n\nEnd.\n"
        );
    }

    #[test]
    fn text_keeps_to_the_width() {
        for width in [20, 33, 200] {
            let text = plain(width);
            for line in text.lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
            assert!(text.contains("$ unshare -u"));
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        assert!(!render("a \u{1b}[2Jb\u{7}", 80).contains('\u{1b}'));
    }
}
