//! Names of containers: which ones may be, and one for who gives none.

use anyhow::bail;

use super::store::random;

/// How somebody may be …
const ADJECTIVES: [&str; 48] = [
    "agile", "amber", "awake", "bold", "brisk", "calm", "candid", "civil", "clever", "cosy",
    "daring", "deft", "early", "exact", "fair", "fleet", "fond", "frank", "gentle", "glad",
    "hardy", "honest", "ideal", "jolly", "keen", "kind", "lively", "lucid", "merry", "mild",
    "modest", "neat", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "ready",
    "serene", "sharp", "steady", "sunny", "tidy", "useful", "vivid", "witty",
];

/// … who gave the systems we use something to stand on.
const SURNAMES: [&str; 48] = [
    "allman",
    "babbage",
    "backus",
    "bach",
    "bourne",
    "bayer",
    "cerf",
    "church",
    "codd",
    "corbato",
    "cox",
    "cray",
    "dijkstra",
    "engelbart",
    "erlang",
    "floyd",
    "hamming",
    "hoare",
    "hopper",
    "huffman",
    "iverson",
    "joy",
    "kahn",
    "karels",
    "kay",
    "kernighan",
    "kilburn",
    "knuth",
    "lampson",
    "liskov",
    "lovelace",
    "mauchly",
    "mccarthy",
    "mcilroy",
    "metcalfe",
    "milner",
    "naur",
    "neumann",
    "ossanna",
    "perlman",
    "postel",
    "ritchie",
    "shannon",
    "stallman",
    "tarjan",
    "thompson",
    "turing",
    "wirth",
];

/// `keen_hopper`; from the fifth attempt on with a number, as the plain ones are few.
///
/// # Errors
/// No random bytes.
pub fn generate(attempt: usize) -> anyhow::Result<String> {
    let [one, two, three, four] = random::<4>()?;
    let adjective = ADJECTIVES[usize::from(one) % ADJECTIVES.len()];
    let surname = SURNAMES[usize::from(two) % SURNAMES.len()];
    Ok(match attempt {
        0..4 => format!("{adjective}_{surname}"),
        _ => format!("{adjective}_{surname}{}", u16::from_le_bytes([three, four])),
    })
}

/// A name that may be, without docker's leading slash.
///
/// # Errors
/// docker's words for one that may not.
pub fn valid(name: &str) -> anyhow::Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let first = bare
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    // 255 bytes is what a file name can have.
    if !first || bare.len() < 2 || bare.len() > 255 || !bare.bytes().all(good) {
        bail!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_no_folder_and_begins_like_one() {
        for good in ["web", "/web", "a1", "A_.-9"] {
            assert_eq!(valid(good).unwrap(), good.trim_start_matches('/'));
        }
        for bad in [
            "", "a", "/", "../x", "a/b", ".a", "-a", "a b", "a\n", "é1", "//a",
        ] {
            assert!(valid(bad).is_err(), "{bad:?}");
        }
        assert!(valid(&"a".repeat(256)).is_err());
    }

    #[test]
    fn generated_names_are_valid() {
        for attempt in 0..10 {
            let name = generate(attempt).unwrap();
            assert_eq!(valid(&name).unwrap(), name);
        }
    }
}
