//! `tp inspect` and `tp diff`: all kernel state of one process as its
//! difference from another's, on one page or as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use anyhow::{Context, Result};
use colored::Colorize;
use serde_json::{Value, json};

use crate::observe::{Frame, process};
use crate::state::difference;
use crate::state::facts::{
    Cgroup, Id, Ids, Interface, IpcObject, Mount, NamespaceId, NamespaceKind, Process, UnmappedId,
};
use crate::state::symbols::Symbols;

/// How far a line of the page may go.
const WIDTH: usize = 80;

/// What to make of the difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One page for a person.
    #[default]
    Text,
    Yaml,
    Json,
}

/// All kernel state of a process as its difference from another's; `None`
/// stands for the caller. Errors: a process that is gone, or that the caller
/// may not look at.
pub fn inspect(pid: i32, against: Option<i32>, format: Format) -> Result<String> {
    let against = against.unwrap_or(std::process::id() as i32);
    let frame = Frame::host();
    let here = Subject::read(pid, &frame)?;
    let there = Subject::read(against, &frame)?;
    match format {
        Format::Text => Ok(page(&here, &there)),
        Format::Yaml => {
            serde_yaml::to_string(&data(&here, &there)?).context("the difference as YAML")
        }
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&data(&here, &there)?)?;
            text.push('\n');
            Ok(text)
        }
    }
}

/// What the second process has otherwise than the first.
pub fn diff(first: i32, second: i32, format: Format) -> Result<String> {
    inspect(second, Some(first), format)
}

struct Subject {
    pid: i32,
    name: String,
    facts: Process,
}

impl Subject {
    fn read(pid: i32, frame: &Frame) -> Result<Self> {
        Ok(Self {
            pid,
            facts: process(pid, frame)?,
            // Only a label: one that has just ended has none.
            name: std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap_or_default()
                .trim_end()
                .to_string(),
        })
    }
}

/// What a line of the page says of its fact.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Added,
    Missing,
    Other,
    Same,
}

impl Mark {
    fn symbol(self) -> String {
        match self {
            Self::Added => "+".green(),
            Self::Missing => "-".red(),
            Self::Other => "~".yellow(),
            Self::Same => "=".dimmed(),
        }
        .to_string()
    }
}

/// One section of the page; without lines it is only named as the same.
struct Section {
    title: &'static str,
    lines: Vec<(Mark, String)>,
}

impl Section {
    fn new(title: &'static str) -> Self {
        Self {
            title,
            lines: Vec::new(),
        }
    }

    fn line(&mut self, mark: Mark, text: impl Into<String>) {
        self.lines.push((mark, text.into()));
    }

    /// A value that is there in both; silent where it is the same.
    fn value(&mut self, name: &str, here: &str, there: &str) {
        if here != there {
            let quoted = |text: &str| match text {
                "" => "nothing".to_string(),
                text => text.to_string(),
            };
            let text = format!("{name} {}, there {}", quoted(here), quoted(there));
            self.line(Mark::Other, text);
        }
    }

    /// A set of which only the difference is told.
    fn set<T: ToString + Ord>(&mut self, name: &str, here: &BTreeSet<T>, there: &BTreeSet<T>) {
        for item in here.difference(there) {
            self.line(Mark::Added, format!("{name} {}", item.to_string()));
        }
        for item in there.difference(here) {
            self.line(Mark::Missing, format!("{name} {}", item.to_string()));
        }
    }

    /// A table of which only the difference is told.
    fn table<T: PartialEq>(
        &mut self,
        here: &BTreeMap<String, T>,
        there: &BTreeMap<String, T>,
        tell: impl Fn(&T) -> String,
    ) {
        for (key, entry) in here {
            match there.get(key) {
                None => self.line(Mark::Added, format!("{key} {}", tell(entry))),
                Some(other) if other != entry => {
                    let (now, then) = (tell(entry), tell(other));
                    self.line(Mark::Other, format!("{key} {now}; there {then}"));
                }
                Some(_) => {}
            }
        }
        let missing: Vec<&str> = there
            .keys()
            .filter(|key| !here.contains_key(*key))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            self.line(
                Mark::Missing,
                format!("not here ({}): {}", missing.len(), missing.join(", ")),
            );
        }
    }
}

fn page(here: &Subject, there: &Subject) -> String {
    let sections = sections(&here.facts, &there.facts);
    let mut page = printable(&format!(
        "Process {} ({}), held against process {} ({})",
        here.pid, here.name, there.pid, there.name
    ));
    page += "\n+ only here   - only there   ~ otherwise   = the same\n";
    let mut same = Vec::new();
    for section in &sections {
        if section.lines.iter().all(|(mark, _)| *mark == Mark::Same) {
            same.push(section.title.to_lowercase());
            continue;
        }
        page += &format!("\n{}\n", section.title.bold());
        for (mark, text) in &section.lines {
            page += &format!("  {} {}\n", mark.symbol(), wrapped(&printable(text)));
        }
    }
    if !same.is_empty() {
        let text = format!("The same in both: {}.", same.join(", "));
        page += &format!("\n{}\n", wrapped(&text));
    }
    page
}

fn sections(here: &Process, there: &Process) -> Vec<Section> {
    vec![
        namespaces(here, there),
        names(here, there),
        identity(here, there),
        capabilities(here, there),
        confinement(here, there),
        root(here, there),
        mounts(here, there),
        cgroups(here, there),
        network(here, there),
        ipc(here, there),
        limits(here, there),
    ]
}

fn namespaces(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Namespaces");
    for kind in NamespaceKind::ALL {
        let (mine, other) = (here.namespaces.get(&kind), there.namespaces.get(&kind));
        let name = kind.name();
        match (mine, other) {
            (None, None) => {}
            (mine, other) if mine == other => {
                section.line(Mark::Same, format!("{name:<8} the same"));
            }
            (None, Some(_)) => section.line(Mark::Missing, format!("{name:<8} not set apart here")),
            (Some(_), _) => {
                let text = format!("{name:<8} new{}", owner(kind, here));
                section.line(Mark::Added, text);
            }
        }
    }
    let (mine, other) = (&here.time_offsets, &there.time_offsets);
    section.value(
        "monotonic clock offset",
        &format!("{} s", mine.monotonic),
        &format!("{} s", other.monotonic),
    );
    section.value(
        "boot time offset",
        &format!("{} s", mine.boottime),
        &format!("{} s", other.boottime),
    );
    section
}

/// Whether the process's capabilities count in one of its namespaces.
fn owner(kind: NamespaceKind, here: &Process) -> &'static str {
    match kind {
        NamespaceKind::User => "",
        kind if here.namespaces.get(&kind) == Some(&NamespaceId(0)) => ", still without a process",
        kind if here.owned_namespaces.contains(&kind) => {
            ", owned by its user namespace: its capabilities count there"
        }
        _ => ", owned by another user namespace: its capabilities do not count there",
    }
}

fn names(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Host name");
    section.value("host name", &here.view.hostname, &there.view.hostname);
    section.value("domain name", &here.view.domainname, &there.view.domainname);
    section
}

fn identity(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Identity");
    if here.pids != there.pids {
        let told = |pids: &[u32]| match pids {
            [] => "none".to_string(),
            pids => words(pids),
        };
        section.line(
            Mark::Other,
            format!(
                "process id in its PID namespaces below yours, outermost first: {}; there {}",
                told(&here.pids),
                told(&there.pids)
            ),
        );
    }
    section.value("user id", &ids(&here.uid), &ids(&there.uid));
    section.value("group id", &ids(&here.gid), &ids(&there.gid));
    let groups = |groups: &[Id]| {
        let ids: Vec<String> = groups.iter().map(id).collect();
        ids.join(" ")
    };
    section.value(
        "further groups",
        &groups(&here.groups),
        &groups(&there.groups),
    );
    section.value("user id map", &map(&here.uid_map), &map(&there.uid_map));
    section.value("group id map", &map(&here.gid_map), &map(&there.gid_map));
    section.value("setgroups", &here.setgroups, &there.setgroups);
    section
}

fn id(id: &Id) -> String {
    match id {
        Id::Mapped(id) => id.to_string(),
        Id::Unmapped(UnmappedId::Unmapped) => "unmapped".into(),
    }
}

fn ids(ids: &Ids) -> String {
    let all = [ids.real, ids.effective, ids.saved, ids.filesystem];
    if all.iter().all(|one| *one == ids.real) {
        return id(&ids.real);
    }
    let named = ["real", "effective", "saved", "filesystem"]
        .iter()
        .zip(&all)
        .map(|(name, one)| format!("{name} {}", id(one)));
    named.collect::<Vec<_>>().join(" ")
}

/// `0 1000 1` in words: a range inside, and what it is in the parent.
fn map(lines: &[String]) -> String {
    let range = |line: &String| -> Option<String> {
        let numbers: Vec<u64> = line
            .split(' ')
            .map(|word| word.parse().ok())
            .collect::<Option<_>>()?;
        let &[inside, outside, count] = numbers.as_slice() else {
            return None;
        };
        Some(match count {
            1 => format!("{inside} is {outside} outside"),
            u64::MAX | 4_294_967_295 => "every id is itself".into(),
            count => format!(
                "{inside}-{} is {outside}-{} outside",
                inside + count - 1,
                outside + count - 1
            ),
        })
    };
    match lines {
        [] => "empty".into(),
        lines => lines
            .iter()
            .map(|line| range(line).unwrap_or_else(|| line.clone()))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn capabilities(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Capabilities");
    let (mine, other) = (&here.capabilities, &there.capabilities);
    // Sets that changed alike are told once.
    let mut alike: Vec<(Vec<&str>, &BTreeSet<String>, &BTreeSet<String>)> = Vec::new();
    for (name, mine, other) in [
        ("effective", &mine.effective, &other.effective),
        ("permitted", &mine.permitted, &other.permitted),
        ("inheritable", &mine.inheritable, &other.inheritable),
        ("bounding", &mine.bounding, &other.bounding),
        ("ambient", &mine.ambient, &other.ambient),
    ] {
        if mine == other {
            continue;
        }
        match alike
            .iter_mut()
            .find(|(_, known, before)| *known == mine && *before == other)
        {
            Some((names, _, _)) => names.push(name),
            None => alike.push((vec![name], mine, other)),
        }
    }
    for (names, mine, other) in alike {
        let names = names.join(", ");
        let added: Vec<_> = mine.difference(other).cloned().collect();
        let missing: Vec<_> = other.difference(mine).cloned().collect();
        if mine.is_empty() {
            let text = format!("{names}: none, there {}", other.len());
            section.line(Mark::Missing, text);
            continue;
        }
        if !added.is_empty() {
            let text = format!("{names}: also {}", words(&added));
            section.line(Mark::Added, text);
        }
        match missing.len() {
            0 => {}
            count if count > mine.len() => section.line(
                Mark::Missing,
                format!("{names}: {count} fewer; left are {}", words(mine)),
            ),
            _ => section.line(Mark::Missing, format!("{names}: not {}", words(&missing))),
        }
    }
    section
}

fn confinement(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Seccomp and privileges");
    let filters = |process: &Process| match process.seccomp_filters {
        0 => process.seccomp.clone(),
        1 => format!("{}, 1 program", process.seccomp),
        count => format!("{}, {count} programs", process.seccomp),
    };
    section.value("seccomp", &filters(here), &filters(there));
    match (here.no_new_privs, there.no_new_privs) {
        (true, false) => section.line(
            Mark::Added,
            "no_new_privs: execve gives it no more privileges than it has",
        ),
        (false, true) => section.line(
            Mark::Missing,
            "no_new_privs: execve of a setuid program can give it privileges",
        ),
        _ => {}
    }
    section
}

fn root(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Root and working directory");
    section.value("root", &here.root, &there.root);
    section.value("working directory", &here.cwd, &there.cwd);
    section
}

fn mounts(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Mounts");
    let (mine, other) = (&here.view, &there.view);
    section.value("most are", &mine.propagation, &other.propagation);
    section.table(&mine.mounts, &other.mounts, mount);
    section
}

fn mount(mount: &Mount) -> String {
    let mut text = mount.fs_type.clone();
    if mount.source != mount.fs_type {
        text += &format!(" from {}", mount.source);
    }
    if let Some(root) = &mount.root {
        text += &format!(", its {root}");
    }
    if mount.namespace.is_some() {
        text += ", keeps a namespace alive";
    }
    for options in [&mount.options, &mount.super_options] {
        if !options.is_empty() {
            text += &format!(", {}", list(options));
        }
    }
    if let Some(propagation) = &mount.propagation {
        text += &format!(", {propagation}");
    }
    text
}

fn cgroups(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Cgroups");
    // One place in all hierarchies, as on v1, is told once.
    let mut alike: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (hierarchy, mine) in &here.cgroups {
        let other = there.cgroups.get(hierarchy);
        if Some(mine) != other {
            let other = other.map_or_else(|| "none".into(), cgroup);
            let key = (cgroup(mine), other);
            alike.entry(key).or_default().push(hierarchy);
        }
    }
    for ((mine, other), hierarchies) in alike {
        let text = format!("{}: {mine}; there {other}", hierarchies.join(", "));
        section.line(Mark::Other, text);
    }
    for hierarchy in there.cgroups.keys() {
        if !here.cgroups.contains_key(hierarchy) {
            section.line(Mark::Missing, hierarchy);
        }
    }
    section
}

fn cgroup(cgroup: &Cgroup) -> String {
    let limits: Vec<String> = cgroup
        .limits
        .iter()
        .map(|(file, value)| format!("{file} {value}"))
        .collect();
    match limits.as_slice() {
        [] => cgroup.path.clone(),
        limits => format!("{} with {}", cgroup.path, limits.join(", ")),
    }
}

fn network(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Network");
    let (mine, other) = (&here.view, &there.view);
    section.table(&mine.interfaces, &other.interfaces, interface);
    section.set("route", &mine.routes, &other.routes);
    section.table(&mine.network_namespaces, &other.network_namespaces, |_| {
        "a named network namespace".into()
    });
    section
}

fn interface(interface: &Interface) -> String {
    let mut text = format!("{} {}", interface.kind, interface.state);
    if !interface.addresses.is_empty() {
        text += &format!(", {}", list(&interface.addresses));
    }
    if let Some(master) = &interface.master {
        text += &format!(", port of {master}");
    }
    if let Some(peer) = &interface.peer {
        text += &match &peer.interface {
            Some(name) => format!(", its other end is {name}"),
            None => format!(", its other end is {}", peer.place),
        };
    }
    text
}

fn ipc(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("IPC");
    let (mine, other) = (&here.view.ipc, &there.view.ipc);
    let tell = |unit: &'static str| {
        move |object: &IpcObject| format!("{} {unit}, mode {}", object.size, object.mode)
    };
    let shm = tell("bytes of shared memory");
    section.table(&mine.shared_memory, &other.shared_memory, shm);
    section.table(&mine.semaphores, &other.semaphores, tell("semaphores"));
    let msg = tell("messages waiting");
    section.table(&mine.message_queues, &other.message_queues, msg);
    let mq = tell("messages waiting");
    section.table(&mine.posix_queues, &other.posix_queues, mq);
    section
}

fn limits(here: &Process, there: &Process) -> Section {
    let mut section = Section::new("Resource limits");
    section.table(&here.limits, &there.limits, Clone::clone);
    section
}

fn list(items: &BTreeSet<String>) -> String {
    items.iter().cloned().collect::<Vec<_>>().join(",")
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(" ")
}

/// Another's host name or mount point may hold anything, escape sequences too.
/// Of a digest (a container's or layer's name) the first twelve digits are told.
fn printable(text: &str) -> String {
    short_digests(text)
        .chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

fn short_digests(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (run, after) = rest.split_at(digits);
        match digits {
            64 => {
                out += &run[..12];
                out.push('…');
            }
            _ => out += run,
        }
        let other = after
            .find(|c: char| c.is_ascii_hexdigit())
            .unwrap_or(after.len());
        out += &after[..other];
        rest = &after[other..];
    }
    out
}

/// Breaks at blanks, so that a line keeps within the width where it can.
fn wrapped(text: &str) -> String {
    let indent = 6;
    let mut out = String::new();
    let mut column = 4;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 {
            if column + 1 + length > WIDTH {
                out += &format!("\n{:indent$}", "");
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out += word;
        column += length;
    }
    out
}

/// The difference as data, in the shape of an expected snapshot's `process`.
fn data(here: &Subject, there: &Subject) -> Result<Value> {
    let mine = json!({ "process": serde_json::to_value(&here.facts)? });
    let other = json!({ "process": serde_json::to_value(&there.facts)? });
    let change = difference(&other, &mine);
    let symbols = Symbols::new(&other, [&change]);
    let label = |subject: &Subject| json!({"pid": subject.pid, "name": subject.name});
    Ok(json!({
        "process": label(here),
        "against": label(there),
        "difference": symbols.apply(&change).get("process").unwrap_or(&json!({})),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(change: impl FnOnce(&mut Process)) -> Subject {
        let mut facts = Process {
            root: "/".into(),
            cwd: "/root".into(),
            seccomp: "disabled".into(),
            ..Process::default()
        };
        for (index, kind) in NamespaceKind::ALL.into_iter().enumerate() {
            facts
                .namespaces
                .insert(kind, NamespaceId(index as u64 + 10));
        }
        facts.capabilities.effective = ["chown", "kill", "net_raw"].map(String::from).into();
        change(&mut facts);
        Subject {
            pid: 7,
            name: "sh".into(),
            facts,
        }
    }

    #[test]
    fn two_alike_differ_in_nothing() {
        let page = page(&subject(|_| {}), &subject(|_| {}));
        assert!(page.contains("The same in both: namespaces, host name, identity,"));
        assert!(!page.contains('~') || page.matches('~').count() == 1);
        let data = data(&subject(|_| {}), &subject(|_| {})).unwrap();
        assert_eq!(data["difference"], json!({}));
    }

    #[test]
    fn only_what_differs_is_on_the_page() {
        let here = subject(|facts| {
            facts.namespaces.insert(NamespaceKind::Uts, NamespaceId(99));
            facts.view.hostname = "inside".into();
            facts.capabilities.effective.remove("net_raw");
            facts.uid_map = vec!["0 1000 1".into(), "1 100000 65536".into()];
        });
        let there = subject(|facts| {
            facts.view.hostname = "outside".into();
            facts.uid_map = vec!["0 0 4294967295".into()];
        });
        let page = page(&here, &there);
        assert!(page.contains("uts      new, owned by another user namespace"));
        assert!(page.contains("net      the same"));
        assert!(page.contains("host name inside, there outside"));
        assert!(page.contains("effective: not net_raw"));
        assert!(page.contains("0 is 1000 outside, 1-65536 is 100000-165535 outside"));
        assert!(!page.contains("\nRoot and working directory\n"));
        let data = data(&here, &there).unwrap();
        assert_eq!(data["difference"]["namespaces"], json!({"uts": "new"}));
        assert_eq!(data["difference"]["hostname"], json!("inside"));
    }

    #[test]
    fn what_another_wrote_cannot_steer_the_terminal() {
        let here = subject(|facts| facts.view.hostname = "\u{1b}[2Jboo\n".into());
        let page = page(&here, &subject(|_| {}));
        assert!(page.contains("\\u{1b}[2Jboo\\n"));
        assert!(!page.contains("\u{1b}[2J"));
    }

    #[test]
    fn a_digest_is_told_by_its_first_digits() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            printable(&format!("/docker/{digest} with memory.max 67108864")),
            "/docker/0123456789ab… with memory.max 67108864"
        );
        assert_eq!(printable("/é/abc"), "/é/abc");
    }

    #[test]
    fn long_lists_keep_within_the_width() {
        let text = words(0..100);
        assert!(
            wrapped(&text)
                .lines()
                .all(|line| line.chars().count() <= WIDTH)
        );
    }

    #[test]
    fn a_real_process_is_inspected_in_each_format() {
        let pid = std::process::id() as i32;
        assert!(
            inspect(pid, None, Format::Text)
                .unwrap()
                .contains("The same in both")
        );
        let json: Value = serde_json::from_str(&inspect(pid, None, Format::Json).unwrap()).unwrap();
        assert_eq!(json["difference"], json!({}));
        assert_eq!(json["process"]["pid"], json!(pid));
        let yaml = inspect(pid, Some(pid), Format::Yaml).unwrap();
        assert!(yaml.contains("difference: {}"));
    }
}
