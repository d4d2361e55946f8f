//! Runs the ```console blocks of a text and compares.
//!
//! What a block may hold:
//!
//! - `$ COMMAND` as an ordinary user, `# COMMAND` as root of the machine. The
//!   first line chooses who you are; later prompts are checked against the real
//!   shell, which may be a nested one (`$ unshare -U -r bash`, then `# …`).
//! - `> MORE` continues the command above it.
//! - All else is output, standard error included. It must be equal, but for:
//!   `...` alone on a line: any number of lines; `…` inside a line: one word
//!   that differs from run to run (a PID, a time); ten-digit namespace numbers
//!   (`uts:[4026531838]`): other numbers, but within a block equal where the text
//!   has equal ones, and different where it has different ones.
//!
//! After ```` ```console ```` a word may say what the block is about:
//!
//! - `cgroups`: it makes cgroups. It runs in a delegated subtree, and what it prints
//!   is compared as if that were the root of the tree;
//! - `cgroups-v1`, `cgroups-v2`: the same, and it holds only where the memory
//!   controller is in that world. `.ci/run` covers both, one here and one in `.ci/vm`.
//!
//! Every block gets a machine of its own: new user, mount, PID, UTS, network, IPC
//! and cgroup namespaces, host name `machine`, every mount shared as systemd has
//! it, empty /tmp, /run and /home, an empty store for mini-docker, and never more
//! privileges on the real machine than an ordinary user. All commands of a block go
//! to one shell.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use labs::cgroups::{Machine, Version};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One block of a text.
pub struct Block {
    /// `README.md:12`
    pub place: String,
    pub about: About,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub struct Step {
    pub root: bool,
    pub command: String,
    pub output: Vec<String>,
}

/// The word after ```console.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum About {
    Anything,
    /// Cgroups, of one world or of either.
    Cgroups(Option<Version>),
    /// A word that nobody knows.
    Unknown,
}

impl About {
    fn of(word: &str) -> Self {
        match word.trim() {
            "" => Self::Anything,
            "cgroups" => Self::Cgroups(None),
            "cgroups-v1" => Self::Cgroups(Some(Version::V1)),
            "cgroups-v2" => Self::Cgroups(Some(Version::V2)),
            _ => Self::Unknown,
        }
    }
}

/// How a block went.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Same,
    Different(String),
    Skipped(String),
    /// Not to be had by this user on this machine, by the kernel's own rules.
    Elsewhere(String),
}

/// The ```console blocks of a Markdown text.
pub fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else if let Some(command) = line.strip_prefix("$ ").or(line.strip_prefix("# ")) {
                block.steps.push(Step {
                    root: line.starts_with('#'),
                    command: command.into(),
                    output: Vec::new(),
                });
            } else if let Some(step) = block.steps.last_mut() {
                match line.strip_prefix("> ") {
                    Some(more) if step.output.is_empty() => {
                        step.command.push('\n');
                        step.command.push_str(more);
                    }
                    _ => step.output.push(line.into()),
                }
            }
        } else if let Some(word) = line.strip_prefix("```console") {
            open = Some(Block {
                place: format!("{name}:{}", number + 2),
                about: About::of(word),
                steps: Vec::new(),
            });
        }
    }
    blocks
}

// Runs as root of the new namespaces; $1 is who the reader is, $2 the programs.
const MACHINE: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/labs
mount --bind "$2" /run/labs
mount -t tmpfs tmpfs /home
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -m 1777 /home/you
for file in /etc/bash.bashrc /etc/profile; do
    [ ! -e $file ] || mount --bind /dev/null $file
done
echo 'root:x:0:0::/home/you:/bin/bash
you:x:1000:1000::/home/you:/bin/bash' >/run/passwd
echo 'root:x:0:
you:x:1000:' >/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
mount --make-rshared /
hostname machine
! command -v ip >/dev/null || ip link set lo up
cd /home/you
# The engine's store: like all else gone with the machine.
export MINI_DOCKER_ROOT=/home/you/.mini-docker
export HOME=/home/you PATH=/run/labs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo ready
if [ "$1" = root ]; then
    bash --norc -s
else
    unshare --user --map-user=1000 --map-group=1000 bash --norc -s
fi
"#;

// Asked after each command: the exit status and who we are now. Only builtins,
// because a shell whose PID namespace has no PID 1 cannot fork.
const ASK: &str = "printf '\\036%s %s\\n' \"$?\" \"$EUID\"\n";

/// Longer than any command of the course; a shell that hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

impl Block {
    pub fn run(&self, programs: &Path) -> Outcome {
        let Some(first) = self.steps.first() else {
            return Outcome::Different(format!("{}: a block without a command", self.place));
        };
        if let Some(missing) = self.steps.iter().find_map(|step| missing(step, programs)) {
            return Outcome::Skipped(format!("{}: this machine has no `{missing}`", self.place));
        }

        let is_root = nix::unistd::geteuid().is_root();
        let delegated = match self.about {
            About::Unknown => {
                let place = &self.place;
                return Outcome::Different(format!("{place}: an unknown word after ```console"));
            }
            About::Anything => false,
            About::Cgroups(version) => match no_cgroups(version, is_root) {
                Some(reason) => return Outcome::Elsewhere(format!("{}: {reason}", self.place)),
                None => true,
            },
        };

        let (reader, writer) = std::io::pipe().unwrap();
        let mut machine = match delegated && is_root {
            true => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/delegated");
                let mut machine = Command::new(script);
                machine.args(["65534", "unshare"]);
                machine
            }
            false => Command::new("unshare"),
        };
        // A cgroup namespace would show another tree than the mounts do.
        if !delegated {
            machine.arg("--cgroup");
        }
        machine
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args([
                "--uts",
                "--ipc",
                "--net",
                "--mount-proc",
                "sh",
                "-c",
                MACHINE,
            ])
            .args(["sh", if first.root { "root" } else { "user" }])
            .arg(programs)
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("TERM", "dumb")])
            .envs([
                ("LC_ALL", "C.UTF-8"),
                ("COLUMNS", "80"),
                ("SHELL", "/bin/bash"),
            ])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        // What a chapter says may be wrong: real root must not be the one to try.
        if is_root && !delegated {
            machine.uid(65534).gid(65534);
        }
        let mut child = match machine.spawn() {
            Ok(child) => child,
            Err(error) => return Outcome::Skipped(format!("{}: unshare(1): {error}", self.place)),
        };
        drop(machine);
        let mut input = child.stdin.take().unwrap();

        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if send
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });

        let roots = match delegated {
            true => cgroup_roots(child.id()),
            false => Vec::new(),
        };
        let outcome = self.converse(&mut input, &lines, &roots);
        drop(input);
        // What delegates has to clean up: it is asked to end, not killed.
        let signal = if delegated && is_root {
            Signal::SIGTERM
        } else {
            Signal::SIGKILL
        };
        let _ = kill(Pid::from_raw(child.id() as i32), signal);
        let _ = child.wait();
        outcome
    }

    fn converse(
        &self,
        input: &mut impl Write,
        lines: &mpsc::Receiver<String>,
        roots: &[String],
    ) -> Outcome {
        let mut said = Vec::new();
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line == "ready" => break,
                Ok(line) => said.push(line),
                Err(_) => {
                    let place = &self.place;
                    return Outcome::Skipped(format!("{place}: no machine to run it in: {said:?}"));
                }
            }
        }

        let mut numbers = Numbers::default();
        let mut status = String::from("0");
        for (index, step) in self.steps.iter().enumerate() {
            let place = format!("{}: `{}`", self.place, step.command);
            // Asking has changed $?; give it back to who wants to show it.
            let before = match step.command.contains("$?") {
                true => format!("(exit {status})\n"),
                false => String::new(),
            };
            // The first question is asked before the command: who are we?
            let ask_first = if index == 0 { ASK } else { "" };
            if write!(input, "{ask_first}{before}{}\n{ASK}", step.command).is_err() {
                return Outcome::Different(format!("{place}: the shell has ended before it"));
            }

            let mut output = Vec::new();
            let mut to_come = if index == 0 { 2 } else { 1 };
            while to_come > 0 {
                let line = match lines.recv_timeout(PATIENCE) {
                    Ok(line) => roots.iter().fold(line, |line, root| line.replace(root, "")),
                    Err(_) => {
                        return Outcome::Different(format!(
                            "{place}: no answer, after printing:\n{}",
                            output.join("\n")
                        ));
                    }
                };
                let Some((text, answer)) = line.split_once('\u{1e}') else {
                    output.push(line);
                    continue;
                };
                if !text.is_empty() {
                    output.push(text.into());
                }
                let (now, user) = answer.split_once(' ').unwrap_or(("0", ""));
                status = now.into();
                to_come -= 1;
                // The prompt of the command that comes next: this one, or the next.
                let next = match to_come {
                    1 => Some(step),
                    _ => self.steps.get(index + 1),
                };
                if let Some(next) = next.filter(|_| !user.is_empty())
                    && next.root != (user == "0")
                {
                    let prompt = if next.root { '#' } else { '$' };
                    return Outcome::Different(format!(
                        "{}: `{prompt} {}`: the prompt says otherwise, but the user id is {user}; \
                         printed before it:\n{}",
                        self.place,
                        next.command,
                        output.join("\n")
                    ));
                }
            }
            if !numbers.same(&step.output, &output) {
                return Outcome::Different(format!(
                    "{place}\n--- the text says\n{}\n--- the machine prints\n{}",
                    step.output.join("\n"),
                    output.join("\n")
                ));
            }
        }
        Outcome::Same
    }
}

/// Why a block about cgroups cannot be run by this user on this machine.
fn no_cgroups(version: Option<Version>, is_root: bool) -> Option<String> {
    let Ok(machine) = Machine::look(None) else {
        return Some("no cgroups are mounted here".into());
    };
    let Some(memory) = machine.find("memory") else {
        return Some("no memory controller is mounted here".into());
    };
    if version.is_some_and(|version| version != memory.version) {
        return Some(format!(
            "it is about the other world; this is {:?}",
            memory.version
        ));
    }
    let probe = memory
        .base()
        .join(format!("transcript-{}", std::process::id()));
    let refused = !is_root && std::fs::create_dir(&probe).is_err();
    let _ = std::fs::remove_dir(&probe);
    refused.then(|| "no cgroup is delegated to this user; `.ci/delegated` does".into())
}

/// What to leave out of paths so that the delegated cgroup reads as the root.
fn cgroup_roots(delegating: u32) -> Vec<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let mut roots: Vec<String> = match nix::unistd::geteuid().is_root() {
        // As `.ci/delegated` calls it, below our own cgroup or one above that.
        true => own
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .flat_map(|path| Path::new(path).ancestors())
            .map(|path| path.join(format!("tp-delegated-{delegating}")))
            .map(|path| path.display().to_string())
            .collect(),
        false => Machine::look(None)
            .unwrap()
            .hierarchies
            .iter()
            .filter_map(|one| {
                one.base()
                    .strip_prefix(&one.point)
                    .ok()
                    .map(Path::to_path_buf)
            })
            .filter(|path| !path.as_os_str().is_empty())
            .map(|path| format!("/{}", path.display()))
            .collect(),
    };
    roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
    roots
}

/// The first program of a command line that this machine does not have.
fn missing(step: &Step, programs: &Path) -> Option<String> {
    const BUILTIN: &[&str] = &[
        "cd", "echo", "exit", "export", "for", "kill", "printf", "read", "set", "sleep", "true",
        "ulimit", "umask", "until", "do", "done", "wait", "while", "exec", "command", "test",
    ];
    let folders = [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];
    step.command
        // What is between `$(` and `)` is a command of its own.
        .replace("$(", ";")
        .split(['|', ';', '&', '\n'])
        .filter_map(|part| part.split_whitespace().find(|word| !word.contains('=')))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
        .filter(|word| !BUILTIN.contains(word) && !programs.join(word).exists())
        .find(|word| {
            !folders
                .iter()
                .any(|folder| Path::new(folder).join(word).exists())
        })
        .map(String::from)
}

/// Namespace numbers of the text, and those of the machine: one for one.
#[derive(Clone, Default)]
struct Numbers {
    theirs: BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
}

impl Numbers {
    fn same(&mut self, expected: &[String], found: &[String]) -> bool {
        match expected.split_first() {
            None => found.is_empty(),
            Some((line, rest)) if line == "..." => (0..=found.len()).any(|skip| {
                let mut tried = self.clone();
                let same = tried.same(rest, &found[skip..]);
                if same {
                    *self = tried;
                }
                same
            }),
            Some((line, rest)) => found
                .split_first()
                .is_some_and(|(first, more)| self.same_line(line, first) && self.same(rest, more)),
        }
    }

    fn same_line(&mut self, expected: &str, found: &str) -> bool {
        // Columns move with the width of a number: blanks count as one.
        let (expected, found) = (words(expected), words(found));
        expected.len() == found.len()
            && expected
                .iter()
                .zip(&found)
                .all(|(e, f)| self.same_word(e, f))
    }

    fn same_word(&mut self, expected: &str, found: &str) -> bool {
        if let Some((before, after)) = expected.split_once('…') {
            return found.len() > before.len() + after.len()
                && found.starts_with(before)
                && found.ends_with(after);
        }
        let (expected, found) = (pieces(expected), pieces(found));
        expected.len() == found.len()
            && expected.iter().zip(&found).all(|(e, f)| {
                if !(is_namespace(e) && is_namespace(f)) {
                    return e == f;
                }
                let theirs = self.theirs.entry(e.to_string()).or_insert(f.to_string());
                let ours = self.ours.entry(f.to_string()).or_insert(e.to_string());
                theirs == f && ours == e
            })
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Cuts a word between digits and all else.
fn pieces(word: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = word.char_indices().collect();
    let mut cuts = vec![0];
    for pair in characters.windows(2) {
        if pair[0].1.is_ascii_digit() != pair[1].1.is_ascii_digit() {
            cuts.push(pair[1].0);
        }
    }
    cuts.push(word.len());
    cuts.windows(2).map(|cut| &word[cut[0]..cut[1]]).collect()
}

/// The kernel numbers namespaces from 0xf0000000 on, and its first ones just below.
fn is_namespace(piece: &str) -> bool {
    piece.len() == 10
        && piece
            .parse::<u64>()
            .is_ok_and(|number| number >= 0xefff_ff00)
}
