//! Observations to test with: a machine, and a program that changed something.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use crate::state::facts::*;

pub fn words<T: FromIterator<String>>(text: &str) -> T {
    text.split_whitespace().map(str::to_owned).collect()
}

fn ids(id: u32) -> Ids {
    let id = Id::Mapped(id);
    Ids {
        real: id,
        effective: id,
        saved: id,
        filesystem: id,
    }
}

pub fn mount(fs_type: &str, options: &str) -> Mount {
    Mount {
        fs_type: fs_type.into(),
        source: fs_type.into(),
        options: words(options),
        ..Mount::default()
    }
}

pub fn interface(kind: &str, state: &str, addresses: &str) -> Interface {
    Interface {
        kind: kind.into(),
        state: state.into(),
        addresses: words(addresses),
        ..Interface::default()
    }
}

fn view() -> View {
    View {
        hostname: "machine".into(),
        domainname: "(none)".into(),
        propagation: "shared".into(),
        mounts: [
            ("/", mount("tmpfs", "nosuid")),
            ("/proc", mount("proc", "nosuid nodev noexec")),
        ]
        .map(|(point, mount)| (point.to_owned(), mount))
        .into(),
        interfaces: [("lo".to_owned(), interface("loopback", "up", "127.0.0.1/8"))].into(),
        routes: BTreeSet::new(),
        listening: BTreeSet::new(),
        neighbours: BTreeSet::new(),
        forwarding: BTreeSet::new(),
        firewall: BTreeMap::new(),
        network_namespaces: BTreeMap::new(),
        ipc: Ipc::default(),
        files: BTreeMap::new(),
    }
}

/// The machine before anything happened, on cgroup v2.
pub fn baseline() -> Observation {
    let namespaces = NamespaceKind::ALL
        .into_iter()
        .filter(|kind| !kind.name().ends_with("_for_children"))
        .zip(100..)
        .map(|(kind, inode)| (kind, NamespaceId(inode)));
    let capabilities: BTreeSet<String> = words("chown kill net_admin net_raw sys_admin");
    Observation {
        process: Some(Process {
            namespaces: namespaces.collect(),
            owned_namespaces: [NamespaceKind::Mnt, NamespaceKind::Net, NamespaceKind::Uts].into(),
            uid: ids(0),
            gid: ids(0),
            uid_map: vec!["0 0 1".into()],
            gid_map: vec!["0 0 1".into()],
            setgroups: "deny".into(),
            capabilities: Capabilities {
                effective: capabilities.clone(),
                permitted: capabilities.clone(),
                bounding: capabilities,
                ..Capabilities::default()
            },
            seccomp: "filter".into(),
            seccomp_filters: 1,
            securebits: Some(BTreeSet::new()),
            root: "/".into(),
            cwd: "/root/work".into(),
            cgroups: [(
                "unified".to_owned(),
                Cgroup {
                    path: "/".into(),
                    ..Cgroup::default()
                },
            )]
            .into(),
            limits: [("nofile".to_owned(), "1024:4096".to_owned())].into(),
            view: view(),
            ..Process::default()
        }),
        machine: Some(Machine {
            view: view(),
            networks: BTreeMap::new(),
            processes: words("sh"),
            cgroups: BTreeMap::new(),
        }),
        exit: None,
    }
}

/// What the machine is when a program has ended and left nothing behind.
pub fn clean_end() -> Observation {
    let exit = Exit {
        status: Some(0),
        signal: None,
    };
    Observation {
        process: None,
        exit: Some(exit),
        ..baseline()
    }
}

/// A run in which `inside` was reached with that change to the baseline.
pub fn run(change: impl FnOnce(&mut Process, &mut Machine)) -> Run {
    let mut inside = baseline();
    let (process, machine) = (
        inside.process.as_mut().unwrap(),
        inside.machine.as_mut().unwrap(),
    );
    change(process, machine);
    Run {
        baseline: baseline(),
        checkpoints: vec![("inside".into(), inside)],
        after: Some(clean_end()),
    }
}

/// A new UTS namespace with a hostname of its own.
pub fn own_hostname() -> Run {
    run(|process, _| {
        process
            .namespaces
            .insert(NamespaceKind::Uts, NamespaceId(900));
        process.view.hostname = "tp-lab".into();
    })
}

/// Many kinds of change at once.
pub fn rich() -> Run {
    let mut run = run(|process, machine| {
        for (kind, inode) in [
            (NamespaceKind::Uts, 900),
            (NamespaceKind::Mnt, 901),
            (NamespaceKind::Net, 902),
            (NamespaceKind::Pid, 903),
            (NamespaceKind::User, 904),
            (NamespaceKind::Ipc, 905),
            (NamespaceKind::Time, 906),
        ] {
            process.namespaces.insert(kind, NamespaceId(inode));
        }
        process.owned_namespaces = [NamespaceKind::Uts].into();
        process.view.hostname = "yes".into();
        process.pids = vec![1];
        process.time_offsets.boottime = -7;
        process.uid = ids(1000);
        process.uid.effective = Id::Unmapped(UnmappedId::Unmapped);
        process.uid_map = vec!["0 1000 1".into()];
        process.setgroups = "allow".into();
        process.no_new_privs = true;
        process.capabilities.effective.remove("net_raw");
        process.capabilities.permitted.clear();
        process
            .capabilities
            .ambient
            .insert("net_bind_service".into());
        process.securebits = Some(words("noroot"));
        process.view.propagation = "private".into();
        process.view.mounts.remove("/proc");
        let namespace = Some(NamespaceId(902));
        let bound = Mount {
            namespace,
            ..mount("nsfs", "")
        };
        process.view.mounts.insert("/run/netns/a b".into(), bound);
        process
            .view
            .network_namespaces
            .insert("blue".into(), NamespaceId(902));
        process
            .view
            .interfaces
            .insert("lo".into(), interface("loopback", "down", ""));
        let peer = Some(Peer {
            interface: None,
            place: "elsewhere".into(),
        });
        let veth = Interface {
            peer,
            ..interface("veth", "up", "10.0.0.2/24 fd00::2/64")
        };
        process.view.interfaces.insert("eth0".into(), veth);
        process
            .view
            .routes
            .insert("default via 10.0.0.1 dev eth0".into());
        let segment = IpcObject {
            size: 4096,
            mode: "0644".into(),
        };
        process
            .view
            .ipc
            .shared_memory
            .insert("0x00001234".into(), segment);
        let limits = [("memory.max".to_owned(), "268435456".to_owned())].into();
        process.cgroups.insert(
            "unified".into(),
            Cgroup {
                path: "/box".into(),
                limits,
            },
        );
        process.limits.insert("nofile".into(), "64:64".into());
        machine.processes.push("sleep".into());
    });
    let mut later = run.checkpoints[0].1.clone();
    let process = later.process.as_mut().unwrap();
    process
        .namespaces
        .insert(NamespaceKind::Uts, NamespaceId(100 + 7));
    process.view.hostname = "machine".into();
    run.checkpoints.push(("later".into(), later));
    run
}

/// The same value with one leaf or element changed or taken away, each in turn.
pub fn alterations(value: &serde_json::Value) -> Vec<serde_json::Value> {
    use serde_json::{Value, json};
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                let changed = alterations(inner).into_iter().map(|inner| {
                    let mut map = map.clone();
                    map.insert(key.clone(), inner);
                    Value::Object(map)
                });
                let mut without = map.clone();
                without.remove(key);
                changed.chain([Value::Object(without)])
            })
            .collect(),
        Value::Array(list) => {
            let shorter = (0..list.len()).map(|index| {
                let mut list = list.clone();
                list.remove(index);
                Value::Array(list)
            });
            let mut longer = list.clone();
            longer.push(if list.iter().any(Value::is_number) {
                json!(77)
            } else {
                json!("user")
            });
            shorter.chain([Value::Array(longer)]).collect()
        }
        // One new namespace is as good as another.
        Value::String(text) if text.starts_with("ns:9") => vec![json!("ns:100")],
        Value::String(text) if text.starts_with("ns:") => vec![json!("ns:777")],
        Value::String(text) => vec![json!(format!("{text}x"))],
        Value::Number(number) => vec![json!(number.as_i64().unwrap_or(0) + 1)],
        Value::Bool(value) => vec![json!(!value)],
        Value::Null => vec![],
    }
}
