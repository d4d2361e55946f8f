//! Chapter 03: `ip-netns` inside and outside, against ip-netns(8), and mixed
//! with it in both directions. Every script has a network, mounts and a /run of
//! its own; the machine's are never touched.

use serde_json::Value;

use crate::support::{difference, peers, printed, shell};

/// A script as root of a machine without a cable: real root makes only the
/// namespaces, anybody else a user namespace around them. No single quotes.
fn machine(script: &str) -> String {
    let user = if nix::unistd::geteuid().is_root() {
        ""
    } else {
        "--user --map-root-user"
    };
    in_namespaces(user, script)
}

fn in_namespaces(user: &str, script: &str) -> String {
    assert!(!script.contains('\''), "{script}");
    format!("exec unshare {user} --mount --net sh -euc 'mount -t tmpfs tmpfs /run\n{script}'")
}

/// One line on standard error, and this status.
fn refused(script: &str, status: i32) -> String {
    let output = shell(&machine(script));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{error}{script}");
    assert!(
        error.starts_with("error: ") && error.lines().count() == 1,
        "{error}"
    );
    error
}

#[test]
fn names_are_shared_with_iproute2_in_both_directions() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let told = printed(&machine(
        "ip-netns add ours; ip netns add theirs
         ip-netns list; ip netns list | cut -d\" \" -f1 | sort
         ip netns exec ours ip-netns identify; ip-netns exec theirs ip netns identify
         ip netns delete ours; ip-netns delete theirs
         ls /run/netns; grep -c netns/ /proc/self/mountinfo || true",
    ));
    assert_eq!(
        told.split_whitespace().collect::<Vec<_>>(),
        ["ours", "theirs", "ours", "theirs", "ours", "theirs", "0"]
    );
}

const OURS: &str = "ip-netns add red; ip-netns add blue
    ip-netns veth east west
    ip-netns set east --netns red; ip-netns set west --netns blue
    ip-netns set lo -n red --up
    ip-netns set east -n red --address 10.0.0.1/24 --address fd00::1/64 --up
    ip-netns set west -n blue --address 10.0.0.2/24 --up --name eth0
    ip-netns route -n red default --via 10.0.0.2
    ip-netns route -n red 10.7.0.0/16 --via 10.0.0.3\n";
const THEIRS: &str = "ip netns add red; ip netns add blue
    ip link add name east type veth peer name west
    ip link set east netns red; ip link set west netns blue
    ip -n red link set lo up
    ip -n red address add 10.0.0.1/24 dev east; ip -n red address add fd00::1/64 dev east
    ip -n red link set east up
    ip -n blue address add 10.0.0.2/24 dev west
    ip -n blue link set west name eth0; ip -n blue link set eth0 up
    ip -n red route add default via 10.0.0.2
    ip -n red route add 10.7.0.0/16 via 10.0.0.3\n";

#[test]
fn a_connected_namespace_is_the_state_that_iproute2_makes_whoever_enters_it() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let mut states: Vec<Value> = Vec::new();
    for made in [OURS, THEIRS] {
        for enter in ["ip-netns", "ip netns"] {
            let script = format!("{made}exec {enter} exec red $PAYLOAD");
            states.push(difference(&machine(&script)));
        }
    }
    let red = &states[0];
    assert_eq!(red["interfaces"]["east"]["state"], "up", "{red:#}");
    assert_eq!(red["interfaces"]["east"]["peer"]["place"], "elsewhere");
    assert!(
        red["routes"]
            .to_string()
            .contains("default via 10.0.0.2 dev east")
    );
    assert!(red["network_namespaces"]["blue"].is_string(), "{red:#}");
    for other in &states[1..] {
        assert_eq!(red, other);
    }
}

#[test]
fn a_bridge_with_its_ports_is_the_state_that_iproute2_makes() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let ours = "ip-netns add red; ip-netns bridge lan; ip-netns set lan --address 10.0.0.1/24 --up
        ip-netns veth red0 eth0 --peer-netns red; ip-netns set red0 --master lan --up
        exec $PAYLOAD";
    let theirs = "ip netns add red; ip link add name lan type bridge
        ip address add 10.0.0.1/24 dev lan; ip link set lan up
        ip link add name red0 type veth peer name eth0 netns red
        ip link set red0 master lan up
        exec $PAYLOAD";
    let [ours, theirs] = [ours, theirs].map(|script| difference(&machine(script)));
    assert_eq!(ours["interfaces"]["red0"]["master"], "lan", "{ours:#}");
    assert_eq!(ours["interfaces"]["lan"]["kind"], "bridge");
    assert_eq!(ours, theirs);
}

#[test]
fn lo_is_refused_as_the_kernel_says_and_stays_as_it_was() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let error = refused("ip-netns add blue; ip-netns set lo --netns blue", 1);
    assert!(error.contains("EINVAL"), "{error}");
    assert!(error.contains("an `lo` of its own"), "{error}");
    let told = printed(&machine(
        "ip-netns add blue; ip-netns set lo --up
         ip-netns set lo --netns blue 2>/dev/null && exit 1
         ip -br link show dev lo; ip -n blue -br link show dev lo",
    ));
    let states: Vec<_> = told
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(states, ["UNKNOWN", "DOWN"], "up has no more to say of lo");
}

#[test]
fn explain_tells_the_calls_that_strace_sees() {
    if !peers(&["strace", "unshare"]) {
        return;
    }
    for words in [
        "add red",
        "delete blue",
        "exec blue true",
        "set lo -n blue --up",
    ] {
        let calls = "mkdir,mount,umount2,unlink,unshare,setns,sendto";
        let told = printed(&machine(&format!(
            "ip-netns add blue
             strace -qq -e signal=none -e trace={calls} -o /run/seen ip-netns --explain {words} 2>/run/told
             cut -d\"(\" -f1 /run/seen; echo; cut -d\"(\" -f1 /run/told"
        )));
        let (seen, told) = told.split_once("\n\n").unwrap();
        let told: Vec<&str> = told
            .lines()
            .filter(|call| calls.split(',').any(|one| one == *call))
            .collect();
        assert_eq!(told, seen.lines().collect::<Vec<_>>(), "{words}");
        assert!(!told.is_empty(), "{words}");
    }
}

#[test]
fn a_command_sees_its_own_sys_and_its_own_files_of_etc_and_nobody_else_does() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    for exec in ["ip-netns exec", "ip netns exec"] {
        let told = printed(&machine(&format!(
            "mount -t tmpfs tmpfs /etc; mkdir -p /etc/netns/blue
             echo outside >/etc/resolv.conf; echo inside >/etc/netns/blue/resolv.conf
             ip-netns add blue; ip-netns veth near far --peer-netns blue
             {exec} blue sh -c \"cat /etc/resolv.conf; ls /sys/class/net | sort\"
             cat /etc/resolv.conf; ip-netns identify"
        )));
        let words: Vec<_> = told.split_whitespace().collect();
        assert_eq!(words, ["inside", "far", "lo", "outside"], "{exec}");
    }
}

#[test]
fn a_deleted_name_goes_from_a_copy_of_the_mounts_too() {
    if !peers(&["unshare"]) {
        return;
    }
    let told = printed(&machine(
        "ip-netns add blue; mkfifo /run/in /run/go
         unshare --mount --propagation slave sh -c \"
             echo >/run/in; read go </run/go
             grep -c netns/blue /proc/self/mountinfo\" >/run/left &
         read in </run/in; ip-netns delete blue; echo >/run/go; wait
         cat /run/left",
    ));
    assert_eq!(told, "0\n");
}

#[test]
fn monitor_tells_the_names_that_iproute2_adds_and_deletes() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let told = printed(&machine(
        "mkfifo /run/said /run/told
         ip-netns --explain monitor 2>/run/said >/run/told & monitor=$!
         exec 3</run/said 4</run/told
         while read -r line <&3; do case $line in inotify_add_watch*) break;; esac; done
         ip netns add blue; read -r line <&4; echo $line
         ip netns delete blue; read -r line <&4; echo $line
         ip-netns add red; read -r line <&4; echo $line
         kill $monitor",
    ));
    assert_eq!(told, "add blue\ndelete blue\nadd red\n");
}

#[test]
fn a_veth_goes_with_the_namespace_of_its_other_end() {
    if !peers(&["ip", "unshare"]) {
        return;
    }
    let told = printed(&machine(
        "ip-netns add blue; ip-netns veth near far --peer-netns blue
         ip link show near >/dev/null && echo there
         ip-netns delete blue
         while ip link show near >/dev/null 2>&1; do :; done
         echo gone",
    ));
    assert_eq!(told, "there\ngone\n");
}

#[test]
fn what_fails_half_way_leaves_no_name() {
    if !peers(&["unshare"]) {
        return;
    }
    // In a user namespace for root too: the limit set here is that one's own.
    let output = shell(&in_namespaces(
        "--user --map-root-user",
        "echo 0 >/proc/sys/user/max_net_namespaces
         ip-netns add blue || ls -A /run/netns",
    ));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("unshare(CLONE_NEWNET): ENOSPC"), "{error}");
    assert!(output.status.success() && output.stdout.is_empty());
}

#[test]
fn a_name_that_is_a_path_leads_nowhere() {
    if !peers(&["unshare"]) {
        return;
    }
    for command in ["add", "delete", "exec"] {
        for name in ["../../etc/passwd", "a/b", "..", "."] {
            let error = refused(&format!("ip-netns {command} {name}"), 1);
            assert!(error.contains("is no name for a namespace"), "{error}");
        }
    }
    let told = printed(&machine(
        "ip-netns add ../escaped 2>/dev/null || true; find /run -mindepth 1",
    ));
    assert_eq!(told, "");
}

#[test]
fn wrong_use_is_told_in_one_line_with_the_remedy() {
    if !peers(&["unshare"]) {
        return;
    }
    for (script, words) in [
        ("ip-netns exec gone true", "`list` shows"),
        ("ip-netns delete gone", "`list` shows"),
        ("ip-netns add blue; ip-netns add blue", "`delete` it first"),
        (
            "mkdir /run/netns; touch /run/netns/x; ip-netns exec x true",
            "nothing mounted on it",
        ),
        ("ip-netns set nothing --up", "`ip link` lists"),
        (
            "ip-netns route default --via 10.0.0.1",
            "has to be up first",
        ),
        (
            "ip-netns bridge lan; ip-netns bridge lan",
            "it is there already",
        ),
        (
            "ip-netns bridge lan; ip-netns set lan --up; ip-netns route 10.1.0.1/24 --via 10.0.0.1",
            "10.1.0.0/24, not",
        ),
        ("ip-netns identify 4194305", "a process that is alive"),
    ] {
        let error = refused(script, 1);
        assert!(error.contains(words), "{script}: {error}");
    }
    let output = shell("ip-netns set lo --address 10.0.0.1");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("ADDRESS/LENGTH"), "{error}");
}

#[test]
fn exit_statuses_of_exec_are_those_of_the_shell() {
    if !peers(&["unshare"]) {
        return;
    }
    let status = |words: &str| {
        let script = machine(&format!("ip-netns add blue; ip-netns exec blue {words}"));
        shell(&script).status.code()
    };
    assert_eq!(status("sh -c \"exit 7\""), Some(7));
    assert_eq!(status("no-such-command"), Some(127));
    assert_eq!(status("/etc/passwd"), Some(126));
}

#[test]
fn an_ordinary_user_is_told_where_names_can_be_had() {
    if nix::unistd::geteuid().is_root() {
        return crate::elsewhere("root may make names in /run");
    }
    let output = shell("ip-netns add labs-of-nobody");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("mount -t tmpfs tmpfs /run"), "{error}");
}

#[test]
fn help_shows_examples() {
    let help = printed("ip-netns --help");
    assert!(help.contains("Examples:") && help.contains("Exit status:"));
}
