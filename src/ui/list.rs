//! The table of exercises, and where the student stands in it.

use colored::Colorize;

use super::verdict::symbol;
use super::{columns, is_utf8, width, wrap};
use crate::check::verdict::Status;
use crate::course::catalogue::{Catalogue, Exercise};
use crate::course::progress::Progress;
use crate::expect::Texts;

/// The exercises by chapter, each with its standing, and a bar below.
pub fn table(
    catalogue: &Catalogue,
    exercises: &[&Exercise],
    progress: &Progress,
    texts: &Texts,
) -> String {
    let width = width();
    let mut out = String::new();
    let mut chapter = None;
    for exercise in exercises {
        if chapter != Some(exercise.chapter) {
            chapter = Some(exercise.chapter);
            let title = catalogue
                .chapters
                .iter()
                .find(|chapter| chapter.number == exercise.chapter);
            let title = title.map_or("", |chapter| &chapter.title);
            let number = exercise.chapter.to_string();
            let head = format!(
                "{}: {title}",
                texts.message("list.chapter", &[("number", &number)])
            );
            out += &format!("{}\n", wrap(&head, width, "").bold());
        }
        out += &format!("{}\n", cut(&row(exercise, progress, texts), width));
    }
    let passed = exercises
        .iter()
        .filter(|exercise| progress.passed(exercise))
        .count();
    out += &format!("\n{}\n", bar(passed, exercises.len(), texts, width));
    out
}

/// One exercise on one line.
pub fn row(exercise: &Exercise, progress: &Progress, texts: &Texts) -> String {
    let (sign, word) = if progress.passed(exercise) {
        (symbol(Status::Pass), texts.message("status.pass", &[]))
    } else if progress.skipped(exercise) {
        (symbol(Status::Skipped), texts.message("list.skipped", &[]))
    } else if progress.unsupported(exercise) {
        (
            symbol(Status::Unsupported),
            texts.message("status.unsupported", &[]),
        )
    } else {
        (" ", texts.message("list.open", &[]))
    };
    format!(
        "{sign} {:<5} {} {:<24} {}",
        word, exercise.id, exercise.name, exercise.title
    )
}

/// At most `width` columns of a line without colour.
pub fn cut(line: &str, width: usize) -> String {
    let mut kept = String::new();
    for c in line.trim_end().chars() {
        kept.push(c);
        if columns(&kept) > width {
            kept.pop();
            break;
        }
    }
    kept
}

/// `[#####-----] 5 of 10 passed`
pub fn bar(passed: usize, count: usize, texts: &Texts, width: usize) -> String {
    let numbers = [passed.to_string(), count.to_string()];
    let words = texts.message(
        "list.progress",
        &[("passed", &numbers[0]), ("count", &numbers[1])],
    );
    let room = width.saturating_sub(columns(&words) + 3).min(40);
    if room < 5 {
        return cut(&words, width);
    }
    let full = room * passed / count.max(1);
    let (done, open) = if is_utf8() {
        ("█", "░")
    } else {
        ("#", "-")
    };
    format!(
        "[{}{}] {words}",
        done.repeat(full),
        open.repeat(room - full)
    )
}

/// What the program says without a terminal: how far, and what comes next.
pub fn where_you_stand(catalogue: &Catalogue, progress: &Progress, texts: &Texts) -> String {
    let width = width();
    let passed = catalogue
        .exercises
        .iter()
        .filter(|exercise| progress.passed(exercise))
        .count();
    let mut out = format!("{}\n", bar(passed, catalogue.exercises.len(), texts, width));
    match progress.next(catalogue) {
        Some(next) => {
            let file = next.work_file();
            let file = catalogue.relative(&file).display().to_string();
            for (key, values) in [
                (
                    "stand.next",
                    [("id", next.id.as_str()), ("title", next.title.as_str())],
                ),
                (
                    "stand.edit",
                    [("file", file.as_str()), ("id", next.id.as_str())],
                ),
                (
                    "stand.then",
                    [("id", next.id.as_str()), ("title", next.title.as_str())],
                ),
            ] {
                out += &format!("{}\n", wrap(&texts.message(key, &values), width, ""));
            }
        }
        None => out += &format!("{}\n", wrap(&texts.message("stand.all", &[]), width, "")),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::catalogue::tests::Course;

    #[test]
    fn where_you_stand_names_the_next_exercise_and_its_file() {
        let course = Course::new("stand");
        let catalogue = course.load().unwrap();
        let texts = Texts::english();
        let text = where_you_stand(&catalogue, &Progress::default(), &texts);
        assert!(
            text.contains("0 of 3 passed") && text.contains("Next: 1.1"),
            "{text}"
        );
        assert!(
            text.replace('\n', " ")
                .contains("exercises/01-hostname/1-own-hostname/work.sh"),
            "{text}"
        );
        let passed =
            Progress::fold(b"{\"event\":\"pass\",\"exercise\":\"own-hostname\",\"version\":1}\n");
        assert!(where_you_stand(&catalogue, &passed, &texts).contains("Next: 2.1"));
    }

    #[test]
    fn a_bar_and_a_row_fit_into_twenty_columns() {
        for (passed, count) in [(0, 0), (3, 16), (16, 16)] {
            assert!(columns(&bar(passed, count, &Texts::english(), 20)) <= 20);
        }
        assert_eq!(columns(&cut(&"wörter ".repeat(9), 20)), 20);
    }
}
