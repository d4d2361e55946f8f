//! Many commands at once, from many processes: the store stays whole.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::support::Store;

/// Shells, and what each of them does.
const SHELLS: usize = 20;
const ROUNDS: usize = 10;

#[test]
fn a_thousand_commands_end_in_a_consistent_store() {
    let store = Store::new();
    store.printed(&["create", "--name", "first", "base", "true"]);
    // Per round five commands: create, start, stop, commit, rm.
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for shell in 0..SHELLS {
            let (store, failures) = (&store, &failures);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let name = format!("c{shell}-{round}");
                    let image = format!("image{}", shell % 4);
                    let commands: [&[&str]; 5] = [
                        &[
                            "create", "--net", "none", "--name", &name, "base", "sleep", "60",
                        ],
                        &["start", &name],
                        &["stop", "-t", "0", &name],
                        &["commit", &name, &image],
                        &["rm", &name],
                    ];
                    for words in commands {
                        let output = store.run(words);
                        if !output.status.success() {
                            failures
                                .lock()
                                .unwrap()
                                .push(format!("{words:?}: {output:?}"));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed, first: {}",
        failures.len(),
        failures[0]
    );
    assert_eq!(
        store.printed(&["ps", "-a", "--format", "{{.Names}}"]),
        "first"
    );
    let names = std::fs::read_dir(store.folder.join("store/names")).unwrap();
    assert_eq!(names.count(), 1);
    let left = std::fs::read_dir(store.folder.join("store/containers")).unwrap();
    assert_eq!(left.count(), 1, "no half-made folder");
    for number in 0..4 {
        let image = format!("image{number}");
        let words = ["run", "--rm", "--net", "none", &image, "echo", "well"];
        assert_eq!(store.printed(&words), "well");
    }
}

#[test]
fn no_two_get_one_name() {
    let store = Store::new();
    store.printed(&["create", "--name", "first", "base", "true"]);
    let made = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let one = store.run(&["create", "--name", "wanted", "base", "true"]);
                if one.status.success() {
                    made.lock()
                        .unwrap()
                        .push(String::from_utf8(one.stdout).unwrap());
                }
                store.printed(&["create", "base", "true"]);
            });
        }
    });
    assert_eq!(made.into_inner().unwrap().len(), 1);
    let names = store.printed(&["ps", "-a", "--format", "{{.Names}}"]);
    let different: BTreeSet<&str> = names.lines().collect();
    assert_eq!(names.lines().count(), 18);
    assert_eq!(different.len(), 18);
}
