//! Chapter 05: `reducecap`, inside and outside, and against capsh, setpriv,
//! getpcaps, pscap, setcap and getcap: the same kernel state as `tp` observes it.

use std::fs;

use serde_json::{Value, json};

use crate::elsewhere;
use crate::support::{Payload, difference, inspect, peers, printed, shell};

/// The five sets of whoever asks, as the kernel has them.
const ASK: &str = "grep ^Cap /proc/self/status";
/// Lists the formats that it could capture in: for that it opens a packet socket,
/// and it waits for no packet.
const SNIFF: &str = "tcpdump -i lo -L";

fn own_sets() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .filter(|line| line.starts_with("Cap"))
        .collect()
}

/// One set out of what [`ASK`] prints.
fn set(printed: &str, name: &str) -> u64 {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(line.unwrap().trim_start_matches(':').trim(), 16).unwrap()
}

/// One line on standard error, and this exit status.
fn refused(script: &str, status: i32) -> String {
    let output = shell(script);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{script}: {error}");
    let first = error.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: "), "{script}: {error}");
    first.to_owned()
}

/// The names in a column of the table; 0 is the first after the name.
fn column(table: &str, title: &str) -> Vec<String> {
    let mut lines = table.lines();
    let at = lines.next().unwrap().find(title).unwrap();
    lines
        .filter(|line| line.as_bytes().get(at) == Some(&b'X'))
        .map(|line| line.split(' ').next().unwrap().to_lowercase())
        .collect()
}

#[test]
fn the_table_shows_what_the_kernel_holds() {
    let before = own_sets();
    let table = printed("reducecap --show");
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let last: usize = last.trim().parse().unwrap();
    assert_eq!(table.lines().count(), 1 + last + 1);
    for (title, name) in [
        ("Effective", "CapEff"),
        ("Permitted", "CapPrm"),
        ("Inheritable", "CapInh"),
        ("Bounding", "CapBnd"),
        ("Ambient", "CapAmb"),
    ] {
        let count = set(&printed(ASK), name).count_ones() as usize;
        assert_eq!(column(&table, title).len(), count, "{title}\n{table}");
    }
    // Another process's: this test's own.
    let other = printed(&format!("reducecap --show --pid {}", std::process::id()));
    assert_eq!(other, table);
    assert_eq!(own_sets(), before);
}

#[test]
fn colour_is_added_to_the_letters_and_never_instead_of_them() {
    let plain = printed("reducecap -U --keep net_raw --show");
    let colour = printed("CLICOLOR_FORCE=1 reducecap -U --keep net_raw --show");
    assert!(!plain.contains('\u{1b}'));
    assert!(colour.contains('\u{1b}'));
    let mut without = String::new();
    let mut pieces = colour.split('\u{1b}');
    without += pieces.next().unwrap();
    for piece in pieces {
        without += piece.split_once('m').unwrap().1;
    }
    assert_eq!(without, plain);
    assert_eq!(column(&plain, "Effective"), ["cap_net_raw"]);
}

#[test]
fn what_is_dropped_is_gone_inside_and_the_host_keeps_its_own() {
    let before = own_sets();
    let inside = printed(&format!("reducecap -U --drop net_raw,CAP_SYS_ADMIN {ASK}"));
    for name in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(set(&inside, name) & (1 << 13 | 1 << 21), 0, "{inside}");
        assert_ne!(set(&inside, name), 0, "{inside}");
    }
    assert_eq!(set(&inside, "CapInh") | set(&inside, "CapAmb"), 0);
    let inside = printed(&format!("reducecap -U --profile docker {ASK}"));
    assert_eq!(set(&inside, "CapEff"), 0xa804_25fb);
    let inside = printed(&format!("reducecap -U --profile none {ASK}"));
    assert_eq!(set(&inside, "CapEff") | set(&inside, "CapBnd"), 0);
    // As --cap-add and --cap-drop of docker: the profile, more, and less.
    let inside = printed(&format!(
        "reducecap -U --profile podman --keep sys_time --drop chown {ASK}"
    ));
    assert_eq!(set(&inside, "CapEff"), 0x8004_05fb & !1 | 1 << 25);
    assert_eq!(own_sets(), before);
}

/// The program's own memory would say so without any call.
#[test]
fn the_table_after_a_drop_is_the_kernels() {
    let table = printed("reducecap -U --profile vserver --show");
    let vserver = column(&table, "Effective");
    assert_eq!(vserver.len(), 14);
    assert!(!vserver.contains(&"cap_net_raw".into()));
    assert!(vserver.contains(&"cap_sys_ptrace".into()));
    assert_eq!(column(&table, "Bounding"), vserver);
    let again = printed("reducecap -U --profile vserver reducecap --show");
    assert_eq!(again, table);
}

#[test]
fn root_without_net_raw_may_not_sniff_and_no_way_leads_back() {
    if !peers(&["tcpdump", "unshare", "setpriv", "ip"]) {
        return;
    }
    let inside = |reduce: &str, command: &str| {
        shell(&format!(
            "unshare -Urn sh -c 'ip link set lo up; {reduce} {command}'"
        ))
    };
    // It does sniff as long as nobody forbids it.
    let all = inside("", SNIFF);
    assert!(all.status.success(), "{all:?}");

    let refused = |output: std::process::Output| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{error}");
        assert!(error.contains("Operation not permitted"), "{error}");
    };
    refused(inside("reducecap --drop net_raw", SNIFF));
    // Another execve of root, and a user namespace of one's own: that gives the
    // capability back, over nothing that is the network's.
    refused(inside(
        "reducecap --drop net_raw sh -c",
        &format!("\"exec {SNIFF}\""),
    ));
    refused(inside("reducecap --drop net_raw unshare -Ur", SNIFF));
    // The old capability cannot be made inheritable either, which root's execve
    // would take it from.
    let output = inside(
        "reducecap --drop net_raw setpriv --inh-caps +net_raw",
        SNIFF,
    );
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn the_seccomp_filter_refuses_who_has_every_capability() {
    if !peers(&["tcpdump", "unshare", "ip"]) {
        return;
    }
    let output = shell(&format!(
        "unshare -Urn reducecap --no-new-privs --seccomp sh -c '{ASK}; ip link set lo up; exec {SNIFF}'"
    ));
    let told = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(set(&told, "CapEff") & 1 << 13 != 0, "{told}");
    assert!(error.contains("Operation not permitted"), "{error}");

    let seen = difference("exec reducecap -U --no-new-privs --seccomp $PAYLOAD");
    assert_eq!(seen["no_new_privs"], json!(true), "{seen}");
    assert_eq!(seen["seccomp"], json!("filter"), "{seen}");
}

/// x86-64 has socket a second time, in the table of x32.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_second_call_table_is_no_way_round_the_filter() {
    if !peers(&["perl"]) {
        return;
    }
    for number in ["41", "0x40000000 + 41"] {
        let call = format!("perl -e 'syscall({number}, 17, 3, 0); print $!+0'");
        let told = printed(&format!("reducecap -U --no-new-privs --seccomp {call}"));
        assert_eq!(told, "1", "{number}: EPERM is 1");
    }
    let other = "perl -e 'print syscall(41, 2, 1, 0) >= 0 ? 1 : 0'";
    let told = printed(&format!("reducecap -U --no-new-privs --seccomp {other}"));
    assert_eq!(told, "1", "an Internet socket is still allowed");
}

#[test]
fn explain_prints_the_calls_in_the_order_that_works() {
    let output = shell(
        "reducecap -U --keep net_raw --noroot --ambient net_raw --no-new-privs --seccomp \
         --explain true",
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let mut from = 0;
    for call in [
        "unshare(CLONE_NEWUSER) = 0",
        "prctl(PR_CAPBSET_DROP, CAP_CHOWN) = 0",
        "prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN) = 0",
        "prctl(PR_SET_SECUREBITS, SECBIT_NOROOT|SECBIT_NOROOT_LOCKED) = 0",
        "capset({version=3, pid=0}, {effective=CAP_NET_RAW, permitted=CAP_NET_RAW, \
         inheritable=CAP_NET_RAW}) = 0",
        "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW) = 0",
        "prctl(PR_SET_NO_NEW_PRIVS, 1) = 0",
        "seccomp(SECCOMP_SET_MODE_FILTER",
        "execvp(\"true\"",
    ] {
        let at = told[from..].find(call);
        from += at.unwrap_or_else(|| panic!("{call}\n{told}"));
    }
    assert!(!told.contains("PR_CAPBSET_DROP, CAP_NET_RAW"), "{told}");
}

#[test]
fn errors_name_the_capability_and_the_remedy() {
    let told = |script: &str| {
        let output = shell(script);
        assert_eq!(output.status.code(), Some(2), "{script}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told("reducecap --drop net_row true").contains("net_row"));
    assert!(told("reducecap --drop sysadmin true").contains("CAP_SYS_ADMIN"));
    assert!(told("reducecap --pid 1 --drop all").contains("--pid"));
    assert!(told("reducecap --set-file net_raw=ep").contains("--file"));

    let error = refused("reducecap --show --pid 4194305", 1);
    assert!(error.contains("no such process"), "{error}");
    let error = refused("reducecap -U --drop setpcap reducecap --drop chown true", 1);
    assert!(
        error.contains("CAP_CHOWN") && error.contains("CAP_SETPCAP") && error.contains("--user"),
        "{error}"
    );
    let error = refused(
        "reducecap -U --drop chown reducecap --ambient chown true",
        1,
    );
    assert!(
        error.contains("CAP_CHOWN") && error.contains("ambient"),
        "{error}"
    );
    let error = refused("reducecap -U --drop sys_admin reducecap --seccomp true", 1);
    assert!(error.contains("--no-new-privs"), "{error}");
    let error = refused("reducecap --file /no/such/file", 1);
    assert!(error.contains("ENOENT"), "{error}");
    let error = refused("reducecap --file /bin/sh --set-file net_raw", 1);
    assert!(error.contains("net_raw=ep"), "{error}");
    refused("reducecap -U --drop chown no-such-command", 127);
}

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    if nix::unistd::geteuid().is_root() {
        elsewhere("root has CAP_SETPCAP");
        return;
    }
    let error = refused("reducecap --drop net_raw true", 1);
    assert!(
        error.contains("CAP_NET_RAW") && error.contains("--user"),
        "{error}"
    );
}

#[test]
fn capsh_and_setpriv_make_the_same_state() {
    if !peers(&["capsh", "setpriv", "unshare"]) {
        return;
    }
    let docker = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,\
                  net_raw,sys_chroot,mknod,audit_write,setfcap";
    let plus: Vec<String> = docker.split(',').map(|name| format!("+{name}")).collect();
    let plus = plus.join(",");
    for (ours, theirs) in [
        (
            "--drop net_raw,sys_admin",
            "capsh --drop=cap_net_raw,cap_sys_admin -- -c \"exec $PAYLOAD\"".to_owned(),
        ),
        (
            "--profile docker",
            format!("setpriv --bounding-set=-all,{plus} $PAYLOAD"),
        ),
        (
            "--keep net_bind_service --noroot --ambient net_bind_service",
            "setpriv --securebits=+noroot,+noroot_locked --bounding-set=-all,+net_bind_service \
             --inh-caps=-all,+net_bind_service --ambient-caps=+net_bind_service $PAYLOAD"
                .to_owned(),
        ),
        (
            "--no-new-privs --drop all",
            "setpriv --bounding-set=-all --no-new-privs $PAYLOAD".to_owned(),
        ),
    ] {
        let ours = difference(&format!("exec reducecap -U {ours} $PAYLOAD"));
        let theirs = difference(&format!("exec unshare -Ur {theirs}"));
        assert_eq!(ours["namespaces"]["user"], json!("new"));
        assert_ne!(ours["capabilities"]["bounding"], json!(null), "{ours}");
        assert_eq!(ours, theirs);
    }
}

/// What one has begun the other goes on with, in both directions.
#[test]
fn reductions_of_one_and_the_other_add_up() {
    if !peers(&["setpriv", "unshare"]) {
        return;
    }
    let ours_first = "exec reducecap -U --drop net_raw setpriv --bounding-set=-sys_admin --no-new-privs $PAYLOAD";
    let theirs_first = "exec unshare -Ur setpriv --bounding-set=-net_raw \
                        reducecap --drop sys_admin --no-new-privs $PAYLOAD";
    let (ours, theirs) = (difference(ours_first), difference(theirs_first));
    assert_eq!(ours["no_new_privs"], json!(true));
    assert_eq!(ours, theirs);
}

#[test]
fn getpcaps_and_pscap_tell_of_a_process_what_the_table_tells() {
    if !peers(&["getpcaps", "pscap"]) {
        return;
    }
    let payload = Payload::start("exec reducecap -U --profile podman $PAYLOAD");
    let pid = payload.pid;
    let ours = column(
        &printed(&format!("reducecap --show --pid {pid}")),
        "Permitted",
    );
    assert_eq!(ours.len(), 11);

    // `1234: cap_chown,cap_kill=ep`
    let theirs = printed(&format!("getpcaps {pid} 2>&1"));
    let (_, text) = theirs.split_once(": ").unwrap();
    let (names, flags) = text.trim().split_once('=').unwrap();
    assert_eq!(names.split(',').collect::<Vec<_>>(), ours);
    assert_eq!(flags, "ep");

    // `PPID PID USER COMMAND chown, kill, … @`, the names without the prefix.
    let theirs = printed("pscap -a");
    let line = theirs
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(&pid.to_string()));
    let theirs = line.unwrap_or_else(|| panic!("{pid}: {theirs}"));
    for name in &ours {
        let short = name.strip_prefix("cap_").unwrap();
        assert!(theirs.contains(short), "{short}: {theirs}");
    }
    assert!(!theirs.contains("net_raw"), "{theirs}");
}

/// A file system whose files may give privileges, in a user namespace, and a
/// copy of sleep on it that is prepared by one and started by the other.
fn from_a_file(prepare: &str, start: &str) -> Value {
    let payload = Payload::start(&format!(
        "exec unshare -Urm sh -euc '
            mount -t tmpfs tmpfs /run
            cp $(command -v sleep) /run/sleep
            {prepare}
            exec {start} /run/sleep 3600'"
    ));
    inspect(payload.pid)
}

#[test]
fn file_capabilities_of_setcap_and_of_reducecap_give_the_same() {
    if !peers(&["setcap", "getcap", "setpriv", "unshare"]) {
        return;
    }
    let ours = "reducecap --file /run/sleep --set-file net_bind_service,net_raw=ep >/dev/null";
    let theirs = "setcap cap_net_bind_service,cap_net_raw=ep /run/sleep";
    let expected = from_a_file(theirs, "setpriv --securebits=+noroot,+noroot_locked");
    assert_eq!(
        expected["executable_capabilities"],
        json!("cap_net_bind_service,cap_net_raw=ep")
    );
    assert_eq!(from_a_file(ours, "reducecap --noroot"), expected);
    assert_eq!(
        from_a_file(ours, "setpriv --securebits=+noroot,+noroot_locked"),
        expected
    );
    assert_eq!(from_a_file(theirs, "reducecap --noroot"), expected);
    // With no_new_privs the same file gives nothing to who has nothing: env(1) is
    // there for its execve, which for root without its privilege leaves nothing.
    let nothing = from_a_file(ours, "reducecap --noroot --no-new-privs env");
    assert_ne!(nothing["capabilities"], expected["capabilities"]);
    assert_eq!(
        nothing["executable_capabilities"],
        expected["executable_capabilities"]
    );
}

#[test]
fn getcap_reads_what_reducecap_writes_and_the_other_way_round() {
    if !peers(&["setcap", "getcap", "unshare"]) {
        return;
    }
    let told = printed(
        "exec unshare -Urm sh -euc '
            mount -t tmpfs tmpfs /run
            : >/run/file
            reducecap --file /run/file
            for caps in net_raw=ep net_bind_service,bpf=ip chown=ei; do
                reducecap --file /run/file --set-file $caps
                getcap -n /run/file
            done
            for caps in cap_net_raw=p cap_kill,cap_chown=eip; do
                setcap $caps /run/file
                getcap -n /run/file
                reducecap --file /run/file
            done
            reducecap --file /run/file --set-file none
            getcap -n /run/file'",
    );
    let lines: Vec<&str> = told.lines().collect();
    let (first, rest) = lines.split_first().unwrap();
    let (last, pairs) = rest.split_last().unwrap();
    assert_eq!(*first, "/run/file has no capabilities");
    assert_eq!(last, first, "none takes them away: {told}");
    assert_eq!(pairs.len(), 10, "{told}");
    for pair in pairs.chunks(2) {
        assert_eq!(pair[0], pair[1], "{told}");
    }
    assert!(
        told.contains("/run/file cap_net_bind_service,cap_bpf=ip"),
        "{told}"
    );
}

/// Version 3: the root of a user namespace, outside, is named with it.
#[test]
fn outside_the_namespace_the_files_root_is_told() {
    let file = std::env::temp_dir().join(format!("labs-capability-{}", std::process::id()));
    let attributes = shell(&format!(
        "touch {0}; reducecap -U --file {0} --set-file net_raw=ep",
        file.display()
    ));
    let told = String::from_utf8_lossy(&attributes.stdout).into_owned();
    let outside = printed(&format!("reducecap --file {}", file.display()));
    fs::remove_file(&file).unwrap();
    assert!(attributes.status.success(), "{attributes:?}");
    // For its own namespace it is an ordinary version 2.
    assert!(told.ends_with(" cap_net_raw=ep\n"), "{told}");
    let uid = nix::unistd::getuid();
    // Real root's own namespace maps root to root: nothing to tell.
    let expected = match uid.is_root() {
        true => " cap_net_raw=ep\n".to_owned(),
        false => format!(" cap_net_raw=ep [rootid={uid}]\n"),
    };
    assert!(outside.ends_with(&expected), "{outside}");
}

/// `tp` tells of the sockets whatever the process says: by what the kernel has.
#[test]
fn listening_sockets_are_told_of_the_network_namespace() {
    if !peers(&["perl", "unshare"]) {
        return;
    }
    // $^F: no descriptor below that is closed by an execve. 768 is ETH_P_ALL.
    let seen = difference(
        "exec unshare -Urn perl -MSocket -e 'BEGIN { $^F = 99 }
            socket(A, PF_INET, SOCK_STREAM, 0); bind(A, sockaddr_in(80, INADDR_ANY)) or die $!;
            listen(A, 1) or die $!;
            socket(B, PF_INET, SOCK_DGRAM, 0); bind(B, sockaddr_in(53, INADDR_ANY)) or die $!;
            socket(C, PF_INET, SOCK_STREAM, 0); bind(C, sockaddr_in(81, INADDR_ANY)) or die $!;
            socket(D, 17, 3, 768) or die $!;
            exec @ARGV' $PAYLOAD",
    );
    let listening = seen["listening"].to_string();
    for socket in ["tcp 0.0.0.0:80", "udp 0.0.0.0:53", "packet *"] {
        assert!(listening.contains(&format!("\"{socket}\"")), "{listening}");
    }
    assert!(
        !listening.contains(":81"),
        "bound, and not listening: {listening}"
    );
}
