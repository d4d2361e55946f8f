//! `tp inspect` and `tp diff`: all kernel state of one process as its
//! difference from another's, on one page or as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use anyhow::{Context, Result};
use colored::Colorize;
use serde_json::{Value, json};

use crate::expect::Texts;
use crate::observe::cgroups::{Usage, usage};
use crate::observe::{Frame, process};
use crate::state::difference;
use crate::state::facts::{
    Cgroup, Chain, Id, Ids, Interface, IpcObject, Mount, NamespaceId, NamespaceKind, Process,
    UnmappedId,
};
use crate::state::in_order;
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
/// may not look at. `watch`: directories whose files are told too, as the
/// process sees them.
pub fn inspect(
    pid: i32,
    against: Option<i32>,
    watch: &[String],
    format: Format,
    texts: &Texts,
) -> Result<String> {
    let against = against.unwrap_or(std::process::id() as i32);
    let frame = Frame::host();
    let watching = Frame {
        watch_inside: watch.to_vec(),
        ..Frame::host()
    };
    let here = Subject::read(pid, &watching)?;
    let there = Subject::read(against, &frame)?;
    match format {
        Format::Text => Ok(page(&here, &there, &usage(pid), texts)),
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
pub fn diff(first: i32, second: i32, format: Format, texts: &Texts) -> Result<String> {
    inspect(second, Some(first), &[], format, texts)
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

/// A text of the page, by its key below `messages.inspect`.
fn say(texts: &Texts, key: &str, values: &[(&str, &str)]) -> String {
    texts.message(&format!("inspect.{key}"), values)
}

/// One section of the page, titled by `key`; without lines it is only named as
/// the same.
struct Section<'a> {
    texts: &'a Texts,
    key: &'static str,
    lines: Vec<(Mark, String)>,
}

impl<'a> Section<'a> {
    fn new(texts: &'a Texts, key: &'static str) -> Self {
        Self {
            texts,
            key,
            lines: Vec::new(),
        }
    }

    fn line(&mut self, mark: Mark, text: impl Into<String>) {
        self.lines.push((mark, text.into()));
    }

    fn say(&mut self, mark: Mark, key: &str, values: &[(&str, &str)]) {
        self.line(mark, say(self.texts, key, values));
    }

    /// A value that is there in both; silent where it is the same.
    fn value(&mut self, name: &str, here: &str, there: &str) {
        if here != there {
            let name = say(self.texts, &format!("name.{name}"), &[]);
            let nothing = say(self.texts, "nothing", &[]);
            let [here, there] = [here, there].map(|text| match text {
                "" => &nothing,
                text => text,
            });
            let values = [("name", &*name), ("here", here), ("there", there)];
            self.say(Mark::Other, "value", &values);
        }
    }

    /// A set of which only the difference is told.
    fn set(&mut self, key: &str, here: &BTreeSet<String>, there: &BTreeSet<String>) {
        for item in here.difference(there) {
            self.say(Mark::Added, key, &[("item", item)]);
        }
        for item in there.difference(here) {
            self.say(Mark::Missing, key, &[("item", item)]);
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
                    let values = [("entry", &**key), ("here", &now), ("there", &then)];
                    self.say(Mark::Other, "entry", &values);
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
            let (count, entries) = (missing.len().to_string(), missing.join(", "));
            let values = [("count", &*count), ("entries", &entries)];
            self.say(Mark::Missing, "not_here", &values);
        }
    }
}

/// `usage`: what the first one's cgroups use now.
fn page(here: &Subject, there: &Subject, usage: &Usage, texts: &Texts) -> String {
    let sections = sections(&here.facts, &there.facts, usage, texts);
    let head = [
        ("pid", &*here.pid.to_string()),
        ("name", &here.name),
        ("other_pid", &there.pid.to_string()),
        ("other_name", &there.name),
    ];
    let mut page = printable(&say(texts, "head", &head));
    page += &format!("\n{}\n", say(texts, "legend", &[]));
    let mut same = Vec::new();
    for section in &sections {
        if section.lines.iter().all(|(mark, _)| *mark == Mark::Same) {
            same.push(say(texts, &format!("section.{}.name", section.key), &[]));
            continue;
        }
        let title = say(texts, &format!("section.{}.title", section.key), &[]);
        page += &format!("\n{}\n", title.bold());
        for (mark, text) in &section.lines {
            page += &format!("  {} {}\n", mark.symbol(), wrapped(&printable(text)));
        }
    }
    if !same.is_empty() {
        let text = say(texts, "same", &[("sections", &same.join(", "))]);
        page += &format!("\n{}\n", wrapped(&text));
    }
    page
}

fn sections<'a>(
    here: &Process,
    there: &Process,
    usage: &Usage,
    texts: &'a Texts,
) -> Vec<Section<'a>> {
    let mut sections = vec![
        namespaces(here, there, texts),
        names(here, there, texts),
        identity(here, there, texts),
        capabilities(here, there, texts),
        confinement(here, there, texts),
        root(here, there, texts),
        mounts(here, there, texts),
        cgroups(here, there, usage, texts),
        network(here, there, texts),
        ipc(here, there, texts),
        limits(here, there, texts),
    ];
    sections.extend((!here.view.files.is_empty()).then(|| files(here, texts)));
    sections
}

fn namespaces<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "namespaces");
    for kind in NamespaceKind::ALL {
        let (mine, other) = (here.namespaces.get(&kind), there.namespaces.get(&kind));
        let name = format!("{:<8}", kind.name());
        let values = [("namespace", &*name)];
        match (mine, other) {
            (None, None) => {}
            (mine, other) if mine == other => {
                section.say(Mark::Same, "namespace.same", &values);
            }
            (None, Some(_)) => section.say(Mark::Missing, "namespace.shared", &values),
            (Some(_), _) => section.say(Mark::Added, new_namespace(kind, here), &values),
        }
    }
    let (mine, other) = (&here.time_offsets, &there.time_offsets);
    section.value(
        "monotonic",
        &format!("{} s", mine.monotonic),
        &format!("{} s", other.monotonic),
    );
    section.value(
        "boottime",
        &format!("{} s", mine.boottime),
        &format!("{} s", other.boottime),
    );
    section
}

/// The text of a new namespace, by whether the process's capabilities count in it.
fn new_namespace(kind: NamespaceKind, here: &Process) -> &'static str {
    match kind {
        NamespaceKind::User => "namespace.new",
        kind if here.namespaces.get(&kind) == Some(&NamespaceId(0)) => "namespace.new_empty",
        kind if here.owned_namespaces.contains(&kind) => "namespace.new_owned",
        _ => "namespace.new_of_another",
    }
}

fn names<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "names");
    section.value("hostname", &here.view.hostname, &there.view.hostname);
    section.value("domainname", &here.view.domainname, &there.view.domainname);
    section
}

fn identity<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "identity");
    if here.pids != there.pids {
        let told = |pids: &[u32]| match pids {
            [] => say(texts, "none", &[]),
            pids => words(pids),
        };
        let (mine, other) = (told(&here.pids), told(&there.pids));
        section.say(Mark::Other, "pids", &[("here", &mine), ("there", &other)]);
    }
    section.value("uid", &ids(&here.uid, texts), &ids(&there.uid, texts));
    section.value("gid", &ids(&here.gid, texts), &ids(&there.gid, texts));
    let groups = |groups: &[Id]| {
        let ids: Vec<String> = groups.iter().map(|one| id(one, texts)).collect();
        ids.join(" ")
    };
    section.value("groups", &groups(&here.groups), &groups(&there.groups));
    let map = |lines: &[String]| map(lines, texts);
    section.value("uid_map", &map(&here.uid_map), &map(&there.uid_map));
    section.value("gid_map", &map(&here.gid_map), &map(&there.gid_map));
    section.value("setgroups", &here.setgroups, &there.setgroups);
    section
}

fn id(id: &Id, texts: &Texts) -> String {
    match id {
        Id::Mapped(id) => id.to_string(),
        Id::Unmapped(UnmappedId::Unmapped) => say(texts, "unmapped", &[]),
    }
}

fn ids(ids: &Ids, texts: &Texts) -> String {
    let all = [ids.real, ids.effective, ids.saved, ids.filesystem].map(|one| id(&one, texts));
    let [real, effective, saved, filesystem] = &all;
    if all.iter().all(|one| one == real) {
        return real.clone();
    }
    let values = [
        ("real", &**real),
        ("effective", effective),
        ("saved", saved),
        ("filesystem", filesystem),
    ];
    say(texts, "ids", &values)
}

/// `0 1000 1` in words: a range inside, and what it is in the parent.
fn map(lines: &[String], texts: &Texts) -> String {
    let range = |line: &String| -> Option<String> {
        let numbers: Vec<u64> = line
            .split(' ')
            .map(|word| word.parse().ok())
            .collect::<Option<_>>()?;
        let &[inside, outside, count] = numbers.as_slice() else {
            return None;
        };
        let key = match count {
            1 => "map.one",
            u64::MAX | 4_294_967_295 => "map.identity",
            _ => "map.range",
        };
        // What somebody's map says may lie beyond what there is.
        let last = |first: u64| first.saturating_add(count).saturating_sub(1).to_string();
        let values = [
            ("inside", &*inside.to_string()),
            ("outside", &outside.to_string()),
            ("inside_last", &last(inside)),
            ("outside_last", &last(outside)),
        ];
        Some(say(texts, key, &values))
    };
    match lines {
        [] => say(texts, "map.empty", &[]),
        lines => lines
            .iter()
            .map(|line| range(line).unwrap_or_else(|| line.clone()))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn capabilities<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "capabilities");
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
            let values = [("sets", &*names), ("count", &other.len().to_string())];
            section.say(Mark::Missing, "capabilities.none", &values);
            continue;
        }
        if !added.is_empty() {
            let values = [("sets", &*names), ("capabilities", &words(&added))];
            section.say(Mark::Added, "capabilities.also", &values);
        }
        let (key, told) = match missing.len() {
            0 => continue,
            count if count > mine.len() => ("capabilities.fewer", words(mine)),
            _ => ("capabilities.without", words(&missing)),
        };
        let count = missing.len().to_string();
        let values = [
            ("sets", &*names),
            ("count", &count),
            ("capabilities", &told),
        ];
        section.say(Mark::Missing, key, &values);
    }
    if here.executable_capabilities != there.executable_capabilities
        && let Some(item) = &here.executable_capabilities
    {
        section.say(Mark::Added, "capabilities.executable", &[("item", item)]);
    }
    section
}

fn confinement<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "confinement");
    let filters = |process: &Process| {
        let key = match process.seccomp_filters {
            0 => return process.seccomp.clone(),
            1 => "seccomp.one",
            _ => "seccomp.more",
        };
        let count = process.seccomp_filters.to_string();
        say(texts, key, &[("mode", &process.seccomp), ("count", &count)])
    };
    section.value("seccomp", &filters(here), &filters(there));
    match (here.no_new_privs, there.no_new_privs) {
        (true, false) => section.say(Mark::Added, "no_new_privs.on", &[]),
        (false, true) => section.say(Mark::Missing, "no_new_privs.off", &[]),
        _ => {}
    }
    section
}

fn root<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "root");
    section.value("root", &here.root, &there.root);
    section.value("cwd", &here.cwd, &there.cwd);
    section
}

fn mounts<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "mounts");
    let (mine, other) = (&here.view, &there.view);
    section.value("propagation", &mine.propagation, &other.propagation);
    section.table(&mine.mounts, &other.mounts, |entry| mount(entry, texts));
    section
}

fn mount(mount: &Mount, texts: &Texts) -> String {
    let mut text = mount.fs_type.clone();
    if mount.source != mount.fs_type {
        let values = [("mount", &*text), ("source", &mount.source)];
        text = say(texts, "mount.from", &values);
    }
    if let Some(root) = &mount.root {
        text = say(texts, "mount.root", &[("mount", &text), ("root", root)]);
    }
    if mount.namespace.is_some() {
        text = say(texts, "mount.namespace", &[("mount", &text)]);
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

fn cgroups<'a>(here: &Process, there: &Process, usage: &Usage, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "cgroups");
    // One place in all hierarchies, as on v1, is told once.
    let mut alike: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (hierarchy, mine) in &here.cgroups {
        let other = there.cgroups.get(hierarchy);
        if Some(mine) != other {
            let other = other.map_or_else(|| say(texts, "none", &[]), |one| cgroup(one, texts));
            let key = (cgroup(mine, texts), other);
            alike.entry(key).or_default().push(hierarchy);
        }
    }
    for ((mine, other), hierarchies) in alike {
        let values = [
            ("hierarchies", &*hierarchies.join(", ")),
            ("here", &mine),
            ("there", &other),
        ];
        section.say(Mark::Other, "cgroup.other", &values);
    }
    for hierarchy in there.cgroups.keys() {
        if !here.cgroups.contains_key(hierarchy) {
            section.line(Mark::Missing, hierarchy);
        }
    }
    let used = used(usage, texts);
    if !used.is_empty() {
        let values = [("items", &*used.join(", "))];
        section.say(Mark::Same, "cgroup.use", &values);
    }
    section
}

/// The use beside the limits: of people's interest, and never a difference.
fn used(usage: &Usage, texts: &Texts) -> Vec<String> {
    let mebibytes = |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let seconds = |time| format!("{:.2}", time as f64 / 1e6);
    [
        ("cgroup.memory", usage.memory.map(mebibytes)),
        ("cgroup.pids", usage.pids.map(|count| count.to_string())),
        ("cgroup.cpu", usage.cpu.map(seconds)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(say(texts, key, &[("value", &value?)])))
    .collect()
}

fn cgroup(cgroup: &Cgroup, texts: &Texts) -> String {
    let limits: Vec<String> = cgroup
        .limits
        .iter()
        .map(|(file, value)| format!("{file} {value}"))
        .collect();
    match limits.as_slice() {
        [] => cgroup.path.clone(),
        limits => {
            let values = [("path", &*cgroup.path), ("limits", &limits.join(", "))];
            say(texts, "cgroup.limited", &values)
        }
    }
}

fn network<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "network");
    let (mine, other) = (&here.view, &there.view);
    section.table(&mine.interfaces, &other.interfaces, |entry| {
        interface(entry, texts)
    });
    section.set("route", &mine.routes, &other.routes);
    section.set("listening", &mine.listening, &other.listening);
    section.set("neighbour", &mine.neighbours, &other.neighbours);
    section.set("forwarding", &mine.forwarding, &other.forwarding);
    section.table(&mine.firewall, &other.firewall, |entry| chain(entry, texts));
    section.table(&mine.network_namespaces, &other.network_namespaces, |_| {
        say(texts, "network_namespace", &[])
    });
    section
}

fn chain(chain: &Chain, texts: &Texts) -> String {
    let mut parts: Vec<String> = chain.hook.iter().cloned().collect();
    parts.extend(chain.policy.iter().map(|policy| format!("policy {policy}")));
    match chain.rules.is_empty() {
        true => parts.push(say(texts, "chain_empty", &[])),
        false => parts.extend(chain.rules.iter().cloned()),
    }
    say(texts, "chain", &[("rules", &parts.join("; "))])
}

fn interface(interface: &Interface, texts: &Texts) -> String {
    let mut text = format!("{} {}", interface.kind, interface.state);
    if !interface.addresses.is_empty() {
        text += &format!(", {}", list(&interface.addresses));
    }
    if let Some(master) = &interface.master {
        let values = [("interface", &*text), ("master", master)];
        text = say(texts, "interface.port", &values);
    }
    if let Some(peer) = &interface.peer {
        let place = peer.place.to_string();
        let end = peer.interface.as_ref().unwrap_or(&place);
        text = say(
            texts,
            "interface.end",
            &[("interface", &text), ("end", end)],
        );
    }
    text
}

fn ipc<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "ipc");
    let (mine, other) = (&here.view.ipc, &there.view.ipc);
    let tell = |key: &'static str| {
        move |object: &IpcObject| {
            let (size, mode) = (object.size.to_string(), object.mode.to_string());
            say(texts, key, &[("size", &size), ("mode", &mode)])
        }
    };
    let shm = tell("ipc.memory");
    section.table(&mine.shared_memory, &other.shared_memory, shm);
    section.table(&mine.semaphores, &other.semaphores, tell("ipc.semaphores"));
    let msg = tell("ipc.messages");
    section.table(&mine.message_queues, &other.message_queues, msg);
    let mq = tell("ipc.messages");
    section.table(&mine.posix_queues, &other.posix_queues, mq);
    section
}

/// Only the files of the one process are asked for: all of them are told.
fn files<'a>(here: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "files");
    for (path, file) in &here.view.files {
        let mut text = format!("{path} {}", file.file_type);
        text.extend(file.mode.iter().map(|mode| format!(" {mode}")));
        for (name, marked) in [("opaque", file.opaque), ("metacopy", file.metacopy)] {
            text += match marked {
                Some(true) => format!(" {name}"),
                _ => String::new(),
            }
            .as_str();
        }
        text.extend(file.redirect.iter().map(|to| format!(" redirect={to}")));
        text.extend(file.content.iter().map(|content| format!(": {content}")));
        section.line(Mark::Added, text);
    }
    section
}

fn limits<'a>(here: &Process, there: &Process, texts: &'a Texts) -> Section<'a> {
    let mut section = Section::new(texts, "limits");
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
        "difference": in_order(symbols.apply(&change)).get("process").unwrap_or(&json!({})),
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
        let page = page(
            &subject(|_| {}),
            &subject(|_| {}),
            &Usage::default(),
            &Texts::english(),
        );
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
        let page = page(&here, &there, &Usage::default(), &Texts::english());
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
    fn the_use_of_the_cgroups_is_told_beside_their_limits_and_is_no_data() {
        let here = subject(|facts| {
            let limits = [("memory.max".to_owned(), "67108864".to_owned())];
            let cgroup = Cgroup {
                path: "/a".into(),
                limits: limits.into(),
            };
            facts.cgroups.insert("unified".into(), cgroup);
        });
        let usage = Usage {
            memory: Some(3 << 19),
            pids: Some(3),
            cpu: Some(2_500_000),
        };
        let there = subject(|_| {});
        let page = page(&here, &there, &usage, &Texts::english());
        let told = "in use: 1.5 MiB of memory, pids 3, 2.50 s of processor time";
        assert!(page.contains("/a with memory.max 67108864"), "{page}");
        assert!(page.contains(told), "{page}");
        assert!(!data(&here, &there).unwrap().to_string().contains("2500000"));
    }

    #[test]
    fn what_another_wrote_cannot_steer_the_terminal() {
        let here = subject(|facts| facts.view.hostname = "\u{1b}[2Jboo\n".into());
        let page = page(
            &here,
            &subject(|_| {}),
            &Usage::default(),
            &Texts::english(),
        );
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
            inspect(pid, None, &[], Format::Text, &Texts::english())
                .unwrap()
                .contains("The same in both")
        );
        let json: Value = serde_json::from_str(
            &inspect(pid, None, &[], Format::Json, &Texts::english()).unwrap(),
        )
        .unwrap();
        assert_eq!(json["difference"], json!({}));
        assert_eq!(json["process"]["pid"], json!(pid));
        let yaml = inspect(pid, Some(pid), &[], Format::Yaml, &Texts::english()).unwrap();
        assert!(yaml.contains("difference: {}"));
    }
}
