//! `--user`: names of the container's own /etc/passwd and /etc/group.
//!
//! The files are the image's, and so is every link on the way to them: they are
//! opened in the root (openat2), never by a path of the host's, and only if they
//! are ordinary files (a FIFO would keep the engine waiting for ever).
//!
//! Read: passwd(5), group(5), openat2(2)

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::bail;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// A user as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// What HOME is to be.
    pub home: String,
}

/// More of either file is nobody's: an image could bring any size.
const LONGEST: u64 = 1 << 20;

/// `NAME`, `UID`, `NAME:GROUP`, `UID:GID`; empty is root. A name is looked for
/// before a number, so that a user *named* 1000 is not taken for uid 1000, or uid 0
/// for one (CVE-2016-3697).
///
/// # Errors
/// No such user or group, in docker's words.
pub fn resolve(root: &Path, text: &str, group_add: &[String]) -> anyhow::Result<User> {
    let passwd = read(root, "etc/passwd");
    let group = read(root, "etc/group");
    resolve_in(&passwd, &group, text, group_add)
}

/// The same with both files read; lines that are none (comments, too few fields) match
/// nothing.
fn resolve_in(passwd: &str, group: &str, text: &str, group_add: &[String]) -> anyhow::Result<User> {
    let (name, wanted_group) = text.split_once(':').unwrap_or((text, ""));
    let name = if name.is_empty() { "0" } else { name };
    let fields = |line: &str| line.split(':').map(String::from).collect::<Vec<String>>();
    let entries: Vec<Vec<String>> = passwd.lines().map(fields).collect();
    let groups: Vec<Vec<String>> = group.lines().map(fields).collect();

    let by_name = entries.iter().find(|entry| entry[0] == name);
    let by_number = || {
        entries
            .iter()
            .find(|entry| entry.get(2).is_some_and(|id| id == name))
    };
    let entry = by_name.or_else(by_number);
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<u32>().ok());
    let (uid, gid, home, login) = match (entry, id(name)) {
        (Some(entry), _) => {
            let Some(uid) = number(entry.get(2)) else {
                bail!("unable to find user {name}: no matching entries in passwd file");
            };
            let home = entry.get(5).cloned().unwrap_or_default();
            (
                uid,
                number(entry.get(3)).unwrap_or(0),
                home,
                Some(entry[0].clone()),
            )
        }
        // Nobody has to be in a file to be.
        (None, Some(uid)) => (uid, 0, String::new(), None),
        (None, None) => bail!("unable to find user {name}: no matching entries in passwd file"),
    };
    let group_id = |name: &str| -> anyhow::Result<u32> {
        let found = groups.iter().find(|group| group[0] == name);
        match (found.and_then(|group| number(group.get(2))), id(name)) {
            (Some(gid), _) | (None, Some(gid)) => Ok(gid),
            _ => bail!("unable to find group {name}: no matching entries in group file"),
        }
    };
    let gid = match wanted_group {
        "" => gid,
        name => group_id(name)?,
    };
    let mut additional = Vec::new();
    // Who says a group has chosen; else those that list the user as a member.
    if wanted_group.is_empty()
        && let Some(login) = login
    {
        let member = |group: &&Vec<String>| {
            group
                .get(3)
                .is_some_and(|members| members.split(',').any(|one| one == login))
        };
        additional.extend(
            groups
                .iter()
                .filter(member)
                .filter_map(|group| number(group.get(2))),
        );
    }
    for name in group_add {
        additional.push(group_id(name)?);
    }
    // As docker: the primary one is in the list, too.
    additional.insert(0, gid);
    let mut seen = std::collections::BTreeSet::new();
    additional.retain(|gid| seen.insert(*gid));
    let home = if home.is_empty() { "/".into() } else { home };
    Ok(User {
        uid,
        gid,
        groups: additional,
        home,
    })
}

/// The kernel's ids go to 2³²-2 (the last number means "none"); docker stops at 2³¹-1.
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u32>()
        .ok()
        .filter(|id| digits && *id <= i32::MAX as u32)
}

/// A file of the image; empty where there is none.
fn read(root: &Path, name: &str) -> String {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let opened = open(root, flags, Mode::empty()).and_then(|root| openat2(root.as_fd(), name, how));
    let Ok(file) = opened.map(std::fs::File::from) else {
        return String::new();
    };
    let mut bytes = Vec::new();
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        let _ = file.take(LONGEST).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        1000:x:0:0:a trap:/:/bin/sh\n\
        alice:x:1001:100::/home/alice:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nwheel:x:10:bob,alice\n";

    fn user(text: &str) -> User {
        resolve_in(PASSWD, GROUP, text, &[]).unwrap()
    }

    #[test]
    fn a_user_has_the_groups_that_list_it() {
        let alice = user("alice");
        assert_eq!((alice.uid, alice.gid), (1001, 100));
        assert_eq!(alice.groups, [100, 10]);
        assert_eq!(alice.home, "/home/alice");
        assert_eq!(user("1001"), alice);
        assert_eq!(user("alice:wheel").groups, [10]);
    }

    #[test]
    fn nobody_has_to_be_in_a_file() {
        let stranger = user("4242:77");
        assert_eq!((stranger.uid, stranger.gid), (4242, 77));
        assert_eq!(stranger.home, "/");
        assert_eq!(user("").home, "/root");
        let error = resolve_in(PASSWD, GROUP, "nobody", &[]).unwrap_err();
        let text = "unable to find user nobody: no matching entries in passwd file";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_name_of_digits_is_a_name_first() {
        // docker's order; what is dangerous is to take the number for this user.
        assert_eq!(user("1000").uid, 0);
        assert_eq!(user("0").home, "/root");
        assert!(resolve_in(PASSWD, GROUP, "4294967296", &[]).is_err());
    }
}
