//! The observer against real processes. As root and as an ordinary user alike:
//! each scene is played in a user namespace of its own.

use std::io::{BufRead, BufReader, Error};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::*;
use crate::state::facts::{Chain, Id, UnmappedId};

const EVERYTHING: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// A shell in namespaces of its own that has played its script and waits.
struct Scene(Child);

impl Scene {
    /// `None`, said aloud, where the machine does not allow it.
    fn play(flags: CloneFlags, script: &str) -> Option<Self> {
        if let Err(why) = host::user_namespaces() {
            skipped(&why);
            return None;
        }
        Some(Self::try_play(flags, script).unwrap())
    }

    fn try_play(flags: CloneFlags, script: &str) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-ec", &format!("{script}\necho ready; read end")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (uid, gid) = (geteuid(), getegid());
        // SAFETY: the child makes system calls and writes to three files of
        // /proc before it runs the shell.
        unsafe {
            command.pre_exec(move || {
                unshare(flags).map_err(Error::from)?;
                if flags.contains(CloneFlags::CLONE_NEWUSER) {
                    std::fs::write("/proc/self/setgroups", "deny")?;
                    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
                    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
                }
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let scene = lines.next();
        let played = matches!(&scene, Some(Ok(line)) if line == "ready");
        drop(lines);
        let scene = Self(child);
        match played {
            true => Ok(scene),
            false => Err(anyhow!("the scene was not played to its end")),
        }
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    fn look(&self) -> Process {
        process(self.pid(), &Frame::host()).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says aloud that a test did not run; a failure where all must run.
fn skipped(why: &str) {
    println!("SKIPPED: {why}");
    let required = std::env::var("TP_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{why}");
}

fn has(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain([std::path::PathBuf::from("/usr/sbin"), "/sbin".into()])
            .any(|dir| dir.join(program).exists())
    });
    if !found {
        skipped(&format!("no `{program}` on this machine"));
    }
    found
}

fn own(kind: NamespaceKind) -> NamespaceId {
    Namespace::own(kind).unwrap().id
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(String::from).into()
}

#[test]
fn the_caller_itself_is_told_as_it_is() {
    let this = process(std::process::id() as i32, &Frame::host()).unwrap();
    for kind in [NamespaceKind::Uts, NamespaceKind::Net, NamespaceKind::User] {
        assert_eq!(this.namespaces[&kind], own(kind));
    }
    let uname = nix::sys::utsname::uname().unwrap();
    assert_eq!(this.view.hostname.as_str(), uname.nodename());
    assert_eq!(this.pids, [] as [u32; 0]);
    assert_eq!(this.uid.effective, Id::Mapped(geteuid().as_raw()));
    let cwd = std::env::current_dir().unwrap();
    assert_eq!(this.cwd, cwd.to_str().unwrap());
    let (soft, _) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    assert!(this.limits["nofile"].starts_with(&format!("{soft}:")));
    assert!(this.view.mounts.contains_key("/"));
    assert!(this.view.interfaces.contains_key("lo"));
    assert!(!this.namespaces.contains_key(&NamespaceKind::PidForChildren));
}

#[test]
fn a_new_host_name_is_seen_inside_and_the_callers_stays() {
    if !has("domainname") {
        return;
    }
    let before = process(std::process::id() as i32, &Frame::host()).unwrap();
    let Some(scene) = Scene::play(EVERYTHING, "hostname tp-observed; domainname lab") else {
        return;
    };
    let seen = scene.look();
    assert_eq!(seen.view.hostname, "tp-observed");
    assert_eq!(seen.view.domainname, "lab");
    assert_ne!(
        seen.namespaces[&NamespaceKind::Uts],
        own(NamespaceKind::Uts)
    );
    let after = process(std::process::id() as i32, &Frame::host()).unwrap();
    assert_eq!(after.view.hostname, before.view.hostname);
    assert_eq!(after.namespaces, before.namespaces);
}

#[test]
fn namespaces_made_with_a_user_namespace_belong_to_it() {
    let Some(scene) = Scene::play(EVERYTHING, "") else {
        return;
    };
    let seen = scene.look();
    let expected: BTreeSet<_> = [
        NamespaceKind::Cgroup,
        NamespaceKind::Ipc,
        NamespaceKind::Mnt,
        NamespaceKind::Net,
        NamespaceKind::Uts,
    ]
    .into();
    assert_eq!(seen.owned_namespaces, expected);
    assert_eq!(
        seen.namespaces[&NamespaceKind::Pid],
        own(NamespaceKind::Pid)
    );
    assert_eq!(seen.uid.real, Id::Mapped(0));
    assert_eq!(seen.gid.filesystem, Id::Mapped(0));
    assert_eq!(seen.uid_map, [format!("0 {} 1", geteuid())]);
    assert_eq!(seen.setgroups, "deny");
    assert!(seen.capabilities.effective.contains("sys_admin"));
    // In its new network namespace nothing is up.
    assert_eq!(seen.view.interfaces["lo"].kind, "loopback");
    assert_eq!(seen.view.interfaces["lo"].state, "down");
    assert_eq!(seen.view.routes, BTreeSet::new());
}

#[test]
fn an_id_without_a_mapping_is_told_as_unmapped() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root can start a process with a user that is not mapped");
        return;
    }
    let mut command = Command::new("sleep");
    command.arg("100").gid(12345).uid(12345);
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| unshare(CloneFlags::CLONE_NEWUSER).map_err(Error::from));
    }
    let scene = Scene(command.spawn().unwrap());
    let seen = scene.look();
    assert_eq!(seen.uid.real, Id::Unmapped(UnmappedId::Unmapped));
    assert_eq!(seen.uid_map, [] as [String; 0]);
}

#[test]
fn a_nested_user_namespace_is_told_in_its_parents_terms() {
    if !has("unshare") {
        return;
    }
    // The outer one calls its root 0; the inner one calls that 7.
    let Some(scene) = Scene::play(
        EVERYTHING,
        "unshare --user --map-user=7 --map-group=8 sh -c 'echo ready; read end'",
    ) else {
        return;
    };
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", scene.pid()))
        .unwrap_or_default();
    let Some(inner) = children.split_whitespace().next() else {
        return skipped("this kernel tells no children (CONFIG_PROC_CHILDREN)");
    };
    let seen = process(inner.parse().unwrap(), &Frame::host()).unwrap();
    assert_eq!(seen.uid_map, ["7 0 1"]);
    assert_eq!(seen.gid_map, ["8 0 1"]);
    assert_eq!(seen.uid.effective, Id::Mapped(7));
    // Its other namespaces belong to the outer one: its capabilities do not
    // count in them, and still the observer can look.
    assert_eq!(seen.owned_namespaces, BTreeSet::new());
    assert_ne!(
        seen.namespaces[&NamespaceKind::Net],
        own(NamespaceKind::Net)
    );
}

#[test]
fn after_unshare_pid_the_children_have_another_namespace() {
    let Some(scene) = Scene::play(
        CloneFlags::CLONE_NEWUSER.union(CloneFlags::CLONE_NEWPID),
        "",
    ) else {
        return;
    };
    let seen = scene.look();
    assert_eq!(
        seen.namespaces[&NamespaceKind::Pid],
        own(NamespaceKind::Pid)
    );
    assert_ne!(
        seen.namespaces.get(&NamespaceKind::PidForChildren),
        seen.namespaces.get(&NamespaceKind::Pid)
    );
    assert!(seen.namespaces.contains_key(&NamespaceKind::PidForChildren));
}

#[test]
fn a_chroot_and_its_directory_are_told_as_paths_of_the_mount_namespace() {
    if !has("chroot") {
        return;
    }
    let Some(scene) = Scene::play(
        EVERYTHING,
        "mount -t tmpfs -o size=1m,mode=755 scene /mnt
         mkdir -p /mnt/root/usr; mount --rbind /usr /mnt/root/usr
         for name in bin lib lib64; do
             if test -h /$name; then ln -s usr/$name /mnt/root/$name; fi
             if test -d /$name && ! test -h /$name; then
                 mkdir /mnt/root/$name; mount --rbind /$name /mnt/root/$name; fi
         done
         exec chroot /mnt/root sh -c 'cd /usr; echo ready; read end'",
    ) else {
        return;
    };
    let seen = scene.look();
    assert_eq!(seen.root, "/mnt/root");
    assert_eq!(seen.cwd, "/mnt/root/usr");
    // All that is mounted, not only what lies below its root: it can get there.
    assert!(seen.view.mounts.contains_key("/mnt/root/usr"));
    assert_eq!(seen.view.mounts["/mnt"].source, "scene");
}

#[test]
fn mounts_are_told_with_options_root_stack_and_propagation() {
    let Some(scene) = Scene::play(
        EVERYTHING,
        "mount --make-rprivate /
         mount -t tmpfs -o size=1m,nosuid,mode=700 lower /mnt
         mkdir /mnt/a /mnt/b
         mount --bind /mnt/a /mnt/b; mount -o remount,bind,ro,nosuid /mnt/b
         mount --make-shared /mnt/b
         mount -t tmpfs upper /mnt/a; mount -t tmpfs uppermost /mnt/a",
    ) else {
        return;
    };
    let seen = scene.look().view;
    assert_eq!(seen.propagation, "private");
    let lower = &seen.mounts["/mnt"];
    assert_eq!(
        (lower.fs_type.as_str(), lower.source.as_str()),
        ("tmpfs", "lower")
    );
    assert_eq!(lower.options, set(["nosuid"]));
    assert_eq!(lower.super_options, set(["size=1024k", "mode=700"]));
    assert_eq!(lower.propagation, None);
    let bound = &seen.mounts["/mnt/b"];
    assert_eq!(bound.root.as_deref(), Some("/a"));
    assert_eq!(bound.options, set(["ro", "nosuid"]));
    assert_eq!(bound.propagation.as_deref(), Some("shared"));
    assert_eq!(seen.mounts["/mnt/a"].source, "upper");
    assert_eq!(seen.mounts["/mnt/a (2)"].source, "uppermost");
}

#[test]
fn interfaces_addresses_routes_and_peers_are_told() {
    if !has("ip") {
        return;
    }
    let Some(scene) = Scene::play(
        EVERYTHING,
        "PATH=$PATH:/usr/sbin:/sbin
         ip link set lo up
         ip link add left type veth peer name right
         ip link add lan type bridge
         ip link set left master lan
         ip address add 10.9.0.2/24 dev right
         ip link set right up; ip link set lan up; ip link set left up
         ip route add default via 10.9.0.1 dev right
         ip route add unreachable 10.8.0.0/16",
    ) else {
        return;
    };
    let seen = scene.look().view;
    let right = &seen.interfaces["right"];
    assert_eq!((right.kind.as_str(), right.state.as_str()), ("veth", "up"));
    assert_eq!(right.addresses, set(["10.9.0.2/24"]));
    let peer = right.peer.as_ref().unwrap();
    assert_eq!(
        (peer.interface.as_deref(), peer.place.as_str()),
        (Some("left"), "here")
    );
    assert_eq!(seen.interfaces["left"].master.as_deref(), Some("lan"));
    assert_eq!(seen.interfaces["lan"].kind, "bridge");
    assert_eq!(
        seen.interfaces["lo"].addresses,
        match std::path::Path::new("/proc/net/if_inet6").exists() {
            true => set(["127.0.0.1/8", "::1/128"]),
            false => set(["127.0.0.1/8"]),
        }
    );
    let routes: BTreeSet<_> = seen
        .routes
        .iter()
        .filter(|route| route.contains("10."))
        .collect();
    assert_eq!(
        routes.into_iter().cloned().collect::<BTreeSet<_>>(),
        set([
            "10.9.0.0/24 dev right proto kernel scope link src 10.9.0.2",
            "default via 10.9.0.1 dev right",
            "unreachable 10.8.0.0/16",
        ])
    );
}

#[test]
fn named_network_namespaces_and_a_peer_elsewhere_are_told() {
    if !has("ip") {
        return;
    }
    let Some(scene) = Scene::play(
        EVERYTHING,
        "PATH=$PATH:/usr/sbin:/sbin
         mount -t tmpfs run /run; mkdir /run/netns
         touch /run/netns/red; mount --bind /proc/self/ns/net /run/netns/red
         ip netns add blue
         ip link add eth0 type veth peer name eth1
         ip link set eth1 netns blue",
    ) else {
        return;
    };
    let seen = scene.look();
    let named = &seen.view.network_namespaces;
    assert_eq!(named["red"], seen.namespaces[&NamespaceKind::Net]);
    assert_ne!(named["blue"], named["red"]);
    let blue = &seen.view.mounts["/run/netns/blue"];
    assert_eq!(blue.fs_type, "nsfs");
    assert_eq!(blue.namespace, Some(named["blue"]));
    let peer = seen.view.interfaces["eth0"].peer.as_ref().unwrap();
    assert_eq!(
        (peer.interface.as_deref(), peer.place.as_str()),
        (None, "elsewhere")
    );
    assert!(!seen.view.interfaces.contains_key("eth1"));
}

/// Two network namespaces with names, a pair between them, and a packet each way.
const RED_AND_BLUE: &str = "PATH=$PATH:/usr/sbin:/sbin
     mount -t tmpfs run /run
     ip netns add red; ip netns add blue
     ip link add name east netns red type veth peer name west netns blue
     ip -n red address add 10.9.0.1/24 dev east; ip -n red link set east up
     ip -n blue address add 10.9.0.2/24 dev west; ip -n blue link set west up
     ip netns exec red ping -q -c 1 -W 5 10.9.0.2 >/dev/null";

#[test]
fn what_a_named_network_namespace_holds_is_told_of_the_machine() {
    if !has("ip") || !has("ping") {
        return;
    }
    let Some(scene) = Scene::play(EVERYTHING, RED_AND_BLUE) else {
        return;
    };
    let handles = Handles::of(scene.pid()).unwrap();
    let seen = machine(&handles, &Frame::host()).unwrap();
    assert_eq!(
        seen.networks.keys().collect::<Vec<_>>(),
        ["blue", "red"],
        "{:?}",
        seen.networks
    );
    let red = &seen.networks["red"];
    // The untouched lo is not worth a line.
    assert_eq!(red.interfaces.keys().collect::<Vec<_>>(), ["east"]);
    assert_eq!(red.interfaces["east"].addresses, set(["10.9.0.1/24"]));
    assert_eq!(red.routes.len(), 1);
    assert_eq!(red.neighbours, set(["10.9.0.2 dev east"]));
    let blue = &seen.networks["blue"];
    assert_eq!(blue.neighbours, set(["10.9.0.1 dev west"]));
    assert_eq!(blue.firewall, BTreeMap::new());
    assert_eq!(seen.view.neighbours, set([]));
}

#[test]
fn forwarding_is_told_of_the_namespace_that_is_looked_at() {
    let Some(scene) = Scene::play(
        EVERYTHING,
        "mount --make-rprivate /; echo 1 >/proc/sys/net/ipv4/ip_forward",
    ) else {
        return;
    };
    assert!(scene.look().view.forwarding.contains("ipv4"));
    let Some(scene) = Scene::play(EVERYTHING, "echo 0 >/proc/sys/net/ipv4/ip_forward") else {
        return;
    };
    assert!(!scene.look().view.forwarding.contains("ipv4"));
}

/// The rules that a course has, each as nft(8) is given it.
const RULES: [&str; 22] = [
    "ip saddr 10.0.0.0/24 oifname \"up\" masquerade",
    "iifname \"up\" tcp dport 8080 dnat to 10.0.0.2:80",
    "ip saddr 10.0.0.0/23 snat to 192.0.2.1",
    "udp dport 53 redirect to :5353",
    "ct state established,related accept",
    "ct state invalid drop",
    "ct status dnat accept",
    "iif \"lo\" accept",
    "ip protocol icmp accept",
    "icmp type echo-request accept",
    "meta l4proto tcp drop",
    "meta l4proto { tcp, udp } th dport 53 accept",
    "tcp dport { 80, 443 } accept",
    "tcp dport != 22 reject",
    "udp sport 1-1000 log prefix \"low\" drop",
    "ip daddr != 10.0.0.0/8 jump other",
    "ip saddr 10.0.0.1 ip daddr 10.3.2.1 return",
    "ip saddr & 0.0.0.255 == 0.0.0.1 accept",
    "iifname \"veth*\" meta mark set 0x5",
    "tcp flags syn limit rate 3/second accept",
    "ip ttl 3 counter packets 0 drop",
    "goto other",
];

#[test]
fn the_packet_filter_is_told_in_the_words_of_nft() {
    if !has("nft") {
        return;
    }
    let mut script = String::from(
        "PATH=$PATH:/usr/sbin:/sbin
         nft add table ip filter; nft add chain ip filter other
         nft add table ip nat
         nft add chain ip nat post '{ type nat hook postrouting priority 100; }'
         nft add chain ip filter forward '{ type filter hook forward priority 0; policy drop; }'
         nft -f - <<'END'\n",
    );
    for (number, rule) in RULES.iter().enumerate() {
        // The two NAT words that are for the way in have a chain there.
        let chain = match *rule {
            rule if rule.contains("dnat to") || rule.contains("redirect") => "nat pre",
            rule if rule.contains("masquerade") || rule.contains("snat to") => "nat post",
            _ => "filter forward",
        };
        let rule = rule.replace("counter packets 0", "counter");
        if number == 0 {
            script += "add chain ip nat pre { type nat hook prerouting priority dstnat; }\n";
        }
        script += &format!("add rule ip {chain} {rule}\n");
    }
    script += "END\n";
    let Some(scene) = Scene::play(EVERYTHING, &script) else {
        return;
    };
    let firewall = scene.look().view.firewall;
    let of = |key: &str| firewall[key].rules.clone();
    let told: BTreeSet<String> = [of("ip nat pre"), of("ip nat post"), of("ip filter forward")]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(told, RULES.map(String::from).into());
    assert_eq!(
        of("ip filter forward")[0],
        "ct state established,related accept"
    );

    let forward = &firewall["ip filter forward"];
    let hook = "type filter hook forward priority filter";
    assert_eq!(forward.hook.as_deref(), Some(hook));
    assert_eq!(forward.policy.as_deref(), Some("drop"));
    let hook = "type nat hook postrouting priority srcnat";
    assert_eq!(firewall["ip nat post"].hook.as_deref(), Some(hook));
    assert_eq!(firewall["ip filter other"], Chain::default());
}

#[test]
fn the_rules_of_iptables_are_told_likewise_and_a_counter_by_whether_it_counted() {
    if !has("iptables-nft") || !has("ping") {
        return;
    }
    let Some(scene) = Scene::play(
        EVERYTHING,
        "PATH=$PATH:/usr/sbin:/sbin
         mount -t tmpfs run /run; ip link set lo up
         iptables-nft -t nat -A POSTROUTING -s 10.0.1.0/24 -o up -j MASQUERADE
         iptables-nft -t nat -A PREROUTING -i up -p tcp --dport 8080 -j DNAT --to 10.0.0.2:80
         iptables-nft -A INPUT -s 127.0.0.1 -j ACCEPT
         ping -q -c 1 127.0.0.1 >/dev/null",
    ) else {
        return;
    };
    let firewall = scene.look().view.firewall;
    let of = |key: &str| firewall[key].rules.clone();
    assert_eq!(
        of("ip nat POSTROUTING"),
        ["oifname \"up\" ip saddr 10.0.1.0/24 counter packets 0 masquerade"]
    );
    assert_eq!(
        of("ip nat PREROUTING"),
        ["iifname \"up\" tcp dport 8080 counter packets 0 dnat to 10.0.0.2:80"]
    );
    assert_eq!(of("ip filter INPUT"), ["ip saddr 127.0.0.1 counter accept"]);
}

#[test]
fn ipc_objects_are_seen_where_they_are_and_nowhere_else() {
    if !has("ipcmk") {
        return;
    }
    let Some(scene) = Scene::play(
        EVERYTHING,
        "ipcmk -M 4096 -p 0640 >/dev/null; ipcmk -S 3 >/dev/null; ipcmk -Q >/dev/null
         mkdir /tmp/mq-$$ && mount -t mqueue mqueue /tmp/mq-$$ && touch /tmp/mq-$$/jobs
         umount /tmp/mq-$$; rmdir /tmp/mq-$$",
    ) else {
        return;
    };
    let seen = scene.look().view.ipc;
    let only = |table: &BTreeMap<String, crate::state::facts::IpcObject>| {
        assert_eq!(table.len(), 1);
        table.values().next().cloned().unwrap()
    };
    assert_eq!(only(&seen.shared_memory).size, 4096);
    assert_eq!(only(&seen.shared_memory).mode, "0640");
    assert_eq!(only(&seen.semaphores).size, 3);
    assert_eq!(only(&seen.message_queues).size, 0);
    assert_eq!(seen.posix_queues["/jobs"].size, 0);
    let Some(other) = Scene::play(EVERYTHING, "") else {
        return;
    };
    assert_eq!(other.look().view.ipc, Default::default());
}

#[test]
fn a_process_that_has_ended_is_gone() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id() as i32;
    // Not yet waited for, it is a zombie; then it is not there at all.
    while !std::fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap()
        .contains("State:\tZ")
    {
        std::thread::yield_now();
    }
    let zombie = process(pid, &Frame::host()).unwrap_err();
    assert_eq!(zombie.to_string(), format!("process {pid} is gone"));
    child.wait().unwrap();
    let gone = process(pid, &Frame::host()).unwrap_err();
    assert_eq!(gone.to_string(), format!("process {pid} is gone"));
    assert!(Handles::of(pid).is_err());
}

#[test]
fn a_machine_is_seen_through_its_handles_after_its_process() {
    if !has("hostname") {
        return;
    }
    let Some(scene) = Scene::play(EVERYTHING, "hostname left-behind; mount -t tmpfs kept /mnt")
    else {
        return;
    };
    let handles = Handles::of(scene.pid()).unwrap();
    drop(scene);
    let seen = machine(&handles, &Frame::host()).unwrap();
    assert_eq!(seen.view.hostname, "left-behind");
    assert_eq!(seen.view.mounts["/mnt"].source, "kept");
}

#[test]
fn a_checkpoint_tells_the_process_and_the_machine_around_it() {
    if !has("unshare") || !has("hostname") {
        return;
    }
    // The machine: the first process of a PID namespace. The process: a shell
    // in a UTS namespace of its own below it.
    let Some(scene) = Scene::play(
        EVERYTHING,
        "hostname machine
         exec unshare --fork --kill-child --pid --mount-proc sh -c '
            sleep 1000 &
            unshare --uts sh -c \"
                hostname inner; echo ready; read end\"; true'",
    ) else {
        return;
    };
    let child = |pid: i32| -> Vec<i32> {
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .unwrap_or_default()
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    };
    let Some(&init) = child(scene.pid()).first() else {
        return skipped("this kernel tells no children (CONFIG_PROC_CHILDREN)");
    };
    let inner = *child(init).last().unwrap();
    let handles = Handles::of(init).unwrap();
    let frame = Frame {
        pid_depth: 1,
        join_user: Some(handles.user().try_clone_to_owned().unwrap()),
        ..Frame::host()
    };
    let seen = checkpoint(inner, &handles, &frame).unwrap();
    let (process, mut machine) = (seen.process.unwrap(), seen.machine.unwrap());
    assert_eq!(process.view.hostname, "inner");
    assert_eq!(machine.view.hostname, "machine");
    assert_eq!(process.pids, [] as [u32; 0]);
    assert_eq!(machine.processes, [] as [&str; 0]);
    machine.processes = processes(&handles, &frame);
    assert_eq!(machine.processes, ["sh", "sleep"]);
    assert_eq!(process.view.mounts, machine.view.mounts);
    // Each by itself tells the same.
    assert_eq!(super::process(inner, &frame).unwrap(), process);
    assert_eq!(super::machine(&handles, &frame).unwrap(), machine);
    // Not known to be the first process, the namespace's members are searched.
    let searched = processes::alive(
        &Handles {
            first: None,
            ..Handles::of(init).unwrap()
        },
        &Frame {
            hidden_pids: [init].into(),
            ..Frame::host()
        },
    );
    assert_eq!(searched, machine.processes);
}

#[test]
fn a_machine_two_user_namespaces_down_is_told_in_its_builders_terms() {
    if !has("unshare") || !has("hostname") {
        return;
    }
    // As a sandbox is made: one user namespace builds it, a second one below
    // locks it; the process looked at has made a third.
    let Some(builder) = Scene::play(
        EVERYTHING,
        "exec unshare --fork --kill-child --pid --mount-proc sh -c '
            unshare --user --map-root-user --fork --kill-child --mount --uts --ipc --net --pid \
                --mount-proc sh -c \"
                hostname machine
                unshare --user --map-root-user --uts sh -c \\\"
                    hostname inner; echo ready; read end\\\"; true\"; true'",
    ) else {
        return;
    };
    let child = |pid: i32| -> Option<i32> {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let down = |pid: i32, levels: usize| (0..levels).try_fold(pid, |pid, _| child(pid));
    // unshare, shell; unshare, shell; shell.
    let Some((init, inner)) = down(builder.pid(), 3).zip(down(builder.pid(), 4)) else {
        return skipped("this kernel tells no children (CONFIG_PROC_CHILDREN)");
    };
    let handles = Handles::of(init).unwrap();
    let frame = Frame {
        join_user: Some(Handles::of(builder.pid()).unwrap().user.fd),
        pid_depth: 2,
        ..Frame::host()
    };
    let baseline = process(init, &frame).unwrap();
    let seen = checkpoint(inner, &handles, &frame).unwrap();
    let (process, machine) = (seen.process.unwrap(), seen.machine.unwrap());
    assert_eq!(machine.view.hostname, "machine");
    assert_eq!(processes(&handles, &frame), ["sh"]);
    assert_eq!(baseline.pids, [] as [u32; 0]);
    assert_eq!(process.pids, [] as [u32; 0]);
    // Whoever runs this, each level calls the one user 0.
    assert_eq!(baseline.uid_map, ["0 0 1"]);
    assert_eq!(process.uid_map, ["0 0 1"]);
    assert_eq!(process.uid, baseline.uid);
    assert_eq!(process.owned_namespaces, [NamespaceKind::Uts].into());
    assert_ne!(
        process.namespaces[&NamespaceKind::User],
        baseline.namespaces[&NamespaceKind::User]
    );
}

/// A container of a real engine, which lives in a PID namespace with its
/// engine, so that nothing outlives the test.
struct Container {
    scene: Scene,
    folder: std::path::PathBuf,
    pid: i32,
}

impl Container {
    /// `None`, said aloud, where the machine does not allow it. The script
    /// finds a folder in `$d` and writes the container's process id to
    /// `$d/container`.
    fn run(engine: &str, script: &str) -> Option<Self> {
        if !has(engine) || !has("busybox") || !has("unshare") {
            return None;
        }
        if !geteuid().is_root() {
            println!("SKIPPED: only root can start a container engine of its own");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("tp-{engine}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let image = "mkdir -p $d/img/bin; cp \"$(command -v busybox)\" $d/img/bin/busybox
            ln -s busybox $d/img/bin/sleep; tar -C $d/img -cf $d/img.tar .";
        // What the engine writes outside its folder goes with its namespace.
        let own_folders = "mount -t tmpfs run /run; mkdir $d/own; mount -t tmpfs own $d/own
            for dir in /etc /opt /var/lib /var/cache; do
                own=$d/own$dir; mkdir -p $own/upper $own/work
                mount -t overlay -o lowerdir=$dir,upperdir=$own/upper,workdir=$own/work own $dir
            done";
        std::fs::write(
            folder.join("script"),
            format!("{image}\n{own_folders}\n{script}\necho ready; read end || true"),
        )
        .unwrap();
        let played = Scene::try_play(
            CloneFlags::CLONE_NEWNS,
            &format!(
                "d={}; export d; exec unshare --mount --net --pid --fork --kill-child \
                 --mount-proc sh -e $d/script",
                folder.display()
            ),
        );
        let Ok(scene) = played else {
            let _ = std::fs::remove_dir_all(&folder);
            skipped(&format!(
                "{engine} cannot start a container on this machine"
            ));
            return None;
        };
        let told = std::fs::read_to_string(folder.join("container")).unwrap();
        let numbers = [told.trim().parse().unwrap(), 1];
        let pid = processes::numbers("/proc")
            .unwrap()
            .into_iter()
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| {
                    let pids = Status::parse(&text).numbers("NSpid");
                    pids.len() == 3 && pids[1..] == numbers
                })
            })
            .unwrap();
        Some(Self { scene, folder, pid })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The end of its input ends the script, which cleans up after itself.
        drop(self.scene.0.stdin.take());
        let _ = self.scene.0.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_a_container(pid: i32, seen: &Process) {
    use crate::expect::Texts;
    use crate::ui::inspect::{Format, inspect};

    let page = inspect(pid, None, &[], Format::Text, &Texts::english()).unwrap();
    assert!(page.contains("host name boxed"));
    assert!(page.contains("seccomp filter, 1 program"));
    for kind in ["ipc", "mnt", "net", "pid", "uts"] {
        let kind = NamespaceKind::ALL
            .into_iter()
            .find(|one| one.name() == kind);
        assert_ne!(seen.namespaces[&kind.unwrap()], own(kind.unwrap()));
    }
    assert_eq!(
        seen.namespaces[&NamespaceKind::User],
        own(NamespaceKind::User)
    );
    assert_eq!(seen.view.hostname, "boxed");
    assert_eq!(seen.pids.last(), Some(&1));
    assert_eq!(seen.root, "/");
    assert!(!seen.capabilities.effective.contains("net_raw"));
    assert!(seen.capabilities.effective.contains("chown"));
    assert_eq!(seen.seccomp, "filter");
    assert!(seen.view.mounts["/"].options.contains("ro"));
    assert_eq!(seen.view.interfaces["lo"].state, "up");
}

#[test]
fn a_podman_container_is_seen_from_outside() {
    let Some(container) = Container::run(
        "podman",
        "umount /sys/fs/cgroup/unified 2>/dev/null || true
         pod() { podman --root $d/root --runroot $d/run --tmpdir $d/tmp --events-backend none \
             --cgroup-manager cgroupfs --storage-driver vfs --runtime crun \"$@\"; }
         trap 'pod rm -f -t 0 tp-observed >/dev/null 2>&1' EXIT
         pod import -q $d/img.tar tp-observed >/dev/null
         pod run -d --name tp-observed --network none --cgroups=disabled --hostname boxed \
             --cap-drop NET_RAW --read-only --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 \
             tp-observed sleep 1000 >/dev/null
         pod inspect -f '{{.State.Pid}}' tp-observed > $d/container",
    ) else {
        return;
    };
    let seen = process(container.pid, &Frame::host()).unwrap();
    is_a_container(container.pid, &seen);
    assert_eq!(seen.limits["nofile"], "1024:1024");
}

#[test]
fn a_docker_container_is_seen_from_outside() {
    if !has("dockerd") {
        return;
    }
    let Some(container) = Container::run(
        "docker",
        "dockerd --data-root $d/data --exec-root $d/exec --pidfile $d/pid -H unix://$d/sock \
             --bridge none --iptables=false --ip6tables=false --storage-driver vfs >$d/log 2>&1 &
         engine=$!
         dock() { docker -H unix://$d/sock \"$@\"; }
         end() {
             dock rm -f tp-observed >/dev/null 2>&1 || true
             kill $engine; wait $engine || true
             rmdir /sys/fs/cgroup/tp-docker-$$ /sys/fs/cgroup/*/tp-docker-$$ 2>/dev/null || true
         }
         trap end EXIT
         until dock version >/dev/null 2>&1; do kill -0 $engine; sleep 0.1; done
         dock import $d/img.tar tp-observed >/dev/null
         dock run -d --name tp-observed --cgroup-parent /tp-docker-$$ --network none \
             --hostname boxed --memory 64m --cap-drop NET_RAW --read-only \
             tp-observed sleep 1000 >/dev/null
         dock inspect -f '{{.State.Pid}}' tp-observed > $d/container",
    ) else {
        return;
    };
    let seen = process(container.pid, &Frame::host()).unwrap();
    is_a_container(container.pid, &seen);
    let memory = seen
        .cgroups
        .values()
        .flat_map(|cgroup| &cgroup.limits)
        .find(|(file, _)| ["memory.max", "memory.limit_in_bytes"].contains(&file.as_str()));
    assert_eq!(memory.map(|(_, value)| value.as_str()), Some("67108864"));
}

#[test]
fn a_census_finds_what_was_left_and_nothing_once_it_is_gone() {
    let folder = std::env::temp_dir().join(format!("tp-census-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("kept"), "before").unwrap();
    let before = host::census(&[&folder]);
    assert_eq!(before.difference(&before), []);

    let Some(scene) = Scene::play(EVERYTHING, "") else {
        return;
    };
    let uts = scene.look().namespaces[&NamespaceKind::Uts];
    std::fs::write(folder.join("kept"), "after!").unwrap();
    std::fs::write(folder.join("new"), "").unwrap();
    let during = before.difference(&host::census(&[&folder]));
    let found = |kind: &str, what: &str| {
        during
            .iter()
            .find(|change| change.kind == kind && change.what.starts_with(what))
            .map(ToString::to_string)
    };
    let kept = folder.join("kept").display().to_string();
    let new = folder.join("new").display().to_string();
    assert!(found("process", &format!("{} ", scene.pid())).is_some());
    assert!(found("namespace", &format!("uts:[{}]", uts.0)).is_some());
    assert!(found("file", &kept).unwrap().starts_with("~ file"));
    assert!(found("file", &new).unwrap().starts_with("+ file"));

    let pid = scene.pid();
    drop(scene);
    std::fs::remove_file(folder.join("new")).unwrap();
    let after = before.difference(&host::census(&[&folder]));
    let left: Vec<_> = after
        .iter()
        .filter(|change| {
            // The namespace's number may by now be another test's.
            change.what == new || change.what.starts_with(&format!("{pid} "))
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(after.iter().any(|change| change.what == kept));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn many_mounts_and_long_names_are_read_all_the_same() {
    let Some(scene) = Scene::play(
        EVERYTHING,
        "mount -t tmpfs many /mnt; cd /mnt
         i=0; while test $i -lt 400; do mkdir $i; mount --bind $i $i; i=$((i+1)); done
         cd /; mount -t tmpfs \"$(printf 'a\\033[2Jb c')\" /mnt/0",
    ) else {
        return;
    };
    let seen = scene.look();
    assert!((0..400).all(|i| seen.view.mounts.contains_key(&format!("/mnt/{i}"))));
    // What a terminal would act on is told in letters.
    assert_eq!(seen.view.mounts["/mnt/0 (2)"].source, "a\\u{1b}[2Jb c");
}

#[test]
fn a_process_of_another_user_is_refused_with_the_remedy() {
    if geteuid().is_root() {
        println!("SKIPPED: root may look at every process");
        return;
    }
    let refused = process(1, &Frame::host()).unwrap_err().to_string();
    assert!(refused.starts_with("open(\"/proc/1/ns/"), "{refused}");
    assert!(refused.contains("as root"), "{refused}");
}

#[test]
fn a_process_that_hides_itself_is_seen_by_the_owner_of_its_user_namespace() {
    if !has("perl") {
        return;
    }
    // prctl(PR_SET_DUMPABLE, 0): its /proc files belong to root from then on.
    let call = format!("syscall({}, 4, 0, 0, 0, 0)", libc::SYS_prctl);
    let Some(scene) = Scene::play(
        EVERYTHING,
        &format!("exec perl -e '$| = 1; {call} == 0 or die; print \"ready\\n\"; <STDIN>'"),
    ) else {
        return;
    };
    let seen = scene.look();
    assert_eq!(seen.uid.real, Id::Mapped(0));
    assert_ne!(
        seen.namespaces[&NamespaceKind::Uts],
        own(NamespaceKind::Uts)
    );
}
