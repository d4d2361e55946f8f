//! The steps of a solution: what it adds to the exercise as shipped.
//!
//! The authors' gate takes each out in turn; the check must then fail. A step
//! that can go unnoticed is either not needed or not checked.

use std::ops::Range;

use similar::{ChangeTag, TextDiff};

use crate::course::catalogue::Kind;

/// One step: the lines that it takes up in the solution, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub lines: Range<usize>,
}

impl Step {
    /// The solution without this step.
    pub fn taken_out_of(&self, solution: &str) -> String {
        let kept = solution
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.lines.contains(index));
        kept.flat_map(|(_, line)| [line, "\n"]).collect()
    }

    /// The step's own text, on one line.
    pub fn text(&self, solution: &str) -> String {
        let lines: Vec<&str> = solution
            .lines()
            .skip(self.lines.start)
            .take(self.lines.len())
            .map(str::trim)
            .collect();
        lines.join(" ")
    }
}

/// The steps by which `solution` goes beyond `shipped`.
pub fn steps(kind: Kind, shipped: &str, solution: &str) -> Vec<Step> {
    let lines: Vec<&str> = solution.lines().collect();
    let added: Vec<usize> = TextDiff::from_lines(shipped, solution)
        .iter_all_changes()
        .filter(|change| change.tag() == ChangeTag::Insert)
        .filter_map(|change| change.new_index())
        .filter(|index| {
            lines
                .get(*index)
                .is_some_and(|line| starts_step(kind, line))
        })
        .collect();
    let mut steps: Vec<Step> = Vec::new();
    for start in added {
        let inside = steps.last().is_some_and(|step| {
            // A line that only continues the one before is not a step of its own.
            step.lines.contains(&start) && !opens_block(lines[step.lines.start])
        });
        if !inside {
            steps.push(Step {
                lines: start..end_of(kind, &lines, start),
            });
        }
    }
    steps
}

fn opens_block(line: &str) -> bool {
    line.trim_end().ends_with('{')
}

/// Comments, blank lines and mere punctuation do nothing.
fn starts_step(kind: Kind, line: &str) -> bool {
    let line = line.trim();
    let comment = match kind {
        Kind::Rust => line.starts_with("//"),
        Kind::Shell | Kind::Question => line.starts_with('#'),
    };
    let word = line
        .chars()
        .any(|char| char.is_alphanumeric() || char == '$' || char == ':');
    let bare = matches!(line, "fi" | "done" | "then" | "else" | "do" | "esac");
    // Passing on a call's error, or the end of a function, changes nothing
    // where all goes well.
    let end = line.starts_with("return Err(") || matches!(line, "Ok(())" | "} else {");
    !comment && word && !bare && !end
}

/// The line after the step's last.
fn end_of(kind: Kind, lines: &[&str], start: usize) -> usize {
    let mut open = 0i32;
    for (index, line) in lines.iter().enumerate().skip(start) {
        let code = line.trim_end();
        let ends = match kind {
            Kind::Shell | Kind::Question => !code.ends_with('\\'),
            Kind::Rust => {
                let code = code.split("//").next().unwrap_or_default().trim_end();
                open += code
                    .chars()
                    .map(|char| match char {
                        '(' | '[' | '{' => 1,
                        ')' | ']' | '}' => -1,
                        _ => 0,
                    })
                    .sum::<i32>();
                open <= 0 && (code.ends_with([';', '}', ',']) || open < 0)
            }
        };
        if ends {
            return index + 1;
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(kind: Kind, shipped: &str, solution: &str) -> Vec<String> {
        steps(kind, shipped, solution)
            .iter()
            .map(|step| step.text(solution))
            .collect()
    }

    #[test]
    fn each_added_shell_command_is_a_step_and_comments_are_none() {
        let shipped = "#!/bin/sh\nset -eu\n# here\n\"$@\"\n";
        let solution =
            "#!/bin/sh\nset -eu\n# why\nunshare -u \\\n  sh -c 'true'\nhostname x\n\"$@\"\n";
        assert_eq!(
            texts(Kind::Shell, shipped, solution),
            ["unshare -u \\ sh -c 'true'", "hostname x"]
        );
    }

    #[test]
    fn a_rust_statement_over_several_lines_is_one_step() {
        let shipped = "fn main() {\n}\n";
        let solution = "fn main() {\n    mount(\n        a,\n        b,\n    )?;\n    // why\n    f(); // now\n}\n";
        assert_eq!(
            texts(Kind::Rust, shipped, solution),
            ["mount( a, b, )?;", "f(); // now"]
        );
    }

    #[test]
    fn a_block_is_a_step_and_so_is_each_statement_in_it() {
        let shipped = "fn main() {\n}\n";
        let solution = "fn main() {\n    if x {\n        f();\n        g();\n    }\n}\n";
        assert_eq!(
            texts(Kind::Rust, shipped, solution),
            ["if x { f(); g(); }", "f();", "g();"]
        );
    }

    #[test]
    fn taking_a_step_out_leaves_the_other_lines() {
        let solution = "a\nb\nc\n";
        let step = Step { lines: 1..2 };
        assert_eq!(step.taken_out_of(solution), "a\nc\n");
    }
}
