//! The same command lines through docker and through mini-docker.
//!
//! Each engine gets a machine of its own: a PID, network and mount namespace with an
//! empty /run, in which dockerd runs by itself. A scenario of `scenarios.yaml` is run in
//! both; compared are exit code, output, and what the kernel holds of a container, as
//! `tp inspect` shows it. What differs has to stand in `differences.yaml` with both sides
//! and the reason, and what stands there has to differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::normal::{normal, state};
use super::support::skipped;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// Shell lines; `docker` is the engine. They run in an empty folder.
    run: Vec<String>,
    /// Files of that folder.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// The container whose kernel state is compared, running at the end.
    state: Option<String>,
    /// Streams that are not compared: `out` of the first line is `out 1`.
    #[serde(default)]
    ignore: Vec<String>,
}

/// What the two do differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// A scenario's name, or `any`: in every scenario that has this fact.
    scenario: String,
    /// `code 1`, `out 2`, `err 1` (of that line), or a fact of the state.
    what: String,
    docker: String,
    mini: String,
    /// Where it is so: a version of docker (`20.10`) or of the cgroups (`v1`); else
    /// everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    #[serde(default)]
    reason: String,
}

#[test]
fn each_scenario_is_the_same_as_with_docker_or_its_difference_is_listed() {
    if !nix::unistd::geteuid().is_root() {
        return super::support::elsewhere("dockerd needs root");
    }
    let Some((docker, dockerd)) = programs() else {
        return skipped("docker and dockerd are not installed (docker.io)");
    };
    let scenarios: Vec<Scenario> = read("scenarios.yaml");
    let names: BTreeSet<String> = scenarios
        .iter()
        .map(|scenario| scenario.name.clone())
        .collect();
    assert_eq!(names.len(), scenarios.len(), "two scenarios have one name");
    let only = std::env::var("MINI_DOCKER_SCENARIO").unwrap_or_default();
    let scenarios: Vec<Scenario> = scenarios
        .into_iter()
        .filter(|one| one.name.contains(&only))
        .collect();

    let folder = std::env::temp_dir().join(format!("mini-docker-compare-{}", std::process::id()));
    let ours = Machine::start(&folder.join("mini"), Engine::Mini);
    let Some(theirs) = Machine::start_docker(&folder.join("docker"), &docker, &dockerd) else {
        drop(ours);
        let _ = fs::remove_dir_all(&folder);
        return skipped("dockerd does not start here");
    };
    let tp = Path::new(env!("CARGO_BIN_EXE_mini-docker")).with_file_name("tp");
    assert!(
        tp.exists(),
        "the states are read by `tp`: build it first (cargo build)"
    );
    let image = folder.join("base.tar");
    ours.must(&format!(
        "docker run --rm base true; docker save -o {} base",
        image.display()
    ));
    theirs.must(&format!("docker load -q -i {}", image.display()));

    let (docker, mini) = std::thread::scope(|scope| {
        let docker = scope.spawn(|| scenarios.iter().map(|one| theirs.play(one)).collect());
        let mini: Vec<BTreeMap<String, String>> =
            scenarios.iter().map(|one| ours.play(one)).collect();
        let docker: Vec<BTreeMap<String, String>> = docker.join().unwrap();
        (docker, mini)
    });
    drop((ours, theirs));
    let _ = fs::remove_dir_all(&folder);

    let mut found = BTreeSet::new();
    for (scenario, (docker, mini)) in scenarios.iter().zip(docker.iter().zip(&mini)) {
        let (docker, mini) = comparable(docker, mini);
        for what in docker.keys().chain(mini.keys()).collect::<BTreeSet<_>>() {
            let side = |facts: &BTreeMap<&String, &String>| {
                facts
                    .get(what)
                    .map_or_else(|| "(nothing)".to_string(), |value| (*value).clone())
            };
            let (docker, mini) = (side(&docker), side(&mini));
            if docker != mini && !scenario.ignore.contains(*what) {
                found.insert(Difference {
                    scenario: scenario.name.clone(),
                    what: (*what).clone(),
                    docker,
                    mini,
                    only: None,
                    reason: String::new(),
                });
            }
        }
    }
    let here = here(&dockerd);
    judge(found, &names, &here, only.is_empty());
}

/// Every difference is listed, and every one that is listed is there.
fn judge(found: BTreeSet<Difference>, names: &BTreeSet<String>, here: &[String], whole: bool) {
    let listed: Vec<Difference> = read("differences.yaml");
    let mut used = vec![false; listed.len()];
    let mut unlisted = Vec::new();
    for one in found {
        let matching = |entry: &Difference| {
            (entry.scenario == one.scenario || entry.scenario == "any")
                && (&entry.what, &entry.docker, &entry.mini) == (&one.what, &one.docker, &one.mini)
        };
        match listed.iter().position(matching) {
            Some(at) => used[at] = true,
            None => unlisted.push(one),
        }
    }
    for entry in &listed {
        assert!(!entry.reason.trim().is_empty(), "no reason: {entry:?}");
        let known = entry.scenario == "any" || names.contains(&entry.scenario);
        assert!(known, "no such scenario: {entry:?}");
    }
    let gone: Vec<&Difference> = listed
        .iter()
        .zip(used)
        .filter(|(entry, used)| {
            let expected = entry.only.as_ref().is_none_or(|place| here.contains(place));
            whole && !used && expected
        })
        .map(|(entry, _)| entry)
        .collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{} differences are not listed:\n{}\n{} listed ones are no more:\n{gone:#?}",
        unlisted.len(),
        serde_yaml::to_string(&unlisted).unwrap(),
        gone.len(),
    );
}

/// Where one side has no state (`state` says why), all of the other's is one difference.
fn comparable<'a>(
    docker: &'a BTreeMap<String, String>,
    mini: &'a BTreeMap<String, String>,
) -> (
    BTreeMap<&'a String, &'a String>,
    BTreeMap<&'a String, &'a String>,
) {
    let without = docker.contains_key("state") || mini.contains_key("state");
    let keep = |what: &str| {
        let stream = ["code ", "out ", "err "]
            .iter()
            .any(|kind| what.starts_with(kind));
        !without || stream || what == "state"
    };
    let side =
        |facts: &'a BTreeMap<String, String>| facts.iter().filter(|(what, _)| keep(what)).collect();
    (side(docker), side(mini))
}

/// What a difference's `only` may name: docker's version and the cgroups'.
fn here(dockerd: &Path) -> Vec<String> {
    let version = version(dockerd).unwrap_or_default();
    let version = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    vec![version, if v2 { "v2" } else { "v1" }.into()]
}

/// `20.10.24` of a program that prints `Docker version 20.10.24+dfsg1, build …`.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = text.split_whitespace().find(|word| word.contains('.'))?;
    let digits = word.trim_end_matches(',').split(['+', '-']).next();
    digits.map(String::from)
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/engine")
        .join(name);
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A client that is as old as its server: others print other things.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let path = std::env::var_os("PATH")?;
    let find = |program: &str| {
        let all = std::env::split_paths(&path).map(|folder| folder.join(program));
        all.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let dockerd = find("dockerd").into_iter().next()?;
    let wanted = version(&dockerd)?;
    let clients = find("docker");
    let same = clients
        .iter()
        .find(|client| version(client) == Some(wanted.clone()));
    Some((same?.clone(), dockerd))
}

enum Engine {
    Docker(PathBuf, PathBuf),
    Mini,
}

/// A place where one engine runs and nobody else.
struct Machine {
    folder: PathBuf,
    outside: Child,
    /// Process 1 of its PID namespace, as we see it.
    init: u32,
}

impl Machine {
    fn start(folder: &Path, engine: Engine) -> Self {
        for name in ["bin", "work"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let here = folder.display();
        let (client, server) = match &engine {
            Engine::Mini => (
                format!(
                    "MINI_DOCKER_ROOT={here}/store exec {}",
                    env!("CARGO_BIN_EXE_mini-docker")
                ),
                String::new(),
            ),
            Engine::Docker(client, server) => (
                format!("exec {} -H unix://{here}/socket", client.display()),
                format!(
                    "{} --data-root {here}/store --exec-root {here}/exec -p {here}/pid \
                     -H unix://{here}/socket --cgroup-parent /{} >{here}/log 2>&1 &",
                    server.display(),
                    cgroup_of(folder),
                ),
            ),
        };
        let script = folder.join("bin/docker");
        fs::write(&script, format!("#!/bin/sh\n{client} \"$@\"\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        // The shell stays as process 1 and reaps; all ends with it, and it with us.
        let inside = format!(
            "mount -t tmpfs tmpfs /run && ip link set lo up; {server} sleep infinity & wait"
        );
        let outside = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--fork",
                "--pid",
                "--kill-child",
            ])
            .args(["--mount-proc", "--mount", "--net", "sh", "-c", &inside])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let init = first_child(outside.id());
        Self {
            folder: folder.into(),
            outside,
            init,
        }
    }

    /// `None` where dockerd does not come up.
    fn start_docker(folder: &Path, docker: &Path, dockerd: &Path) -> Option<Self> {
        let machine = Self::start(folder, Engine::Docker(docker.into(), dockerd.into()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if machine.shell("docker version").status.success() {
                return Some(machine);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        eprintln!("dockerd: {}", log.lines().last().unwrap_or_default());
        None
    }

    /// A shell line inside, in its working folder.
    fn shell(&self, line: &str) -> Output {
        let here = self.folder.display();
        let init = self.init.to_string();
        Command::new("nsenter")
            .args([
                "--target", &init, "--mount", "--net", "--pid", "timeout", "60", "sh", "-c",
            ])
            .arg(format!("cd {here}/work && {line}"))
            .env("PATH", format!("{here}/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn must(&self, line: &str) {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}: {output:?}");
    }

    /// The facts of a scenario.
    fn play(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let work = self.folder.join("work");
        for (name, text) in &scenario.files {
            let path = work.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut facts = BTreeMap::new();
        for (number, line) in scenario.run.iter().enumerate() {
            let output = self.shell(line);
            let number = number + 1;
            let text = |bytes: &[u8]| normal(&String::from_utf8_lossy(bytes), &self.folder);
            facts.insert(
                format!("code {number}"),
                format!("{:?}", output.status.code()),
            );
            facts.insert(format!("out {number}"), text(&output.stdout));
            facts.insert(format!("err {number}"), text(&output.stderr));
        }
        if let Some(name) = &scenario.state {
            facts.extend(self.state(name));
        }
        self.shell(
            "c=$(docker ps -aq); v=; test -z \"$c\" || docker rm -fv $c; \
             v=$(docker volume ls -q); test -z \"$v\" || docker volume rm $v; \
             rm -rf ./* ./.[!.]*",
        );
        facts
    }

    /// What the kernel holds of a container, as its difference from process 1.
    fn state(&self, name: &str) -> BTreeMap<String, String> {
        let tp = Path::new(env!("CARGO_BIN_EXE_mini-docker")).with_file_name("tp");
        let tp = tp.display();
        let output = self.shell(&format!(
            "{tp} inspect --against 1 --format json $(docker inspect -f '{{{{.State.Pid}}}}' {name})"
        ));
        // One that does not run has no state: then that is what is compared.
        let Ok(value) = serde_json::from_slice::<Value>(&output.stdout) else {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            return BTreeMap::from([("state".into(), normal(&error, &self.folder))]);
        };
        state(&value["difference"], &self.folder)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Process 1 of the namespace: the kernel ends all others with it.
        let init = nix::unistd::Pid::from_raw(self.init as i32);
        let _ = nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL);
        let _ = self.outside.wait();
        let groups = Command::new("find")
            .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path"])
            .arg(format!("*/{}*", cgroup_of(&self.folder)))
            .args(["-exec", "rmdir", "{}", ";"])
            .stderr(Stdio::null())
            .status();
        drop(groups);
    }
}

fn cgroup_of(folder: &Path) -> String {
    let name = folder
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// unshare(1) forks once, for the new PID namespace.
fn first_child(parent: u32) -> u32 {
    loop {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        if let Some(child) = children.unwrap_or_default().split_whitespace().next() {
            let init = child.parse().unwrap();
            // Until the shell is there, the namespaces may not be.
            let name = fs::read_to_string(format!("/proc/{init}/comm")).unwrap_or_default();
            if name.trim() == "sh" {
                return init;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
