//! What is shown: tables, templates, events, and what must not reach a terminal.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::support::Store;

fn create(store: &Store, name: &str, flags: &[&str]) -> String {
    let words = [
        &["create", "--network", "none", "--name", name],
        flags,
        &["base", "sleep", "60"],
    ]
    .concat();
    store.printed(&words)
}

#[test]
fn ps_has_dockers_columns_and_the_newest_is_first() {
    let store = Store::new();
    let id = create(&store, "one", &[]);
    create(&store, "two", &["-l", "a=b"]);
    let text = store.printed(&["ps", "-a"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
        "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES"
    );
    assert!(
        lines[1].ends_with("two") && lines[2].ends_with("one"),
        "{text}"
    );
    assert!(
        lines[2].starts_with(&format!("{}   base", &id[..12])),
        "{text}"
    );
    assert!(
        lines[2].contains("\"sleep 60\"") && lines[2].contains("Created"),
        "{text}"
    );
    assert_eq!(store.printed(&["ps", "-q"]), "");
    assert_eq!(
        store.printed(&["ps", "-aq", "--no-trunc"]).lines().nth(1),
        Some(id.as_str())
    );
    assert_eq!(
        store.printed(&["ps", "-l", "--format", "{{.Names}}"]),
        "two"
    );
}

#[test]
fn ps_filters_hold_together_and_alternatives_of_one_kind_do_not() {
    let store = Store::new();
    create(&store, "one", &["-l", "a=1", "-v", "vol:/data"]);
    create(&store, "two", &["-l", "a=2", "-l", "b"]);
    let names = |filters: &[&str]| {
        let mut words = vec!["ps", "-a", "--format", "{{.Names}}"];
        words.extend(filters.iter().flat_map(|filter| ["--filter", *filter]));
        store.printed(&words)
    };
    for (filters, expected) in [
        (&["label=a"][..], "two\none"),
        (&["label=a", "label=b"], "two"),
        (&["label=a=1"], "one"),
        (&["name=^tw"], "two"),
        (&["name=one", "name=two"], "two\none"),
        (&["volume=vol"], "one"),
        (&["volume=/data"], "one"),
        (&["since=one"], "two"),
        (&["before=two"], "one"),
        (&["status=running"], ""),
        (&["status=created", "label=b"], "two"),
        (&["ancestor=base"], "two\none"),
        (&["network=none"], "two\none"),
    ] {
        assert_eq!(names(filters), expected, "{filters:?}");
    }
    let wrong = store.run(&["ps", "--filter", "nosuch=1"]);
    assert_eq!(
        String::from_utf8_lossy(&wrong.stderr),
        "mini-docker: Invalid filter 'nosuch'\n"
    );
}

#[test]
fn a_damaged_record_is_told_about_and_hides_no_other() {
    let store = Store::new();
    let bad = create(&store, "bad", &[]);
    create(&store, "good", &[]);
    fs::write(
        store
            .folder
            .join(format!("store/containers/{bad}/container.json")),
        "{",
    )
    .unwrap();
    let output = store.run(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "good\n");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.lines().count() == 1 && told.contains(&bad[..12]),
        "{told}"
    );
}

#[test]
fn inspect_finds_what_the_slide_asks_for() {
    let store = Store::new();
    let id = create(&store, "web", &["-e", "A=1", "-m", "64m"]);
    let field = |format: &str| store.printed(&["inspect", "-f", format, "web"]);
    assert_eq!(field("{{.Id}} {{ .Name }}"), format!("{id} /web"));
    assert_eq!(field("{{ .NetworkSettings.IPAddress }}"), "");
    assert_eq!(
        field("{{.HostConfig.Memory}} {{.State.Status}}"),
        "67108864 created"
    );
    assert_eq!(field("{{json .Config.Cmd}}"), r#"["sleep","60"]"#);
    let text = store.printed(&["inspect", "web"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document[0]["State"]["FinishedAt"], "0001-01-01T00:00:00Z");
    let both = store.run(&["inspect", "-f", "{{.Name}}", "web", "nosuch"]);
    assert_eq!(both.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&both.stdout), "/web\n");
    assert_eq!(
        String::from_utf8_lossy(&both.stderr),
        "mini-docker: No such object: nosuch\n"
    );
    assert_eq!(
        store.run(&["inspect", "-f", "{{", "web"]).status.code(),
        Some(64)
    );
}

#[test]
fn a_command_with_control_characters_is_quoted() {
    let store = Store::new();
    store.printed(&["create", "--network", "none", "base", "echo", "\u{1b}[2J"]);
    assert!(store.printed(&["ps", "-a"]).contains(r#""echo \x1b[2J""#));
}

#[test]
fn events_come_as_they_happen() {
    let store = Store::new();
    store.printed(&["ps"]);
    let words = [
        "events",
        "--filter",
        "type=volume",
        "--format",
        "{{.Action}} {{.Actor.ID}}",
    ];
    let mut child = store
        .command(&words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Only what comes after the watch has begun is shown: so it is done again until then.
    let seen = std::sync::atomic::AtomicBool::new(false);
    let maker = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let line = lines.next().unwrap().unwrap();
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
            line
        });
        while !seen.load(std::sync::atomic::Ordering::Relaxed) {
            store.printed(&["volume", "create", "vol"]);
            store.printed(&["volume", "rm", "vol"]);
        }
        first.join().unwrap()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        ["create vol", "destroy vol"].contains(&maker.as_str()),
        "{maker}"
    );
    let past = store.printed(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "event=create",
    ]);
    let first = past.lines().next().unwrap();
    assert!(
        first.ends_with("Z volume create vol (driver=local)")
            || first.contains(" volume create vol (driver=local)"),
        "{past}"
    );
}

#[test]
fn top_and_stats_see_the_containers_processes_alone() {
    let store = Store::new();
    store.printed(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "c1",
        "base",
        "sleep",
        "61",
    ]);
    let text = store.printed(&["top", "c1", "-o", "pid,args"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let pid = store.printed(&["inspect", "-f", "{{.State.Pid}}", "c1"]);
    assert!(
        lines[1].starts_with(&pid) && lines[1].ends_with("sleep 61"),
        "{text}"
    );
    let stats = store.printed(&["stats", "--no-stream", "--format", "{{.Name}} {{.NetIO}}"]);
    assert_eq!(stats, "c1 0B / 0B");
    // An ordinary user's container may have no cgroup, and then nobody counts.
    if nix::unistd::geteuid().is_root() {
        let counted = store.printed(&[
            "stats",
            "--no-stream",
            "--format",
            "{{.PIDs}} {{.MemUsage}}",
        ]);
        assert!(counted.starts_with("1 "), "{counted}");
        assert!(!counted.starts_with("1 0B /"), "{counted}");
    }
    let stopped = store.run(&["top", "nosuch"]);
    assert_eq!(
        String::from_utf8_lossy(&stopped.stderr),
        "mini-docker: No such container: nosuch\n"
    );
}

#[test]
fn prune_asks_first_and_leaves_what_runs() {
    let store = Store::new();
    create(&store, "stopped", &[]);
    store.printed(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "runs",
        "base",
        "sleep",
        "61",
    ]);
    let mut asked = store.command(&["container", "prune"]);
    let output = asked.stdin(Stdio::null()).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "WARNING! This will remove all stopped containers.\n\
         Are you sure you want to continue? [y/N] Total reclaimed space: 0B\n"
    );
    assert_eq!(store.printed(&["ps", "-aq"]).lines().count(), 2);
    let told = store.printed(&["system", "prune", "-f"]);
    assert!(told.starts_with("Deleted Containers:\n"), "{told}");
    assert_eq!(
        store.printed(&["ps", "-a", "--format", "{{.Names}}"]),
        "runs"
    );
}

#[test]
fn a_group_of_commands_has_the_same_commands() {
    let store = Store::new();
    create(&store, "one", &[]);
    assert_eq!(
        store.printed(&["container", "ls", "-aq"]),
        store.printed(&["ps", "-aq"])
    );
    assert_eq!(
        store.printed(&["container", "inspect", "-f", "{{.Name}}", "one"]),
        "/one"
    );
    let image = store.printed(&["image", "inspect", "-f", "{{index .RepoTags 0}}", "base"]);
    assert_eq!(image, "base:latest");
    assert!(store.printed(&["system", "df"]).starts_with("TYPE "));
    assert_eq!(
        store.run(&["container", "inspect", "base"]).status.code(),
        Some(1)
    );
}
