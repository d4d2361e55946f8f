//! A container's life: from `run` to `rm`, inside and outside.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::support::Store;

/// Waits for something that another process is about to do.
fn soon(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn run<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--net", "none"], words].concat()
}

/// A container in the background that does nothing, and ends at once when asked: its
/// handler is there.
fn idle(store: &Store, name: &str, flags: &[&str]) -> String {
    let program = [
        "base",
        "sh",
        "-c",
        "trap 'exit 3' TERM; while :; do sleep 0.05; done",
    ];
    let id = store.printed(&run(&[&["-d", "--name", name], flags, &program].concat()));
    catches(store, name, Signal::SIGTERM);
    id
}

/// Waits until a container's program has a handler for a signal: before that its PID
/// namespace's first process would not even hear it.
fn catches(store: &Store, name: &str, signal: Signal) {
    let pid = store.field(name, "/State/Pid");
    soon("it has a handler", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mut lines = status.lines();
        let caught = lines.find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << (signal as i32 - 1) != 0
    });
}

#[test]
fn output_errors_and_exit_code_are_the_containers() {
    for store in Store::everybodys() {
        let script = "echo out; echo err >&2; exit 7";
        let output = store.run(&run(&["--rm", "base", "sh", "-c", script]));
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(store.printed(&["ps", "-aq"]), "", "--rm leaves nothing");
    }
}

#[test]
fn a_signal_that_ends_it_is_128_and_its_number() {
    for store in Store::everybodys() {
        let script = "sh -c 'kill -SEGV $$'; exit $?";
        assert_eq!(
            store
                .run(&run(&["--rm", "base", "sh", "-c", script]))
                .status
                .code(),
            Some(139)
        );
    }
}

#[test]
fn a_program_that_is_not_there_is_127_and_one_that_may_not_be_run_126() {
    for store in Store::everybodys() {
        let text = store.fails(&run(&["--rm", "base", "nosuch"]), 127);
        assert!(
            text.contains(r#"exec: "nosuch": executable file not found in $PATH"#),
            "{text}"
        );
        store.fails(&run(&["--rm", "base", "/etc"]), 126);
        store.fails(&run(&["--rm", "base", "/no/such"]), 127);
        let text = store.fails(&run(&["--rm", "nosuchimage"]), 125);
        assert!(text.contains("nosuchimage"), "{text}");
        let text = store.fails(&run(&["--nosuch", "base"]), 125);
        assert!(text.contains("unknown flag: --nosuch"), "{text}");
        assert_eq!(store.printed(&["ps", "-aq"]), "");
    }
}

#[test]
fn every_byte_of_the_output_arrives_and_is_kept() {
    for store in Store::everybodys() {
        let script = "head -c 3000000 /dev/zero | tr '\\0' 'x'";
        let output = store.run(&run(&["--name", "big", "base", "sh", "-c", script]));
        assert_eq!(output.stdout.len(), 3_000_000);
        assert_eq!(store.run(&["logs", "big"]).stdout.len(), 3_000_000);
    }
}

#[test]
fn input_reaches_the_program_and_its_end_too() {
    for store in Store::everybodys() {
        let mut child = store
            .command(&run(&["--rm", "-i", "base", "sh", "-c", "cat; echo end"]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // More than all the buffers between us and `cat`, while it answers.
        let text = "abcdefg\n".repeat(100_000);
        let mut stdin = child.stdin.take().unwrap();
        let sent = text.clone();
        let writer = std::thread::spawn(move || stdin.write_all(sent.as_bytes()));
        let mut back = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut back)
            .unwrap();
        writer.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(back.len(), text.len() + 4);
        assert!(back.ends_with("end\n"));
    }
}

#[test]
fn without_i_there_is_no_input() {
    for store in Store::everybodys() {
        let mut child = store
            .command(&run(&["--rm", "base", "cat"]))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // Our end stays open, and it ends all the same.
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_container_in_the_background_is_seen_stopped_started_and_removed() {
    for store in Store::everybodys() {
        let id = idle(&store, "web", &[]);
        assert_eq!(id.len(), 64);
        assert_eq!(store.printed(&["ps", "-q"]), id[..12]);
        let pid = store.field("web", "/State/Pid").as_i64().unwrap();
        assert!(
            Path::new(&format!("/proc/{pid}")).exists(),
            "outside it is a process"
        );
        assert_eq!(
            store
                .printed(&[
                    "exec",
                    "web",
                    "sh",
                    "-c",
                    "echo $$; readlink /proc/1/exe | wc -l"
                ])
                .lines()
                .count(),
            2
        );

        assert_eq!(store.printed(&["stop", "web"]), "web");
        assert_eq!(
            store.field("web", "/State/ExitCode"),
            3,
            "its own handler ran"
        );
        assert_eq!(store.field("web", "/State/Status"), "exited");
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert_eq!(store.printed(&["wait", "web"]), "3");

        assert_eq!(store.printed(&["start", "web"]), "web");
        assert_eq!(store.field("web", "/State/Running"), true);
        let text = store.fails(&["rm", "web"], 1);
        assert!(text.contains("container is running"), "{text}");
        assert_eq!(store.printed(&["rm", "-f", "web"]), "web");
        let text = store.fails(&["start", "web"], 1);
        assert!(text.contains("No such container: web"), "{text}");
    }
}

#[test]
fn who_ignores_the_stop_signal_is_killed_after_the_timeout() {
    for store in Store::everybodys() {
        let ignores = "trap '' TERM; while :; do sleep 0.05; done";
        store.printed(&run(&["-d", "--name", "deaf", "base", "sh", "-c", ignores]));
        store.printed(&["stop", "-t", "0", "deaf"]);
        assert_eq!(store.printed(&["wait", "deaf"]), "137");
    }
}

#[test]
fn the_stop_signal_is_the_one_that_was_asked_for() {
    for store in Store::everybodys() {
        let script = "trap 'exit 9' USR1; while :; do sleep 0.05; done";
        let flags = [
            "-d",
            "--name",
            "one",
            "--stop-signal",
            "USR1",
            "base",
            "sh",
            "-c",
            script,
        ];
        store.printed(&run(&flags));
        catches(&store, "one", Signal::SIGUSR1);
        store.printed(&["stop", "one"]);
        assert_eq!(store.printed(&["wait", "one"]), "9");
    }
}

#[test]
fn kill_sends_any_signal_by_name_and_by_number() {
    for store in Store::everybodys() {
        let script =
            "trap 'echo hup' HUP; trap 'exit 4' USR2; echo ready; while :; do sleep 0.05; done";
        store.printed(&run(&["-d", "--name", "sig", "base", "sh", "-c", script]));
        soon("ready", || store.printed(&["logs", "sig"]) == "ready");
        store.printed(&["kill", "-s", "1", "sig"]);
        soon("hup", || store.printed(&["logs", "sig"]).contains("hup"));
        store.printed(&["kill", "--signal", "SIGUSR2", "sig"]);
        assert_eq!(store.printed(&["wait", "sig"]), "4");
        assert!(store.fails(&["kill", "sig"], 1).contains("is not running"));
        assert!(
            store
                .fails(&["kill", "-s", "NOSUCH", "sig"], 1)
                .contains("invalid signal: NOSUCH")
        );
    }
}

#[test]
fn signals_of_an_attached_run_reach_the_container() {
    for store in Store::everybodys() {
        let script = "trap 'echo got; exit 6' TERM; echo ready; while :; do sleep 0.05; done";
        let mut child = store
            .command(&run(&["--rm", "base", "sh", "-c", script]))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        out.read_exact(&mut ready).unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "got\n");
        assert_eq!(child.wait().unwrap().code(), Some(6));
    }
}

#[test]
fn exec_has_output_exit_code_input_variables_and_folder() {
    for store in Store::everybodys() {
        idle(&store, "web", &["-e", "OWN=1"]);
        let script = "echo $OWN $MORE; pwd; cat; echo err >&2; exit 5";
        let words = [
            "exec", "-i", "-e", "MORE=2", "-w", "/tmp", "web", "sh", "-c", script,
        ];
        let mut child = store
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"in\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1 2\n/tmp\nin\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(output.status.code(), Some(5));
        store.fails(&["exec", "web", "nosuch"], 127);
        store.fails(&["exec", "web", "/etc"], 126);
        store.printed(&["exec", "-d", "web", "touch", "/tmp/there"]);
        soon("the detached one has run", || {
            store
                .run(&["exec", "web", "test", "-e", "/tmp/there"])
                .status
                .success()
        });
        store.printed(&["rm", "-f", "web"]);
        assert!(
            store
                .fails(&["exec", "web", "true"], 1)
                .contains("No such container")
        );
    }
}

#[test]
fn exec_ends_with_its_container() {
    for store in Store::everybodys() {
        idle(&store, "web", &[]);
        let mut child = store
            .command(&["exec", "web", "sleep", "1000"])
            .spawn()
            .unwrap();
        soon("it runs", || {
            store.printed(&["exec", "web", "ps"]).contains("sleep 1000")
        });
        store.printed(&["kill", "web"]);
        assert_eq!(child.wait().unwrap().code(), Some(137));
    }
}

#[test]
fn paused_processes_stand_still() {
    for store in Store::everybodys() {
        let script = "i=0; while :; do i=$((i+1)); echo $i > /tmp/i; done";
        store.printed(&run(&["-d", "--name", "busy", "base", "sh", "-c", script]));
        let paused = store.run(&["pause", "busy"]);
        if !paused.status.success() {
            let text = String::from_utf8_lossy(&paused.stderr);
            assert!(!store.is_root() && text.contains("no cgroup"), "{text}");
            continue;
        }
        assert_eq!(store.field("busy", "/State/Status"), "paused");
        let pid = store.field("busy", "/State/Pid").as_i64().unwrap();
        let used = || std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
        let before = used();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(used(), before, "not one nanosecond");
        assert!(
            store
                .fails(&["pause", "busy"], 1)
                .contains("is already paused")
        );
        assert!(
            store
                .fails(&["exec", "busy", "true"], 1)
                .contains("is paused")
        );
        store.printed(&["unpause", "busy"]);
        soon("it goes on", || used() != before);
        store.printed(&["pause", "busy"]);
        store.printed(&["rm", "-f", "busy"]);
    }
}

#[test]
fn a_name_is_one_containers_alone() {
    for store in Store::everybodys() {
        let id = store.printed(&["create", "--name", "web", "base", "true"]);
        let text = store.fails(&["create", "--name", "web", "base", "true"], 1);
        assert!(
            text.contains("Conflict. The container name \"/web\" is already in use"),
            "{text}"
        );
        assert!(text.contains(&id), "{text}");
        store.printed(&["rename", "web", "old"]);
        let other = store.printed(&["create", "--name", "web", "base", "true"]);
        assert!(
            store
                .fails(&["rename", "old", "web"], 1)
                .contains("Conflict")
        );
        assert_eq!(store.field("old", "/Id"), id.as_str());
        assert_eq!(store.field("web", "/Id"), other.as_str());
        for bad in ["../x", "-a", "a/b", "a b", "x"] {
            let name = format!("--name={bad}");
            assert!(
                store
                    .fails(&["create", &name, "base"], 1)
                    .contains("Invalid container name")
            );
        }
        assert_eq!(store.printed(&["rm", &id[..12], "web"]).lines().count(), 2);
    }
}

#[test]
fn restart_policies_start_it_again_and_count() {
    for store in Store::everybodys() {
        let script = "echo run; exit 1";
        let flags = [
            "-d",
            "--name",
            "again",
            "--restart",
            "on-failure:2",
            "base",
            "sh",
            "-c",
            script,
        ];
        store.printed(&run(&flags));
        assert_eq!(store.printed(&["wait", "again"]), "1");
        assert_eq!(store.printed(&["logs", "again"]), "run\nrun\nrun");
        assert_eq!(store.field("again", "/RestartCount"), 2);

        let flags = [
            "-d",
            "--name",
            "ever",
            "--restart",
            "always",
            "base",
            "sh",
            "-c",
            "echo run",
        ];
        store.printed(&run(&flags));
        soon("three runs", || {
            store.printed(&["logs", "ever"]).lines().count() >= 3
        });
        store.printed(&["stop", "ever"]);
        assert_eq!(
            store.field("ever", "/State/Status"),
            "exited",
            "stopped by hand it stays so"
        );
        let text = store.fails(&run(&["--rm", "--restart", "always", "base", "true"]), 125);
        assert!(text.contains("--restart and --rm"), "{text}");
    }
}

#[test]
fn logs_have_streams_tails_times_and_follow() {
    for store in Store::everybodys() {
        let script = "echo a; echo b; echo c >&2; printf d";
        store.run(&run(&["--name", "log", "base", "sh", "-c", script]));
        let output = store.run(&["logs", "log"]);
        assert_eq!(
            (&output.stdout[..], &output.stderr[..]),
            (&b"a\nb\nd"[..], &b"c\n"[..])
        );
        assert_eq!(store.printed(&["logs", "--tail", "1", "log"]), "d");
        assert_eq!(
            store.printed(&["logs", "--since", "2999-01-01T00:00:00Z", "log"]),
            ""
        );
        assert_eq!(store.printed(&["logs", "--until", "1h", "log"]), "");
        let dated = store.printed(&["logs", "-t", "log"]);
        let (time, text) = dated.lines().next().unwrap().split_once(' ').unwrap();
        assert_eq!((time.len(), text), (30, "a"), "{dated}");

        let script = "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done";
        store.printed(&run(&["-d", "--name", "slow", "base", "sh", "-c", script]));
        assert_eq!(store.printed(&["logs", "-f", "slow"]), "1\n2\n3\n4\n5");
    }
}

#[test]
fn logs_take_turns_when_they_are_full() {
    for store in Store::everybodys() {
        let script = "for i in $(seq 1 2000); do echo line-$i; done";
        let flags = [
            "--log-opt",
            "max-size=16k",
            "--log-opt",
            "max-file=2",
            "--name",
            "turn",
        ];
        let printed = store.run(&run(&[&flags[..], &["base", "sh", "-c", script]].concat()));
        assert!(printed.status.success());
        let kept = store.printed(&["logs", "turn"]);
        assert!(kept.ends_with("line-2000"));
        assert!(!kept.contains("line-1\n"), "the oldest are gone");
        let id = store.field("turn", "/Id");
        let folder = store
            .folder
            .join("store/containers")
            .join(id.as_str().unwrap());
        let logs = std::fs::read_dir(folder).unwrap().flatten();
        let logs = logs.filter(|entry| entry.file_name().to_string_lossy().contains("-json.log"));
        assert_eq!(logs.count(), 2);
    }
}

#[test]
fn several_attach_to_one_and_all_see_it() {
    for store in Store::everybodys() {
        let script = "while read line; do echo got $line; [ $line != bye ] || exit 0; done";
        store.printed(&run(&[
            "-d", "-i", "--name", "talk", "base", "sh", "-c", script,
        ]));
        let attach = |words: &[&str]| {
            let mut command = store.command(words);
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let watcher = attach(&["attach", "--no-stdin", "talk"]);
        let mut talker = attach(&["attach", "talk"]);
        let mut input = talker.stdin.take().unwrap();
        // What was said before one of them was there it does not see: so it is said
        // again until both have begun to listen.
        soon("both listen", || {
            input.write_all(b"hello\n").unwrap();
            [&talker, &watcher].map(has_output) == [true, true]
        });
        input.write_all(b"bye\n").unwrap();
        drop(input);
        for child in [talker, watcher] {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.ends_with("got hello\ngot bye\n"), "{text}");
            assert!(output.status.success());
        }
    }
}

/// Whether there is something to read of what it prints.
fn has_output(child: &Child) -> bool {
    let output = child.stdout.as_ref().unwrap().as_fd();
    let mut polled = [PollFd::new(output, PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn entrypoint_variables_labels_and_cidfile_are_as_asked_for() {
    for store in Store::everybodys() {
        let file = store.folder.join("env");
        std::fs::write(&file, "# a comment\nFROM_FILE=1\nBOTH=file\n").unwrap();
        let cid = store.folder.join("store").join("cid");
        let (env, cidfile) = (file.to_str().unwrap(), cid.to_str().unwrap());
        let flags = [
            "--name",
            "full",
            "--env-file",
            env,
            "-e",
            "BOTH=flag",
            "-e",
            "TAKEN",
            "-e",
            "ABSENT",
            "--label",
            "a=b=c",
            "--label",
            "bare",
            "--cidfile",
            cidfile,
            "--entrypoint",
            "env",
            "-h",
            "host1",
            "base",
            "-u",
            "PATH",
        ];
        let output = store
            .command(&run(&flags))
            .env("TAKEN", "caller")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for line in ["FROM_FILE=1", "BOTH=flag", "TAKEN=caller", "HOSTNAME=host1"] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(
            !text.contains("ABSENT") && !text.contains("PATH="),
            "{text}"
        );
        let id = std::fs::read_to_string(&cid).unwrap();
        assert_eq!(store.field("full", "/Id"), id.as_str());
        assert_eq!(store.field("full", "/Config/Labels/a"), "b=c");
        assert_eq!(store.field("full", "/Config/Labels/bare"), "");
        let text = store.fails(&run(&["--cidfile", cidfile, "base", "true"]), 125);
        assert!(text.contains("container ID file found"), "{text}");
    }
}

#[test]
fn a_monitor_that_was_killed_takes_its_container_along() {
    for store in Store::everybodys() {
        idle(&store, "web", &[]);
        kill_monitor(&store, "web");
        assert_eq!(store.field("web", "/State/Status"), "exited");
        assert_eq!(store.field("web", "/State/ExitCode"), 137);
        store.printed(&["start", "web"]);
        store.printed(&["rm", "-f", "web"]);
    }
}

#[test]
fn no_mount_and_no_monitor_is_seen_on_the_machine() {
    for store in Store::everybodys() {
        let id = idle(&store, "web", &[]);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(&id),
            "the root is mounted in the monitor's namespace alone"
        );
        let metadata = std::fs::metadata(store.folder.join("store")).unwrap();
        assert_eq!(
            metadata.mode() & 0o077 & !0o011,
            0,
            "nobody else reads the store"
        );
        store.printed(&["rm", "-f", "web"]);
        assert!(!store.folder.join("store/run").join(&id).exists());
    }
}

#[test]
fn limits_change_while_it_runs() {
    for store in Store::everybodys() {
        let flags = ["-d", "--name", "web", "--memory", "64m", "--memory-swap"];
        let started = store.run(&run(
            &[&flags[..], &["-1", "base", "sleep", "1000"]].concat()
        ));
        if !started.status.success() {
            let text = String::from_utf8_lossy(&started.stderr);
            let refused = text.contains("limits need a cgroup that is delegated to you");
            assert!(!store.is_root() && refused, "{text}");
            continue;
        }
        store.printed(&["update", "--memory", "32m", "--pids-limit", "77", "web"]);
        assert_eq!(store.field("web", "/HostConfig/Memory"), 32 << 20);
        let pid = store.field("web", "/State/Pid").as_i64().unwrap();
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        // v1 has a line for each hierarchy; v2 one of no controllers, `0::PATH`.
        let only = cgroups.strip_prefix("0::").map(str::trim_end);
        let limit = |controller: &str, v1: &str, v2: &str| {
            let file = match only {
                Some(path) => format!("/sys/fs/cgroup{path}/{v2}"),
                None => {
                    let mut lines = cgroups.lines().map(|line| line.splitn(3, ':').skip(1));
                    let path = lines.find_map(|mut line| {
                        let names = line.next()?;
                        let has = names.split(',').any(|one| one == controller);
                        line.next().filter(|_| has)
                    });
                    format!("/sys/fs/cgroup/{controller}{}/{v1}", path?)
                }
            };
            Some(std::fs::read_to_string(file).unwrap().trim().to_string())
        };
        let memory = limit("memory", "memory.limit_in_bytes", "memory.max");
        let pids = limit("pids", "pids.max", "pids.max");
        assert!(memory.is_none_or(|memory| memory == (32 << 20).to_string()));
        assert!(pids.is_none_or(|pids| pids == "77"));
        let text = store.fails(&["update", "--memory", "1m", "web"], 1);
        assert!(
            text.contains("Minimum memory limit allowed is 6MB"),
            "{text}"
        );
        store.printed(&["update", "--restart", "always", "web"]);
        assert_eq!(
            store.field("web", "/HostConfig/RestartPolicy/Name"),
            "always"
        );
    }
}

#[test]
fn health_goes_from_starting_to_healthy_to_unhealthy() {
    for store in Store::everybodys() {
        let flags = [
            "--health-cmd",
            "echo probe; test -e /tmp/well",
            "--health-interval",
            "100ms",
            "--health-retries",
            "2",
        ];
        idle(&store, "ill", &flags);
        soon("unhealthy", || {
            store.field("ill", "/State/Health/Status") == "unhealthy"
        });
        assert_eq!(store.field("ill", "/State/Health/Log/0/Output"), "probe\n");
        assert_eq!(store.field("ill", "/State/Health/Log/0/ExitCode"), 1);
        store.printed(&["exec", "ill", "touch", "/tmp/well"]);
        soon("healthy", || {
            store.field("ill", "/State/Health/Status") == "healthy"
        });
    }
}

#[test]
fn a_terminal_has_a_name_a_size_and_detach_keys() {
    use nix::pty::{Winsize, openpty};
    for store in Store::everybodys() {
        let size = Winsize {
            ws_row: 33,
            ws_col: 77,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).unwrap();
        if !store.is_root() {
            // The terminal is the user's own.
            let _ = nix::unistd::fchown(&pair.slave, Some(4242.into()), None);
        }
        let mut command = store.command(&run(&["-it", "--name", "term", "base", "sh"]));
        let slave = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut child = command
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let mut master = std::fs::File::from(pair.master.try_clone().unwrap());
        master
            .write_all(b"tty; stty size; echo $((40+2))\n")
            .unwrap();
        let mut seen = String::new();
        while !seen.contains("\n42") {
            let mut buffer = [0; 1024];
            let count = master.read(&mut buffer).unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        assert!(
            seen.contains("/dev/pts/0") && seen.contains("33 77"),
            "{seen:?}"
        );
        master.write_all(b"\x10").unwrap();
        master.write_all(b"\x11").unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(
            store.field("term", "/State/Running"),
            true,
            "detached, it goes on"
        );
        let text = store.fails(&run(&["--rm", "-it", "base", "true"]), 125);
        assert!(text.contains("the input device is not a TTY"), "{text}");
        store.printed(&["rm", "-f", "term"]);
    }
}

#[test]
fn an_init_reaps_and_passes_signals_on() {
    for store in Store::everybodys() {
        let script = "trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done";
        let flags = ["-d", "--init", "--name", "init", "base", "sh", "-c", script];
        let output = store.run(&run(&flags));
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(text.contains("--init needs docker-init"), "{text}");
            continue;
        }
        soon("ready", || store.printed(&["logs", "init"]) == "ready");
        let first = store.printed(&["exec", "init", "cat", "/proc/1/cmdline"]);
        assert!(first.starts_with("/sbin/docker-init\0"), "{first:?}");
        store.printed(&["stop", "init"]);
        assert_eq!(store.printed(&["wait", "init"]), "8");
    }
}

#[test]
fn events_tell_a_life_in_order() {
    for store in Store::everybodys() {
        idle(&store, "told", &[]);
        store.printed(&["exec", "told", "true"]);
        store.printed(&["stop", "told"]);
        store.printed(&["rm", "told"]);
        let text = std::fs::read_to_string(store.folder.join("store/run/events")).unwrap();
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let actions: Vec<String> = events
            .filter(|event| event["Type"] == "container")
            .map(|event| event["Action"].as_str().unwrap().to_string())
            .collect();
        let wanted = [
            "create",
            "start",
            "exec_create: true",
            "exec_start: true",
            "exec_die",
            "kill",
            "stop",
            "die",
            "destroy",
        ];
        let mut sorted = wanted.to_vec();
        // The two are told by one process, one after the other, in either order in docker.
        sorted.sort_unstable();
        let mut found: Vec<&str> = actions.iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, sorted);
        assert_eq!(
            (actions[0].as_str(), actions[1].as_str()),
            ("create", "start")
        );
    }
}

#[test]
fn a_restarted_container_of_rm_is_removed_at_its_own_end_alone() {
    for store in Store::everybodys() {
        let id = idle(&store, "brief", &["--rm"]);
        store.printed(&["exec", "brief", "touch", "/kept"]);
        store.printed(&["restart", "brief"]);
        assert_eq!(store.field("brief", "/Id"), id.as_str());
        store.printed(&["exec", "brief", "test", "-e", "/kept"]);
        store.printed(&["stop", "brief"]);
        assert_eq!(store.printed(&["ps", "-aq"]), "");
    }
}

/// Kills the monitor of a container, and waits until the container is gone as well.
fn kill_monitor(store: &Store, name: &str) {
    let pid = store.field(name, "/State/Pid").as_i64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines();
    let parent = lines.find_map(|line| line.strip_prefix("PPid:")).unwrap();
    let monitor = nix::unistd::Pid::from_raw(parent.trim().parse().unwrap());
    nix::sys::signal::kill(monitor, Signal::SIGKILL).unwrap();
    let root = format!("/proc/{pid}/root/bin");
    soon("it is gone", || !Path::new(&root).exists());
}

#[test]
fn after_a_reboot_nothing_is_up_but_what_is_always_to_run() {
    for store in Store::everybodys() {
        idle(&store, "plain", &[]);
        idle(&store, "ever", &["--restart", "always"]);
        let root = store.folder.join("store");
        for name in ["plain", "ever"] {
            let id = store.field(name, "/Id");
            kill_monitor(&store, name);
            // As if it had been in another boot.
            let state = root
                .join("containers")
                .join(id.as_str().unwrap())
                .join("state.json");
            let text = std::fs::read_to_string(&state).unwrap();
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["BootId"] = "another".into();
            value["Status"] = "running".into();
            std::fs::write(&state, value.to_string()).unwrap();
        }
        std::fs::write(root.join("boot-id"), "another").unwrap();
        assert_eq!(store.field("plain", "/State/Status"), "exited");
        assert_eq!(store.field("plain", "/State/ExitCode"), 255);
        assert_eq!(store.field("ever", "/State/Status"), "running");
        store.printed(&["exec", "ever", "true"]);
    }
}
