//! What the engine's tests share: a store of one's own, commands, skips.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use labs::explain::Explain;
use labs::network::{Netlink, set_up};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{setgid, setgroups, setuid};

/// A store that only one test uses, in a folder that goes with it.
#[derive(Debug)]
pub struct Store {
    pub folder: PathBuf,
    /// Where root's commands run: whatever becomes of a test, no bridge and no rule of
    /// its engine is the machine's. An ordinary user can make none.
    network: Option<OwnedFd>,
    /// Whether the commands are an ordinary user's, while the test is root's.
    as_user: bool,
}

/// The number of `lo`, the first device of every network.
const LOOPBACK: u32 = 1;

/// A user that is nobody on this machine.
const USER: u32 = 4242;

impl Store {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mini-docker-test-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            network: nix::unistd::geteuid().is_root().then(network),
            as_user: false,
        }
    }

    /// One for each who may run a test: root and an ordinary user where the test is
    /// root's, else whoever runs it.
    pub fn everybodys() -> Vec<Self> {
        let mut stores = vec![Self::new()];
        if nix::unistd::geteuid().is_root() {
            let mut store = Self::new();
            store.as_user = true;
            std::os::unix::fs::chown(&store.folder, Some(USER), Some(USER)).unwrap();
            match store.command(&["--version"]).output() {
                Ok(output) if output.status.success() => stores.push(store),
                _ => {
                    store.as_user = false;
                    skipped("an ordinary user cannot reach the binary");
                }
            }
        }
        stores
    }

    /// Whether the engine has root's rights here.
    pub fn is_root(&self) -> bool {
        nix::unistd::geteuid().is_root() && !self.as_user
    }

    /// `mini-docker WORDS…` on this store.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_mini-docker")));
        command.env("MINI_DOCKER_ROOT", self.folder.join("store"));
        command.args(words);
        let as_user = self.as_user;
        if as_user {
            command.current_dir(&self.folder);
        }
        if let Some(network) = &self.network {
            let network = network.try_clone().unwrap();
            // Who it is to be comes last: an ordinary user enters no such network.
            let enter = move || {
                setns(network.as_fd(), CloneFlags::CLONE_NEWNET)?;
                if as_user {
                    setgroups(&[])?;
                    setgid(USER.into())?;
                    setuid(USER.into())?;
                }
                Ok(())
            };
            // SAFETY: it makes system calls alone, which is all that a forked child may.
            unsafe { command.pre_exec(enter) };
        }
        command
    }

    /// What it printed to standard error, of a command that fails with `code`.
    pub fn fails(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap().trim_end().into()
    }

    /// A field of `inspect`, by its JSON pointer.
    pub fn field(&self, name: &str, pointer: &str) -> serde_json::Value {
        let text = self.printed(&["inspect", name]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value[0].pointer(pointer).cloned().unwrap_or_default()
    }

    /// The same, to success: what it printed, without the last line's end.
    pub fn printed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Containers first, with all that they have on the machine.
        let ids = self.run(&["ps", "-aq"]);
        for id in String::from_utf8_lossy(&ids.stdout).lines() {
            self.run(&["rm", "-fv", id]);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A network with nothing but `lo`, which is gone with the last process in it and us.
fn network() -> OwnedFd {
    // unshare(2) moves a thread; this one ends there.
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let explain = Explain::new(false);
        let mut netlink = Netlink::open(explain).unwrap();
        set_up(&mut netlink, explain, LOOPBACK, true).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap().into()
    });
    made.join().unwrap()
}

/// Says aloud that this user cannot see the thing here, and root does: `.ci/run` runs
/// every test as both.
pub fn elsewhere(reason: &str) {
    eprintln!("ELSEWHERE: {reason}");
}

/// Says aloud that a test is skipped; where peers are required, that is a failure.
pub fn skipped(reason: &str) {
    assert!(
        std::env::var_os("TP_REQUIRE_PEERS").is_none(),
        "skipped although it may not be: {reason}"
    );
    eprintln!("SKIPPED: {reason}");
}
