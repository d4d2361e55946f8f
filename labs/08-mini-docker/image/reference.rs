//! How an image is called: `[host/]name[:tag][@digest]`.
//!
//! docker writes the same image in two ways: in full for registries
//! (`docker.io/library/base:latest`), and as people do (`base:latest`). Here names
//! are kept in the short form, and every form is understood.
//!
//! Read: docker-tag(1), distribution/reference (grammar of references)

use std::fmt;

use anyhow::bail;

/// A reference that has the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The short form: without `docker.io/` and `library/`.
    pub name: String,
    pub tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart.
    ///
    /// # Errors
    /// `invalid reference format`, as docker has it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => bail!("invalid reference format"),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port: host:5000/name.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (Some(host), path),
            _ => (None, name),
        };
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            bail!("invalid reference format: repository name ({path}) must be lowercase");
        }
        // 64 digits alone would be an id.
        let id = host.is_none() && is_digest(&format!("sha256:{path}"));
        let right =
            name.len() <= 255 && !id && path.split('/').all(is_component) && tag.is_none_or(is_tag);
        if !right {
            bail!("invalid reference format");
        }
        let name = match host {
            Some("docker.io" | "index.docker.io") => short(path),
            Some(_) => name,
            None => short(path),
        };
        Ok(Self {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// `name:tag`; without a tag `latest` is meant.
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.name, self.tag.as_deref().unwrap_or("latest"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "{}@{digest}", self.name),
            None => f.write_str(&self.tagged()),
        }
    }
}

/// `docker.io/library/base:latest`: the form that stands in archives.
pub fn full(short: &str) -> String {
    match short.split_once('/') {
        Some((host, _)) if is_host(host) => short.to_owned(),
        Some(_) => format!("docker.io/{short}"),
        None => format!("docker.io/library/{short}"),
    }
}

/// Whether this is `sha256:` and 64 lower-case hexadecimal digits. Only such text
/// ever becomes the name of a blob's file.
pub fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

fn short(path: &str) -> &str {
    match path.strip_prefix("library/") {
        Some(rest) if !rest.contains('/') => rest,
        _ => path,
    }
}

/// What tells a registry's host from the first part of a name: a dot, a port, or
/// `localhost`. Its labels are those of DNS, so `..` is none.
fn is_host(part: &str) -> bool {
    let (host, port) = match part.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (part, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let label = |label: &str| {
        let ends =
            label.bytes().next().is_some_and(plain) && label.bytes().last().is_some_and(plain);
        ends && label.bytes().all(|byte| plain(byte) || byte == b'-')
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (part == "localhost" || part.contains(['.', ':']))
        && host.split('.').all(label)
        && port.is_none_or(digits)
}

/// `[a-z0-9]+` parts with `.`, `_`, `__` or any number of `-` between them.
fn is_component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    let between = part.split(|c: char| plain(c as u8) && c.is_ascii());
    ends && part
        .bytes()
        .all(|byte| plain(byte) || b"._-".contains(&byte))
        && between
            .filter(|gap| !gap.is_empty())
            .all(|gap| matches!(gap, "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_kept_in_the_short_one() {
        let same = |text: &str| Reference::parse(text).unwrap().tagged();
        assert_eq!(same("base"), "base:latest");
        assert_eq!(same("docker.io/library/base:1.0"), "base:1.0");
        assert_eq!(same("docker.io/team/base"), "team/base:latest");
        assert_eq!(same("localhost:5000/base"), "localhost:5000/base:latest");
        assert_eq!(same("localhost/a/b:c"), "localhost/a/b:c");
        assert_eq!(same("a__b/c--d.e:X_1"), "a__b/c--d.e:X_1");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let digits = "0".repeat(64);
        for text in [
            "",
            ":",
            "a:",
            "a:b:c",
            "-a",
            "a..b",
            "a/../b",
            "/a",
            "a/",
            "a b",
            "a___b",
            "a\n",
            "../a",
            "a@sha256:12",
            "a:-x",
            &digits,
            "BASE",
            "a@",
            "é",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn archives_have_the_full_form() {
        assert_eq!(full("base:latest"), "docker.io/library/base:latest");
        assert_eq!(full("team/base:1"), "docker.io/team/base:1");
        assert_eq!(full("localhost/base:1"), "localhost/base:1");
    }
}
