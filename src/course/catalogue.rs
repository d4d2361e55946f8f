//! What the course holds: its chapters and exercises, read from the folders
//! `exercises/NN-chapter/N-name/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::language::Language;
pub use super::spec::{Kind, Spec};
use super::yaml;

/// The whole course, in order.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The folder that has `course.md` and `exercises/`.
    pub root: PathBuf,
    /// From `course.yaml`: under this id results and progress are kept.
    pub id: String,
    pub version: String,
    /// The code of the language in use: `en`.
    pub language: String,
    pub chapters: Vec<Chapter>,
    pub exercises: Vec<Exercise>,
}

/// One chapter that has exercises.
#[derive(Clone, Debug, PartialEq)]
pub struct Chapter {
    pub number: u32,
    /// Without the number: `namespaces`.
    pub name: String,
    /// With it: `02-namespaces`.
    pub folder: String,
    /// The first heading of its text, else its name.
    pub title: String,
}

/// One exercise.
#[derive(Clone, Debug, PartialEq)]
pub struct Exercise {
    /// `2.3`
    pub id: String,
    pub chapter: u32,
    pub number: u32,
    /// Without the number: `mount-propagation`.
    pub name: String,
    /// The first heading of its README, in the language in use.
    pub title: String,
    pub dir: PathBuf,
    pub solution_dir: PathBuf,
    pub kind: Kind,
    pub spec: Spec,
    /// The code of the language in use.
    pub language: String,
}

impl Exercise {
    /// The file that the student edits.
    pub fn work_file(&self) -> PathBuf {
        self.dir.join(self.kind.work_file())
    }

    pub fn solution_file(&self) -> PathBuf {
        self.solution_dir.join(self.kind.work_file())
    }

    /// The statement, in the language in use.
    pub fn readme(&self) -> PathBuf {
        Language::parse(&self.language).pick(&self.dir.join("README.md"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CourseFile {
    id: String,
    version: String,
}

impl Catalogue {
    /// Finds the course and reads it.
    ///
    /// # Errors
    /// When there is none, or something in it is broken.
    pub fn open() -> Result<Self> {
        let catalogue = Self::load(&find_root()?, &Language::from_env())?;
        super::shipped::remember(&catalogue);
        Ok(catalogue)
    }

    /// Reads the course in `root`.
    ///
    /// # Errors
    /// The first thing that is broken, in one line with its remedy.
    pub fn load(root: &Path, language: &Language) -> Result<Self> {
        let course: CourseFile = yaml::read(
            &root.join("course.yaml"),
            "it holds `id: NAME` and `version: \"X.Y.Z\"`",
        )?;
        if course.id.is_empty()
            || !course
                .id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            bail!(
                "{}: the id `{}` names a folder; use letters, digits and hyphens",
                root.join("course.yaml").display(),
                course.id
            );
        }
        let mut catalogue = Self {
            root: root.to_path_buf(),
            id: course.id,
            version: course.version,
            language: language.code().to_owned(),
            chapters: Vec::new(),
            exercises: Vec::new(),
        };
        let folder = root.join("exercises");
        let chapters = numbered(&folder, Digits::Two)?;
        in_sequence(&folder, &chapters, Gaps::Allowed)?;
        for (number, name, dir) in chapters {
            catalogue.chapter(number, name, &dir, language)?;
        }
        catalogue.refuse_twins()?;
        Ok(catalogue)
    }

    fn chapter(
        &mut self,
        chapter: u32,
        name: String,
        dir: &Path,
        language: &Language,
    ) -> Result<()> {
        let folder = format!("{chapter:02}-{name}");
        let text = language.pick(&self.root.join("labs").join(&folder).join("README.md"));
        let title = fs::read_to_string(text)
            .ok()
            .and_then(|text| heading(&text));
        let title = title.unwrap_or_else(|| name.replace('-', " "));
        self.chapters.push(Chapter {
            number: chapter,
            name,
            folder: folder.clone(),
            title,
        });
        let exercises = numbered(dir, Digits::Any)?;
        in_sequence(dir, &exercises, Gaps::Refused)?;
        for (number, name, dir) in exercises {
            let spec = Spec::read(&dir.join("exercise.yaml"))?;
            let readme = language.pick(&dir.join("README.md"));
            let text = fs::read_to_string(&readme).map_err(|error| {
                anyhow!(
                    "{}: {}; every exercise has one, its first heading is its title",
                    readme.display(),
                    yaml::plain(&error)
                )
            })?;
            let title = heading(&text).with_context(|| {
                format!(
                    "{}: no heading; the first line is `# TITLE`",
                    readme.display()
                )
            })?;
            self.exercises.push(Exercise {
                id: format!("{chapter}.{number}"),
                chapter,
                number,
                title,
                solution_dir: self
                    .root
                    .join("solutions")
                    .join(&folder)
                    .join(format!("{number}-{name}")),
                name,
                dir,
                kind: spec.kind,
                spec,
                language: self.language.clone(),
            });
        }
        Ok(())
    }

    /// An exercise is called by its name alone, so a name stands for one.
    fn refuse_twins(&self) -> Result<()> {
        for (at, exercise) in self.exercises.iter().enumerate() {
            if let Some(twin) = self.exercises[..at]
                .iter()
                .find(|other| other.name == exercise.name)
            {
                bail!(
                    "{} and {} are both called `{}`; rename one of the folders",
                    twin.id,
                    exercise.id,
                    exercise.name
                );
            }
            if self
                .chapters
                .iter()
                .any(|chapter| chapter.name == exercise.name)
            {
                bail!(
                    "{} is called `{}` as a chapter is; rename one of the folders",
                    exercise.id,
                    exercise.name
                );
            }
        }
        Ok(())
    }

    /// The exercises that `asked` names: one (`2.3`, `mount-propagation`, its
    /// folder) or a chapter's (`2`, `namespaces`, `02-namespaces`).
    ///
    /// # Errors
    /// When nothing has that name; the nearest one is told.
    pub fn find(&self, asked: &str) -> Result<Vec<&Exercise>> {
        if let Some(exercise) = self.named(asked) {
            return Ok(vec![exercise]);
        }
        match self.find_chapter(asked) {
            Some(chapter) => Ok(self.of_chapter(chapter.number).collect()),
            None => Err(self.unknown(asked)),
        }
    }

    /// The one exercise that `asked` names.
    ///
    /// # Errors
    /// When nothing has that name, or a chapter.
    pub fn exercise(&self, asked: &str) -> Result<&Exercise> {
        if let Some(exercise) = self.named(asked) {
            return Ok(exercise);
        }
        let Some(chapter) = self.find_chapter(asked) else {
            return Err(self.unknown(asked));
        };
        let last = self.of_chapter(chapter.number).count();
        let number = chapter.number;
        Err(anyhow!(
            "`{asked}` is a chapter; name one of its exercises, {number}.1 to {number}.{last}"
        ))
    }

    fn named(&self, asked: &str) -> Option<&Exercise> {
        let asked = asked.trim_end_matches('/');
        let last = asked.rsplit('/').next().unwrap_or(asked);
        self.exercises.iter().find(|exercise| {
            exercise.id == asked
                || exercise.name == last
                || format!("{}-{}", exercise.number, exercise.name) == last
        })
    }

    /// A chapter by number, name or folder.
    pub fn find_chapter(&self, asked: &str) -> Option<&Chapter> {
        let asked = asked.trim_end_matches('/');
        let last = asked.rsplit('/').next().unwrap_or(asked);
        self.chapters.iter().find(|chapter| {
            chapter.name == last || chapter.folder == last || last.parse() == Ok(chapter.number)
        })
    }

    /// The exercises of one chapter.
    pub fn of_chapter(&self, number: u32) -> impl Iterator<Item = &Exercise> {
        self.exercises
            .iter()
            .filter(move |exercise| exercise.chapter == number)
    }

    fn unknown(&self, asked: &str) -> anyhow::Error {
        let names = self
            .exercises
            .iter()
            .flat_map(|exercise| [&exercise.id, &exercise.name]);
        let names = names.chain(self.chapters.iter().map(|chapter| &chapter.folder));
        match names.min_by_key(|name| distance(asked, name)) {
            Some(nearest) => anyhow!(
                "no exercise or chapter is called `{}`; did you mean `{nearest}`? `tp list` shows all",
                asked.escape_debug()
            ),
            None => anyhow!("the course in {} has no exercises", self.root.display()),
        }
    }

    /// The text of a chapter, in the language in use.
    pub fn chapter_text(&self, asked: &str) -> Option<PathBuf> {
        let chapter = self.find_chapter(asked)?;
        let path = self.translated(
            &self
                .root
                .join("labs")
                .join(&chapter.folder)
                .join("README.md"),
        );
        path.is_file().then_some(path)
    }

    /// The translation of a text where there is one, else the text itself.
    pub fn translated(&self, path: &Path) -> PathBuf {
        Language::parse(&self.language).pick(path)
    }

    /// A path as a person in the course's folder would write it.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// The course's folder: `TP_COURSE`, else the nearest one above the working
/// directory, else the one that this program was built from.
pub(crate) fn find_root() -> Result<PathBuf> {
    let is_course = |dir: &Path| dir.join("course.md").is_file() && dir.join("exercises").is_dir();
    if let Some(dir) = std::env::var_os("TP_COURSE").filter(|dir| !dir.is_empty()) {
        let dir = PathBuf::from(dir);
        if !dir.join("exercises").is_dir() {
            bail!(
                "TP_COURSE={}: no folder `exercises` there; set it to the course's folder",
                dir.display()
            );
        }
        return std::path::absolute(&dir).with_context(|| dir.display().to_string());
    }
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(dir) = here.ancestors().find(|dir| is_course(dir)) {
        return Ok(dir.to_path_buf());
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    if built.join("exercises").is_dir() {
        return Ok(built.to_path_buf());
    }
    bail!("no course here; go to its folder (the one with course.md), or set TP_COURSE to it")
}

#[derive(Clone, Copy, PartialEq)]
enum Digits {
    /// `02-namespaces`
    Two,
    /// `3-mount-propagation`
    Any,
}

/// The folders `NUMBER-NAME` in `dir`, by number. Other entries are not
/// looked at, but a folder that begins with a digit has to be well formed.
fn numbered(dir: &Path, digits: Digits) -> Result<Vec<(u32, String, PathBuf)>> {
    let broken = |error: std::io::Error| {
        anyhow!(
            "{}: {}; fetch the course anew, or set TP_COURSE to its folder",
            dir.display(),
            yaml::plain(&error)
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !path.is_dir() || !file.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let parts = file.split_once('-').and_then(|(number, name)| {
            let well = digits == Digits::Any || number.len() == 2;
            let number = number.parse::<u32>().ok().filter(|_| well)?;
            let name_is_well =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            name_is_well.then(|| (number, name.to_owned()))
        });
        let Some((number, name)) = parts else {
            let form = if digits == Digits::Two {
                "NN-name, such as 02-namespaces"
            } else {
                "N-name, such as 3-setns"
            };
            bail!(
                "{}: not a name of the form {form}; rename it",
                path.display()
            );
        };
        found.push((number, name, path));
    }
    found.sort();
    Ok(found)
}

/// Whether a number may be left out.
#[derive(Clone, Copy, PartialEq)]
enum Gaps {
    /// A chapter may have no exercises.
    Allowed,
    /// From 1 on, so that a lost folder does not go unseen.
    Refused,
}

/// No number is given twice, and none is missing where that is refused.
fn in_sequence(dir: &Path, entries: &[(u32, String, PathBuf)], gaps: Gaps) -> Result<()> {
    let dir = dir.display();
    if entries.is_empty() {
        bail!("{dir}: nothing numbered in it; add a folder, or remove this one");
    }
    let mut expected = 1;
    for (index, (number, name, _)) in entries.iter().enumerate() {
        if index > 0 && *number < expected {
            bail!("{dir}: number {number} is given twice, also to `{name}`; renumber one");
        }
        if *number > expected && gaps == Gaps::Refused {
            bail!(
                "{dir}: number {expected} is missing before `{number}-{name}`; renumber, or restore the folder"
            );
        }
        expected = number + 1;
    }
    Ok(())
}

/// The text of the first heading.
fn heading(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("# "))?;
    let title = line.replace('`', "").trim().to_owned();
    (!title.is_empty()).then_some(title)
}

/// Levenshtein's edit distance, without regard to case.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let kept = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = kept.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A course in a folder of its own, gone with the value.
    pub(crate) struct Course(pub PathBuf);

    impl Course {
        pub(crate) fn new(test: &str) -> Self {
            let root =
                std::env::temp_dir().join(format!("tp-course-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let course = Self(root);
            course.write("course.yaml", "id: a-course\nversion: \"1.0.0\"\n");
            course.write("course.md", "# A course\n");
            course.add("01-hostname/1-own-hostname");
            course.add("02-namespaces/1-unshare");
            course.add("02-namespaces/2-mount-propagation");
            course
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn add(&self, exercise: &str) {
            self.write(
                &format!("exercises/{exercise}/exercise.yaml"),
                "version: 1\nkind: shell\n",
            );
            self.write(
                &format!("exercises/{exercise}/README.md"),
                "# The `title`\n\nText.\n",
            );
            self.write(&format!("exercises/{exercise}/work.sh"), "exec \"$@\"\n");
        }

        pub(crate) fn load(&self) -> Result<Catalogue> {
            Catalogue::load(&self.0, &Language::default())
        }

        fn refused(&self) -> String {
            let error = format!("{:#}", self.load().unwrap_err());
            assert_eq!(error.lines().count(), 1, "{error}");
            error
        }
    }

    impl Drop for Course {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn chapters_and_exercises_come_in_order() {
        let course = Course::new("order");
        for number in 3..=11 {
            course.add(&format!("02-namespaces/{number}-x{number}"));
        }
        let catalogue = course.load().unwrap();
        let ids: Vec<&str> = catalogue.exercises.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids[..4], ["1.1", "2.1", "2.2", "2.3"]);
        assert_eq!(ids.last(), Some(&"2.11"));
        assert_eq!(catalogue.exercises[0].title, "The title");
        assert_eq!(catalogue.id, "a-course");
        assert_eq!(catalogue.chapters[1].folder, "02-namespaces");
    }

    #[test]
    fn an_exercise_is_found_by_number_name_and_folder_and_a_chapter_likewise() {
        let course = Course::new("find");
        let catalogue = course.load().unwrap();
        for asked in [
            "2.2",
            "mount-propagation",
            "2-mount-propagation",
            "exercises/02-namespaces/2-mount-propagation/",
        ] {
            let found = catalogue.find(asked).unwrap();
            assert_eq!(
                found.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(),
                ["2.2"],
                "{asked}"
            );
            assert_eq!(catalogue.exercise(asked).unwrap().id, "2.2");
        }
        for asked in ["2", "02", "namespaces", "02-namespaces"] {
            assert_eq!(catalogue.find(asked).unwrap().len(), 2, "{asked}");
            let error = catalogue.exercise(asked).unwrap_err().to_string();
            assert!(error.contains("2.1 to 2.2"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let course = Course::new("unknown");
        let catalogue = course.load().unwrap();
        for (asked, nearest) in [
            ("mount-propogation", "mount-propagation"),
            ("2.9", "2."),
            ("02-namespace", "02-namespaces"),
        ] {
            let error = catalogue.find(asked).unwrap_err().to_string();
            assert!(
                error.contains(&format!("did you mean `{nearest}")),
                "{error}"
            );
        }
        assert_eq!(
            catalogue
                .find("a\nb")
                .unwrap_err()
                .to_string()
                .lines()
                .count(),
            1
        );
    }

    #[test]
    fn gaps_twins_and_missing_files_are_told() {
        let course = Course::new("gap");
        course.add("02-namespaces/4-late");
        assert!(
            course
                .refused()
                .contains("number 3 is missing before `4-late`")
        );

        let course = Course::new("twice");
        course.add("02-namespaces/2-again");
        assert!(course.refused().contains("number 2 is given twice"));

        let course = Course::new("name");
        course.add("02-namespaces/3-own-hostname");
        assert!(
            course
                .refused()
                .contains("1.1 and 2.3 are both called `own-hostname`")
        );

        let course = Course::new("chapters");
        course.add("04-cgroups/1-slice");
        assert_eq!(course.load().unwrap().chapters.len(), 3);
        course.add("04-again/1-other");
        assert!(course.refused().contains("number 4 is given twice"));

        let course = Course::new("form");
        course.add("2-form/1-x");
        assert!(course.refused().contains("NN-name"));

        for file in ["README.md", "exercise.yaml"] {
            let course = Course::new("missing");
            fs::remove_file(
                course
                    .0
                    .join("exercises/01-hostname/1-own-hostname")
                    .join(file),
            )
            .unwrap();
            let error = course.refused();
            assert!(
                error.contains(file) && error.contains("No such file"),
                "{error}"
            );
        }

        let course = Course::new("course");
        course.write("course.yaml", "id: ../x\nversion: \"1\"\n");
        assert!(course.refused().contains("names a folder"));
    }

    #[test]
    fn a_translated_readme_gives_the_title() {
        let course = Course::new("french");
        course.write(
            "exercises/01-hostname/1-own-hostname/README.fr.md",
            "# Un nom\n",
        );
        let catalogue = Catalogue::load(&course.0, &Language::parse("fr_FR.UTF-8")).unwrap();
        assert_eq!(catalogue.exercises[0].title, "Un nom");
        assert_eq!(catalogue.exercises[1].title, "The title");
    }
}
