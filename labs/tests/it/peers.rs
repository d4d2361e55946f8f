//! The programs of chapters 01 and 02 against their grown-up counterparts: the
//! same scenario, and the same kernel state as `tp` observes it.

use serde_json::json;

use crate::support::{Payload, difference, inspect_against, peers};

/// Root makes a namespace as it is; anybody else is root of a user namespace.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_host_name_of_its_own_is_the_state_that_unshare_makes() {
    if !peers(&["unshare", "hostname"]) {
        return;
    }
    let (ours, theirs) = if is_root() {
        ("", "--uts")
    } else {
        ("--user", "--uts --map-root-user")
    };
    let ours = difference(&format!("exec unshare-hostname {ours} box $PAYLOAD"));
    let theirs = difference(&format!(
        "exec unshare {theirs} sh -c 'hostname box; exec $PAYLOAD'"
    ));
    assert_eq!(ours["namespaces"]["uts"], json!("new"));
    assert_eq!(ours["hostname"], json!("box"));
    assert_eq!(ours, theirs);
}

#[test]
fn every_set_of_namespaces_is_the_state_that_unshare_makes() {
    if !peers(&["unshare"]) {
        return;
    }
    for letters in [
        "-U -r",
        "-U -r -u",
        "-U -r -i",
        "-U -r -n",
        "-U -r -m",
        "-U -r -C",
        "-U -r -u -i -n -m",
        "-U -r -p -f",
        "-U -r -m -p -f --mount-proc",
        "-U -r -T -f",
    ] {
        let ours = difference(&format!("exec namespaces unshare {letters} -- $PAYLOAD"));
        let theirs = difference(&format!("exec unshare {letters} -- $PAYLOAD"));
        assert_eq!(ours["namespaces"]["user"], json!("new"), "{letters}");
        assert_eq!(ours, theirs, "{letters}");
    }
}

/// Made by one and joined by the other, in both directions.
#[test]
fn what_one_makes_the_other_joins() {
    if !peers(&["unshare", "nsenter"]) {
        return;
    }
    for maker in ["unshare", "namespaces unshare"] {
        let made = Payload::start(&format!("exec {maker} -U -r -u -i -n -m -- $PAYLOAD"));
        let target = made.pid;
        let theirs =
            format!("exec nsenter -t {target} -U -u -i -n -m --preserve-credentials $PAYLOAD");
        let ours = format!("exec namespaces setns -t {target} -U -u -i -n -m -- $PAYLOAD");
        for joiner in [theirs, ours] {
            let joined = Payload::start(&joiner);
            let difference = inspect_against(joined.pid, target);
            for same in ["namespaces", "uid_map", "capabilities", "root", "mounts"] {
                assert_eq!(difference[same], json!(null), "{maker}; {joiner}");
            }
        }
    }
}
