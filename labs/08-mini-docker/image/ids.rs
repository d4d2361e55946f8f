//! Which owners a file can be given here.
//!
//! Root of the machine may give a file to any number. In a user namespace only the
//! numbers that are mapped exist: with subordinate ids 65,536 of them, without
//! exactly one. A file of any other owner is then kept as the caller's own, which
//! inside is root: a simplification that is told, and that a container notices only
//! when it looks at owners.
//!
//! Read: user_namespaces(7), subuid(5), newuidmap(1)

use std::fs;

use nix::unistd::{Gid, Uid, getegid, geteuid};

/// The ids that exist in this process's user namespace.
#[derive(Clone, Debug)]
pub struct Ids {
    /// May owners be changed at all?
    root: bool,
    uids: Vec<(u64, u64)>,
    gids: Vec<(u64, u64)>,
    own: (Uid, Gid),
}

impl Ids {
    /// Those of the calling process.
    pub fn own() -> Self {
        Self {
            root: geteuid().is_root(),
            uids: ranges("/proc/self/uid_map"),
            gids: ranges("/proc/self/gid_map"),
            own: (geteuid(), getegid()),
        }
    }

    /// The owner to set, `None` where the caller may not; and whether that is another
    /// than was asked for.
    pub fn owner(&self, uid: u64, gid: u64) -> (Option<(Uid, Gid)>, bool) {
        let (uid, other_user) = pick(uid, &self.uids, self.root, self.own.0.as_raw());
        let (gid, other_group) = pick(gid, &self.gids, self.root, self.own.1.as_raw());
        let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
        // Also when it seems to be so already: a file takes the group of a directory
        // with the set-group-id bit.
        (self.root.then_some(owner), other_user || other_group)
    }
}

fn pick(id: u64, ranges: &[(u64, u64)], root: bool, own: u32) -> (u32, bool) {
    let exists = ranges
        .iter()
        .any(|(first, last)| (*first..*last).contains(&id));
    match u32::try_from(id) {
        Ok(id) if root && exists => (id, false),
        // An ordinary user's file is root's once he is root of his namespace.
        Ok(0) if !root => (own, false),
        _ => (own, true),
    }
}

/// `INSIDE OUTSIDE COUNT`, a line each: the numbers inside, from and up to.
fn ranges(file: &str) -> Vec<(u64, u64)> {
    let map = fs::read_to_string(file).unwrap_or_default();
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let first = numbers.next()?.ok()?;
        let count = numbers.nth(1)?.ok()?;
        Some((first, first.saturating_add(count)))
    };
    map.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_without_an_id_becomes_the_caller() {
        let ids = Ids {
            root: true,
            uids: vec![(0, 1)],
            gids: vec![(0, 1)],
            own: (Uid::from_raw(0), Gid::from_raw(0)),
        };
        let own = Some(ids.own);
        assert_eq!(ids.owner(0, 0), (own, false));
        assert_eq!(ids.owner(33, 33), (own, true));
        assert_eq!(ids.owner(0, 4_294_967_296), (own, true));
    }

    #[test]
    fn root_gives_files_to_anybody() {
        let ids = Ids {
            root: true,
            uids: vec![(0, 4_294_967_295)],
            gids: vec![(0, 4_294_967_295)],
            own: (Uid::from_raw(0), Gid::from_raw(0)),
        };
        let owner = Some((Uid::from_raw(33), Gid::from_raw(34)));
        assert_eq!(ids.owner(33, 34), (owner, false));
    }
}
