//! Building a Rust exercise, apart from the runner: one that does not compile
//! is shown with the compiler's own message and breaks nothing.

use std::cell::OnceCell;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::course::catalogue::{Catalogue, Exercise};
use crate::course::spec::Program;
use crate::sandbox::Unsupported;

/// What became of a build.
pub enum Built {
    /// The program.
    Program(PathBuf),
    /// What the compiler said.
    Refused(String),
}

/// Builds programs for one course, and remembers what it takes to do so.
pub struct Builder {
    root: PathBuf,
    target: PathBuf,
    externs: Option<Externs>,
    engine: OnceCell<PathBuf>,
}

/// Where the compiled dependencies of the package `exercises` lie.
struct Externs {
    crates: Vec<(String, PathBuf)>,
    directory: PathBuf,
}

impl Builder {
    pub fn new(catalogue: &Catalogue) -> Self {
        let root = catalogue.root.clone();
        let target = root.join("target/exercises");
        // A course that only root may write to is still usable.
        let target = if fs::create_dir_all(&target).is_ok() && is_writable(&target) {
            target
        } else {
            crate::course::progress::state_directory(&catalogue.id).join("target")
        };
        Self {
            root,
            target,
            externs: None,
            engine: OnceCell::new(),
        }
    }

    /// Where a program of the workspace lies, built anew where its sources have
    /// changed; cargo is asked once. Without cargo, or in somebody else's
    /// workspace, it is the one beside this program, which was built with it.
    ///
    /// # Errors
    /// [`Unsupported`] where there is neither.
    pub fn program(&self, program: Program) -> Result<PathBuf> {
        if let Some(path) = self.engine.get() {
            return Ok(path.clone());
        }
        let (name, manifest) = (program.name(), self.root.join("Cargo.toml"));
        let beside = std::env::current_exe().map(|own| own.with_file_name(name));
        let beside = beside.ok().filter(|path| path.is_file());
        // The workspace's own target: most of it is built there already.
        let own = self.root.join("target");
        let target = match is_writable(&own) {
            true => own,
            false => self.target.join("programs"),
        };
        let others = target.starts_with(&self.target) && beside.is_some();
        let output = (manifest.is_file() && !others).then(|| {
            let arguments = ["build", "--quiet", "-p", name, "--bin", name];
            self.cargo_of(&manifest, &target, &arguments)
        });
        let path = match (output, beside) {
            (Some(Ok(output)), _) if output.status.success() => target.join("debug").join(name),
            // Whoever changes the engine is not to be shown the one before.
            (Some(Ok(output)), _) if is_refused(&output.stderr) => {
                let why = first_error(&output.stderr);
                let remedy = format!("`cargo build -p {name}` shows where");
                return Err(
                    Unsupported(format!("{name} does not compile: {why}; {remedy}")).into(),
                );
            }
            // What cargo could not fetch may have been built before.
            (_, Some(beside)) => beside,
            (Some(Ok(output)), None) => {
                let why = first_error(&output.stderr);
                let remedy = format!("`cargo build -p {name}` tells more");
                return Err(Unsupported(format!("{name} does not build: {why}; {remedy}")).into());
            }
            _ => {
                let remedy = format!("install Rust, then `cargo build -p {name}`");
                return Err(Unsupported(format!("{name} is not built here; {remedy}")).into());
            }
        };
        Ok(self.engine.get_or_init(|| path).clone())
    }

    /// Builds the student's own work: their package, their `Cargo.toml`.
    ///
    /// # Errors
    /// When cargo itself cannot be run.
    pub fn exercise(&self, exercise: &Exercise) -> Result<Built> {
        let name = binary_name(exercise);
        let output = self.cargo(&["build", "--quiet", "--bin", &name])?;
        if output.status.success() {
            Ok(Built::Program(self.target.join("debug").join(name)))
        } else {
            Ok(Built::Refused(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ))
        }
    }

    /// Builds any other source file (a solution, a known wrong answer, a
    /// solution with a step taken out) with the same dependencies.
    pub fn variant(&mut self, source: &str, label: &Path) -> Result<Built> {
        let mut hasher = DefaultHasher::new();
        (source, label).hash(&mut hasher);
        let directory = self.target.join("variants");
        fs::create_dir_all(&directory).with_context(|| format!("mkdir {}", directory.display()))?;
        let stem = format!("work-{:016x}", hasher.finish());
        let (program, file) = (directory.join(&stem), directory.join(format!("{stem}.rs")));
        if program.exists() {
            return Ok(Built::Program(program));
        }
        fs::write(&file, source).with_context(|| format!("write {}", file.display()))?;
        let externs = self.externs()?;
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--edition",
            "2024",
            "--crate-name",
            "work",
            "-Cdebuginfo=0",
            "-Awarnings",
        ]);
        rustc.arg(&file).arg("-o").arg(&program);
        rustc
            .arg("-L")
            .arg(format!("dependency={}", externs.directory.display()));
        for (name, path) in &externs.crates {
            rustc
                .arg("--extern")
                .arg(format!("{name}={}", path.display()));
        }
        let output = rustc.output().context("run rustc: is Rust installed?")?;
        if output.status.success() {
            return Ok(Built::Program(program));
        }
        let message = String::from_utf8_lossy(&output.stderr);
        let shown = message.replace(&file.display().to_string(), &label.display().to_string());
        Ok(Built::Refused(shown))
    }

    /// Builds the dependencies once, and asks cargo where they are.
    fn externs(&mut self) -> Result<&Externs> {
        if self.externs.is_none() {
            let output = self.cargo(&["build", "--quiet", "--lib", "--message-format=json"])?;
            if !output.status.success() {
                bail!(
                    "cargo build of the exercises' dependencies: {}",
                    last_line(&output.stderr)
                );
            }
            let crates = String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter_map(|line| library(&serde_json::from_str(line).ok()?))
                .collect();
            let directory = self.target.join("debug/deps");
            self.externs = Some(Externs { crates, directory });
        }
        self.externs.as_ref().context("the exercises' dependencies")
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output> {
        let manifest = self.root.join("exercises/Cargo.toml");
        self.cargo_of(&manifest, &self.target, arguments)
    }

    fn cargo_of(&self, manifest: &Path, target: &Path, arguments: &[&str]) -> Result<Output> {
        let color = if std::io::stderr().is_terminal() {
            "always"
        } else {
            "never"
        };
        Command::new("cargo")
            .args(arguments)
            .arg("--manifest-path")
            .arg(manifest)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_TERM_COLOR", color)
            .current_dir(&self.root)
            // Variables of the cargo that may have started this very program.
            .env_remove("CARGO_MANIFEST_DIR")
            .output()
            .context("run cargo: is Rust installed and in PATH?")
    }
}

/// The program's name in `exercises/Cargo.toml`: `1-2-hostname-in-rust`.
pub fn binary_name(exercise: &Exercise) -> String {
    format!("{}-{}", exercise.id.replace('.', "-"), exercise.name)
}

/// What the kernel loads of a program: an ELF file up to the end of its last
/// segment. After that come names and lines for debuggers, most of a file that
/// is copied into each sandbox.
pub fn loaded(program: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(program);
    file.and_then(|file| {
        let mut header = [0; HEADERS];
        let length = file.read_at(&mut header, 0)?;
        let end = segments_end(&header[..length]).unwrap_or(u64::MAX);
        file.take(end).read_to_end(&mut bytes)
    })
    .with_context(|| format!("read {}", program.display()))?;
    // The table of sections lies behind, too: none.
    if segments_end(&bytes).is_some() {
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
    }
    Ok(bytes)
}

/// Where an ELF file's program headers lie, right after its own.
const HEADERS: usize = 4096;

/// The end of what an ELF file of 64 bits has for the loader. See elf(5).
fn segments_end(header: &[u8]) -> Option<u64> {
    const LITTLE_64: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = header.get(at..at + length)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    if !header.starts_with(&LITTLE_64) {
        return None;
    }
    // e_phoff, e_phentsize, e_phnum; of each p_offset and p_filesz.
    let (start, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let ends = (0..count).map(|index| {
        let at = usize::try_from(start + index * size).ok()?;
        number(at + 8, 8)?.checked_add(number(at + 0x20, 8)?)
    });
    ends.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// A library that cargo says it has built: name and path of its `.rlib`.
fn library(message: &Value) -> Option<(String, PathBuf)> {
    let is_library = message["target"]["kind"]
        .as_array()?
        .iter()
        .any(|kind| kind == "lib");
    let rlib = message["filenames"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .find(|name| name.ends_with(".rlib"))?;
    let name = message["target"]["name"].as_str()?.replace('-', "_");
    is_library.then(|| (name, PathBuf::from(rlib)))
}

fn is_writable(directory: &Path) -> bool {
    nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// Whether it was the compiler who refused, and not cargo.
fn is_refused(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).contains("error: could not compile")
}

/// The compiler's first error, else its last word.
fn first_error(text: &[u8]) -> String {
    let all = String::from_utf8_lossy(text);
    let error = all.lines().find(|line| line.starts_with("error"));
    error.map_or_else(|| last_line(text), str::to_owned)
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .lines()
        .last()
        .unwrap_or("no message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn what_is_loaded_of_a_program_runs_without_the_rest() {
        let own = std::env::current_exe().unwrap();
        let bytes = loaded(&own).unwrap();
        assert!((bytes.len() as u64) < fs::metadata(&own).unwrap().len());
        let copy = std::env::temp_dir().join(format!("tp-loaded-{}", std::process::id()));
        // Written by another process: a thread here may fork while it is open for
        // writing, and such a file is not executed.
        let script = "cat >\"$0\" && chmod 755 \"$0\" && exec \"$0\" --list";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(&copy).stdin(Stdio::piped());
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output();
        fs::remove_file(&copy).unwrap();
        let list = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(list.contains("what_is_loaded_of_a_program"), "{list}");
    }

    #[test]
    fn what_is_no_program_is_taken_whole() {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(loaded(&text).unwrap(), fs::read(&text).unwrap());
        assert_eq!(segments_end(b"\x7fELF\x02\x01"), None);
    }
}
