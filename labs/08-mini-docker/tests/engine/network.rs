//! Networks: addresses, ports, names.
//!
//! Each test has a machine of its own: a network and a mount namespace, with a
//! neighbour on a wire, so that nothing here meets the real machine's network. What
//! is asked is asked by real packets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use labs::explain::Explain;
use labs::network::inside;

use crate::runtime::wait_until;
use crate::support::{Store, skipped};

/// The machine's own address on the wire, and its neighbour's.
const MACHINE: &str = "192.0.2.1";
const NEIGHBOUR: &str = "192.0.2.2";

/// A network namespace that a sleeping process keeps.
struct Place {
    keeper: Child,
}

impl Place {
    fn new() -> Self {
        let keeper = Command::new("unshare")
            .args(["--net", "--mount", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut place = Self {
            keeper: keeper.unwrap(),
        };
        // What comes back from `cat` says that the namespaces are there.
        let (input, output) = (place.keeper.stdin.as_mut(), place.keeper.stdout.as_mut());
        input.unwrap().write_all(b"!").unwrap();
        output.unwrap().read_exact(&mut [0]).unwrap();
        place.sh("ip link set lo up");
        place
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.keeper.id().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--"]);
        command
    }

    /// A shell's lines, to success: what they printed.
    fn sh(&self, lines: &str) -> String {
        let output = self.enter().args(["sh", "-ec", lines]).output().unwrap();
        assert!(output.status.success(), "{lines}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn network(&self) -> OwnedFd {
        let file = File::open(format!("/proc/{}/ns/net", self.keeper.id()));
        file.unwrap().into()
    }

    /// Does something in this network.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(Explain::new(false), &self.network(), work).unwrap()
    }

    /// What a TCP server there says; an empty text when nobody answers. A server in
    /// a container may take its time to begin: `patience` more attempts.
    fn ask(&self, address: &str, patience: u32) -> String {
        let address: SocketAddr = address.parse().unwrap();
        for _ in 0..=patience {
            let said = self.inside(|| {
                let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(700))?;
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                let mut said = String::new();
                stream.read_to_string(&mut said)?;
                Ok::<_, std::io::Error>(said)
            });
            match said {
                Ok(said) if !said.is_empty() => return said.trim().into(),
                _ if patience > 0 => std::thread::sleep(Duration::from_millis(100)),
                _ => {}
            }
        }
        String::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A machine with a store, and a neighbour on the wire.
struct Machine {
    // Containers end before the places that they are in.
    store: Inside,
    neighbour: Place,
}

/// A store whose commands run in a place.
struct Inside {
    store: Store,
    place: Place,
    /// `setpriv` and its arguments, for commands of an ordinary user.
    user: Vec<String>,
    binary: String,
}

/// `None`, said aloud, where nobody can make such a machine.
fn machine() -> Option<Machine> {
    if !nix::unistd::geteuid().is_root() {
        super::support::elsewhere("a machine with a network of its own is root's to make");
        return None;
    }
    for tool in ["ip", "nft", "unshare", "nsenter", "busybox"] {
        let found = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(tool).exists())
        });
        if !found {
            skipped(&format!("there is no {tool}"));
            return None;
        }
    }
    let (place, neighbour) = (Place::new(), Place::new());
    // Who the neighbour is, the machine's /run, and its forwarding: all its own.
    place.sh("mount -t tmpfs tmpfs /run; echo 0 >/proc/sys/net/ipv4/ip_forward");
    let pid = neighbour.keeper.id();
    place.sh(&format!(
        "ip link add wan type veth peer name eth0 netns {pid}
         ip address add {MACHINE}/24 dev wan; ip link set wan up"
    ));
    neighbour.sh(&format!(
        "ip address add {NEIGHBOUR}/24 dev eth0; ip link set eth0 up"
    ));
    let store = Inside {
        store: Store::new(),
        place,
        user: Vec::new(),
        binary: env!("CARGO_BIN_EXE_mini-docker").into(),
    };
    Some(Machine { store, neighbour })
}

impl Inside {
    fn run(&self, words: &[&str]) -> Output {
        let mut command = self.place.enter();
        command.args(&self.user).arg(&self.binary).args(words);
        command.env("MINI_DOCKER_ROOT", self.store.folder.join("store"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// To success: what it printed.
    fn printed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    }

    /// To failure: what it complained of.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A container that says `served NAME` on its port 80, and listens there.
    fn serve(&self, name: &str, options: &[&str]) {
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(options);
        let served = format!("served {name}");
        words.extend(["base", "nc", "-ll", "-p", "80", "-e", "echo", &served]);
        self.printed(&words);
        self.listens(name);
    }

    /// Waits until somebody in a container's network listens on port 80.
    fn listens(&self, name: &str) {
        let pid = self.printed(&["inspect", "-f", "{{.State.Pid}}", name]);
        wait_until("nobody listens on port 80", || {
            ["tcp", "tcp6"].iter().any(|table| {
                let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"));
                let sockets = sockets.unwrap_or_default();
                // proc_net_tcp(5): the port, no peer, and the state TCP_LISTEN.
                sockets
                    .lines()
                    .any(|line| line.contains(":0050 ") && line.contains(":0000 0A "))
            })
        });
    }

    /// A container that only lives.
    fn sleep(&self, name: &str, options: &[&str]) {
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(options);
        words.extend(["base", "sleep", "1000"]);
        self.printed(&words);
    }

    fn address(&self, name: &str) -> String {
        let template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        self.printed(&["inspect", "-f", template, name])
            .trim()
            .into()
    }

    /// What a program in a container prints, whether it fails or not.
    fn exec(&self, name: &str, line: &str) -> String {
        let output = self.run(&["exec", name, "sh", "-c", line]);
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&both).trim().into()
    }

    /// What our table holds; empty without one.
    fn rules(&self) -> String {
        self.place.sh("nft list ruleset")
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let ids = self.run(&["ps", "-aq"]);
        for id in String::from_utf8_lossy(&ids.stdout).lines() {
            self.run(&["rm", "-fv", id]);
        }
    }
}

#[test]
fn the_lowest_free_address_is_handed_out_and_taken_back() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    for name in ["aa", "bb", "cc"] {
        store.sleep(name, &[]);
    }
    let addresses = ["aa", "bb", "cc"].map(|name| store.address(name));
    assert_eq!(addresses, ["172.17.0.2", "172.17.0.3", "172.17.0.4"]);
    store.printed(&["rm", "-f", "bb"]);
    store.sleep("dd", &[]);
    assert_eq!(store.address("dd"), "172.17.0.3");
    let mac = store.exec("dd", "cat /sys/class/net/eth0/address");
    assert_eq!(mac, "02:42:ac:11:00:03");
    assert!(
        store
            .exec("dd", "ping -c 1 -W 2 172.17.0.2")
            .contains(" 0% packet loss")
    );
}

#[test]
fn a_subnet_that_the_machine_has_a_route_to_is_not_taken() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.place.sh("ip route add 172.16.0.0/14 dev wan");
    store.sleep("aa", &[]);
    assert_eq!(store.address("aa"), "172.20.0.2");
    let words = ["network", "create", "--subnet", "172.18.5.0/24", "n"];
    assert!(
        store
            .refused(&words)
            .contains("Pool overlaps with other one on this address space")
    );
}

#[test]
fn a_published_port_answers_from_everywhere() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.serve("web", &["-p", "8080:80"]);
    store.sleep("other", &[]);
    let served = "served web";
    assert_eq!(
        store.place.ask("127.0.0.1:8080", 50),
        served,
        "from localhost"
    );
    assert_eq!(store.place.ask("[::1]:8080", 5), served, "by IPv6");
    assert_eq!(
        store.place.ask("192.0.2.1:8080", 5),
        served,
        "from the machine"
    );
    assert_eq!(
        machine.neighbour.ask("192.0.2.1:8080", 5),
        served,
        "from outside"
    );
    let nc = "nc -w 3 192.0.2.1 8080";
    assert_eq!(
        store.exec("other", nc),
        served,
        "from a container beside it"
    );
    assert_eq!(store.exec("web", nc), served, "from the container itself");
    let listed = store.printed(&["port", "web"]);
    assert_eq!(listed, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    assert!(
        store
            .rules()
            .contains("tcp dport 8080 dnat to 172.17.0.2:80")
    );

    store.printed(&["stop", "-t", "0", "web"]);
    assert!(!store.rules().contains("8080"), "{}", store.rules());
    // The port is free: somebody else can have it.
    store
        .place
        .inside(|| TcpListener::bind("0.0.0.0:8080").map(drop))
        .unwrap();
}

#[test]
fn an_udp_port_answers_from_outside_and_from_localhost() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.sleep("echo", &["-p", "5000:53/udp"]);
    let pid = store.printed(&["inspect", "-f", "{{.State.Pid}}", "echo"]);
    let network: OwnedFd = File::open(format!("/proc/{pid}/ns/net")).unwrap().into();
    let server = inside(Explain::new(false), &network, || {
        UdpSocket::bind("0.0.0.0:53")
    });
    let server = server.unwrap().unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut question = [0; 64];
            for _ in 0..3 {
                let (length, client) = server.recv_from(&mut question).unwrap();
                let answer = [b"heard ", &question[..length]].concat();
                server.send_to(&answer, client).unwrap();
            }
        });
        for (place, address) in [
            (&store.place, "127.0.0.1:5000"),
            (&store.place, "[::1]:5000"),
            (&machine.neighbour, "192.0.2.1:5000"),
        ] {
            let answer = place.inside(|| {
                let own = if address.contains('[') {
                    "[::]:0"
                } else {
                    "0.0.0.0:0"
                };
                let socket = UdpSocket::bind(own).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                socket.connect(address).unwrap();
                socket.send(b"you").unwrap();
                let mut answer = [0; 64];
                let length = socket.recv(&mut answer).unwrap_or(0);
                String::from_utf8_lossy(&answer[..length]).into_owned()
            });
            assert_eq!(answer, "heard you", "{address}");
        }
    });
}

#[test]
fn an_udp_client_reaches_the_container_after_a_restart_under_another_address() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.sleep("echo", &["-p", "5000:53/udp"]);
    let client = machine.neighbour.inside(|| UdpSocket::bind("0.0.0.0:0"));
    let client = client.unwrap();
    client.connect("192.0.2.1:5000").unwrap();
    // A socket in the container hears what the one client sends, from one port of its.
    let heard = || {
        let pid = store.printed(&["inspect", "-f", "{{.State.Pid}}", "echo"]);
        let network: OwnedFd = File::open(format!("/proc/{pid}/ns/net")).unwrap().into();
        let server = inside(Explain::new(false), &network, || {
            UdpSocket::bind("0.0.0.0:53")
        });
        let server = server.unwrap().unwrap();
        server
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let _ = client.send(b"you");
        let mut packet = [0; 16];
        let length = server.recv(&mut packet).unwrap_or(0);
        packet[..length].to_vec()
    };
    assert_eq!(heard(), b"you");
    let address = store.address("echo");
    store.printed(&["stop", "-t", "0", "echo"]);
    store.sleep("thief", &[]);
    store.printed(&["start", "echo"]);
    assert_ne!(store.address("echo"), address);
    assert_eq!(heard(), b"you");
}

#[test]
fn who_comes_second_for_a_port_is_told_so_in_dockers_words() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.sleep("one", &["-p", "8080:80"]);
    let words = [
        "run", "-d", "--name", "two", "-p", "8080:81", "base", "sleep", "9",
    ];
    let said = store.refused(&words);
    assert!(
        said.contains("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{said}"
    );
    // It has no address any more, and the first one still has its rule.
    assert!(store.rules().contains("dport 8080 dnat to 172.17.0.2:80"));
    store.sleep("three", &["-p", "8080-8082:80"]);
    assert!(
        store
            .printed(&["port", "three", "80"])
            .starts_with("0.0.0.0:8081\n")
    );
    assert_eq!(store.address("three"), "172.17.0.3");

    let listener = store
        .place
        .inside(|| TcpListener::bind("127.0.0.1:9000").unwrap());
    let words = ["run", "--rm", "-p", "9000:80", "base", "true"];
    assert!(store.refused(&words).contains("address already in use"));
    drop(listener);
    store.printed(&words);
}

#[test]
fn the_engine_finds_free_ports_by_itself() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.serve("web", &["-P", "--expose", "80", "-p", "127.0.0.1::81"]);
    let port = store.printed(&["port", "web", "80/tcp"]);
    let port = port.lines().next().unwrap().to_owned();
    let number: u16 = port.strip_prefix("0.0.0.0:").unwrap().parse().unwrap();
    assert!(number >= 1024);
    assert_eq!(
        machine.neighbour.ask(&format!("192.0.2.1:{number}"), 50),
        "served web"
    );
    assert!(
        store
            .printed(&["port", "web", "81"])
            .starts_with("127.0.0.1:")
    );
    assert!(
        store
            .refused(&["port", "web", "82"])
            .contains("no public port '82/tcp' published for web")
    );
}

#[test]
fn attack_a_port_on_127_0_0_1_is_not_open_to_the_wire() {
    let Some(machine) = machine() else { return };
    let (store, neighbour) = (&machine.store, &machine.neighbour);
    store.serve("web", &["-p", "127.0.0.1:8080:80", "-p", "8081:80"]);
    assert_eq!(store.place.ask("127.0.0.1:8080", 50), "served web");
    assert_eq!(neighbour.ask("192.0.2.1:8080", 0), "");
    // The neighbour gives up its own loopback, and sends 127.0.0.1 over the wire.
    neighbour.sh("ip address flush dev lo; ip link set lo down
         echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet
         ip route add 127.0.0.0/8 via 192.0.2.1 dev eth0 src 192.0.2.2");
    for port in ["8080", "8081"] {
        assert_eq!(
            neighbour.ask(&format!("127.0.0.1:{port}"), 0),
            "",
            "port {port}"
        );
    }
    // The attack itself works, where the kernel is told to let such packets in. So
    // it is the engine that must not tell it so.
    store
        .place
        .sh("echo 1 >/proc/sys/net/ipv4/conf/wan/route_localnet");
    assert_eq!(neighbour.ask("127.0.0.1:8080", 5), "served web");
}

#[test]
fn attack_a_neighbour_routes_to_a_containers_own_address() {
    let Some(machine) = machine() else { return };
    let (store, neighbour) = (&machine.store, &machine.neighbour);
    store.serve("web", &["-p", "8080:80"]);
    neighbour.sh("ip route add 172.17.0.0/16 via 192.0.2.1");
    assert_eq!(neighbour.ask("192.0.2.1:8080", 50), "served web");
    assert_eq!(
        neighbour.ask("172.17.0.2:80", 0),
        "",
        "what is published is the machine's"
    );
    // The machine itself reaches it, so it is not that nobody listens.
    assert_eq!(store.place.ask("172.17.0.2:80", 5), "served web");
}

#[test]
fn attack_the_machine_is_no_router_for_its_neighbours() {
    let Some(machine) = machine() else { return };
    let (store, neighbour) = (&machine.store, &machine.neighbour);
    let second = Place::new();
    let pid = second.keeper.id();
    store.place.sh(&format!(
        "ip link add lan type veth peer name eth0 netns {pid}
         ip address add 198.51.100.1/24 dev lan; ip link set lan up"
    ));
    second.sh(
        "ip address add 198.51.100.2/24 dev eth0; ip link set eth0 up
         ip route add default via 198.51.100.1",
    );
    neighbour.sh("ip route add default via 192.0.2.1");
    store.sleep("aa", &[]);
    let forwarding = store.place.sh("cat /proc/sys/net/ipv4/ip_forward");
    assert_eq!(forwarding.trim(), "1", "containers need it");
    let ping = "ping -c 1 -W 1 198.51.100.2 || echo none";
    assert!(neighbour.sh(ping).contains("none"));
    // Containers do get there, as the machine.
    let out = store.exec("aa", "ping -c 1 -W 2 198.51.100.2");
    assert!(out.contains(" 0% packet loss"), "{out}");
}

#[test]
fn names_are_resolved_on_a_network_of_ones_own() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.printed(&["network", "create", "front"]);
    store.printed(&["network", "create", "back"]);
    store.serve("db", &["--net", "back", "--network-alias", "store"]);
    store.sleep("web", &["--net", "back"]);
    store.sleep("stranger", &["--net", "front"]);
    assert!(
        store
            .exec("web", "cat /etc/resolv.conf")
            .contains("nameserver 127.0.0.11")
    );
    let db = store.address("db");
    let short = store.printed(&["ps", "-q", "-f", "name=db"]);
    for name in ["db", "DB", "store", "db.back", &short] {
        let ping = store.exec("web", &format!("ping -c 1 -W 2 {name}"));
        assert!(ping.contains(&format!("({db})")), "{name}: {ping}");
    }
    // busybox' nslookup asks the server itself, by A, AAAA and PTR.
    let reverse = store.exec("web", &format!("nslookup {db} 127.0.0.11"));
    assert!(reverse.contains("db.back"), "{reverse}");
    assert!(store.exec("web", "nc -w 3 db 80").contains("served db"));
    // Another network: neither the name nor the address.
    assert!(
        store
            .exec("stranger", "ping -c 1 -W 1 db")
            .contains("bad address")
    );
    let direct = store.exec("stranger", &format!("nc -w 1 {db} 80"));
    assert!(!direct.contains("served"), "{direct}");
    // A name that comes later, and one that goes.
    store.sleep("late", &["--net", "back"]);
    assert!(
        store
            .exec("web", "ping -c 1 -W 2 late")
            .contains(" 0% packet loss")
    );
    store.printed(&["rm", "-f", "late"]);
    assert!(
        store
            .exec("web", "ping -c 1 -W 1 late")
            .contains("bad address")
    );
}

#[test]
fn other_names_are_asked_of_the_machines_resolver() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    // A resolver that only the machine reaches, on its own loopback, and that has one
    // answer to all questions for an IPv4 address.
    store
        .place
        .sh("echo nameserver 127.0.0.9 >/run/resolv; mount --bind /run/resolv /etc/resolv.conf");
    let resolver = store
        .place
        .inside(|| UdpSocket::bind("127.0.0.9:53").unwrap());
    resolver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    store.printed(&["network", "create", "n"]);
    let done = std::sync::atomic::AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut question = [0; 512];
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let Ok((length, client)) = resolver.recv_from(&mut question) else {
                    continue;
                };
                let mut answer = question[..length].to_vec();
                // An answer; one record: a pointer to the name, A, IN, a minute.
                (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
                answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x07\x07\x07");
                let _ = resolver.send_to(&answer, client);
            }
        });
        let words = ["run", "--rm", "--net", "n", "base", "nslookup", "-type=a"];
        let output = store.run(&[&words[..], &["example.test"]].concat());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    assert!(said.contains("10.7.7.7"), "{said}");
    // On the default network there is no server of ours, and no loopback of theirs.
    let file = store.printed(&["run", "--rm", "base", "cat", "/etc/resolv.conf"]);
    assert_eq!(file, "nameserver 8.8.8.8\nnameserver 8.8.4.4");
    let mut words = vec!["run", "--rm", "--dns", "9.9.9.9", "--dns-search", "a.b"];
    words.extend(["--dns-option", "ndots:3", "base", "cat", "/etc/resolv.conf"]);
    let file = store.printed(&words);
    assert_eq!(file, "nameserver 9.9.9.9\nsearch a.b\noptions ndots:3");
}

#[test]
fn an_internal_network_has_no_way_out_and_none_in() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.printed(&["network", "create", "--internal", "vault"]);
    store.serve("safe", &["--net", "vault", "-p", "8080:80"]);
    store.sleep("clerk", &["--net", "vault"]);
    assert!(
        store
            .exec("clerk", "nc -w 3 safe 80")
            .contains("served safe")
    );
    assert!(!store.exec("clerk", "ip route").contains("default"));
    let by_hand =
        "ip route add default via $(ip route | sed -n 's|0/16.*|1|p'); ping -c 1 -W 1 192.0.2.2";
    assert!(!store.exec("clerk", by_hand).contains(" 0% packet loss"));
    assert_eq!(machine.neighbour.ask("192.0.2.1:8080", 0), "");
}

#[test]
fn a_running_container_is_put_on_a_network_and_taken_off() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.printed(&["network", "create", "--subnet", "10.9.0.0/24", "back"]);
    store.sleep("web", &[]);
    store.serve("db", &["--net", "back", "--ip", "10.9.0.77"]);
    assert!(
        store
            .exec("web", "ping -c 1 -W 1 db")
            .contains("bad address")
    );
    store.printed(&["network", "connect", "--alias", "front", "back", "web"]);
    assert_eq!(store.address("web"), "10.9.0.2 172.17.0.2");
    let ping = store.exec("web", "ping -c 1 -W 2 db");
    assert!(ping.contains("(10.9.0.77)"), "{ping}");
    assert!(
        store
            .exec("db", "ping -c 1 -W 2 front")
            .contains("(10.9.0.2)")
    );
    let again = store.refused(&["network", "connect", "back", "web"]);
    assert!(again.contains("already exists in network back"), "{again}");

    store.printed(&["network", "disconnect", "back", "web"]);
    assert_eq!(store.address("web"), "172.17.0.2");
    assert!(!store.exec("web", "ip address").contains("10.9.0."));
    assert!(
        store
            .refused(&["network", "disconnect", "back", "web"])
            .contains("is not connected")
    );

    let busy = store.refused(&["network", "rm", "back"]);
    assert!(
        busy.contains("network back has active endpoints (name:\"db\""),
        "{busy}"
    );
    store.printed(&["rm", "-f", "db"]);
    assert_eq!(store.printed(&["network", "rm", "back"]), "back");
    assert!(
        !store.place.sh("ip address").contains("10.9.0.1"),
        "the bridge is gone too"
    );
}

#[test]
fn networks_are_listed_inspected_and_pruned() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    let words = [
        "network",
        "create",
        "--subnet",
        "10.9.0.0/24",
        "--gateway",
        "10.9.0.9",
    ];
    let id = store.printed(
        &[
            &words[..],
            &["--ip-range", "10.9.0.64/26", "--label", "a=b", "n"],
        ]
        .concat(),
    );
    assert_eq!(id.len(), 64);
    assert!(
        store
            .refused(&["network", "create", "n"])
            .contains("network with name n already exists")
    );
    for wrong in ["bridge", "../n", "", "-n", "a b"] {
        store.refused(&["network", "create", "--", wrong]);
    }
    let listed = store.printed(&[
        "network",
        "ls",
        "--format",
        "{{.Name}} {{.Driver}} {{.Scope}}",
    ]);
    assert_eq!(
        listed,
        "bridge bridge local\nhost host local\nn bridge local\nnone null local"
    );
    assert_eq!(
        store.printed(&["network", "ls", "-q", "-f", "label=a"]),
        &id[..12]
    );
    assert_eq!(
        store.printed(&["network", "ls", "-q", "--no-trunc", "-f", "type=custom"]),
        id
    );
    store.sleep("aa", &["--net", &id[..8]]);
    assert_eq!(store.address("aa"), "10.9.0.64", "the lowest of the range");
    let template = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}} {{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}";
    let seen = store.printed(&["network", "inspect", "-f", template, "n"]);
    assert_eq!(seen, "10.9.0.0/24 10.9.0.9 aa 10.9.0.64/24");
    assert_eq!(store.printed(&["network", "prune", "-f"]), "");
    store.printed(&["rm", "-f", "aa"]);
    assert!(
        store
            .printed(&["network", "prune", "-f"])
            .starts_with("Deleted Networks:\nn")
    );
    assert!(
        store
            .refused(&["network", "rm", "bridge"])
            .contains("pre-defined network")
    );
    assert!(
        store
            .refused(&["network", "rm", "n"])
            .contains("network n not found")
    );
}

#[test]
fn a_link_gives_names_and_variables_and_follows_its_target() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.serve("db", &["--expose", "80", "-e", "SECRET=x"]);
    store.sleep("web", &["--link", "db:data-base"]);
    let address = store.address("db");
    let variables = store.exec("web", "env");
    for (name, value) in [
        ("DATA_BASE_NAME", "/web/data-base".to_owned()),
        ("DATA_BASE_PORT", format!("tcp://{address}:80")),
        ("DATA_BASE_PORT_80_TCP_ADDR", address.clone()),
        ("DATA_BASE_PORT_80_TCP_PROTO", "tcp".into()),
        ("DATA_BASE_ENV_SECRET", "x".into()),
    ] {
        let line = format!("{name}={value}");
        assert!(
            variables.lines().any(|found| found == line),
            "{line}: {variables}"
        );
    }
    assert!(
        store
            .exec("web", "nc -w 3 data-base 80")
            .contains("served db")
    );
    // Its address goes to another one while it is away.
    store.printed(&["stop", "-t", "0", "db"]);
    store.sleep("thief", &[]);
    assert_eq!(store.address("thief"), address);
    store.printed(&["start", "db"]);
    store.listens("db");
    let new = store.address("db");
    assert_ne!(new, address);
    assert!(
        store
            .exec("web", "cat /etc/hosts")
            .contains(&format!("{new}\tdata-base"))
    );
    assert!(
        store
            .exec("web", "nc -w 3 data-base 80")
            .contains("served db")
    );
    store.printed(&["stop", "-t", "0", "db"]);
    let words = ["run", "--rm", "--link", "db:x", "base", "true"];
    assert!(
        store
            .refused(&words)
            .contains("Cannot link to a non running container: /db AS /")
    );
}

#[test]
fn the_networks_that_are_none_or_anothers() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    let links = |words: &[&str]| {
        let words = [&["run", "--rm"], words, &["base", "ls", "/sys/class/net"]].concat();
        store.printed(&words)
    };
    assert_eq!(links(&["--net", "none"]), "lo");
    assert!(links(&["--net", "host"]).contains("wan"));
    store.serve("web", &["-h", "first"]);
    let words = ["run", "--rm", "--net", "container:web", "base", "sh", "-c"];
    let said = store.printed(&[&words[..], &["nc -w 3 127.0.0.1 80; cat /etc/hosts"]].concat());
    assert!(
        said.contains("served web") && said.contains("172.17.0.2\tfirst"),
        "{said}"
    );
    let words = [
        "run",
        "--rm",
        "--add-host",
        "far:10.1.1.1",
        "--add-host",
        "me:host-gateway",
    ];
    let hosts = store.printed(&[&words[..], &["base", "cat", "/etc/hosts"]].concat());
    assert!(hosts.contains("10.1.1.1\tfar\n172.17.0.1\tme\n"), "{hosts}");
}

#[test]
fn what_a_killed_monitor_leaves_is_cleared_by_the_next_command() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.sleep("aa", &["-p", "8080:80"]);
    let pid = store.printed(&["inspect", "-f", "{{.State.Pid}}", "aa"]);
    // The monitor is the parent of the container's first process.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .unwrap();
    let monitor = nix::unistd::Pid::from_raw(parent.parse().unwrap());
    assert!(store.rules().contains("8080"));
    nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGKILL).unwrap();
    let process = format!("/proc/{pid}");
    wait_until("the first process dies with its monitor", || {
        !std::path::Path::new(&process).exists()
    });
    assert_eq!(store.printed(&["ps", "-q"]), "");
    assert!(!store.rules().contains("8080"), "{}", store.rules());
    // The same port and the same address are free again.
    store.sleep("bb", &["-p", "8080:80"]);
    assert_eq!(store.address("bb"), "172.17.0.2");
    store.printed(&["rm", "-f", "bb"]);
    store.printed(&["run", "--rm", "base", "true"]);
    wait_until("no wire is left", || {
        !store.place.sh("ip link").contains("veth")
    });
}

#[test]
fn an_ordinary_users_ports_are_published_too() {
    let Some(mut machine) = machine() else { return };
    let store = &mut machine.store;
    // pasta takes over the interface with the default route.
    store.place.sh("ip route add default via 192.0.2.2");
    // A store and a copy of the program where the user gets to.
    let folder = store.store.folder.join("store");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(4242), Some(4242)).unwrap();
    let binary = store.store.folder.join("mini-docker");
    std::fs::copy(&store.binary, &binary).unwrap();
    store.binary = binary.to_str().unwrap().into();
    let words = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"];
    store.user = words.map(str::to_owned).into();
    if !store
        .run(&["run", "--rm", "--net", "none", "base", "true"])
        .status
        .success()
    {
        skipped("an ordinary user cannot start a container here");
        return;
    }
    let output = store.run(&["run", "--rm", "base", "ls", "/sys/class/net"]);
    let (links, said) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    match String::from_utf8_lossy(&links).trim() {
        // Neither program is there, or it may not do its work here; either is told.
        "lo" => assert!(said.contains("WARNING: "), "{said}"),
        links => assert!(links.contains("eth0"), "{links} {said}"),
    }
    store.serve("web", &["-p", "8080:80", "-p", "127.0.0.1:8081:80"]);
    assert_eq!(store.place.ask("127.0.0.1:8080", 50), "served web");
    assert_eq!(store.place.ask("[::1]:8080", 5), "served web");
    assert_eq!(store.place.ask("127.0.0.1:8081", 5), "served web");
    assert_eq!(machine.neighbour.ask("192.0.2.1:8080", 5), "served web");
    assert_eq!(machine.neighbour.ask("192.0.2.1:8081", 0), "");
    let store = &machine.store;
    let words = ["run", "--rm", "-p", "8080:80", "base", "true"];
    let said = store.refused(&words);
    assert!(said.contains("port is already allocated"), "{said}");
    store.printed(&["rm", "-f", "web"]);
    assert_eq!(store.place.ask("127.0.0.1:8080", 0), "");
}

#[test]
fn a_table_that_drops_containers_packets_is_told_of() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    let said = || {
        let output = store.run(&["run", "--rm", "base", "true"]);
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(said(), "");
    let chain = "{ type filter hook forward priority filter; policy drop; }";
    store.place.sh(&format!(
        "nft add table ip filter; nft 'add chain ip filter FORWARD {chain}'"
    ));
    let said = said();
    assert!(
        said.contains("the table `ip filter` drops what is forwarded"),
        "{said}"
    );
}

#[test]
fn a_command_killed_at_any_step_leaves_networks_that_others_go_on_with() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.printed(&["network", "create", "first"]);
    store.sleep("web", &[]);
    let before = store.address("web");
    let killed_at = |words: &[&str], step: u32| {
        let mut command = store.place.enter();
        command.args(["env", &format!("MINI_DOCKER_KILL_AT={step}")]);
        command.arg(&store.binary).args(words);
        command.env("MINI_DOCKER_ROOT", store.store.folder.join("store"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stderr).contains("killed before")
    };
    // Undone after each kill, so that each word begins where the last one did.
    for (words, undo) in [
        (
            &["network", "connect", "first", "web"][..],
            &["network", "disconnect", "-f", "first", "web"][..],
        ),
        (
            &["network", "create", "second"],
            &["network", "rm", "-f", "second"],
        ),
    ] {
        let mut step = 1;
        while killed_at(words, step) {
            let again = store.run(undo);
            assert!(again.status.success(), "{words:?} step {step}: {again:?}");
            store.printed(words);
            store.printed(undo);
            step += 1;
        }
        assert!(step > 2, "{words:?} has steps");
        store.printed(undo);
    }
    assert_eq!(store.address("web"), before);
    assert!(
        store
            .exec("web", "ping -c 1 -W 2 172.17.0.1")
            .contains(" 0% packet loss")
    );
}

#[test]
fn tables_of_others_are_left_as_they_are() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.place.sh("nft -f - <<END
table ip nat {
    chain POSTROUTING { type nat hook postrouting priority srcnat; }
    chain theirs { tcp dport 8080 drop comment \"theirs\"; }
}
table inet filter {
    chain forward { type filter hook forward priority filter; ct state invalid drop; }
}
END");
    let theirs = "nft list table ip nat; nft list table inet filter";
    let before = store.place.sh(theirs);
    store.printed(&["network", "create", "n"]);
    store.sleep("aa", &["-p", "8080:80"]);
    store.sleep("bb", &["--net", "n"]);
    assert_eq!(store.place.sh(theirs), before);
    store.printed(&["rm", "-f", "aa", "bb"]);
    store.printed(&["network", "rm", "n"]);
    assert_eq!(store.place.sh(theirs), before);
}

#[test]
fn two_at_once_never_have_one_address_or_one_port() {
    let Some(machine) = machine() else { return };
    let store = &machine.store;
    store.printed(&["run", "--rm", "base", "true"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                store.printed(&["run", "-d", "-p", "80", "base", "sleep", "1000"]);
            });
        }
    });
    let ids = store.printed(&["ps", "-q"]);
    let all = |words: &[&str]| {
        let mut found: Vec<_> = ids
            .lines()
            .map(|id| store.printed(&[words, &[id]].concat()))
            .collect();
        found.sort();
        found.dedup();
        found.len()
    };
    assert_eq!(ids.lines().count(), 8);
    assert_eq!(all(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}"]), 8);
    assert_eq!(all(&["port"]), 8);
}
