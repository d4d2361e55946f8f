//! Images: archives, layers, names.
//!
//! Archives are made here byte by byte, because the hostile ones are such as no tool
//! writes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::support::{Store, elsewhere, skipped};

/// A tar archive in the making.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A member whose name and target are taken as they are.
    fn member(mut self, kind: EntryType, name: &str, target: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.member(EntryType::Regular, name, "", bytes)
    }

    fn folder(self, name: &str) -> Self {
        self.member(EntryType::Directory, name, "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, name, target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Link, name, target, b"")
    }

    /// Pax records for the next member.
    fn records(self, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length = rest + length.to_string().len();
            }
            bytes.extend(format!("{length} {key}=").bytes());
            bytes.extend(*value);
            bytes.push(b'\n');
        }
        self.member(EntryType::XHeader, "pax", "", &bytes)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn digest(bytes: &[u8]) -> String {
    let digits: Vec<_> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digits.concat()
}

/// Runs a command of the engine with bytes as its standard input.
fn fed(store: &Store, words: &[&str], input: &[u8]) -> Output {
    let mut command = store.command(words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Who refuses an archive does not read it to its end.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// Asserts that it failed, with one line that has `words` in it.
fn refused(output: &Output, words: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(error.contains(words), "{words:?} is not in: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

/// The one layer that an import has made: its `diff` folder.
fn imported(store: &Store, archive: &[u8]) -> PathBuf {
    let output = fed(store, &["import", "-", "hostile"], archive);
    assert!(output.status.success(), "{output:?}");
    let layers = fs::read_dir(store.folder.join("store/layers"))
        .unwrap()
        .flatten();
    let layers: Vec<_> = layers
        .filter(|layer| layer.file_name().len() == 64)
        .map(|layer| layer.path().join("diff"))
        .collect();
    assert_eq!(layers.len(), 1, "{layers:?}");
    layers[0].clone()
}

/// Nothing half made is left, neither layer nor blob.
fn assert_tidy(store: &Store) {
    for folder in ["layers", "images", "images/blobs/sha256"] {
        for entry in fs::read_dir(store.folder.join("store").join(folder))
            .unwrap()
            .flatten()
        {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with('.'), "{folder}/{name} is left");
        }
    }
}

/// A folder of the machine that a hostile layer would like to write to.
fn victim(store: &Store) -> PathBuf {
    let folder = store.folder.join("victim");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "untouched").unwrap();
    folder
}

fn assert_untouched(victim: &Path) {
    let names: Vec<_> = fs::read_dir(victim)
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(names, ["file"], "{victim:?}");
    assert_eq!(
        fs::read_to_string(victim.join("file")).unwrap(),
        "untouched"
    );
}

#[test]
fn a_path_that_leads_out_of_a_layer_is_refused() {
    let store = Store::new();
    for name in [
        "../escape",
        "a/../../escape",
        "../../../../../../etc/escape",
    ] {
        refused(
            &fed(
                &store,
                &["import", "-"],
                &Tar::default().file(name, b"x").end(),
            ),
            "leads out",
        );
        assert_tidy(&store);
    }
    assert!(!store.folder.join("store/layers/escape").exists());
}

#[test]
fn an_absolute_path_is_the_layers_own() {
    let store = Store::new();
    let layer = imported(&store, &Tar::default().file("/absolute", b"x").end());
    assert_eq!(fs::read(layer.join("absolute")).unwrap(), b"x");
    assert!(!Path::new("/absolute").exists());
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let store = Store::new();
    let victim = victim(&store);
    let out = victim.to_str().unwrap();
    let archive = Tar::default()
        .symlink("link", out)
        .symlink("up", "../../../../../../../../")
        .symlink("last", &format!("{out}/file"))
        // Replaces the link, not what it leads to.
        .file("last", b"changed")
        .end();
    let layer = imported(&store, &archive);
    assert!(fs::symlink_metadata(layer.join("last")).unwrap().is_file());
    assert_untouched(&victim);
    // A directory that is a link: `/` and `..` are the layer's, where it leads nowhere.
    let archive = Tar::default()
        .symlink("link", out)
        .file("link/new", b"x")
        .end();
    assert!(!fed(&store, &["import", "-"], &archive).status.success());
    let relative = format!("../../../../../../../../..{out}");
    let archive = Tar::default()
        .symlink("link", &relative)
        .file("link/file", b"x")
        .end();
    assert!(!fed(&store, &["import", "-"], &archive).status.success());
    assert_untouched(&victim);
    assert_tidy(&store);
}

#[test]
fn a_hard_link_to_what_is_not_in_the_layer_is_refused() {
    let store = Store::new();
    let victim = victim(&store);
    let file = format!("{}/file", victim.display());
    let outside = |target: &str| Tar::default().hard_link("stolen", target).end();
    refused(&fed(&store, &["import", "-"], &outside(&file)), "link to");
    refused(
        &fed(&store, &["import", "-"], &outside("../../../etc/passwd")),
        "leads out",
    );
    let through = Tar::default()
        .symlink("link", &victim.display().to_string())
        .hard_link("stolen", "link/file")
        .end();
    refused(&fed(&store, &["import", "-"], &through), "link to");
    assert_eq!(fs::metadata(victim.join("file")).unwrap().nlink(), 1);
    assert_tidy(&store);
}

#[test]
fn a_whiteout_stays_in_its_directory() {
    let store = Store::new();
    let victim = victim(&store);
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..."] {
        let archive = Tar::default().file(name, b"").end();
        refused(
            &fed(&store, &["import", "-"], &archive),
            "leaves its directory",
        );
    }
    let through = Tar::default()
        .symlink("link", &victim.display().to_string())
        .file("link/.wh.file", b"")
        .end();
    assert!(!fed(&store, &["import", "-"], &through).status.success());
    assert_untouched(&victim);
    assert_tidy(&store);
}

#[test]
fn a_device_that_overlayfs_takes_for_a_whiteout_is_refused() {
    let store = Store::new();
    let archive = Tar::default()
        .member(EntryType::Char, "null", "", b"")
        .end();
    refused(&fed(&store, &["import", "-"], &archive), "whiteout");
}

#[test]
fn an_overlays_own_marks_cannot_be_forged() {
    let store = Store::new();
    let archive = Tar::default()
        .records(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.kept", b"a\nb=\0"),
        ])
        .folder("d/")
        .end();
    let layer = imported(&store, &archive);
    let marks = labs::union::attributes(&layer.join("d")).unwrap();
    assert!(
        !marks.iter().any(|name| name.contains("overlay")),
        "{marks:?}"
    );
    // Any byte may stand in an attribute.
    let kept = labs::union::attribute(&layer.join("d"), "user.kept");
    assert_eq!(kept.as_deref(), Some(&b"a\nb=\0"[..]));
}

#[test]
fn bombs_are_refused_before_they_cost_anything() {
    let store = Store::new();
    let deep = "d/".repeat(600);
    let archive = Tar::default()
        .records(&[("path", deep.as_bytes())])
        .folder("d")
        .end();
    refused(&fed(&store, &["import", "-"], &archive), "too deep");

    let huge = [
        ("GNU.sparse.size", &b"9000000000000"[..]),
        ("GNU.sparse.map", b"0,1"),
    ];
    let archive = Tar::default().records(&huge).file("huge", b"x").end();
    refused(&fed(&store, &["import", "-"], &archive), "bomb");

    let name = vec![b'n'; 2 << 20];
    let archive = Tar::default()
        .member(EntryType::GNULongName, "L", "", &name)
        .file("f", b"")
        .end();
    refused(&fed(&store, &["import", "-"], &archive), "1 MiB of headers");
    assert_tidy(&store);
}

#[test]
fn a_damaged_archive_is_one_clear_line() {
    let store = Store::new();
    refused(
        &fed(&store, &["import", "-"], &[7; 5000]),
        "not a tar archive",
    );
    let whole = Tar::default().file("a", &[1; 5000]).end();
    refused(&fed(&store, &["import", "-"], &whole[..2000]), "archive");
    refused(&fed(&store, &["load"], b""), "no images in this archive");
    refused(&fed(&store, &["load"], &whole), "no images in this archive");
    assert!(
        !fed(&store, &["import", "-"], b"\x1f\x8bdamaged")
            .status
            .success()
    );
    assert_tidy(&store);
}

/// An OCI archive of one layer, in which something may be wrong.
fn oci(layer: &[u8], diff_id: &str, blob_name: &str) -> Tar {
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        "history": [],
    })
    .to_string();
    let descriptor = |kind: &str, digest: &str, size: usize| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{digest}"),
            "size": size,
        })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor("config.v1+json", &digest(config.as_bytes()), config.len()),
        "layers": [descriptor("layer.v1.tar", blob_name, layer.len())],
    })
    .to_string();
    let mut entry = descriptor(
        "manifest.v1+json",
        &digest(manifest.as_bytes()),
        manifest.len(),
    );
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "hostile:1" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    Tar::default()
        .file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", index.as_bytes())
        .file(&blob(&digest(manifest.as_bytes())), manifest.as_bytes())
        .file(&blob(&digest(config.as_bytes())), config.as_bytes())
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

#[test]
fn a_digest_that_lies_is_found_and_names_nothing() {
    let store = Store::new();
    let layer = Tar::default().file("a", b"x").end();
    let right = digest(&layer);
    let wrong = digest(b"something else");

    let archive = oci(&layer, &right, &wrong)
        .file(&blob(&wrong), &layer)
        .end();
    refused(&fed(&store, &["load"], &archive), "digest mismatch");
    let archive = oci(&layer, &wrong, &right)
        .file(&blob(&right), &layer)
        .end();
    refused(&fed(&store, &["load"], &archive), "digest mismatch");
    assert_eq!(store.printed(&["images", "-q"]), "");

    let archive = oci(&layer, &right, &right)
        .file(&blob(&right), &layer)
        .end();
    assert!(fed(&store, &["load"], &archive).status.success());
    assert_eq!(
        store.printed(&["images", "--format", "{{.Repository}}:{{.Tag}}"]),
        "hostile:1"
    );
    assert_tidy(&store);
}

#[test]
fn a_link_in_an_archive_leads_to_nothing_on_the_machine() {
    let store = Store::new();
    let folder = victim(&store);
    let layer = Tar::default().file("secret", b"x").end();
    fs::write(folder.join("file"), &layer).unwrap();
    let name = digest(&layer);
    let target = folder.join("file");
    let target = target.to_str().unwrap();
    for kind in [EntryType::Symlink, EntryType::Link] {
        let archive = oci(&layer, &name, &name)
            .member(kind, &blob(&name), target, b"")
            .end();
        assert!(
            !fed(&store, &["load"], &archive).status.success(),
            "{kind:?}"
        );
    }
    let list = json!([{ "Config": "config.json", "Layers": [target, "../victim/file"] }]);
    let archive = Tar::default()
        .file("config.json", b"{}")
        .file("manifest.json", list.to_string().as_bytes());
    refused(
        &fed(&store, &["load"], &archive.end()),
        "not in the archive",
    );
    assert_tidy(&store);
}

#[test]
fn what_is_saved_is_loaded_with_the_same_digests() {
    let (store, other) = (Store::new(), Store::new());
    store.printed(&["tag", "base", "team/shell:1.0"]);
    let archive = store.folder.join("a.tar");
    let path = archive.to_str().unwrap();
    store.printed(&["save", "-o", path, "base", "team/shell"]);
    let first = fs::read(&archive).unwrap();
    store.printed(&["save", "-o", path, "base", "team/shell"]);
    assert_eq!(
        first,
        fs::read(&archive).unwrap(),
        "the same images, another archive"
    );

    let loaded = other.printed(&["load", "-q", "-i", path]);
    assert_eq!(
        loaded,
        "Loaded image: base:latest\nLoaded image: team/shell:1.0"
    );
    let list = [
        "images",
        "--no-trunc",
        "--digests",
        "--format",
        "{{.Repository}} {{.Digest}} {{.ID}}",
    ];
    assert_eq!(store.printed(&list), other.printed(&list));

    // docker's older form has no manifest, but the same id.
    let plain = store
        .command(&["save", "--format", "docker", "base"])
        .output()
        .unwrap();
    let third = Store::new();
    assert!(fed(&third, &["load"], &plain.stdout).status.success());
    let id = ["images", "--no-trunc", "-q", "base"];
    assert_eq!(store.printed(&id), third.printed(&id));
}

#[test]
fn base_has_the_same_digest_wherever_it_is_made() {
    let (one, other) = (Store::new(), Store::new());
    for store in [&one, &other] {
        store.printed(&["tag", "base", "here"]);
    }
    let list = ["images", "--digests", "--format", "{{.Digest}}", "base"];
    assert_eq!(one.printed(&list), other.printed(&list));
}

#[test]
fn a_load_that_is_killed_at_any_step_can_be_done_again() {
    let (store, other) = (Store::new(), Store::new());
    let archive = store.folder.join("a.tar");
    let path = archive.to_str().unwrap();
    store.printed(&["save", "-o", path, "base"]);
    let mut step = 0;
    loop {
        step += 1;
        let mut command = other.command(&["load", "-i", path]);
        let killed = command
            .env("MINI_DOCKER_KILL_AT", step.to_string())
            .output()
            .unwrap();
        // Whatever is there is whole: the next command goes on.
        assert!(other.run(&["images"]).status.success());
        if killed.status.success() {
            break;
        }
        assert!(step < 100, "it never comes to its end: {killed:?}");
    }
    assert!(step > 5, "only {step} steps");
    let list = ["images", "--no-trunc", "-q"];
    assert_eq!(store.printed(&list), other.printed(&list));
    other.printed(&["rmi", "base"]);
    assert_tidy(&other);
    let blobs = other.folder.join("store/images/blobs/sha256");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
}

#[test]
fn two_loads_at_once_make_one_image() {
    let (store, other) = (Store::new(), Store::new());
    let archive = store.folder.join("a.tar");
    let path = archive.to_str().unwrap();
    store.printed(&["save", "-o", path, "base"]);
    let loads: Vec<_> = (0..4)
        .map(|_| {
            other
                .command(&["load", "-i", path])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut load in loads {
        assert!(load.wait().unwrap().success());
    }
    assert_eq!(other.printed(&["images", "-q"]).lines().count(), 1);
    assert_tidy(&other);
}

#[test]
fn a_damaged_blob_is_told_and_costs_nothing_else() {
    let store = Store::new();
    let layer = Tar::default().file("a", b"x").end();
    assert!(
        fed(&store, &["import", "-", "other"], &layer)
            .status
            .success()
    );
    store.printed(&["tag", "base", "mine"]);
    let index = fs::read(store.folder.join("store/images/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let name = "org.opencontainers.image.ref.name";
    let base = entries
        .iter()
        .find(|entry| entry["annotations"][name] == "base:latest")
        .unwrap();
    let digits = base["digest"].as_str().unwrap().replacen("sha256:", "", 1);
    fs::write(store.folder.join("store/images").join(blob(&digits)), "{").unwrap();

    let list = store.run(&["images", "--format", "{{.Repository}}"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout), "other\n");
    assert!(
        String::from_utf8_lossy(&list.stderr).contains("is damaged"),
        "{list:?}"
    );
    refused(&store.run(&["history", "base"]), "is damaged");
    // And it can be got rid of.
    store.printed(&["rmi", "base", "mine"]);
    store.printed(&["history", "base"]);
}

#[test]
fn tag_and_rmi_say_what_docker_says() {
    let store = Store::new();
    let id = store.printed(&["tag", "base", "one:1"]);
    assert_eq!(id, "");
    refused(&store.run(&["tag", "base", "UPPER"]), "must be lowercase");
    refused(
        &store.run(&["tag", "none", "x"]),
        "No such image: none:latest",
    );
    refused(
        &store.run(&["tag", "base", "../x"]),
        "invalid reference format",
    );
    let id = store.printed(&["images", "-q", "--no-trunc", "base"]);
    let short = &id[7..19];
    refused(
        &store.run(&["rmi", short]),
        "image is referenced in multiple repositories",
    );
    assert_eq!(store.printed(&["rmi", "one:1"]), "Untagged: one:1");
    let container = store.printed(&["create", "--net", "none", "base", "true"]);
    let words = format!(
        "conflict: unable to remove repository reference \"base\" (must force) - container {} is \
         using its referenced image {short}",
        &container[..12]
    );
    refused(&store.run(&["rmi", "base"]), &words);
    refused(
        &store.run(&["rmi", short]),
        "image is being used by stopped container",
    );
    // By force it is gone for people, and not for its container.
    assert!(
        store
            .printed(&["rmi", "-f", "base"])
            .contains(&format!("Deleted: {id}"))
    );
    assert_eq!(store.printed(&["images", "-q"]), "");
    store.printed(&["start", "-a", &container]);
    store.printed(&["rm", &container]);
    refused(
        &store.run(&["rmi", "nothing"]),
        "No such image: nothing:latest",
    );
}

#[test]
fn a_container_becomes_an_image_with_what_it_deleted() {
    let store = Store::new();
    let script = "echo new > /etc/new; rm /etc/group; rm -r /home; mkdir /home; touch /home/mine; \
                  mkdir -p /a/b; ln /etc/new /a/hard; ln -s b /a/soft; chmod 4711 /a/hard";
    store.printed(&[
        "run", "--name", "builder", "--net", "none", "base", "sh", "-c", script,
    ]);
    let changes = "A /a\nA /a/b\nA /a/hard\nA /a/soft\nC /etc\nD /etc/group\nA /etc/new\nC /home\nA /home/mine";
    assert_eq!(store.printed(&["diff", "builder"]), changes);
    let id = store.printed(&[
        "commit",
        "-a",
        "me",
        "-m",
        "why",
        "-c",
        "CMD cat /etc/new",
        "-c",
        "ENV A=b",
        "builder",
        "mine",
    ]);
    assert!(id.starts_with("sha256:"), "{id}");
    let run = |words: &[&str]| {
        store.printed(&[&["run", "--rm", "--net", "none", "mine"], words].concat())
    };
    assert_eq!(run(&[]), "new");
    assert_eq!(
        run(&["sh", "-c", "echo $A; ls /home"]).lines().nth(1),
        Some("mine")
    );
    assert!(run(&["sh", "-c", "ls /etc/group || true; stat -c %h:%a /a/hard"]).ends_with("2:4711"));
    let history = store.printed(&["history", "--format", "{{.Comment}}|{{.ID}}", "mine"]);
    assert_eq!(
        history.lines().next(),
        Some(&*format!("why|{}", &id[7..19]))
    );
    // Nothing changed: no layer, but a line.
    store.printed(&["create", "--name", "still", "--net", "none", "mine"]);
    store.printed(&["commit", "still", "same"]);
    assert_eq!(store.printed(&["history", "-q", "same"]).lines().count(), 3);
}

#[test]
fn export_and_import_make_one_layer_of_all() {
    let store = Store::new();
    store.printed(&[
        "run",
        "--name",
        "cc",
        "--net",
        "none",
        "base",
        "sh",
        "-c",
        "echo x > /x; rm /etc/group",
    ]);
    let archive = store.folder.join("c.tar");
    store.printed(&["export", "-o", archive.to_str().unwrap(), "cc"]);
    let list = Command::new("tar")
        .arg("tf")
        .arg(&archive)
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.lines().any(|name| name == "x"), "{list}");
    assert!(
        !list.contains("etc/group") && !list.contains(".wh."),
        "{list}"
    );
    store.printed(&[
        "import",
        "-c",
        "CMD [\"cat\", \"/x\"]",
        archive.to_str().unwrap(),
        "flat",
    ]);
    assert_eq!(
        store.printed(&["run", "--rm", "--net", "none", "flat"]),
        "x"
    );
    refused(
        &store.run(&["import", "https://example.org/x.tar"]),
        "nothing is fetched here",
    );
}

#[test]
fn cp_stays_in_the_containers_root() {
    let store = Store::new();
    let victim = victim(&store);
    let out = victim.to_str().unwrap();
    // CVE-2018-15664: a link in the container to a path of the machine.
    let script = format!(
        "ln -s {out} /evil; ln -s {out}/file /last; ln -s ../../../../..{out} /up; \
                          mkdir -p /d; echo inside > /d/f; ln -s {out} /d/link; sleep 100"
    );
    store.printed(&[
        "run", "-d", "--name", "running", "--net", "none", "base", "sh", "-c", &script,
    ]);
    while !store
        .run(&["exec", "running", "test", "-L", "/d/link"])
        .status
        .success()
    {}
    let file = store.folder.join("mine");
    fs::write(&file, "mine").unwrap();
    let mine = file.to_str().unwrap();
    for to in ["evil/new", "evil/", "up/new", "d/link/new"] {
        assert!(
            !store
                .run(&["cp", mine, &format!("running:/{to}")])
                .status
                .success(),
            "{to}"
        );
    }
    assert!(
        !store
            .run(&["cp", "-L", "running:/last", "stolen"])
            .status
            .success()
    );
    assert_untouched(&victim);
    // The same way as root of the container sees it.
    store.printed(&["exec", "running", "mkdir", "-p", out]);
    store.printed(&["cp", mine, "running:/evil/new"]);
    assert_eq!(
        store.printed(&["exec", "running", "cat", &format!("{out}/new")]),
        "mine"
    );
    assert_untouched(&victim);
    // Out of it come links, not what they lead to.
    let copy = store.folder.join("copy");
    store.printed(&["cp", "running:/d", copy.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(copy.join("f")).unwrap(), "inside\n");
    assert!(
        fs::symlink_metadata(copy.join("link"))
            .unwrap()
            .is_symlink()
    );
    let again = store.folder.join("copy");
    store.printed(&["cp", "running:/d/.", again.to_str().unwrap()]);
    assert_untouched(&victim);
}

#[test]
fn cp_brings_no_set_user_id_program_of_another_owner() {
    let store = Store::new();
    let script = "cp /bin/busybox /evil; chmod 6755 /evil";
    store.printed(&[
        "run", "--name", "cc", "--net", "none", "base", "sh", "-c", script,
    ]);
    let copy = store.folder.join("copy");
    store.printed(&["cp", "cc:/evil", copy.to_str().unwrap()]);
    let metadata = fs::metadata(&copy).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o755);
    assert_eq!(metadata.uid(), nix::unistd::geteuid().as_raw());
}

#[test]
fn cp_knows_docker_s_rules_for_running_and_stopped_ones() {
    let store = Store::new();
    store.printed(&[
        "create", "--name", "cc", "--net", "none", "base", "sleep", "100",
    ]);
    let folder = store.folder.join("from");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("f"), "text").unwrap();
    let from = folder.to_str().unwrap();
    for _ in ["stopped", "running"] {
        store.printed(&["cp", from, "cc:/tmp/new"]);
        store.printed(&["cp", from, "cc:/tmp"]);
        store.printed(&["cp", &format!("{from}/."), "cc:/root"]);
        store.printed(&["cp", &format!("{from}/f"), "cc:/root/g"]);
        for path in ["/tmp/new/f", "/tmp/from/f", "/root/f", "/root/g"] {
            let archive = store.run(&["cp", &format!("cc:{path}"), "-"]);
            assert!(archive.status.success(), "{archive:?}");
            assert!(
                archive.stdout.windows(4).any(|bytes| bytes == b"text"),
                "{path}"
            );
        }
        refused(
            &store.run(&["cp", from, "cc:/etc/passwd"]),
            "cannot copy directory",
        );
        refused(
            &store.run(&["cp", "cc:/none", "x"]),
            "Could not find the file /none in container cc",
        );
        let archive = Tar::default().file("fed", b"from a stream").end();
        assert!(fed(&store, &["cp", "-", "cc:/srv"], &archive).status.code() == Some(1));
        assert!(
            fed(&store, &["cp", "-", "cc:/root"], &archive)
                .status
                .success()
        );
        store.printed(&["start", "cc"]);
    }
    assert_eq!(
        store.printed(&["exec", "cc", "cat", "/root/fed"]),
        "from a stream"
    );
    assert_eq!(
        store.printed(&["exec", "cc", "stat", "-c", "%u", "/root/g"]),
        "0"
    );
}

#[test]
fn device_files_are_roots_and_left_out_for_others() {
    let store = Store::new();
    let mut archive = Tar::default().member(EntryType::Char, "zero", "", b"");
    let header = &mut archive.0[..512];
    let mut own = Header::from_byte_slice(header).clone();
    own.set_device_major(1).unwrap();
    own.set_device_minor(5).unwrap();
    own.set_cksum();
    header.copy_from_slice(own.as_bytes());
    let output = fed(&store, &["import", "-"], &archive.end());
    assert!(output.status.success(), "{output:?}");
    let layers = fs::read_dir(store.folder.join("store/layers"))
        .unwrap()
        .flatten();
    let made = layers
        .map(|layer| layer.path().join("diff/zero"))
        .find(|path| path.exists());
    match made {
        Some(zero) => {
            let metadata = fs::metadata(zero).unwrap();
            assert!(metadata.file_type().is_char_device() && metadata.rdev() == (1 << 8 | 5));
        }
        None => {
            assert!(String::from_utf8_lossy(&output.stderr).contains("device files were left out"))
        }
    }
}

mod peers {
    //! The others read what is saved here, and the other way round.

    use super::*;

    fn there(program: &str) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        if !found {
            skipped(&format!("{program} is not installed"));
        }
        found
    }

    fn is_root() -> bool {
        nix::unistd::geteuid().is_root()
    }

    fn printed(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    fn saved(store: &Store, form: &str) -> String {
        let path = store.folder.join(format!("{form}.tar"));
        let path = path.to_str().unwrap().to_owned();
        store.printed(&["save", "--format", form, "-o", &path, "base"]);
        path
    }

    fn id(store: &Store) -> String {
        store.printed(&["images", "--no-trunc", "-q", "base"])
    }

    fn manifest(store: &Store) -> String {
        store.printed(&["images", "--digests", "--format", "{{.Digest}}", "base"])
    }

    #[test]
    fn skopeo_copies_every_form_and_keeps_the_digests() {
        if !there("skopeo") {
            return;
        }
        let store = Store::new();
        for (form, transport) in [
            ("both", "oci-archive"),
            ("both", "docker-archive"),
            ("oci", "oci-archive"),
            ("docker", "docker-archive"),
        ] {
            let path = saved(&store, form);
            let target = store.folder.join(format!("skopeo-{form}-{transport}"));
            let copied = format!("oci:{}:base:latest", target.display());
            printed(Command::new("skopeo").args(["copy", &format!("{transport}:{path}"), &copied]));
            let config = printed(Command::new("skopeo").args(["inspect", "--raw", &copied]));
            let config: Value = serde_json::from_str(&config).unwrap();
            assert_eq!(config["config"]["digest"], id(&store), "{form} {transport}");
            // Back: an archive of skopeo's.
            let back = store.folder.join(format!("{form}-{transport}.tar"));
            let archive = format!("{transport}:{}:base:latest", back.display());
            printed(Command::new("skopeo").args(["copy", &copied, &archive]));
            let other = Store::new();
            assert_eq!(
                other.printed(&["load", "-i", back.to_str().unwrap()]),
                "Loaded image: base:latest"
            );
            assert_eq!(id(&other), id(&store), "{form} {transport}");
        }
    }

    #[test]
    fn podman_and_buildah_load_it_and_save_it_again() {
        for program in ["podman", "buildah"] {
            if !there(program) {
                continue;
            }
            if !is_root() {
                elsewhere(&format!(
                    "{program} wants more ids than an ordinary user here has"
                ));
                continue;
            }
            let store = Store::new();
            let root = store.folder.join("peer");
            let peer = |words: &[&str]| {
                let mut command = Command::new(program);
                command
                    .arg("--root")
                    .arg(&root)
                    .arg("--runroot")
                    .arg(root.join("run"));
                command.args(["--storage-driver", "vfs"]).args(words);
                command
            };
            let path = saved(&store, "both");
            let source = format!("oci-archive:{path}");
            match program {
                "podman" => printed(&mut peer(&["load", "-i", &path])),
                _ => printed(&mut peer(&["pull", &source])),
            };
            let found = printed(&mut peer(&["images", "--no-trunc", "-q"]));
            assert_eq!(found, id(&store), "{program}");
            let back = store.folder.join("back.tar");
            let target = format!("oci-archive:{}:base:latest", back.display());
            let digits = found.replacen("sha256:", "", 1);
            printed(&mut peer(&["push", &digits, &target]));
            let other = Store::new();
            other.printed(&["load", "-q", "-i", back.to_str().unwrap()]);
            assert_eq!(id(&other), id(&store), "{program}");
        }
    }

    #[test]
    fn umoci_unpacks_the_store_itself() {
        if !there("umoci") {
            return;
        }
        let store = Store::new();
        store.printed(&["tag", "base", "here"]);
        let bundle = store.folder.join("bundle");
        let image = format!(
            "{}:base:latest",
            store.folder.join("store/images").display()
        );
        // umoci takes no colon in a name: so by a name without one.
        let layout = store.folder.join("layout");
        let plain = format!("oci:{}:base", layout.display());
        if !there("skopeo") {
            return;
        }
        printed(Command::new("skopeo").args(["copy", &format!("oci:{image}"), &plain]));
        let name = format!("{}:base", layout.display());
        let mut unpack = Command::new("umoci");
        unpack.args(["unpack", "--image", &name]).arg(&bundle);
        if !is_root() {
            unpack.arg("--rootless");
        }
        printed(&mut unpack);
        let ours = store.printed(&["run", "--rm", "--net", "none", "base", "ls", "-la", "/bin"]);
        let theirs = fs::read_dir(bundle.join("rootfs/bin")).unwrap().count();
        assert_eq!(ours.lines().count(), theirs + 3, "total, . and ..");
    }

    /// A dockerd of the test's own: nothing of it is seen on the machine.
    struct Docker {
        process: std::process::Child,
        socket: String,
    }

    impl Docker {
        fn start(folder: &Path) -> Option<Self> {
            let path = |name: &str| folder.join(name).display().to_string();
            let socket = format!("unix://{}", path("d.sock"));
            let log = fs::File::create(folder.join("dockerd.log")).unwrap();
            let process = Command::new("unshare")
                .args(["-m", "-n", "--propagation", "private", "dockerd"])
                .args([
                    "-H",
                    &socket,
                    "--bridge=none",
                    "--iptables=false",
                    "--ip6tables=false",
                ])
                .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
                .args(["--pidfile", &path("pid"), "--storage-driver", "vfs"])
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .ok()?;
            let docker = Self { process, socket };
            for _ in 0..300 {
                if docker.command(&["version"]).output().ok()?.status.success() {
                    return Some(docker);
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            None
        }

        fn command(&self, words: &[&str]) -> Command {
            let mut command = Command::new("docker");
            command.args(["-H", &self.socket]).args(words);
            command
        }
    }

    impl Drop for Docker {
        fn drop(&mut self) {
            let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = self.process.wait();
        }
    }

    #[test]
    fn docker_loads_it_and_saves_it_again() {
        if !there("docker") || !there("dockerd") {
            return;
        }
        if !is_root() {
            return elsewhere("dockerd needs root");
        }
        let store = Store::new();
        let folder = store.folder.join("docker");
        fs::create_dir(&folder).unwrap();
        let Some(docker) = Docker::start(&folder) else {
            let log = fs::read_to_string(folder.join("dockerd.log")).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default().to_owned();
            return skipped(&format!("dockerd does not start here: {last}"));
        };
        for form in ["both", "docker"] {
            let path = saved(&store, form);
            let loaded = printed(&mut docker.command(&["load", "-q", "-i", &path]));
            assert_eq!(loaded, "Loaded image: base:latest", "{form}");
            let found = printed(&mut docker.command(&["images", "--no-trunc", "-q", "base"]));
            assert!(
                found == id(&store) || found == manifest(&store),
                "{form}: {found}"
            );
            let back = store.folder.join(format!("docker-{form}.tar"));
            let back = back.to_str().unwrap();
            printed(&mut docker.command(&["save", "-o", back, "base"]));
            printed(&mut docker.command(&["rmi", "base"]));
            let other = Store::new();
            assert_eq!(
                other.printed(&["load", "-i", back]),
                "Loaded image: base:latest"
            );
            assert_eq!(id(&other), id(&store), "{form}");
        }
    }
}
