//! The README's picture of a verdict is what `tp` prints, not what somebody
//! drew. `TP_WRITE_GENERATED=1 cargo test --test it picture` draws it anew.

use std::fs;
use std::path::Path;

use crate::support::{Course, sandbox_or_skip, text};

const CHARACTER: (f64, usize) = (8.43, 20);
const MARGIN: usize = 24;

#[test]
fn the_picture_in_the_readme_is_what_the_program_prints() {
    if !sandbox_or_skip() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let course = Course::new();
    let exercise = "exercises/01-hostname/1-own-hostname";
    for file in ["README.md", "exercise.yaml", "expected.yaml", "hints.yaml"] {
        course.folder.write(
            &format!("course/{exercise}/{file}"),
            &read(&format!("{exercise}/{file}")),
        );
    }
    let wrong = "solutions/01-hostname/1-own-hostname/wrong/name-before-namespace.sh";
    course
        .folder
        .write(&format!("course/{exercise}/work.sh"), &read(wrong));

    let mut command = course.tp(&["check", "1.1"]);
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "88")
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    assert!(printed.contains("FAIL"), "{printed}");

    let picture = draw(&printed);
    let path = root.join("docs/verdict.svg");
    if std::env::var_os("TP_WRITE_GENERATED").is_some() {
        fs::write(&path, &picture).unwrap();
    }
    let drawn = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == picture,
        "docs/verdict.svg is not what is printed now:\n{printed}"
    );
}

/// The lines as on a terminal, with the colours that the words stand for.
fn draw(printed: &str) -> String {
    let lines: Vec<String> = ["$ tp check 1.1".to_owned()]
        .into_iter()
        .chain(printed.lines().map(str::to_owned))
        .collect();
    let columns = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    let width = (columns as f64 * CHARACTER.0) as usize + 2 * MARGIN;
    let height = lines.len() * CHARACTER.1 + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"What tp check prints\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"#16181d\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', monospace\" font-size=\"14\" \
         fill=\"#d6d9de\" xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let colour = match line {
            line if line.contains("FAIL") => " fill=\"#ff7b72\" font-weight=\"bold\"",
            line if line.contains("✓ pass") => " fill=\"#7ee787\"",
            line if line.contains("· skipped") => " fill=\"#8b949e\"",
            line if line.starts_with('$') => " fill=\"#79c0ff\"",
            _ => "",
        };
        let y = MARGIN + (number + 1) * CHARACTER.1 - 5;
        let line = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        svg += &format!("<text x=\"{MARGIN}\" y=\"{y}\"{colour}>{line}</text>\n");
    }
    svg + "</g>\n</svg>\n"
}
