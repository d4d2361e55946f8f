//! Names for namespaces, in place of the kernel's numbers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::vocabulary::{OBSERVATION, Shape, replace_identities};

/// The names of the namespace identities of a run:
///
/// - `host`: the one that the baseline's process is in;
/// - `@NAME`: one that the baseline already had under a name, either of
///   ip-netns(8) or of the mount point that keeps it alive;
/// - `new`: another one, seen in one place only;
/// - `$a`, `$b`, …: others, each seen in several places, in order of appearance.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// From `ns:INODE` to its symbol.
    names: BTreeMap<String, String>,
    /// From `@NAME` to `ns:INODE`.
    named: BTreeMap<String, String>,
}

impl Symbols {
    /// Names every identity that the baseline or one of the differences shows.
    pub fn new<'a>(baseline: &Value, differences: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut symbols = Self::default();
        symbols.name_baseline(baseline);
        let mut seen: Vec<(String, usize)> = Vec::new();
        for difference in differences {
            replace_identities(Shape::Group(OBSERVATION), difference, &mut |id| {
                match seen.iter_mut().find(|(known, _)| known == id) {
                    Some((_, times)) => *times += 1,
                    None => seen.push((id.to_owned(), 1)),
                }
                id.to_owned()
            });
        }
        let mut shared = 0;
        for (id, times) in seen {
            if symbols.names.contains_key(&id) {
                continue;
            }
            let name = if times == 1 {
                "new".to_owned()
            } else {
                shared += 1;
                format!("${}", letters(shared))
            };
            symbols.names.insert(id, name);
        }
        symbols
    }

    fn name_baseline(&mut self, baseline: &Value) {
        let table = |path: &str| baseline.pointer(path).and_then(Value::as_object);
        for id in table("/process/namespaces")
            .into_iter()
            .flat_map(|map| map.values())
        {
            if let Some(id) = id.as_str() {
                self.names.insert(id.to_owned(), "host".into());
            }
        }
        // Named network namespaces first: `@blue` reads better than its mount.
        for section in ["machine", "process"] {
            let named = table(&format!("/{section}/network_namespaces"))
                .into_iter()
                .flatten();
            let mounts = table(&format!("/{section}/mounts")).into_iter().flatten();
            let mounts = mounts.filter_map(|(point, mount)| Some((point, mount.get("namespace")?)));
            for (name, id) in named.chain(mounts) {
                if let Some(id) = id.as_str() {
                    let name = format!("@{name}");
                    self.names
                        .entry(id.to_owned())
                        .or_insert_with(|| name.clone());
                    self.named.insert(name, id.to_owned());
                }
            }
        }
    }

    /// The symbol of an identity; `new` when nothing is known of it.
    pub fn name(&self, id: &str) -> &str {
        self.names.get(id).map_or("new", String::as_str)
    }

    /// Whether it is one of the namespaces that the baseline's process is in.
    pub fn is_host(&self, id: &str) -> bool {
        self.name(id) == "host"
    }

    /// Whether the baseline did not show it in any place.
    pub fn is_new(&self, id: &str) -> bool {
        !self.is_host(id) && !self.name(id).starts_with('@')
    }

    /// The identity that the baseline knew under `@NAME`.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }

    /// An observation or a difference, told in symbols.
    pub fn apply(&self, value: &Value) -> Value {
        self.apply_to(Shape::Group(OBSERVATION), value)
    }

    /// The same for the value of one place.
    pub fn apply_to(&self, shape: Shape, value: &Value) -> Value {
        replace_identities(shape, value, &mut |id| self.name(id).to_owned())
    }
}

/// 1 is `a`, 26 is `z`, 27 is `aa`.
fn letters(mut number: usize) -> String {
    let mut letters = Vec::new();
    while number > 0 {
        number -= 1;
        letters.push(b'a' + (number % 26) as u8);
        number /= 26;
    }
    letters
        .iter()
        .rev()
        .map(|&letter| char::from(letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_namespace_gets_the_name_that_says_most() {
        let baseline = json!({
            "process": {"namespaces": {"uts": "ns:1", "net": "ns:2"}},
            "machine": {
                "network_namespaces": {"blue": "ns:3"},
                "mounts": {
                    "/run/netns/blue": {"namespace": "ns:3"},
                    "/keep": {"namespace": "ns:4"},
                },
            },
        });
        let first = json!({"process": {"namespaces": {
            "ipc": "ns:9", "mnt": "ns:8", "net": "ns:3", "pid": "ns:1", "uts": "ns:7", "user": "ns:4",
        }}});
        let second = json!({"process": {"hostname": "ns:9", "namespaces": {
            "ipc": "ns:6", "mnt": "ns:8", "uts": "ns:7",
        }}});
        let symbols = Symbols::new(&baseline, [&first, &second]);
        let told = json!({"process": {"namespaces": {
            "ipc": "new", "mnt": "$a", "net": "@blue", "pid": "host", "uts": "$b", "user": "@/keep",
        }}});
        assert_eq!(symbols.apply(&first), told);
        let told = json!({"process": {"hostname": "ns:9", "namespaces": {
            "ipc": "new", "mnt": "$a", "uts": "$b",
        }}});
        assert_eq!(
            symbols.apply(&second),
            told,
            "a text that looks like one is left alone"
        );
        assert_eq!(symbols.named("@/run/netns/blue"), Some("ns:3"));
        assert_eq!(symbols.name("ns:77"), "new");
    }

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!(
            [1, 2, 26, 27, 52, 53].map(letters),
            ["a", "b", "z", "aa", "az", "ba"]
        );
    }
}
