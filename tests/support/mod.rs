//! What the tests share: a course of their own, in a folder of their own, and
//! the real program run on it.

// Each test program uses its own part of this.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use serde_json::Value;

/// Somebody without any rights, when the tests themselves run as root.
const ORDINARY: u32 = 1234;

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

    /// Adds a question: `answer` is the file as the student is given it.
    pub fn question(&self, id: &str, name: &str, scenario: &str, expected: &str, answer: &str) {
        self.shell(id, name, "", expected, "");
        let directory = self.directory(id, name);
        let write = |file: &str, text: &str| {
            self.folder
                .write(&format!("course/exercises/{directory}/{file}"), text);
        };
        write("exercise.yaml", "version: 1\nkind: question\n");
        write("scenario.sh", scenario);
        write("answer.yaml", answer);
        fs::remove_file(self.exercise(id, name).join("work.sh")).unwrap();
    }

    /// Adds a Rust exercise, and the package in which it is built. It has no
    /// dependencies, so that nothing has to be fetched.
    pub fn rust(&self, id: &str, name: &str, expected: &str, work: &str) {
        self.shell(id, name, "", expected, "");
        let directory = self.directory(id, name);
        let manifest = self.path("course/exercises/Cargo.toml");
        let mut package = fs::read_to_string(&manifest).unwrap();
        if package.is_empty() {
            package = "[package]\nname = \"exercises\"\nversion = \"0.0.1\"\nedition = \"2024\"\n\
                       autobins = false\n\n[workspace]\n\n[lib]\npath = \"lib.rs\"\n"
                .to_owned();
        }
        let bin = format!("{}-{name}", id.replace('.', "-"));
        package += &format!("\n[[bin]]\nname = \"{bin}\"\npath = \"{directory}/work.rs\"\n");
        self.folder.write("course/exercises/Cargo.toml", &package);
        self.folder.write("course/exercises/lib.rs", "");
        let write = |file: &str, text: &str| {
            self.folder
                .write(&format!("course/exercises/{directory}/{file}"), text);
        };
        write("exercise.yaml", "version: 1\nkind: rust\n");
        write("work.rs", work);
        fs::remove_file(self.exercise(id, name).join("work.sh")).unwrap();
    }

    /// Adds a file to the solution of an exercise: `work.sh`, `wrong/late.sh`.
    pub fn solution(&self, id: &str, name: &str, file: &str, text: &str) {
        let directory = self.directory(id, name);
        self.folder
            .write(&format!("course/solutions/{directory}/{file}"), text);
    }

    /// The folder of an exercise.
    pub fn exercise(&self, id: &str, name: &str) -> PathBuf {
        self.path("course/exercises").join(self.directory(id, name))
    }

    /// Writes a file of the exercise anew.
    pub fn put(&self, id: &str, name: &str, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.exercise(id, name).join(file), content).unwrap();
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
            .env("LC_ALL", "C")
            .env("NO_COLOR", "1")
            .current_dir(self.path("home"))
            .stdin(Stdio::null());
        // rustup keeps its toolchains in the home that is not used here.
        if std::env::var_os("RUSTUP_HOME").is_none()
            && let Some(home) = std::env::var_os("HOME")
        {
            let toolchains = Path::new(&home).join(".rustup");
            if toolchains.is_dir() {
                command.env("RUSTUP_HOME", toolchains);
            }
        }
        command
    }

    /// The program as an ordinary user runs it: the user of the tests, or
    /// nobody in particular where that is root. The course is theirs.
    pub fn tp_as_ordinary(&self, arguments: &[&str]) -> Command {
        let mut command = self.tp(arguments);
        if !geteuid().is_root() {
            return command;
        }
        chown(&self.folder.0);
        // Through a descriptor, because the program may lie where others
        // cannot enter.
        let program = File::open(command.get_program()).unwrap();
        let mut opened = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        opened
            .arg0("tp")
            .args(command.get_args())
            .stdin(Stdio::null())
            .current_dir(self.path("home"))
            .uid(ORDINARY)
            .gid(ORDINARY);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => opened.env(name, value),
                None => opened.env_remove(name),
            };
        }
        std::mem::swap(&mut command, &mut opened);
        // SAFETY: makes one system call.
        unsafe {
            command.pre_exec(move || {
                fcntl(&program, FcntlArg::F_SETFD(FdFlag::empty()))?;
                Ok(())
            })
        };
        command
    }

    /// The same on a machine of its own making: `change` is called with every
    /// capability in a new user and mount namespace, in which the user keeps
    /// their id.
    pub fn tp_in_namespace<F>(&self, arguments: &[&str], change: F) -> Command
    where
        F: Fn() -> io::Result<()> + Send + Sync + 'static,
    {
        let mut command = self.tp_as_ordinary(arguments);
        // SAFETY: after the fork only system calls and small buffers.
        unsafe {
            command.pre_exec(move || {
                let (uid, gid) = (geteuid(), getegid());
                unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
                // A change of user made /proc/self root's own.
                nix::sys::prctl::set_dumpable(true)?;
                fs::write("/proc/self/setgroups", "deny")?;
                fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
                fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
                change()
            })
        };
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

/// Gives a folder and all in it to the ordinary user.
fn chown(path: &Path) {
    std::os::unix::fs::lchown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            chown(&entry.unwrap().path());
        }
    }
}

/// Whether a sandbox can be opened here. If not, says so; when the peers are
/// required, that is a failure.
pub fn sandbox_or_skip() -> bool {
    // The program is asked: the fork of a test, which has threads, may find a
    // lock that nobody in the child will ever open.
    static PROBED: OnceLock<Result<(), String>> = OnceLock::new();
    let probed = PROBED.get_or_init(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_tp"))
            .args(["doctor", "--format", "json"])
            .output()
            .map_err(|error| error.to_string())?;
        let document: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let features = document["features"].as_array();
        let sandbox = features
            .and_then(|features| features.iter().find(|one| one["feature"] == "sandbox"))
            .ok_or("tp doctor does not tell of the sandbox")?;
        match sandbox["works"] == true {
            true => Ok(()),
            false => Err(sandbox.to_string()),
        }
    });
    if let Err(error) = probed {
        skip(&format!("no sandbox on this machine: {error}"));
    }
    probed.is_ok()
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

/// The one line `error: …` that is all the program said.
pub fn error_line(output: &Output, code: i32) -> String {
    let stderr = text(&output.stderr);
    let told = format!("stdout: {}\nstderr: {stderr}", text(&output.stdout));
    assert!(!stderr.contains("panicked"), "{told}");
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert_eq!(stderr.lines().count(), 1, "one line is clear: {told}");
    assert!(stderr.starts_with("error: "), "{told}");
    stderr.trim_end().to_owned()
}

/// What a command printed that was to end with this code.
pub fn printed(output: &Output, code: i32) -> String {
    let told = format!(
        "stdout: {}\nstderr: {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    text(&output.stdout)
}
