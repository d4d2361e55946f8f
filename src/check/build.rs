//! Building a Rust exercise, apart from the runner: one that does not compile
//! is shown with the compiler's own message and breaks nothing.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::course::catalogue::{Catalogue, Exercise};

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
        }
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
        let color = if std::io::stderr().is_terminal() {
            "always"
        } else {
            "never"
        };
        Command::new("cargo")
            .args(arguments)
            .arg("--manifest-path")
            .arg(self.root.join("exercises/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &self.target)
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

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .lines()
        .last()
        .unwrap_or("no message")
        .to_owned()
}
