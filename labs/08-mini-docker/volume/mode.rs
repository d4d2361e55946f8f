//! What stands after the second colon: `ro`, `nocopy`, `rslave`, … And paths and sizes
//! as these options have them.

use anyhow::bail;

pub const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// The options of one bind or volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    pub read_only: bool,
    pub no_copy: bool,
    /// Empty: the default, `rprivate`.
    pub propagation: String,
}

impl Mode {
    /// `z` and `Z` relabel for SELinux: they are taken and change nothing here, as with
    /// docker on a machine without SELinux. `cached`, `consistent` and `delegated` are
    /// for docker's virtual machines on other systems.
    ///
    /// # Errors
    /// An unknown option, or two of one kind, in docker's words.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut mode = Self::default();
        // One option of each kind: ro or rw, a label, a propagation, …
        let mut seen = [false; 5];
        for option in text.split(',').filter(|_| !text.is_empty()) {
            let kind = match option {
                "ro" | "rw" => 0,
                "z" | "Z" => 1,
                "nocopy" => 2,
                "cached" | "consistent" | "delegated" => 3,
                _ if PROPAGATIONS.contains(&option) => 4,
                _ => bail!("invalid mode: {text}"),
            };
            if std::mem::replace(&mut seen[kind], true) {
                bail!("invalid mode: {text}");
            }
            match kind {
                0 => mode.read_only = option == "ro",
                2 => mode.no_copy = true,
                4 => mode.propagation = option.into(),
                _ => {}
            }
        }
        Ok(mode)
    }
}

/// A path without `.`, `..`, double slashes and a slash at its end, by its letters
/// alone: Go's `filepath.Clean`. Links are for whoever opens it.
pub fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// `64`, `64k`, `1.5g`, `10MiB`: bytes, powers of 1024.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim_start().to_lowercase();
    let unit = unit.trim_end_matches('b').trim_end_matches('i');
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_option_of_each_kind() {
        let mode = Mode::parse("ro,z,rslave").unwrap();
        assert!(mode.read_only && mode.propagation == "rslave");
        for wrong in ["bad", "ro,rw", "z,Z", "ro,"] {
            let error = Mode::parse(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("invalid mode: {wrong}"));
        }
    }

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, cleaned) in [
            ("/a//b/../c/.", "/a/c"),
            ("/../x", "/x"),
            ("a/..", "."),
            ("../a", "../a"),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("1.5k"), Some(1536));
        assert_eq!(bytes("10MiB"), Some(10 << 20));
        assert_eq!(bytes("foo"), None);
    }
}
