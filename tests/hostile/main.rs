//! Exercises that attack the machine, the runner or the verdict.
//!
//! Each gets its verdict, the runner goes on, and the machine is object for
//! object what it was: processes, mounts, namespaces, cgroups, interfaces, and
//! every file of the home and of a folder beside it.
//!
//! A program of its own, so that no other test runs meanwhile and is counted.

// Helpers of tests are tests, too, but clippy's exception is for `#[test]` only.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Course, exists, ids, sandbox_or_skip};
use tp::observe::host::{Census, census};

/// One attack at a time: the census is of the whole machine.
static TURN: Mutex<()> = Mutex::new(());

const EXPECTED: &str =
    "inside: {process: {namespaces: {uts: new}, hostname: mine}}\nafter: {exit: {status: 0}}\n";
const HONEST: &str = "exec unshare -u sh -c 'hostname mine; exec checkpoint inside'\n";

/// Runs `attack` as an exercise with short limits, then an honest one, and
/// holds the machine afterwards against what it was. Returns the verdict.
fn attack(work: &str) -> Option<Value> {
    let verdict = attack_that_may_pass(work)?;
    assert_eq!(verdict["exercises"][0]["status"], "fail", "{verdict:#}");
    Some(verdict)
}

fn attack_that_may_pass(work: &str) -> Option<Value> {
    attack_by("limits: {seconds: 3, memory: 128M, processes: 32}\n", work)
}

fn attack_by(spec: &str, work: &str) -> Option<Value> {
    if !sandbox_or_skip() {
        return None;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    course.shell("1.1", "attack", spec, EXPECTED, work);
    course.shell("1.2", "honest", "", EXPECTED, HONEST);
    // What the runner itself keeps is there before the count.
    course.run(&["check", "1.2"]);

    let before = count(&course);
    // A neighbour of the same user: what comes and goes is not counted, so
    // this one tells that nobody outside was killed.
    let mut neighbour = Command::new("sleep").arg("1000").spawn().unwrap();
    let verdict = course.check("1.1");
    assert!(
        neighbour.try_wait().unwrap().is_none(),
        "a process outside was ended"
    );
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
    settled(&course, &before);

    let honest = course.check("1.2");
    assert_eq!(
        honest["exercises"][0]["status"], "pass",
        "the runner goes on: {honest:#}"
    );
    Some(verdict)
}

fn count(course: &Course) -> Census {
    census(&[&course.path("home"), &course.path("course/exercises")])
}

/// Processes of others come and go; what an attack left behind stays.
fn settled(course: &Course, before: &Census) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let changes = before.left_behind(&count(course));
        if changes.is_empty() {
            return;
        }
        if Instant::now() > patience {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            panic!("left behind:\n{}", changes.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn failed(verdict: &Value) -> Vec<String> {
    ids(verdict, "fail")
}

#[test]
fn an_endless_loop_ends_at_the_time_limit() {
    let Some(verdict) = attack("while :; do :; done\n") else {
        return;
    };
    assert_eq!(failed(&verdict), ["time_limit"]);
}

#[test]
fn a_fork_bomb_stays_inside() {
    let Some(verdict) = attack("bomb() { bomb | bomb & }; bomb; while :; do bomb; done\n") else {
        return;
    };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn one_that_eats_all_memory_ends_at_the_memory_limit() {
    let Some(verdict) = attack("tail /dev/zero; while :; do sleep 1; done\n") else {
        return;
    };
    assert_eq!(failed(&verdict), ["memory_limit"]);
}

#[test]
fn one_that_fills_every_disk_it_finds_fills_only_its_own() {
    let work = "for d in /root /tmp /var /dev/shm /usr /home; do cat /dev/zero > $d/fill; done\n\
                mount -t tmpfs -o size=100G big /mnt\n\
                i=0; while [ $i -lt 100 ]; do dd if=/dev/zero of=/mnt/$i bs=1M count=60; i=$((i+1)); done\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn one_that_ignores_every_signal_still_ends() {
    let work = "trap '' TERM INT HUP QUIT USR1 USR2; while :; do sleep 1; done\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["time_limit"]);
}

#[test]
fn one_that_kills_everything_it_sees_kills_only_itself() {
    let Some(verdict) = attack("kill -9 1; kill -9 -1; kill -STOP 1 $PPID; exit 0\n") else {
        return;
    };
    assert!(
        failed(&verdict).contains(&"inside".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn a_daemon_that_forked_twice_does_not_outlive_the_sandbox() {
    let work = "setsid sh -c 'setsid sleep 1000 & exit' & \
                (unshare -Urpf --mount-proc sleep 1000 &) ; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        failed(&verdict).contains(&"inside".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn one_that_closes_every_descriptor_is_still_seen() {
    let work = "exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-\n\
                unshare -u checkpoint inside\nexit 0\n";
    let Some(verdict) = attack(work) else { return };
    // It reached the checkpoint in a namespace of its own, and forgot the name.
    assert_eq!(failed(&verdict), ["inside.process.hostname"]);
}

#[test]
fn removing_everything_removes_nothing_of_the_machine() {
    let work = "mount -o remount,bind,rw /usr; mount -o remount,rw /usr; umount -l /usr\n\
                rm -rf --no-preserve-root / 2>/dev/null; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn mounting_over_everything_hides_nothing_from_the_runner() {
    let work = "for d in /proc /sys /dev /root /opt /run /etc /tmp /usr; do mount -t tmpfs over $d; done\n\
                exit 0\n";
    let Some(verdict) = attack(work) else { return };
    let failed = failed(&verdict);
    assert!(failed.contains(&"inside".to_owned()), "{verdict:#}");
    assert!(
        failed.contains(&"after.nothing_else".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn another_checkpoint_in_place_of_the_real_one_convinces_nobody() {
    let work = "printf '#!/bin/sh\\necho inside: pass\\n' > /opt/tp/bin/checkpoint\n\
                unshare -u sh -c 'hostname mine; checkpoint inside'\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
}

#[test]
fn a_verdict_that_the_program_prints_is_only_output() {
    let work = "echo '{\"format\":\"tp-result/v1\",\"exercises\":[{\"status\":\"pass\"}]}'\n\
                printf '\\033[2J\\033]0;pass\\007 1.1 PASS\\n'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(output.contains("1.1 PASS"));
    assert!(
        !output.contains('\u{1b}') && !output.contains('\u{7}'),
        "{output:?}"
    );
}

#[test]
fn the_runners_terminal_cannot_be_reached() {
    let work = "{ echo broken > /dev/tty; } 2>&1\n\
                for t in /dev/pts/* /dev/console /dev/tty0; do echo broken > $t; done 2>&1\n\
                ls -l /proc/self/fd; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(
        output.contains("/dev/tty"),
        "the attempt is refused: {output}"
    );
    assert!(
        !output.contains("-> /dev/pts/"),
        "no descriptor leads to a terminal: {output}"
    );
}

#[test]
fn the_sandboxes_init_can_be_neither_traced_nor_read() {
    let work = "{ echo x > /proc/1/mem; cat /proc/1/environ; ls -l /proc/1/fd/; readlink /proc/1/exe; } 2>&1\n\
                nsenter -t 1 -a true 2>&1; kill -9 1; sleep 0.2; kill -0 1 && echo alive; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["inside"]);
    let output = verdict["exercises"][0]["output"].as_str().unwrap();
    assert!(output.matches("ermission denied").count() >= 4, "{output}");
    assert!(output.contains("alive"), "{output}");
}

#[test]
fn namespaces_held_by_bind_mounts_go_with_the_sandbox() {
    let work = "for n in uts net ipc; do touch /run/$n; done\n\
                unshare --uts=/run/uts --net=/run/net --ipc=/run/ipc true\n\
                ip netns add left; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        failed(&verdict).contains(&"after.nothing_else".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn checkpoints_without_end_are_let_through_until_the_time_is_over() {
    let Some(verdict) = attack("i=0; while :; do i=$((i+1)); checkpoint c$i; done\n") else {
        return;
    };
    assert!(
        failed(&verdict).contains(&"time_limit".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn output_without_end_is_cut() {
    let Some(verdict) = attack("cat /dev/zero | tr '\\0' x\n") else {
        return;
    };
    assert_eq!(verdict["exercises"][0]["output_truncated"], true);
    assert!(verdict["exercises"][0]["output"].as_str().unwrap().len() <= 64 << 10);
}

#[test]
fn a_runner_that_is_killed_takes_its_sandbox_along() {
    if !sandbox_or_skip() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    let limits = "limits: {seconds: 60}\n";
    course.shell(
        "1.1",
        "slow",
        limits,
        EXPECTED,
        "echo started; sleep 1000\n",
    );
    course.shell("1.2", "honest", "", EXPECTED, HONEST);
    course.run(&["check", "1.2"]);
    let before = count(&course);
    let mut runner = course
        .tp(&["check", "1.1"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    runner.kill().unwrap();
    runner.wait().unwrap();
    // The next check clears what a killed runner could not (its cgroup).
    let honest = course.check("1.2");
    assert_eq!(honest["exercises"][0]["status"], "pass", "{honest:#}");
    settled(&course, &before);
    assert!(exists(&course.path("state")));
}

/// Checks `work` with a course of its own and returns what a person reads.
fn read_by_a_person(work: &str) -> Option<String> {
    if !sandbox_or_skip() {
        return None;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    course.shell("1.1", "attack", "", EXPECTED, work);
    let output = course.run(&["check", "1.1"]);
    Some(support::text(&output.stdout) + &support::text(&output.stderr))
}

/// What the program printed, when it was allowed to run to its end.
fn printed(verdict: &Value) -> &str {
    verdict["exercises"][0]["output"].as_str().unwrap_or("")
}

#[test]
fn names_given_in_the_sandbox_do_not_act_on_the_terminal() {
    let work = "e=$(printf '\\033]0;PASS\\007')\n\
                mkdir \"/mnt/$e\"; mount -t tmpfs \"$e\" \"/mnt/$e\"\n\
                ip link add \"$e\" type dummy; hostname \"$e\"\n\
                cp /bin/sleep \"/tmp/$e\"; \"/tmp/$e\" 100 &\n\
                unshare -u sh -c 'hostname \"$1\"; checkpoint inside; checkpoint \"$1\"' sh \"$e\"; exit 0\n";
    let Some(text) = read_by_a_person(work) else {
        return;
    };
    assert!(text.contains("PASS"), "the names are shown: {text}");
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn the_name_of_the_end_cannot_be_taken() {
    let work = "unshare -u sh -c 'hostname mine; checkpoint inside'; checkpoint after\n\
                mount -t tmpfs left /mnt; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["after.nothing_else"], "{verdict:#}");
}

#[test]
fn the_users_keys_are_out_of_reach() {
    // add_key(2), keyctl(KEYCTL_DESCRIBE, session), request_key(2) by number.
    let (add, request, control) = (libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl);
    let work = format!(
        "perl -e '$u=\"user\"; $d=\"left\"; print \"add \", syscall({add}, $u, $d, $d, 4, -3), \"\\n\";\n\
         $b=\" \" x 99; print \"describe \", syscall({control}, 6, -3, $b, 99), \"\\n\";\n\
         print \"request \", syscall({request}, $u, $d, $d, -3), \"\\n\"'; exit 0\n"
    );
    let Some(verdict) = attack(&work) else { return };
    assert_eq!(
        printed(&verdict).lines().collect::<Vec<_>>(),
        ["add -1", "describe -1", "request -1"]
    );
}

#[test]
fn neither_the_machine_below_nor_another_call_table_answers() {
    let work = "perl -e 'print \"vsock \", (socket(S, 40, 1, 0) ? \"open\" : \"refused\"), \"\\n\"'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(printed(&verdict), "vsock refused\n");
}

#[test]
fn one_that_reads_its_own_output_away_does_not_stall_the_runner() {
    let work = "for i in 1 2 3 4; do cat /proc/self/fd/1 > /dev/null & done\n\
                while :; do echo x; done\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        failed(&verdict).contains(&"time_limit".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn a_mount_table_without_end_is_a_failure_of_the_exercise() {
    let work = "mkdir /mnt/a; mount -t tmpfs a /mnt\n\
                for i in $(seq 30); do mount --rbind / /mnt 2>/dev/null || break; done\n\
                unshare -u sh -c 'hostname mine; checkpoint inside'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn mounts_stacked_on_one_point_are_counted_in_time() {
    let work = "i=0; while [ $i -lt 3000 ]; do mount -t tmpfs a /mnt; i=$((i+1)); done\n\
                checkpoint inside; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn interfaces_by_the_hundred_are_a_failure_of_the_exercise() {
    let work = "seq 300 | sed 's/.*/link add d& type bridge/' | ip -batch -\n\
                unshare -u sh -c 'hostname mine; checkpoint inside'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn a_checkpoint_in_the_deepest_namespace_is_seen() {
    let work = "cat > /tmp/deeper <<'EOF'\n\
                [ $1 = 0 ] && exec checkpoint inside\n\
                unshare -Urpf sh $0 $(($1 - 1)) || exec checkpoint inside\n\
                EOF\n\
                exec unshare -u sh -c 'hostname mine; sh /tmp/deeper 20'\n";
    let Some(verdict) = attack(work) else { return };
    assert!(
        ids(&verdict, "pass").contains(&"inside.process.hostname".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn a_stopped_process_that_is_left_is_seen_and_gone() {
    let work = "sleep 1000 & kill -STOP $!; exec unshare -u sh -c 'hostname mine; exec checkpoint inside'\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(failed(&verdict), ["after.nothing_else"], "{verdict:#}");
}

#[test]
fn processes_killed_while_they_are_looked_at_disturb_nobody() {
    let work = "i=0; while [ $i -lt 60 ]; do for c in a b c d; do checkpoint inside & done\n\
                kill -9 $(jobs -p) 2>/dev/null; wait; i=$((i+1)); done 2>/dev/null\n\
                exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn a_checkpoint_without_proc_in_a_bare_root_is_seen() {
    let work = "mkdir -p /srv/bare && cp /opt/tp/bin/checkpoint /srv/bare/ && umount -l /proc\n\
                mount -t tmpfs over /root/work; cd /\n\
                unshare -u sh -c 'hostname mine; exec chroot /srv/bare /checkpoint inside'; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    let passed = ids(&verdict, "pass");
    assert!(
        passed.contains(&"inside.process.hostname".to_owned()),
        "{verdict:#}"
    );
}

#[test]
fn a_checkpoints_name_may_be_anything() {
    let work = "checkpoint \"$(head -c 60000 /dev/zero | tr '\\0' x)\"; checkpoint ''; checkpoint\n\
                checkpoint \"$(printf 'a\\nb\\377')\"; checkpoint inside.process; checkpoint ../../etc\n\
                exec unshare -u sh -c 'hostname mine; exec checkpoint inside'\n";
    let Some(verdict) = attack_that_may_pass(work) else {
        return;
    };
    assert_eq!(verdict["exercises"][0]["status"], "pass", "{verdict:#}");
}

#[test]
fn what_is_the_runners_own_is_not_to_be_found() {
    let work = "{ env; cat /proc/*/environ; cat /proc/*/cmdline; } 2>/dev/null | tr '\\0' '\\n' | grep -c TP_COURS[E]\n\
                find / -xdev \\( -name expected.yaml -o -name solutions -o -name letter.txt \\) 2>/dev/null | grep -v ^/usr\n\
                ls /proc/self/fd | wc -l; ls /home; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    // Of descriptors there are the three streams and that of `ls` itself.
    assert_eq!(printed(&verdict), "0\n4\n");
}

#[test]
fn an_inherited_descriptor_stays_outside() {
    use std::os::fd::AsRawFd;
    if !sandbox_or_skip() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    let secret = std::fs::File::open(course.folder.write("secret", "told\n")).unwrap();
    // SAFETY: dup2 makes a descriptor that the program inherits.
    assert_eq!(unsafe { libc::dup2(secret.as_raw_fd(), 77) }, 77);
    let work = "cat /proc/self/fd/77 <&77; ls /proc/self/fd; exit 0\n";
    course.shell("1.1", "attack", "", EXPECTED, work);
    let verdict = course.check("1.1");
    // SAFETY: the one that was made above.
    unsafe { libc::close(77) };
    assert!(!printed(&verdict).contains("told"), "{verdict:#}");
}

#[test]
fn abstract_sockets_of_the_machine_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("tp-hostile-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let work = format!(
        "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); \
         print connect(S, pack(\"S a*\", 1, \"\\0{name}\")) ? \"reached\" : \"refused\"'; exit 0\n"
    );
    let Some(verdict) = attack(&work) else { return };
    assert_eq!(printed(&verdict), "refused");
}

#[test]
fn the_machines_settings_cannot_be_written() {
    let work = "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger \
                /proc/sys/vm/drop_caches /proc/sys/fs/file-max /sys/kernel/uevent_helper; do\n\
                echo x > $f && echo wrote $f; done 2>/dev/null; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert_eq!(printed(&verdict), "");
}

#[test]
fn ipc_objects_and_queues_go_with_the_sandbox() {
    let work = "ipcmk -M 4096 -Q -S 2; touch /dev/shm/left /dev/mqueue/left 2>/dev/null; exit 0\n";
    let Some(verdict) = attack(work) else { return };
    assert!(failed(&verdict).contains(&"after.nothing_else".to_owned()));
}

#[test]
fn what_is_no_program_fails_like_any_other() {
    let work = "printf '\\177ELF\\1\\1\\1' > /tmp/a; head -c 5000 /dev/urandom > /tmp/b\n\
                chmod +x /tmp/a /tmp/b; /tmp/a; /tmp/b; exec /tmp/a\n";
    let Some(verdict) = attack(work) else { return };
    assert!(failed(&verdict).contains(&"inside".to_owned()));
}

#[test]
fn a_clock_of_its_own_does_not_change_the_runners_time() {
    let work =
        "exec unshare -T --boottime 1000000 --monotonic 1000000 sh -c 'while :; do :; done'\n";
    let Some(verdict) = attack(work) else { return };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn a_work_file_that_is_none_neither_stalls_nor_fills_the_runner() {
    if !sandbox_or_skip() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    course.shell("1.1", "attack", "", EXPECTED, "");
    let work = course.path(&format!(
        "course/exercises/{}/work.sh",
        course.directory("1.1", "attack")
    ));
    let status = |make: &dyn Fn()| {
        std::fs::remove_file(&work).unwrap();
        make();
        course.check("1.1")["exercises"][0]["status"].clone()
    };
    let fifo = || nix::unistd::mkfifo(&work, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(status(&fifo), "error");
    let device = || std::os::unix::fs::symlink("/dev/zero", &work).unwrap();
    assert_eq!(status(&device), "error");
    let huge = || {
        let file = std::fs::File::create(&work).unwrap();
        file.set_len(1 << 30).unwrap();
    };
    assert_eq!(status(&huge), "error");
}

#[test]
fn a_setup_that_does_not_end_is_given_up() {
    if !sandbox_or_skip() {
        return;
    }
    let course = Course::new();
    course.shell(
        "1.1",
        "endless",
        "limits: {seconds: 1}\n",
        EXPECTED,
        "exit 0\n",
    );
    std::fs::write(
        course.exercise("1.1", "endless").join("setup.sh"),
        "sleep 1000\n",
    )
    .unwrap();
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let exercise = course.check("1.1")["exercises"][0].take();
    assert_eq!(exercise["status"], "error", "{exercise:#}");
    assert!(
        exercise["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("did not open in time")),
        "{exercise:#}"
    );
}

/// Attacks of a machine that has cgroups of its own. `$root` is the root of its
/// subtree in the hierarchy of that controller, in `work`, on both versions.
fn attack_with_cgroups(controllers: &str, work: &str) -> Option<Value> {
    if !sandbox_or_skip() {
        return None;
    }
    let probe = Course::new();
    let spec =
        format!("limits: {{seconds: 3, memory: 128M, processes: 32}}\ncgroups: [{controllers}]\n");
    probe.shell("1.1", "probe", &spec, EXPECTED, "exit 0\n");
    let verdict = probe.check("1.1");
    if verdict["exercises"][0]["status"] == "unsupported" {
        let reason = verdict["exercises"][0]["reason"]
            .as_str()
            .unwrap_or_default();
        support::skip(reason);
        return None;
    }
    let script = format!(
        "root() {{ if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; \
         else echo /sys/fs/cgroup/$1; fi; }}\n{work}"
    );
    attack_by(&spec, &script)
}

#[test]
fn the_sandboxes_own_limits_are_out_of_reach_of_its_cgroups() {
    // The limits are above the root of the machine's subtree: no path leads there.
    let work = "for r in $(root memory) $(root pids); do\n\
                for up in $r/.. $r/../.. /sys/fs/cgroup/..; do ls -d $up/tp-* $up/init; done\n\
                for f in memory.limit_in_bytes memory.max pids.max; do echo max > $r/$f; done\n\
                for f in $r/cgroup.procs $r/tasks; do echo $$ > $f; done; done 2>/dev/null\n\
                mkdir /mnt/again && { mount -t cgroup2 x /mnt/again || mount -t cgroup -o memory x /mnt/again; } && ls -d /mnt/again/tp-* 2>/dev/null\n\
                tail /dev/zero; while :; do sleep 1; done\n";
    let Some(verdict) = attack_with_cgroups("memory, pids", work) else {
        return;
    };
    assert_eq!(failed(&verdict), ["memory_limit"], "{verdict:#}");
    assert!(!printed(&verdict).contains("tp-"), "{verdict:#}");
}

#[test]
fn a_fork_bomb_over_many_cgroups_stays_inside() {
    let work = "bomb() { d=$(root pids)/b$(head -c4 /dev/urandom | od -An -tu4 | tr -d ' '); mkdir $d; \
                sh -c 'echo $$ > '$d/cgroup.procs; bomb | bomb & }; bomb; while :; do bomb; done\n";
    let Some(verdict) = attack_with_cgroups("pids", work) else {
        return;
    };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn one_that_freezes_everything_in_it_still_ends() {
    let work = "r=$(root freezer); mkdir $r/ice\n\
                for p in 1 $$; do echo $p > $r/ice/cgroup.procs; done\n\
                sleep 1000 & (while :; do echo FROZEN > $r/ice/freezer.state; done 2>/dev/null) &\n\
                for g in $r/machine $r/ice $r; do echo FROZEN > $g/freezer.state; echo 1 > $g/cgroup.freeze; done 2>/dev/null\n\
                while :; do :; done\n";
    let Some(verdict) = attack_with_cgroups("freezer", work) else {
        return;
    };
    assert_eq!(failed(&verdict), ["time_limit"], "{verdict:#}");
}

#[test]
fn one_that_starves_itself_still_ends() {
    let work = "r=$(root cpu); echo +cpu > $r/cgroup.subtree_control 2>/dev/null; mkdir $r/slow\n\
                echo 1000000 > $r/slow/cpu.cfs_period_us; echo 1000 > $r/slow/cpu.cfs_quota_us\n\
                echo '1000 1000000' > $r/slow/cpu.max\n\
                for p in 1 $$; do echo $p > $r/slow/cgroup.procs; done\n\
                for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; while :; do :; done\n";
    let Some(verdict) = attack_with_cgroups("cpu", work) else {
        return;
    };
    assert_eq!(failed(&verdict), ["time_limit"], "{verdict:#}");
}

#[test]
fn cgroups_by_the_thousand_go_with_the_sandbox() {
    let work = "r=$(root pids); i=0; while [ $i -lt 1000 ]; do mkdir $r/g$i; i=$((i+1)); done 2>/dev/null\n\
                cd $r; i=0; while [ $i -lt 300 ]; do d=$(printf '%0200d' $i); mkdir $d && cd $d; i=$((i+1)); done 2>/dev/null\n\
                exec unshare -u sh -c 'hostname mine; exec checkpoint inside'\n";
    let Some(verdict) = attack_with_cgroups("pids", work) else {
        return;
    };
    assert!(!failed(&verdict).is_empty());
}

#[test]
fn a_machines_init_that_its_own_cgroup_kills_is_a_failure_of_the_exercise() {
    let work = "r=$(root memory); mkdir $r/small; echo 1 > $r/small/cgroup.procs\n\
                for f in memory.limit_in_bytes memory.max; do echo 4096 > $r/small/$f; done 2>/dev/null\n\
                echo $$ > $r/small/cgroup.procs; echo 1 > $r/small/memory.oom.group\n\
                tail /dev/zero; exit 0\n";
    let Some(verdict) = attack_with_cgroups("memory", work) else {
        return;
    };
    assert!(!failed(&verdict).is_empty(), "{verdict:#}");
}

#[test]
fn a_frozen_machine_goes_with_a_runner_that_is_killed() {
    if !sandbox_or_skip() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let course = Course::new();
    let spec = "limits: {seconds: 60}\ncgroups: [freezer]\n";
    let work = "r=/sys/fs/cgroup/freezer; [ -d $r ] || r=/sys/fs/cgroup; mkdir $r/ice\n\
                for p in 1 $$; do echo $p > $r/ice/cgroup.procs; done 2>/dev/null\n\
                echo FROZEN > $r/ice/freezer.state; echo 1 > $r/ice/cgroup.freeze; sleep 1000\n";
    course.shell("1.1", "frozen", spec, EXPECTED, work);
    course.shell("1.2", "honest", "cgroups: [freezer]\n", EXPECTED, HONEST);
    let honest = course.check("1.2");
    if honest["exercises"][0]["status"] == "unsupported" {
        let reason = honest["exercises"][0]["reason"]
            .as_str()
            .unwrap_or_default();
        support::skip(reason);
        return;
    }
    let before = count(&course);
    let mut runner = course
        .tp(&["check", "1.1"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(800));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let honest = course.check("1.2");
    assert_eq!(honest["exercises"][0]["status"], "pass", "{honest:#}");
    settled(&course, &before);
}
