//! Volumes and binds: what outlives a container, and what a container cannot reach.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::support::Store;

/// A container without a network: the machine's own is not touched.
fn run(store: &Store, flags: &[&str], command: &[&str]) -> std::process::Output {
    let words = [
        &["run", "--rm", "--network", "none"],
        flags,
        &["base"],
        command,
    ]
    .concat();
    store.run(&words)
}

fn out(store: &Store, flags: &[&str], command: &[&str]) -> String {
    let output = run(store, flags, command);
    assert!(output.status.success(), "{flags:?} {command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

fn error(store: &Store, words: &[&str]) -> String {
    let output = store.run(words);
    assert!(!output.status.success(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    text.trim_end()
        .trim_start_matches("mini-docker: ")
        .to_string()
}

#[test]
fn a_named_volume_outlives_its_container_and_an_anonymous_one_does_not() {
    let store = Store::new();
    out(
        &store,
        &["-v", "kept:/data", "-v", "/scratch"],
        &["sh", "-c", "echo yes > /data/f"],
    );
    assert_eq!(store.printed(&["volume", "ls", "-q"]), "kept");
    assert_eq!(
        out(&store, &["-v", "kept:/other"], &["cat", "/other/f"]),
        "yes"
    );
}

#[test]
fn the_slides_backup_and_restore() {
    let store = Store::new();
    let here = store.folder.join("backup");
    fs::create_dir(&here).unwrap();
    let bind = format!("{}:/backup", here.display());
    let write = [
        "run",
        "--network",
        "none",
        "-v",
        "/dbdata",
        "--name",
        "dbdata",
        "base",
        "sh",
        "-c",
        "echo data > /dbdata/file",
    ];
    store.printed(&write);
    let flags = ["--volumes-from", "dbdata", "-v", &bind];
    out(
        &store,
        &flags,
        &["tar", "cvf", "/backup/backup.tar", "/dbdata"],
    );
    assert!(here.join("backup.tar").exists());

    store.printed(&[
        "run",
        "--network",
        "none",
        "-v",
        "/dbdata",
        "--name",
        "dbdata2",
        "base",
        "true",
    ]);
    let flags = ["--volumes-from", "dbdata2", "-v", &bind];
    out(&store, &flags, &["tar", "xvf", "/backup/backup.tar"]);
    assert_eq!(
        out(
            &store,
            &["--volumes-from", "dbdata2"],
            &["cat", "/dbdata/file"]
        ),
        "data"
    );
    let refused = run(
        &store,
        &["--volumes-from", "dbdata2:ro"],
        &["touch", "/dbdata/x"],
    );
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Read-only file system"));
}

#[test]
fn the_first_use_copies_what_the_image_holds_and_later_ones_do_not() {
    let store = Store::new();
    let image = out(&store, &[], &["cat", "/etc/passwd"]);
    assert_eq!(
        out(&store, &["-v", "v1:/etc"], &["cat", "/etc/passwd"]),
        image
    );
    out(&store, &["-v", "v1:/x"], &["rm", "/x/passwd"]);
    let gone = run(&store, &["-v", "v1:/etc"], &["cat", "/etc/passwd"]);
    assert!(!gone.status.success());
    // The engine's own three files are there; the image's are not.
    let mine = run(&store, &["-v", "v2:/etc:nocopy"], &["cat", "/etc/passwd"]);
    assert!(!mine.status.success());
}

#[test]
fn the_copy_has_the_images_mode_and_a_copy_that_was_killed_is_made_again() {
    let store = Store::new();
    let mode = out(&store, &[], &["stat", "-c", "%a", "/tmp"]);
    store.printed(&["volume", "create", "vol"]);
    let data = store.folder.join("store/volumes/vol/_data");
    // As a process leaves it that dies in the middle of the copy.
    fs::write(data.join("half"), "x").unwrap();
    fs::write(data.with_file_name(".filling"), "").unwrap();
    assert_eq!(
        out(&store, &["-v", "vol:/tmp"], &["stat", "-c", "%a", "/tmp"]),
        mode
    );
    assert!(!data.join("half").exists());
    assert!(!data.with_file_name(".filling").exists());
}

#[test]
fn an_image_whose_volume_path_is_a_link_to_the_host_gets_nothing_of_the_host() {
    let store = Store::new();
    let secret = store.folder.join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "the host's").unwrap();
    let link = format!(
        "ln -s {} /trap; ln -s ../../../..{} /up",
        secret.display(),
        secret.display()
    );
    store.printed(&[
        "run",
        "--network",
        "none",
        "--name",
        "evil",
        "base",
        "sh",
        "-c",
        &link,
    ]);
    store.printed(&["commit", "evil", "evil"]);
    for path in ["/trap", "/up"] {
        let mount = format!("stolen:{path}");
        let words = [
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            &mount,
            "evil",
            "ls",
            path,
        ];
        store.run(&words);
        let stolen = store.folder.join("store/volumes/stolen/_data");
        assert_eq!(fs::read_dir(stolen).unwrap().count(), 0, "{path}");
    }
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
}

#[test]
fn a_bind_source_is_made_by_v_and_refused_by_mount() {
    let store = Store::new();
    let source = store.folder.join("made/here");
    let mount = format!("type=bind,src={},dst=/m", source.display());
    let words = [
        "create",
        "--network",
        "none",
        "--mount",
        &mount,
        "base",
        "true",
    ];
    let expected = "invalid mount config for type \"bind\": bind source path does not exist";
    assert!(error(&store, &words).starts_with(expected));
    assert!(!source.exists());
    let bind = format!("{}:/m", source.display());
    out(&store, &["-v", &bind], &["touch", "/m/f"]);
    assert!(source.join("f").exists());
    let refused = run(&store, &["-v", &format!("{bind}:ro")], &["touch", "/m/g"]);
    assert!(!refused.status.success() && !source.join("g").exists());
}

#[test]
fn a_read_only_bind_is_read_only_also_where_something_is_mounted_below() {
    let store = Store::new();
    let bind = format!("{}:/m:ro", store.folder.display());
    let text = out(
        &store,
        &["-v", &bind, "--tmpfs", "/m2"],
        &["cat", "/proc/self/mountinfo"],
    );
    let mut below = text
        .lines()
        .filter(|line| line.contains(" /m ") || line.contains(" /m/"));
    assert!(
        below.all(|line| line.split(' ').nth(5).unwrap().starts_with("ro")),
        "{text}"
    );
}

#[test]
fn a_volume_in_use_stays_until_its_last_container_is_gone() {
    let store = Store::new();
    let id = store.printed(&[
        "create",
        "--network",
        "none",
        "-v",
        "vol:/data",
        "base",
        "true",
    ]);
    assert_eq!(
        error(&store, &["volume", "rm", "vol"]),
        format!("remove vol: volume is in use - [{id}]")
    );
    assert_eq!(
        store.printed(&["volume", "prune", "-af"]),
        "Total reclaimed space: 0B"
    );
    assert_eq!(
        store.printed(&["volume", "ls", "-q", "--filter", "dangling=true"]),
        ""
    );
    store.printed(&["rm", &id]);
    assert_eq!(
        store.printed(&["volume", "ls", "-q", "--filter", "dangling=true"]),
        "vol"
    );
    // A mark of somebody who died before the container was there counts no more.
    fs::write(store.folder.join("store/volumes/vol/users/dead"), "1 0").unwrap();
    assert_eq!(store.printed(&["volume", "rm", "vol"]), "vol");
    assert_eq!(
        error(&store, &["volume", "rm", "vol"]),
        "No such volume: vol"
    );
    assert_eq!(store.printed(&["volume", "rm", "-f", "vol"]), "vol");
}

#[test]
fn a_volumes_name_never_leaves_the_folder_of_volumes() {
    let store = Store::new();
    for name in ["../x", "a/b", ".hidden", "..", "a b", "x"] {
        let error = error(&store, &["volume", "create", name]);
        assert!(error.starts_with(&format!("create {name}: ")), "{error}");
        assert_eq!(
            self::error(&store, &["volume", "rm", name]),
            format!("No such volume: {name}")
        );
    }
    assert_eq!(store.printed(&["volume", "ls", "-q"]), "");
}

#[test]
fn prune_takes_anonymous_volumes_and_named_ones_only_when_asked() {
    let store = Store::new();
    store.printed(&["volume", "create", "named"]);
    store.printed(&[
        "create",
        "--network",
        "none",
        "--name",
        "c1",
        "-v",
        "/data",
        "base",
        "true",
    ]);
    store.printed(&["rm", "c1"]);
    let anonymous = store.printed(&["volume", "ls", "-q", "--filter", "dangling=true"]);
    assert_eq!(anonymous.lines().count(), 2);
    let told = store.printed(&["volume", "prune", "-f"]);
    assert!(told.starts_with("Deleted Volumes:\n") && told.ends_with("Total reclaimed space: 0B"));
    assert_eq!(store.printed(&["volume", "ls", "-q"]), "named");
    store.printed(&["volume", "prune", "-af"]);
    assert_eq!(store.printed(&["volume", "ls", "-q"]), "");
}

#[test]
fn a_tmpfs_mount_has_its_size_and_is_nobody_elses() {
    let store = Store::new();
    let flags = ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700"];
    let line = out(&store, &flags, &["grep", " /t ", "/proc/mounts"]);
    assert!(
        line.starts_with("tmpfs /t tmpfs") && line.contains("size=1024k"),
        "{line}"
    );
    assert_eq!(out(&store, &flags, &["stat", "-c", "%a", "/t"]), "700");
}

#[test]
fn files_of_a_volume_belong_to_who_wrote_them() {
    if !nix::unistd::geteuid().is_root() {
        return super::support::elsewhere("other users' ids take root or subordinate ids");
    }
    let store = Store::new();
    out(
        &store,
        &["-v", "vol:/tmp", "-u", "1000:1001"],
        &["touch", "/tmp/f"],
    );
    let file = fs::metadata(store.folder.join("store/volumes/vol/_data/f")).unwrap();
    assert_eq!((file.uid(), file.gid()), (1000, 1001));
}
