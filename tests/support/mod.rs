//! What the tests share: a course of their own, in a folder of their own, and
//! the real program run on it.

// Each test program uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A folder that is gone when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "tp-test-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A course of the test's own, with a home and a state folder beside it.
pub struct Course {
    pub folder: Folder,
}

impl Course {
    pub fn new() -> Self {
        let folder = Folder::new();
        folder.write("course/course.md", "# A course for tests\n");
        folder.write(
            "course/course.yaml",
            "id: test-course\nversion: \"0.0.1\"\n",
        );
        folder.write("course/exercises/Cargo.toml", "");
        folder.write("home/letter.txt", "do not touch\n");
        folder.write("home/.profile", "# do not touch\n");
        Self { folder }
    }

    /// Adds a shell exercise `id` (`1.1`) whose work file is `work`.
    pub fn shell(&self, id: &str, name: &str, spec: &str, expected: &str, work: &str) {
        let directory = self.directory(id, name);
        let spec = format!("version: 1\nkind: shell\n{spec}");
        for (file, content) in [
            ("README.md", format!("# {name}\n")),
            ("exercise.yaml", spec),
            ("expected.yaml", expected.to_owned()),
            (
                "hints.yaml",
                "- when: any\n  hints: [one, two, three]\n".to_owned(),
            ),
            ("work.sh", work.to_owned()),
        ] {
            self.folder
                .write(&format!("course/exercises/{directory}/{file}"), &content);
        }
    }

    pub fn directory(&self, id: &str, name: &str) -> String {
        let (chapter, number) = id.split_once('.').unwrap();
        format!("{chapter:0>2}-chapter/{number}-{name}")
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.0.join(inside)
    }

    /// The program, set up to use this course and nothing of the user's.
    pub fn tp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tp"));
        command
            .args(arguments)
            .env("TP_COURSE", self.path("course"))
            .env("TP_STATE_DIR", self.path("state"))
            .env("HOME", self.path("home"))
            .env_remove("TP_LANG")
            .current_dir(self.path("home"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.tp(arguments).output().unwrap()
    }

    /// The result document of `tp check ID --format json`.
    pub fn check(&self, id: &str) -> Value {
        let output = self.run(&["check", id, "--format", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr))
        })
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a sandbox can be opened here. If not, says so; when the peers are
/// required, that is a failure.
pub fn sandbox_or_skip() -> bool {
    let plan = tp::sandbox::Plan {
        argv: vec!["/bin/true".into()],
        ..Default::default()
    };
    match tp::sandbox::Sandbox::open(&plan) {
        Ok((sandbox, _)) => {
            sandbox.close();
            true
        }
        Err(error) => {
            skip(&format!("no sandbox on this machine: {error:#}"));
            false
        }
    }
}

/// A skip that can be seen, and that is a failure where nothing may be skipped.
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    eprintln!("SKIPPED: {reason}");
    assert!(
        std::env::var_os("TP_REQUIRE_PEERS").is_none(),
        "SKIPPED, but required: {reason}"
    );
}

/// Ids of the checks of the (only) exercise that have this status.
pub fn ids(document: &Value, status: &str) -> Vec<String> {
    let checks = document["exercises"][0]["checks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    checks
        .iter()
        .filter(|check| check["status"] == status)
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
