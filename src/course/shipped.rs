//! The work files as the course ships them, and the way back to them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, bail};

use super::catalogue::{Catalogue, Exercise};
use super::files;
use super::progress::{now, state_directory};
use super::yaml::plain;

/// Keeps a copy of each work file that has none yet, so that a reset works
/// without git too. What cannot be kept now is passed over: a reset says so.
pub fn remember(catalogue: &Catalogue) {
    for exercise in &catalogue.exercises {
        let copy = copy_of(&state_directory(&catalogue.id), exercise);
        if copy.exists() {
            continue;
        }
        let text =
            committed(exercise).or_else(|| files::read(&exercise.work_file(), files::TEXT).ok());
        if let Some(text) = text {
            let _ = keep(&copy, &text);
        }
    }
}

/// Puts the work file back as shipped. The student's own version is kept
/// aside; its place is returned, unless nothing had been changed.
///
/// # Errors
/// When there is no shipped copy, or a file cannot be written; then the work
/// file is as it was.
pub fn reset(catalogue: &Catalogue, exercise: &Exercise) -> Result<Option<PathBuf>> {
    reset_in(&state_directory(&catalogue.id), exercise)
}

fn reset_in(state: &Path, exercise: &Exercise) -> Result<Option<PathBuf>> {
    let work = exercise.work_file();
    let own = fs::read(&work).ok();
    // A student may have committed their own work: then git holds that.
    let stored = fs::read(copy_of(state, exercise)).ok();
    let shipped = match (committed(exercise), stored) {
        (Some(committed), Some(stored)) => Some(if own.as_ref() == Some(&committed) {
            stored
        } else {
            committed
        }),
        (committed, stored) => committed.or(stored),
    };
    let Some(shipped) = shipped else {
        bail!(
            "{}: no shipped copy is known; fetch it from the course anew",
            work.display()
        );
    };
    if own.as_ref() == Some(&shipped) {
        return Ok(None);
    }
    let failed = |path: &Path, error: &std::io::Error| {
        anyhow!("{}: {}; nothing was reset", path.display(), plain(error))
    };
    let mut backup = None;
    if let Some(own) = own {
        let path = backup_of(state, exercise);
        keep(&path, &own).map_err(|error| failed(&path, &error))?;
        backup = Some(path);
    }
    fs::write(&work, shipped).map_err(|error| failed(&work, &error))?;
    Ok(backup)
}

fn copy_of(state: &Path, exercise: &Exercise) -> PathBuf {
    let folder = format!("{}-v{}", exercise.name, exercise.spec.version);
    state
        .join("shipped")
        .join(folder)
        .join(exercise.kind.work_file())
}

fn backup_of(state: &Path, exercise: &Exercise) -> PathBuf {
    let folder = state.join("backups").join(&exercise.name);
    let file = exercise.kind.work_file();
    let time = now().replace(':', "");
    let first = folder.join(format!("{time}-{file}"));
    let more = (2..).map(|n| folder.join(format!("{time}-{n}-{file}")));
    std::iter::once(first.clone())
        .chain(more)
        .find(|path| !path.exists())
        .unwrap_or(first)
}

/// A new file with its whole content, or none.
fn keep(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&partial)?;
    let written = file
        .write_all(text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// The work file as the last commit has it, in a git checkout.
fn committed(exercise: &Exercise) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(&exercise.dir)
        .args(["show", &format!("HEAD:./{}", exercise.kind.work_file())])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::Course;
    use super::*;

    #[test]
    fn a_reset_brings_the_shipped_file_back_and_keeps_the_students_own() {
        let course = Course::new("reset");
        let state = course.0.join("state");
        let exercise = course.load().unwrap().exercises[0].clone();
        let shipped = fs::read(exercise.work_file()).unwrap();
        assert!(
            reset_in(&state, &exercise)
                .unwrap_err()
                .to_string()
                .contains("no shipped copy")
        );
        keep(&copy_of(&state, &exercise), &shipped).unwrap();
        assert_eq!(reset_in(&state, &exercise).unwrap(), None);
        let mut backups = Vec::new();
        for own in ["mine", "mine again"] {
            fs::write(exercise.work_file(), own).unwrap();
            let backup = reset_in(&state, &exercise).unwrap().unwrap();
            assert_eq!(fs::read_to_string(&backup).unwrap(), own);
            assert_eq!(fs::read(exercise.work_file()).unwrap(), shipped);
            backups.push(backup);
        }
        assert_ne!(backups[0], backups[1]);
        fs::remove_file(exercise.work_file()).unwrap();
        assert_eq!(reset_in(&state, &exercise).unwrap(), None);
        assert_eq!(fs::read(exercise.work_file()).unwrap(), shipped);
    }
}
