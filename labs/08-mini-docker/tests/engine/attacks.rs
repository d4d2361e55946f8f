//! What a container, or who has made its image, might try. Where it can be shown
//! without danger, the same is done first without the protection, and works.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::runtime::{Bundle, Running, busybox};
use crate::support::skipped;

fn contents(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A shell in a mount namespace of its own, as a runtime without protection is one.
fn naive(script: &str) -> String {
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// CVE-2019-5736: the container's program is a link to /proc/self/exe, or a script
/// whose interpreter it is. Who executes it by its path executes itself inside.
#[test]
fn the_runtimes_own_binary_is_not_to_be_had_by_proc_self_exe() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let root = bundle.root();
    symlink("/proc/self/exe", root.join("bin/busybox-link")).unwrap();
    let script = root.join("bin/script");
    std::fs::write(&script, "#!/proc/self/exe --version\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();

    // Without protection: what runs inside is the program that has executed it, here
    // the host's own busybox with its command chroot.
    let unprotected = naive(&format!(
        "cd {0} && mkdir -p proc && mount -t proc proc proc && \
         exec {1} chroot . /bin/busybox-link stat -L -c %i /proc/self/exe",
        root.display(),
        busybox().unwrap().display(),
    ));
    let host = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(busybox().unwrap()).unwrap());
    assert_eq!(unprotected.trim(), host.to_string(), "the host's file");

    let runtime = env!("CARGO_BIN_EXE_mini-runtime");
    let before = contents(runtime);
    for program in ["/bin/busybox-link", "/bin/script"] {
        bundle.config["process"]["args"] = json!([program, "--version"]);
        let output = bundle.run();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            !text.contains("mini-runtime"),
            "{program}: it ran inside: {text}"
        );
        assert!(!output.status.success(), "{program}: {output:?}");
    }
    // What a program finds of the one that has executed it.
    bundle.script("readlink /proc/1/exe; ls -l /proc/self/fd | grep -c mini-runtime");
    let text = String::from_utf8(bundle.run().stdout).unwrap();
    assert_eq!(text, "/bin/busybox\n0\n");
    assert!(
        contents(runtime) == before,
        "the runtime's binary has changed"
    );
}

/// While it waits for its start, the first process is the runtime's own image. Whoever
/// shares the PID namespace must not get at it.
#[test]
fn a_waiting_process_cannot_be_looked_into() {
    let Some(mut first) = Bundle::new() else {
        return;
    };
    let Some(mut second) = Bundle::new() else {
        return;
    };
    first.script("sleep 1000");
    let pid = first.start();
    let namespaces = second.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|one| one["type"] != "pid");
    namespaces.push(json!({ "type": "pid", "path": format!("/proc/{pid}/ns/pid") }));
    second.script("true");
    let created = second
        .command(&["create", &second.id])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(created.success());
    let look = "for p in /proc/[0-9]*; do n=${p#/proc/}; [ $n = 1 ] || [ $n = $$ ] || \
                readlink $p/exe $p/root $p/cwd; done; ls /proc | grep -c '^[0-9]'";
    let output = first.runtime(&["exec", &first.id, "sh", "-c", look]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("mini-runtime"), "{text}");
    assert!(
        text.trim().lines().last().unwrap().parse::<i32>().unwrap() >= 3,
        "it is there: {text}"
    );
}

/// CVE-2024-21626: a descriptor of a host directory that was left open is a way out
/// for who may choose the working directory.
#[test]
fn a_working_directory_cannot_lead_out_through_a_descriptor() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let host = std::fs::File::open("/").unwrap();
    let leak = |command: &mut Command| {
        use std::os::fd::AsRawFd;
        let fd = host.as_raw_fd();
        // SAFETY: dup2 is async-signal-safe; 7 is nobody's in the child yet.
        unsafe {
            command.pre_exec(move || match libc::dup2(fd, 7) {
                7 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
    };
    // Without protection: a chroot, and the same descriptor.
    std::fs::create_dir(bundle.root().join("proc")).unwrap();
    let script = format!(
        "mount -t proc proc {0}/proc && exec chroot {0} sh -c 'cd /proc/self/fd/7 && ls -d usr'",
        bundle.root().display()
    );
    let mut naive = Command::new("unshare");
    naive.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    leak(&mut naive);
    let unprotected = naive.output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&unprotected.stdout),
        "usr\n",
        "{unprotected:?}"
    );

    bundle.script("pwd; ls");
    for number in 3..16 {
        bundle.config["process"]["cwd"] = json!(format!("/proc/self/fd/{number}"));
        let id = bundle.id.clone();
        let mut command = bundle.command(&["run", &id]);
        leak(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("usr"), "{number}: the host's root: {text}");
        assert!(!output.status.success(), "{number}: {output:?}");
    }
    // And none is passed on.
    bundle.config["process"]["cwd"] = json!("/");
    bundle.script("ls /proc/self/fd | wc -l; ls /proc/self/fd/7");
    let mut command = bundle.command(&["run", &bundle.id]);
    leak(&mut command);
    let output = command.output().unwrap();
    // 0, 1, 2, and the one that ls reads the directory by.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4\n");
}

/// CVE-2021-30465 and all before it: the place of a mount is a link to the host.
#[test]
fn a_mount_stays_inside_whatever_links_say() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let (root, outside) = (bundle.root(), bundle.folder.join("outside"));
    let source = bundle.folder.join("source");
    // What the host's path is when / is the container's.
    let inside = root.join(outside.strip_prefix("/").unwrap());
    for folder in [&outside, &source, &inside] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(source.join("marker"), "mounted").unwrap();
    symlink(&outside, root.join("data")).unwrap();
    symlink("../../../../../..", root.join("up")).unwrap();

    let unprotected = naive(&format!(
        "mount --bind {0} {1}/data && cat {2}/marker",
        source.display(),
        root.display(),
        outside.display()
    ));
    assert_eq!(
        unprotected, "mounted",
        "without protection it is on the host's folder"
    );

    for target in ["/data".to_string(), format!("/up{}", outside.display())] {
        let mounts = bundle.config["mounts"].as_array_mut().unwrap();
        mounts.truncate(6);
        mounts.push(json!({ "destination": target, "source": source, "options": ["rbind"] }));
        // In the root, where the link leads to when / is the container's.
        bundle.script(&format!("cat {}/marker", outside.display()));
        assert_eq!(bundle.printed(), "mounted", "{target}");
        assert!(
            std::fs::read_dir(&outside).unwrap().next().is_none(),
            "nothing is made outside"
        );
    }
}

/// The same, with somebody who swaps the directory for a link while the runtime looks.
#[test]
fn a_mount_stays_inside_also_when_the_place_is_swapped() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let (root, outside) = (bundle.root(), bundle.folder.join("outside"));
    let source = bundle.folder.join("source");
    for folder in [&outside, &source, &root.join("place")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    symlink(&outside, root.join("link")).unwrap();
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.push(json!({ "destination": "/place/new", "source": source, "options": ["rbind"] }));
    // Wherever in the root it came to lie, it did come to lie in the root.
    bundle.script("grep -c /source /proc/self/mountinfo");

    let done = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (done, a, b) = (done.clone(), root.join("place"), root.join("link"));
        move || {
            while !done.load(Ordering::Relaxed) {
                // RENAME_EXCHANGE: never a moment in which one of the names is missing.
                let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                let here = nix::fcntl::AT_FDCWD;
                let _ = nix::fcntl::renameat2(here, &a, here, &b, flags);
            }
        }
    });
    for _ in 0..30 {
        let output = bundle.run();
        // It may be refused; it may not go out.
        if output.status.success() {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
        }
        let entries = std::fs::read_dir(&outside).unwrap().count();
        assert_eq!(entries, 0, "something was made outside");
    }
    done.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
}

/// CVE-2019-19921: /proc is a link of the image's, so that the masks lie elsewhere.
#[test]
fn a_proc_that_is_a_link_is_refused() {
    let Some(bundle) = Bundle::new() else { return };
    std::fs::create_dir(bundle.root().join("elsewhere")).unwrap();
    symlink("/elsewhere", bundle.root().join("proc")).unwrap();
    let output = bundle.run();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("/proc"),
        "{error}"
    );
    assert!(error.contains("ELOOP"), "{error}");
}

/// CVE-2025-31133: a mask is /dev/null bound over the path, and the container's
/// /dev/null a link to what is to be written.
#[test]
fn masks_are_of_the_hosts_null() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    // Without a /dev of its own the image's is used.
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|one| !one["destination"].as_str().unwrap().starts_with("/dev"));
    std::fs::create_dir(bundle.root().join("dev")).unwrap();
    symlink(
        "/proc/sys/kernel/core_pattern",
        bundle.root().join("dev/null"),
    )
    .unwrap();
    bundle.script(
        "stat -c '%t:%T' /proc/keys; cat /proc/keys /proc/timer_list | wc -c; \
         ls /sys/firmware /proc/acpi | grep -vc :; \
         for f in sys/kernel/core_pattern sys/kernel/modprobe sys/vm/panic_on_oom sysrq-trigger; do \
         [ -e /proc/$f ] && echo h > /proc/$f; done; echo end",
    );
    let output = bundle.run();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Not every kernel has all four.
    let refused = errors.matches("Read-only file system").count();
    assert!(
        refused >= 2 && refused == errors.lines().count(),
        "{errors}"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["1:3", "0"], "{text}");
    assert_eq!(lines.last(), Some(&"end"));
}

#[test]
fn capabilities_end_at_the_bounding_set() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["noNewPrivileges"] = json!(true);
    bundle.script(
        "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; hostname other; mount -t tmpfs x /dev/shm; \
         kill -9 -1; date -s 1999-01-01",
    );
    symlink("busybox", bundle.root().join("bin/date")).unwrap();
    let output = bundle.run();
    let text = String::from_utf8_lossy(&output.stdout).replace('\t', "");
    let docker = "00000000a80425fb";
    for (name, value) in [
        ("CapPrm:", docker),
        ("CapEff:", docker),
        ("CapBnd:", docker),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
    ] {
        assert!(text.contains(&format!("{name}{value}")), "{name} {text}");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("sethostname"), "{errors}");
    assert!(errors.contains("permission denied"), "mount: {errors}");
}

/// A set-user-id program gives an ordinary user root, unless no_new_privs is set.
#[test]
fn no_new_privileges_holds_against_set_user_id() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let shell = bundle.root().join("usr-su/su");
    std::fs::create_dir(shell.parent().unwrap()).unwrap();
    std::fs::copy(busybox().unwrap(), &shell).unwrap();
    std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o4755)).unwrap();
    bundle.config["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    // `su` is an applet for which busybox keeps the rights of its file.
    bundle.script("/usr-su/su -c 'id -u' root 2>&1; grep CapEff /proc/self/status");
    std::fs::create_dir_all(bundle.root().join("etc")).unwrap();
    std::fs::write(bundle.root().join("etc/passwd"), "root::0:0::/:/bin/sh\n").unwrap();
    let with_rights = String::from_utf8_lossy(&bundle.run().stdout).into_owned();
    bundle.config["process"]["noNewPrivileges"] = json!(true);
    let without = String::from_utf8_lossy(&bundle.run().stdout).into_owned();
    assert!(without.contains("CapEff:\t0000000000000000"), "{without}");
    assert!(!without.lines().any(|line| line == "0"), "{without}");
    assert!(with_rights.lines().any(|line| line == "0"), "{with_rights}");
}

#[test]
fn the_seccomp_policy_holds_where_capabilities_do_not_ask() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    // A user namespace needs no capability at all, and gives all of them.
    bundle.script("unshare -U true && echo made; grep ^Seccomp: /proc/self/status");
    let without = String::from_utf8_lossy(&bundle.run().stdout).into_owned();
    if !without.contains("made") {
        return skipped("no user namespaces on this machine");
    }
    bundle.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{
            "names": ["unshare", "setns", "keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
        }],
    });
    let output = bundle.run();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        !text.contains("made") && text.contains("Seccomp:\t2"),
        "{text}"
    );
}

#[test]
fn sys_and_cgroups_cannot_be_written_and_are_its_own() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.script(
        "touch /sys/x; mkdir /sys/fs/cgroup/x; mount -o remount,rw /sys; umount /sys/fs/cgroup; \
         for f in $(ls -d /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs); do \
         echo 1 > $f; done; ls -d /sys/fs/cgroup/*/*test* /sys/fs/cgroup/*test*; ls /sys/class/net",
    );
    let output = bundle.run();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text.trim(),
        "lo",
        "no cgroup of others, no interface of the host's"
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.matches("Read-only file system").count() >= 2,
        "{errors}"
    );
    assert!(errors.contains("permission denied"), "remount: {errors}");
}

#[test]
fn the_hosts_processes_and_abstract_sockets_are_out_of_reach() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    use std::os::linux::net::SocketAddrExt;
    let name = format!("mini-runtime-{}", bundle.id);
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let own = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(own.contains(&name), "without protection everybody sees it");
    let victim = Running(Command::new("sleep").arg("1000").spawn().unwrap());
    let pid = victim.0.id();
    bundle.script(&format!(
        "grep -c {name} /proc/net/unix; ls /proc | grep -c '^[0-9]'; kill -9 {pid}; ls -d /proc/{pid}"
    ));
    let output = bundle.run();
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "0", "{text}");
    assert!(
        lines[1].parse::<u32>().unwrap() <= 4,
        "only its own: {text}"
    );
    assert_eq!(lines.len(), 2, "{text}");
    assert!(Path::new(&format!("/proc/{pid}")).exists());
}

/// Root in a container may make any node, and opens only those of its list.
#[test]
fn the_hosts_disk_cannot_be_opened() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let partitions = std::fs::read_to_string("/proc/partitions").unwrap();
    let disk = partitions.lines().skip(2).find_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_string(), words.next()?.to_string()))
    });
    let Some((major, minor)) = disk else {
        return skipped("this machine has no disk");
    };
    bundle.script(&format!(
        "mknod /disk b {major} {minor} && echo made; head -c 1 /disk | wc -c; \
         head -c 1 /dev/zero | wc -c; mknod /kmsg c 1 11; head -c 1 /kmsg | wc -c"
    ));
    let output = bundle.run();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "made\n0\n1\n0\n",
        "{output:?}"
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        errors.matches("Operation not permitted").count(),
        2,
        "{errors}"
    );
}

#[test]
fn the_session_keyring_is_its_own() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["maskedPaths"] = json!([]);
    bundle.script("cat /proc/keys");
    let keys = bundle.printed();
    if keys.is_empty() {
        return skipped("this kernel shows no keys");
    }
    assert!(keys.contains(&format!("_ses.{}", bundle.id)), "{keys}");
}

/// From the pivoted root there is no way up: not by `..`, not by the roots of
/// processes, not by a chroot and back.
#[test]
fn the_root_cannot_be_left() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.script(
        "cd /; for i in 1 2 3 4 5 6 7 8; do cd ..; done; ls; ls /proc/1/root /proc/self/root/..; \
         mkdir -p /a; chroot /a/.. ls /../..; wc -l < /proc/self/mountinfo",
    );
    let text = bundle.printed();
    assert!(!text.contains("usr") && !text.contains("rootfs"), "{text}");
    let mounts: usize = text.trim().lines().last().unwrap().parse().unwrap();
    let machine = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        mounts < 60,
        "{mounts} mounts, the machine has {}",
        machine.lines().count()
    );
}
