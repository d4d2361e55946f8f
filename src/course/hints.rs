//! Hints in layers, chosen by the facts that the last attempt failed on.

use serde::Deserialize;

use super::catalogue::Exercise;
use super::language::Language;
use super::progress::Progress;
use super::yaml;
use crate::expect::Texts;

/// The fallback, in `when`.
const ANY: &str = "any";

/// The hints of one exercise: `hints.yaml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hints {
    pub entries: Vec<Entry>,
}

/// Hints for one fact, each going further than the one before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A fact's path or the beginning of one, or `any`.
    pub when: String,
    pub hints: Vec<String>,
}

/// One hint, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// [`Entry::when`] of its entry; empty when there is no hint.
    pub when: String,
    /// From 1.
    pub layer: usize,
    /// How many layers the entry has.
    pub of: usize,
    pub text: String,
}

impl Hints {
    /// Reads the hints, in the language in use; none when there is no file.
    ///
    /// # Errors
    /// When the file is not what it should be.
    pub fn read(exercise: &Exercise) -> anyhow::Result<Self> {
        let path = Language::parse(&exercise.language).pick(&exercise.dir.join("hints.yaml"));
        if !path.exists() {
            return Ok(Self {
                entries: Vec::new(),
            });
        }
        let remedy = "a hint is `- when: FACT` with `hints: [\"first\", \"second\"]`";
        Ok(Self {
            entries: yaml::read(&path, remedy)?,
        })
    }

    /// The next layer for what failed last. After the last layer it stays there.
    pub fn next(&self, exercise: &Exercise, progress: &Progress) -> Hint {
        let Some(entry) = self.choose(progress.failed(exercise), progress.attempts(exercise))
        else {
            return Hint {
                when: String::new(),
                layer: 0,
                of: 0,
                text: String::new(),
            };
        };
        let of = entry.hints.len();
        let layer = (progress.hints_shown(exercise, &entry.when) + 1).min(of);
        Hint {
            when: entry.when.clone(),
            layer,
            of,
            text: entry.hints[layer - 1].trim().to_owned(),
        }
    }

    /// The entry whose `when` is the longest beginning of a failed fact, the
    /// facts in the order of the check; before any attempt the first entry.
    fn choose(&self, failed: &[String], attempts: u32) -> Option<&Entry> {
        let told = || self.entries.iter().filter(|entry| !entry.hints.is_empty());
        let fits = |fact: &str| {
            told()
                .filter(|entry| begins(&entry.when, fact))
                .max_by_key(|entry| entry.when.len())
        };
        failed
            .iter()
            .find_map(|fact| fits(fact))
            .or_else(|| told().next().filter(|_| attempts == 0))
            .or_else(|| told().find(|entry| entry.when == ANY))
    }
}

fn begins(prefix: &str, fact: &str) -> bool {
    fact.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl Hint {
    /// The hint with its place among the others, for a terminal.
    pub fn render(&self, exercise: &Exercise, texts: &Texts) -> String {
        self.render_at(exercise, texts, crate::ui::width())
    }

    /// The same, wrapped to `width` columns.
    pub fn render_at(&self, exercise: &Exercise, texts: &Texts, width: usize) -> String {
        if self.of == 0 {
            return format!("{}\n", texts.message("hint.none", &[("id", &exercise.id)]));
        }
        let (layer, of) = (self.layer.to_string(), self.of.to_string());
        let head = texts.message(
            "hint.head",
            &[("id", &exercise.id), ("layer", &layer), ("of", &of)],
        );
        format!(
            "{}\n\n{}",
            crate::ui::wrap(&head, width, ""),
            crate::ui::markdown::render(&self.text, width)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints() -> Hints {
        let text = "
- {when: inside.process, hints: [p1]}
- {when: inside.process.namespaces.uts, hints: [u1, u2, u3]}
- {when: any, hints: [a1]}
";
        Hints {
            entries: serde_yaml::from_str(text).unwrap(),
        }
    }

    #[test]
    fn the_longest_beginning_of_a_failed_fact_is_chosen() {
        let hints = hints();
        for (failed, when) in [
            (
                &["inside.process.namespaces.uts"][..],
                "inside.process.namespaces.uts",
            ),
            (&["inside.process.hostname"], "inside.process"),
            (&["inside.processes"], "any"),
            (&["build"], "any"),
            (&["build", "inside.process.cwd"], "inside.process"),
            (&[], "any"),
        ] {
            let failed: Vec<String> = failed.iter().map(|f| (*f).to_owned()).collect();
            assert_eq!(hints.choose(&failed, 1).unwrap().when, when, "{failed:?}");
        }
        assert_eq!(hints.choose(&[], 0).unwrap().when, "inside.process");
    }

    #[test]
    fn each_hint_goes_one_layer_deeper_and_stays_at_the_last() {
        let course = super::super::catalogue::tests::Course::new("layers");
        let exercise = course.load().unwrap().exercises[0].clone();
        let mut log = super::super::progress::Log::at(&course.0.join("state"));
        log.append(&super::super::progress::Event::Attempt {
            exercise: exercise.name.clone(),
            version: 1,
            status: crate::check::verdict::Status::Fail,
            points: 0.0,
            out_of: 1.0,
            failed: vec!["inside.process.namespaces.uts".into()],
            ms: 1,
        });
        let shown: Vec<String> = (0..4)
            .map(|_| {
                let hint = hints().next(&exercise, &log.progress());
                log.append(&super::super::progress::Event::hint(&exercise, &hint));
                hint.text
            })
            .collect();
        assert_eq!(shown, ["u1", "u2", "u3", "u3"]);
    }
}
