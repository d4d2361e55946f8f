//! The beginning of a new exercise, for authors.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::catalogue::{Catalogue, Kind};

/// Writes the files of a new exercise and of its solution, as far as they can
/// be written without knowing it. `id` is the next number of its chapter.
///
/// # Errors
/// When the number or the name cannot be given, or a file cannot be written.
pub fn create(catalogue: &Catalogue, id: &str, name: &str, kind: Kind) -> Result<Vec<PathBuf>> {
    let parts = id.split_once('.').and_then(|(chapter, number)| {
        Some((chapter.parse::<u32>().ok()?, number.parse::<usize>().ok()?))
    });
    let Some((chapter, number)) = parts else {
        bail!(
            "`{}` is no exercise number; write CHAPTER.NUMBER, such as 2.17",
            id.escape_debug()
        );
    };
    let Some(folder) = catalogue
        .chapters
        .iter()
        .find(|known| known.number == chapter)
    else {
        bail!("there is no chapter {chapter}; make the folder exercises/{chapter:02}-NAME first");
    };
    let next = catalogue.of_chapter(chapter).count() + 1;
    if number != next {
        bail!(
            "{chapter}.{number} cannot be new; the next number of the chapter is {chapter}.{next}"
        );
    }
    let well = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.is_empty() || !well {
        bail!(
            "`{}` is no name; write lower-case words with hyphens, such as shared-subtree",
            name.escape_debug()
        );
    }
    if catalogue.exercises.iter().any(|known| known.name == name) {
        bail!("an exercise is called `{name}` already; take another name");
    }
    let below = PathBuf::from(&folder.folder).join(format!("{number}-{name}"));
    let exercise = catalogue.root.join("exercises").join(&below);
    let solution = catalogue.root.join("solutions").join(&below);
    let title = name.replace('-', " ");
    let kind_name = kind.name();
    let work = kind.work_file();
    let mut files = vec![
        (exercise.join("README.md"), format!("# {title}\n\nTODO: the problem, in a few lines.\n\nRead: namespaces(7).\n")),
        (exercise.join("exercise.yaml"), format!("version: 1\nkind: {kind_name}\nman: [namespaces(7)]\n")),
        (exercise.join("hints.yaml"), "- when: any\n  hints:\n    - \"TODO: a nudge\"\n    - \"TODO: the concept\"\n    - \"TODO: the call\"\n".into()),
        (exercise.join(work), work_text(kind).into()),
        (solution.join("README.md"), format!("# {title}\n\nTODO: the why.\n")),
        (solution.join(work), work_text(kind).into()),
    ];
    if kind == Kind::Question {
        files.push((
            exercise.join("scenario.sh"),
            "# TODO: what is asked about.\ncheckpoint inside\n".into(),
        ));
    }
    for (path, text) in &files {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("mkdir {}", folder.display()))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("write {}", path.display()))?;
    }
    let mut paths: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
    if kind == Kind::Rust {
        let program = format!(
            "\n[[bin]]\nname = \"{chapter}-{number}-{name}\"\npath = \"{}/work.rs\"\n",
            below.display()
        );
        for package in ["exercises", "solutions"] {
            let path = catalogue.root.join(package).join("Cargo.toml");
            let file = OpenOptions::new().append(true).create(true).open(&path);
            file.and_then(|mut file| file.write_all(program.as_bytes()))
                .with_context(|| format!("write {}", path.display()))?;
            paths.push(path);
        }
    }
    Ok(paths)
}

fn work_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Shell => "# TODO: what the student is to do.\nexec \"$@\"\n",
        Kind::Rust => "//! TODO: what the student is to do.\n\nfn main() {}\n",
        Kind::Question => "inside:\n  process:\n    hostname: ???\n",
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::Course;
    use super::*;

    #[test]
    fn a_new_exercise_is_in_the_catalogue_and_a_wrong_number_or_name_is_refused() {
        let course = Course::new("new");
        let catalogue = course.load().unwrap();
        for (id, name) in [
            ("2", "x"),
            ("9.1", "x"),
            ("2.9", "x"),
            ("2.3", "A b"),
            ("2.3", "unshare"),
        ] {
            let error = create(&catalogue, id, name, Kind::Shell)
                .unwrap_err()
                .to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        for (id, name, kind) in [
            ("2.3", "a", Kind::Shell),
            ("2.4", "b", Kind::Rust),
            ("2.5", "c", Kind::Question),
        ] {
            let catalogue = course.load().unwrap();
            assert!(
                create(&catalogue, id, name, kind)
                    .unwrap()
                    .iter()
                    .all(|path| path.is_file())
            );
            let again = course.load().unwrap();
            assert_eq!(again.exercise(id).unwrap().kind, kind);
        }
    }
}
