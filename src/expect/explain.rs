//! Why a fact does not hold, told from its kind and from what the kernel holds.
//!
//! The texts are in `texts/en.yaml`: for each kind a title and a meaning, for
//! each way to miss it what the kernel holds and the likely cause.

use serde_json::Value;

use super::texts::{Texts, fill};
use crate::check::verdict::Explanation;
use crate::state::difference::ABSENT;
use crate::state::vocabulary::{Fact, FactKind};

/// How a fact can fail to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Still as in the baseline, where a change was expected.
    Unchanged,
    /// Not as expected.
    Different,
    /// Changed, where no change was expected.
    Unexpected,
    /// An entry of a table is not there.
    MissingEntry,
    /// An entry of a table is there, and should not be.
    ExtraEntry,
    /// Elements of a set are not there.
    MissingElement,
    /// Elements of a set are there, and should not be.
    ExtraElement,
    /// The machine's own state changed.
    Leaked,
}

impl How {
    pub const ALL: [Self; 8] = [
        Self::Unchanged,
        Self::Different,
        Self::Unexpected,
        Self::MissingEntry,
        Self::ExtraEntry,
        Self::MissingElement,
        Self::ExtraElement,
        Self::Leaked,
    ];

    /// In the key of a text.
    pub fn key(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Different => "different",
            Self::Unexpected => "unexpected",
            Self::MissingEntry => "missing_entry",
            Self::ExtraEntry => "extra_entry",
            Self::MissingElement => "missing_element",
            Self::ExtraElement => "extra_element",
            Self::Leaked => "leaked",
        }
    }
}

/// One fact, or one part of it, that does not hold. Values are in symbols.
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub kind: FactKind,
    pub how: How,
    /// Below the checkpoint.
    pub path: String,
    /// The key of the entry that it is or belongs to.
    pub entry: Option<String>,
    /// Whether it is the machine's.
    pub machine: bool,
    pub expected: Option<Value>,
    pub found: Option<Value>,
    pub baseline: Option<Value>,
    pub missing: Vec<String>,
    pub extra: Vec<String>,
}

/// Whether a change of it in the machine has an explanation of its own: what
/// the process and the machine both have.
pub fn leaks(kind: FactKind) -> bool {
    matches!(
        kind,
        FactKind::Hostname
            | FactKind::Domainname
            | FactKind::Propagation
            | FactKind::Mount
            | FactKind::Interface
            | FactKind::Route
            | FactKind::Listening
            | FactKind::Forwarding
            | FactKind::Firewall
            | FactKind::NetworkNamespace
            | FactKind::SharedMemory
            | FactKind::Semaphores
            | FactKind::MessageQueues
            | FactKind::PosixQueues
    )
}

/// A few words that name the fact.
pub fn title(texts: &Texts, fact: &Fact) -> String {
    let entry = fact.entry.as_deref().unwrap_or_default();
    let last = fact.path.last().map_or("", String::as_str);
    let key = Key::of(fact.kind);
    let mut values = key.values(texts);
    values.push(("entry", entry.to_owned()));
    values.push(("field", last.to_owned()));
    let title = key
        .find(texts, "title")
        .map_or_else(|| fact.id(), |text| filled(text, &values));
    if let Some(network) = fact.network() {
        let values = [("title", title.as_str()), ("network", network)];
        texts.message("check.of_the_network", &values)
    } else if fact.is_machines() {
        texts.message("check.of_the_machine", &[("title", &title)])
    } else {
        title
    }
}

/// Explains the first mismatch, and names the others. `change` is all that
/// changed at the checkpoint.
pub fn explain(texts: &Texts, mismatches: &[Mismatch], change: &Value) -> Explanation {
    let Some((first, others)) = mismatches.split_first() else {
        return Explanation::default();
    };
    let mut explanation = explain_one(texts, first, change);
    if !others.is_empty() {
        let paths: Vec<String> = others.iter().map(|other| other.path.clone()).collect();
        let also = texts.message("check.also", &[("facts", &list(&paths))]);
        explanation.what = format!("{} {also}", explanation.what);
    }
    explanation
}

fn explain_one(texts: &Texts, mismatch: &Mismatch, change: &Value) -> Explanation {
    let key = Key::of(mismatch.kind);
    let how = special_case(mismatch, change).unwrap_or(mismatch.how.key());
    let mut values = key.values(texts);
    let told = |value: &Option<Value>| match value {
        Some(value) => tell(value),
        None => texts.message("check.nothing", &[]),
    };
    values.extend([
        ("expected", told(&mismatch.expected)),
        ("found", told(&mismatch.found)),
        ("baseline", told(&mismatch.baseline)),
        ("entry", mismatch.entry.clone().unwrap_or_default()),
        (
            "field",
            mismatch
                .path
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        (
            "signal",
            change.pointer("/exit/signal").map(tell).unwrap_or_default(),
        ),
        ("missing", list(&mismatch.missing)),
        ("extra", list(&mismatch.extra)),
        ("allows", allows(texts, mismatch)),
        ("change", texts.message(change_key(mismatch), &[])),
    ]);
    let part = |part: &str| {
        let text = key
            .find(texts, &format!("{how}.{part}"))
            .or_else(|| key.find(texts, &format!("{}.{part}", mismatch.how.key())))
            .or_else(|| key.find(texts, part));
        text.map(|text| filled(text, &values)).unwrap_or_default()
    };
    Explanation {
        what: part("what"),
        meaning: part("meaning"),
        cause: part("cause"),
        man: mismatch
            .kind
            .man()
            .iter()
            .map(|&page| page.to_owned())
            .collect(),
    }
}

fn change_key(mismatch: &Mismatch) -> &'static str {
    match (&mismatch.baseline, &mismatch.found) {
        (None, _) => "check.came",
        (_, None) => "check.went",
        _ => "check.changed",
    }
}

/// Mismatches that tell more when the rest of the change is looked at.
fn special_case(mismatch: &Mismatch, change: &Value) -> Option<&'static str> {
    use crate::state::facts::NamespaceKind::{Pid, Time};
    let changed = |path: &str| change.pointer(path).is_some();
    match (mismatch.kind, mismatch.how) {
        (FactKind::Namespace(Pid), How::Unchanged)
            if changed("/process/namespaces/pid_for_children") =>
        {
            Some("not_forked")
        }
        (FactKind::Namespace(Time), How::Unchanged)
            if changed("/process/namespaces/time_for_children") =>
        {
            Some("not_forked")
        }
        (FactKind::UidMap | FactKind::GidMap, How::Different) => {
            is_swapped(mismatch).then_some("swapped")
        }
        (FactKind::Interface, How::MissingEntry) => {
            let name = mismatch.entry.as_deref().unwrap_or_default();
            let outside = change.pointer("/machine/interfaces")?.get(name)?;
            (outside != ABSENT && !mismatch.machine).then_some("outside")
        }
        (FactKind::File, How::MissingEntry) => {
            let kind = mismatch.expected.as_ref()?.get("type")?;
            (kind == "whiteout").then_some("no_whiteout")
        }
        (FactKind::FileType, How::Unchanged | How::Different) => {
            let whiteout = |value: &Option<Value>| value.as_ref().is_some_and(|v| v == "whiteout");
            match (whiteout(&mismatch.expected), whiteout(&mismatch.found)) {
                (true, _) => Some("no_whiteout"),
                (_, true) => Some("is_whiteout"),
                _ => None,
            }
        }
        (FactKind::ExitStatus, How::Unchanged | How::Different) if changed("/exit/signal") => {
            Some("signalled")
        }
        _ => None,
    }
}

/// Whether a map has inside and outside exchanged.
fn is_swapped(mismatch: &Mismatch) -> bool {
    let lines = |value: &Option<Value>| -> Vec<Vec<String>> {
        let list = value
            .as_ref()
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        list.iter()
            .filter_map(Value::as_str)
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    let (mut expected, found) = (lines(&mismatch.expected), lines(&mismatch.found));
    for line in &mut expected {
        if line.len() == 3 {
            line.swap(0, 1);
        }
    }
    !found.is_empty() && expected == found
}

/// What the capabilities in question let a process do.
fn allows(texts: &Texts, mismatch: &Mismatch) -> String {
    let named = mismatch.extra.iter().chain(&mismatch.missing);
    let lines: Vec<String> = named
        .take(3)
        .filter_map(|name| {
            let text = texts.get(&format!("capability.{name}"))?;
            Some(format!("{name}: {text}"))
        })
        .collect();
    lines.join("; ")
}

/// A fact that was not looked at, because of one that it depends on.
pub fn skipped(texts: &Texts, checkpoint: &str, on: &str) -> Explanation {
    explanation(texts, "skipped", &[("on", &format!("{checkpoint}.{on}"))])
}

/// A fact of a checkpoint that was not reached.
pub fn skipped_unreached(texts: &Texts, checkpoint: &str) -> Explanation {
    explanation(texts, "skipped_unreached", &[("checkpoint", checkpoint)])
}

/// A checkpoint that was not reached, and how the program ended instead.
pub fn not_reached(texts: &Texts, checkpoint: &str, exit: Option<&Value>) -> Explanation {
    let part = |name: &str| exit.and_then(|exit| exit.get(name)).map(tell);
    let (key, value) = match (part("status"), part("signal")) {
        (_, Some(signal)) => ("not_reached_signal", signal),
        (Some(status), _) => ("not_reached_status", status),
        _ => ("not_reached", String::new()),
    };
    explanation(texts, key, &[("checkpoint", checkpoint), ("exit", &value)])
}

/// An explanation made of the general messages.
pub(super) fn explanation(texts: &Texts, key: &str, values: &[(&str, &str)]) -> Explanation {
    let part = |part: &str| texts.message(&format!("check.{key}.{part}"), values);
    Explanation {
        what: part("what"),
        meaning: part("meaning"),
        cause: part("cause"),
        man: Vec::new(),
    }
}

/// What a kind means, without a mismatch.
pub(super) fn meaning(texts: &Texts, kind: FactKind) -> String {
    let key = Key::of(kind);
    let text = key.find(texts, "meaning");
    text.map(|text| filled(text, &key.values(texts)))
        .unwrap_or_default()
}

/// Where the texts of a kind are: its own, else those of its family, whose
/// words the kind then gives.
struct Key {
    family: &'static str,
    member: Option<&'static str>,
}

impl Key {
    fn of(kind: FactKind) -> Self {
        let plain = |family| Self {
            family,
            member: None,
        };
        let member = |family, member| Self {
            family,
            member: Some(member),
        };
        match kind {
            FactKind::Namespace(kind) => member("namespace", kind.name()),
            FactKind::Capabilities(set) => member("capabilities", set.name()),
            FactKind::SharedMemory => member("ipc_object", "shared_memory"),
            FactKind::Semaphores => member("ipc_object", "semaphores"),
            FactKind::MessageQueues => member("ipc_object", "message_queues"),
            FactKind::PosixQueues => member("ipc_object", "posix_queues"),
            FactKind::OwnedNamespaces => plain("owned_namespaces"),
            FactKind::Hostname => plain("hostname"),
            FactKind::Domainname => plain("domainname"),
            FactKind::Pids => plain("pids"),
            FactKind::TimeOffset => plain("time_offset"),
            FactKind::UserId => plain("user_id"),
            FactKind::GroupId => plain("group_id"),
            FactKind::Groups => plain("groups"),
            FactKind::UidMap => plain("uid_map"),
            FactKind::GidMap => plain("gid_map"),
            FactKind::Setgroups => plain("setgroups"),
            FactKind::ExecutableCapabilities => plain("executable_capabilities"),
            FactKind::NoNewPrivs => plain("no_new_privs"),
            FactKind::Seccomp => plain("seccomp"),
            FactKind::SeccompFilters => plain("seccomp_filters"),
            FactKind::Securebits => plain("securebits"),
            FactKind::Root => plain("root"),
            FactKind::Cwd => plain("cwd"),
            FactKind::Propagation => plain("propagation"),
            FactKind::Mount => plain("mount"),
            FactKind::MountType => plain("mount_type"),
            FactKind::MountSource => plain("mount_source"),
            FactKind::MountRoot => plain("mount_root"),
            FactKind::MountNamespace => plain("mount_namespace"),
            FactKind::MountOptions => plain("mount_options"),
            FactKind::SuperOptions => plain("super_options"),
            FactKind::MountPropagation => plain("mount_propagation"),
            FactKind::Cgroup => plain("cgroup"),
            FactKind::CgroupPath => plain("cgroup_path"),
            FactKind::CgroupLimit => plain("cgroup_limit"),
            FactKind::Group => plain("group"),
            FactKind::GroupControllers => plain("group_controllers"),
            FactKind::GroupSubtreeControl => plain("group_subtree_control"),
            FactKind::GroupProcesses => plain("group_processes"),
            FactKind::GroupFrozen => plain("group_frozen"),
            FactKind::GroupEvents => plain("group_events"),
            FactKind::Interface => plain("interface"),
            FactKind::InterfaceKind => plain("interface_kind"),
            FactKind::InterfaceState => plain("interface_state"),
            FactKind::InterfaceAddresses => plain("interface_addresses"),
            FactKind::InterfaceMaster => plain("interface_master"),
            FactKind::PeerInterface => plain("peer_interface"),
            FactKind::PeerPlace => plain("peer_place"),
            FactKind::Route => plain("route"),
            FactKind::Listening => plain("listening"),
            FactKind::Neighbour => plain("neighbour"),
            FactKind::Forwarding => plain("forwarding"),
            FactKind::Firewall => plain("firewall"),
            FactKind::FirewallHook => plain("firewall_hook"),
            FactKind::FirewallPolicy => plain("firewall_policy"),
            FactKind::FirewallRules => plain("firewall_rules"),
            FactKind::NetworkNamespace => plain("network_namespace"),
            FactKind::Network => plain("network"),
            FactKind::IpcSize => plain("ipc_size"),
            FactKind::IpcMode => plain("ipc_mode"),
            FactKind::File => plain("file"),
            FactKind::FileType => plain("file_type"),
            FactKind::FileMode => plain("file_mode"),
            FactKind::FileContent => plain("file_content"),
            FactKind::FileOpaque => plain("file_opaque"),
            FactKind::FileMetacopy => plain("file_metacopy"),
            FactKind::FileRedirect => plain("file_redirect"),
            FactKind::ResourceLimit => plain("resource_limit"),
            FactKind::Processes => plain("processes"),
            FactKind::ExitStatus => plain("exit_status"),
            FactKind::ExitSignal => plain("exit_signal"),
        }
    }

    fn find<'a>(&self, texts: &'a Texts, rest: &str) -> Option<&'a str> {
        let own = self
            .member
            .and_then(|member| texts.get(&format!("{}.members.{member}.{rest}", self.family)));
        own.or_else(|| texts.get(&format!("{}.{rest}", self.family)))
    }

    /// The words that the member gives to the texts of its family.
    fn values(&self, texts: &Texts) -> Vec<(&'static str, String)> {
        let Some(member) = self.member else {
            return Vec::new();
        };
        let mut values = vec![("member", member.to_owned())];
        for word in ["name", "holds", "flag", "rule", "look", "mend"] {
            let key = format!("{}.members.{member}.words.{word}", self.family);
            if let Some(text) = texts.get(&key) {
                values.push((word, text.to_owned()));
            }
        }
        values
    }
}

fn filled(text: &str, values: &[(&'static str, String)]) -> String {
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    fill(text, &values)
}

/// A value in a sentence.
pub(super) fn tell(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "[]".into(),
        Value::Array(values) => values.iter().map(tell).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", tell(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The first few of many.
fn list(names: &[String]) -> String {
    match names {
        [few @ .., _, _] if few.len() > 6 => {
            format!("{}, … ({})", names[..6].join(", "), names.len())
        }
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::state::vocabulary::{Entries, Shape, places};

    /// Each kind with each way in which a fact of that kind can be missed.
    fn all() -> BTreeSet<(FactKind, How)> {
        let mut all = BTreeSet::new();
        for (_, field) in places() {
            let hows: &[How] = match field.shape {
                Shape::Group(_) => &[],
                Shape::Leaf(..) | Shape::List(..) => {
                    &[How::Unchanged, How::Different, How::Unexpected]
                }
                Shape::Set(..) => &[How::MissingElement, How::ExtraElement],
                Shape::Table(_, Entries::Record(_)) => &[How::MissingEntry, How::ExtraEntry],
                Shape::Table(_, Entries::Value(_)) => &[
                    How::MissingEntry,
                    How::ExtraEntry,
                    How::Unchanged,
                    How::Different,
                    How::Unexpected,
                ],
            };
            let Some(kind) = field.shape.kind() else {
                continue;
            };
            all.extend(hows.iter().map(|&how| (kind, how)));
            if leaks(kind) {
                all.insert((kind, How::Leaked));
            }
        }
        all
    }

    fn mismatch(kind: FactKind, how: How) -> Mismatch {
        Mismatch {
            kind,
            how,
            path: "process.uid.real".into(),
            entry: Some("ENTRY".into()),
            machine: false,
            expected: Some(json!("EXPECTED")),
            found: Some(json!("FOUND")),
            baseline: Some(json!("BASELINE")),
            missing: vec!["net_raw".into()],
            extra: vec!["net_admin".into()],
        }
    }

    /// The special cases, with a mismatch and a change that bring them about.
    fn special() -> Vec<(Mismatch, Value)> {
        use crate::state::facts::NamespaceKind::{Pid, Time};
        let swapped = |kind| Mismatch {
            expected: Some(json!(["0 1000 1"])),
            found: Some(json!(["1000 0 1"])),
            ..mismatch(kind, How::Different)
        };
        let children = json!({"process": {"namespaces": {
            "pid_for_children": "new", "time_for_children": "new"
        }}});
        vec![
            (swapped(FactKind::UidMap), json!({})),
            (swapped(FactKind::GidMap), json!({})),
            (
                mismatch(FactKind::Namespace(Pid), How::Unchanged),
                children.clone(),
            ),
            (
                mismatch(FactKind::Namespace(Time), How::Unchanged),
                children,
            ),
            (
                mismatch(FactKind::Interface, How::MissingEntry),
                json!({"machine": {"interfaces": {"ENTRY": {"kind": "veth"}}}}),
            ),
            (
                Mismatch {
                    expected: Some(json!({"type": "whiteout"})),
                    ..mismatch(FactKind::File, How::MissingEntry)
                },
                json!({}),
            ),
            (
                Mismatch {
                    expected: Some("whiteout".into()),
                    ..mismatch(FactKind::FileType, How::Different)
                },
                json!({}),
            ),
            (
                Mismatch {
                    found: Some("whiteout".into()),
                    ..mismatch(FactKind::FileType, How::Different)
                },
                json!({}),
            ),
            (
                mismatch(FactKind::ExitStatus, How::Different),
                json!({"exit": {"signal": "KILL"}}),
            ),
        ]
    }

    #[test]
    fn each_way_to_miss_each_kind_has_a_text_of_its_own() {
        let texts = Texts::english();
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        let plain = all()
            .into_iter()
            .map(|(kind, how)| (mismatch(kind, how), json!({})));
        for (mismatch, change) in plain.chain(special()) {
            let name = format!("{:?} {:?} {change}", mismatch.kind, mismatch.how);
            let explanation = explain(&texts, std::slice::from_ref(&mismatch), &change);
            for text in [&explanation.what, &explanation.meaning, &explanation.cause] {
                assert!(text.len() > 10, "{name}: {explanation:#?}");
                assert!(!text.contains(['{', '}']), "{name}: not filled in: {text}");
            }
            assert!(!explanation.man.is_empty());
            for text in [explanation.what, explanation.cause] {
                if let Some(other) = told.insert(text.clone(), name.clone()) {
                    panic!("{name} and {other} say the same: {text}");
                }
            }
        }
        assert!(told.len() > 300, "{}", told.len());
    }

    #[test]
    fn no_text_is_unused() {
        let texts = Texts::english();
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut look_up = |key: &Key, rest: &str| -> bool {
            let own = key
                .member
                .map(|member| format!("{}.members.{member}.{rest}", key.family));
            let family = format!("{}.{rest}", key.family);
            match own
                .into_iter()
                .chain([family])
                .find(|name| texts.get(name).is_some())
            {
                Some(name) => used.insert(name),
                None => false,
            }
        };
        let special = special().into_iter().filter_map(|(mismatch, change)| {
            Some((mismatch.kind, special_case(&mismatch, &change)?))
        });
        let cases = all()
            .into_iter()
            .map(|(kind, how)| (kind, how.key()))
            .chain(special);
        for (kind, how) in cases {
            let key = Key::of(kind);
            for part in ["title", "meaning"] {
                look_up(&key, part);
            }
            for part in ["what", "meaning", "cause"] {
                look_up(&key, &format!("{how}.{part}"));
            }
            for word in ["name", "holds", "flag", "rule", "look", "mend"] {
                look_up(&key, &format!("words.{word}"));
            }
        }
        for name in crate::state::vocabulary::CAPABILITIES {
            let key = format!("capability.{name}");
            assert!(texts.get(&key).is_some(), "{key}");
            used.insert(key);
        }
        let unused: Vec<&str> = texts
            .keys()
            .filter(|key| !key.starts_with("messages.") && !used.contains(*key))
            .collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn a_forgotten_fork_is_recognised() {
        let (mismatch, change) = special().remove(2);
        let explanation = explain(&Texts::english(), &[mismatch], &change);
        assert!(
            explanation.cause.contains("did not fork"),
            "{}",
            explanation.cause
        );
    }

    #[test]
    fn capabilities_are_told_by_what_they_allow() {
        use crate::state::vocabulary::CapabilitySet::Bounding;
        let mismatch = mismatch(FactKind::Capabilities(Bounding), How::ExtraElement);
        let explanation = explain(&Texts::english(), &[mismatch], &json!({}));
        assert!(
            explanation.what.contains("net_admin"),
            "{}",
            explanation.what
        );
        assert!(
            explanation.cause.contains("configure interfaces"),
            "{}",
            explanation.cause
        );
        assert!(
            explanation.cause.contains("PR_CAPBSET_DROP"),
            "{}",
            explanation.cause
        );
    }
}
