//! Mounts, from the text of `/proc/PID/mountinfo`. See proc_pid_mountinfo(5).
//! Pure: text in, facts out.

use std::collections::{BTreeMap, BTreeSet};

use super::Frame;
use super::cgroups::below;
use super::proc::visible;
use crate::state::facts::{Mount, NamespaceId};

/// Options of a file system that say something about the course's subject and
/// are the same on every machine.
const TOLD: [&str; 17] = [
    "ro",
    "size",
    "mode",
    "nr_inodes",
    "nr_blocks",
    "upperdir",
    "workdir",
    "userxattr",
    "metacopy",
    "redirect_dir",
    "volatile",
    "hidepid",
    "subset",
    "ptmxmode",
    "newinstance",
    "casefold",
    "noswap",
];

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub id: u64,
    pub parent: u64,
    pub device: (u32, u32),
    pub root: String,
    pub point: String,
    pub options: Vec<String>,
    pub propagation: String,
    pub fs_type: String,
    pub source: String,
    pub super_options: Vec<String>,
}

impl Line {
    /// The namespace and its kind's name, when this is an nsfs mount.
    pub fn namespace(&self) -> Option<(&str, NamespaceId)> {
        if self.fs_type != "nsfs" {
            return None;
        }
        let (kind, inode) = self.root.split_once(":[")?;
        Some((kind, NamespaceId(inode.strip_suffix(']')?.parse().ok()?)))
    }
}

/// Parses the whole text; a line cut off at the read limit is left out.
pub fn parse(text: &str) -> Vec<Line> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Line> {
    // The optional fields (propagation) end at a lone dash.
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let id = mount.next()?.parse().ok()?;
    let parent = mount.next()?.parse().ok()?;
    let (major, minor) = mount.next()?.split_once(':')?;
    let root = unescape(mount.next()?);
    let point = unescape(mount.next()?);
    let options = mount.next()?.split(',').map(unescape).collect();
    let propagation = propagation(mount);
    let mut filesystem = filesystem.splitn(3, ' ');
    Some(Line {
        id,
        parent,
        device: (major.parse().ok()?, minor.parse().ok()?),
        root,
        point,
        options,
        propagation,
        fs_type: unescape(filesystem.next()?),
        source: unescape(filesystem.next()?),
        super_options: split_options(filesystem.next().unwrap_or_default()),
    })
}

fn propagation<'a>(tags: impl Iterator<Item = &'a str>) -> String {
    let (mut shared, mut slave, mut unbindable) = (false, false, false);
    for tag in tags {
        shared |= tag.starts_with("shared:");
        slave |= tag.starts_with("master:");
        unbindable |= tag == "unbindable";
    }
    match (shared, slave, unbindable) {
        (_, _, true) => "unbindable",
        (true, true, _) => "shared,slave",
        (true, false, _) => "shared",
        (false, true, _) => "slave",
        (false, false, _) => "private",
    }
    .into()
}

/// Splits at commas that no backslash protects (a path of overlayfs may hold one).
fn split_options(text: &str) -> Vec<String> {
    let mut options = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        match options.last_mut() {
            Some(last) if c != ',' || escaped => last.push(c),
            _ => options.push(String::new()),
        }
        escaped = c == '\\' && !escaped;
    }
    options.iter().map(|option| unescape(option)).collect()
}

/// Undoes the octal escapes of blank, tab, newline, `#` and backslash.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes.get(at + 1..at + 4).filter(|digits| {
            bytes[at] == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        match octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok())
        {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    visible(String::from_utf8_lossy(&out).into_owned())
}

/// What a table of mounts says, as facts.
#[derive(Debug, Default)]
pub struct Table {
    pub propagation: String,
    pub mounts: BTreeMap<String, Mount>,
    pub network_namespaces: BTreeMap<String, NamespaceId>,
}

/// Makes facts of mounts: what depends on the machine is subtracted, stacked
/// mounts are counted from the lowest up.
pub fn table(lines: &[Line], frame: &Frame) -> Table {
    let usual = usual_propagation(lines);
    let mut table = Table::default();
    for (line, place) in lines.iter().zip(places(lines)) {
        let point = frame.told(&line.point);
        let key = match place {
            1 => point,
            place => format!("{point} ({place})"),
        };
        let mut mount = fact(line, frame);
        if line.propagation != usual {
            mount.propagation = Some(line.propagation.clone());
        }
        table.mounts.insert(key, mount);
    }
    for (point, id) in network_namespaces(lines) {
        let name = netns_name(point).unwrap_or_default();
        table.network_namespaces.insert(name.into(), id);
    }
    table.propagation = usual;
    table
}

/// The mount points that name a network namespace, as ip-netns(8) does.
pub fn network_namespaces(lines: &[Line]) -> impl Iterator<Item = (&str, NamespaceId)> {
    lines.iter().filter_map(|line| match line.namespace() {
        Some(("net", id)) if netns_name(&line.point).is_some() => Some((line.point.as_str(), id)),
        _ => None,
    })
}

/// The name that ip-netns(8) gives to a namespace mounted there.
fn netns_name(point: &str) -> Option<&str> {
    ["/run/netns/", "/var/run/netns/"]
        .iter()
        .find_map(|dir| point.strip_prefix(dir))
        .filter(|name| !name.is_empty() && !name.contains('/'))
}

fn usual_propagation(lines: &[Line]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in lines {
        *counts.entry(&line.propagation).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or_else(|| "private".into(), |(name, _)| name.into())
}

/// For each mount its place, from 1, in the stack on its mount point. A mount
/// lies on the one that is its parent; the kernel's list is in no such order.
fn places(lines: &[Line]) -> Vec<usize> {
    let mut stacks = BTreeMap::<&str, Vec<usize>>::new();
    for (index, line) in lines.iter().enumerate() {
        stacks.entry(&line.point).or_default().push(index);
    }
    let mut places = vec![1; lines.len()];
    for stack in stacks.values().filter(|stack| stack.len() > 1) {
        let parents: BTreeMap<u64, u64> = stack
            .iter()
            .map(|&index| (lines[index].id, lines[index].parent))
            .collect();
        let depth = |index: usize| {
            let mut depth = 0;
            let mut at = lines[index].parent;
            while let Some(&parent) = parents.get(&at) {
                depth += 1;
                if parent == at || depth > parents.len() {
                    break;
                }
                at = parent;
            }
            depth
        };
        let mut order: Vec<_> = stack.iter().map(|&index| (depth(index), index)).collect();
        order.sort_unstable();
        for (place, (_, index)) in order.into_iter().enumerate() {
            places[index] = place + 1;
        }
    }
    places
}

fn fact(line: &Line, frame: &Frame) -> Mount {
    let options = line
        .options
        .iter()
        .filter(|option| !["rw", "relatime"].contains(&option.as_str()))
        .cloned()
        .collect();
    if frame.host_devices.contains(&line.device) {
        return Mount {
            fs_type: "host".into(),
            source: "host".into(),
            options,
            ..Mount::default()
        };
    }
    let namespace = line.namespace();
    let root = match line.fs_type.as_str() {
        "cgroup" | "cgroup2" => cgroup_root(line, frame),
        _ => line.root.clone(),
    };
    let root = frame.told(&root);
    let super_options = super_options(line);
    Mount {
        fs_type: line.fs_type.clone(),
        source: frame.told(&line.source),
        root: (root != "/" && namespace.is_none()).then_some(root),
        namespace: namespace.map(|(_, id)| id),
        options,
        super_options: super_options.iter().map(|one| frame.told(one)).collect(),
        propagation: None,
    }
}

/// The cgroup at a mount's root, told as memberships are.
fn cgroup_root(line: &Line, frame: &Frame) -> String {
    let hierarchy = frame.cgroup_base.iter().find(|(hierarchy, _)| {
        match (line.fs_type.as_str(), hierarchy.as_str()) {
            ("cgroup2", name) => name == "unified",
            (_, name) => name
                .split(',')
                .all(|word| line.super_options.iter().any(|option| option == word)),
        }
    });
    match hierarchy {
        Some((_, base)) => below(&line.root, base),
        None => line.root.clone(),
    }
}

fn super_options(line: &Line) -> BTreeSet<String> {
    let all = line.super_options.iter();
    match line.fs_type.as_str() {
        // Of a v1 hierarchy the options are its controllers.
        "cgroup" => all
            .filter(|option| !["rw", "xattr", "clone_children"].contains(&option.as_str()))
            .filter(|option| !option.starts_with("release_agent="))
            .cloned()
            .collect(),
        "overlay" => overlay_options(&line.super_options),
        _ => all
            .filter(|option| TOLD.contains(&option.split('=').next().unwrap_or_default()))
            .cloned()
            .collect(),
    }
}

/// The layers as one list, whether they were given one by one (`lowerdir+=`,
/// since Linux 6.8) or all at once, and of what is switched off nothing: kernels
/// differ in whether they say so. `volatile` by this name, which newer ones show as
/// a value of `fsync`.
fn overlay_options(options: &[String]) -> BTreeSet<String> {
    let (mut layers, mut told) = (String::new(), BTreeSet::new());
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value) {
            ("lowerdir" | "lowerdir+" | "datadir+", value) => {
                layers += match (layers.is_empty(), name) {
                    (true, _) => "lowerdir=",
                    (_, "datadir+") => "::",
                    _ => ":",
                };
                layers += value;
            }
            (_, "off" | "nofollow") => {}
            ("fsync", "volatile") => {
                told.insert(value.to_string());
            }
            (name, _) if TOLD.contains(&name) => {
                told.insert(option.clone());
            }
            _ => {}
        }
    }
    told.extend((!layers.is_empty()).then_some(layers));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
21 1 0:30 / / rw,relatime shared:1 - tmpfs tmpfs rw,size=1024k,inode64,uid=1000
22 21 0:31 / /proc rw,nosuid,nodev,noexec,relatime shared:2 - proc proc rw,hidepid=invisible
23 21 8:1 /usr /usr ro,relatime shared:3 - ext4 /dev/sda1 rw,errors=remount-ro
25 24 0:33 / /mnt rw,relatime - tmpfs upper rw
24 21 0:32 / /mnt rw,relatime shared:4 master:7 - tmpfs lower rw
26 21 0:4 net:[4026532001] /run/netns/blue rw shared:5 - nsfs nsfs rw
27 21 0:34 / /with\\040blank rw,relatime shared:6 - overlay overlay rw,lowerdir=/a\\054b:/c,upperdir=/u,workdir=/w,index=off
";

    #[test]
    fn what_depends_on_the_machine_is_left_out() {
        let frame = Frame {
            host_devices: [(8, 1)].into(),
            ..Frame::host()
        };
        let table = table(&parse(TEXT), &frame);
        assert_eq!(table.propagation, "shared");
        assert_eq!(
            table.mounts["/"].super_options,
            ["size=1024k".to_string()].into()
        );
        let usr = &table.mounts["/usr"];
        assert_eq!(
            (usr.fs_type.as_str(), usr.source.as_str()),
            ("host", "host")
        );
        assert_eq!(usr.root, None);
        assert_eq!(usr.options, ["ro".to_string()].into());
        assert_eq!(
            table.mounts["/proc"].super_options,
            ["hidepid=invisible".to_string()].into()
        );
    }

    #[test]
    fn a_stacked_mount_is_counted_by_what_it_lies_on() {
        let table = table(&parse(TEXT), &Frame::host());
        assert_eq!(table.mounts["/mnt"].source, "lower");
        assert_eq!(
            table.mounts["/mnt"].propagation.as_deref(),
            Some("shared,slave")
        );
        assert_eq!(table.mounts["/mnt (2)"].source, "upper");
        assert_eq!(
            table.mounts["/mnt (2)"].propagation.as_deref(),
            Some("private")
        );
    }

    #[test]
    fn a_named_network_namespace_is_found_by_its_mount() {
        let table = table(&parse(TEXT), &Frame::host());
        let id = NamespaceId(4_026_532_001);
        assert_eq!(table.network_namespaces["blue"], id);
        assert_eq!(table.mounts["/run/netns/blue"].namespace, Some(id));
        assert_eq!(table.mounts["/run/netns/blue"].root, None);
    }

    #[test]
    fn escapes_are_undone_in_points_and_options() {
        let table = table(&parse(TEXT), &Frame::host());
        assert_eq!(
            table.mounts["/with blank"].super_options,
            ["lowerdir=/a,b:/c", "upperdir=/u", "workdir=/w"]
                .map(String::from)
                .into()
        );
    }

    #[test]
    fn layers_are_told_alike_however_they_were_given() {
        let line = |options: &str| {
            let line = format!("27 21 0:34 / /m rw - overlay overlay {options}");
            table(&parse(&line), &Frame::host()).mounts["/m"]
                .super_options
                .clone()
        };
        let at_once = line("ro,lowerdir=/a:/b::/c,userxattr");
        let one_by_one = line(
            "ro,lowerdir+=/a,lowerdir+=/b,datadir+=/c,redirect_dir=nofollow,uuid=on,userxattr",
        );
        assert_eq!(at_once, one_by_one);
        assert_eq!(
            at_once,
            ["ro", "lowerdir=/a:/b::/c", "userxattr"]
                .map(String::from)
                .into()
        );
        assert!(line("rw,redirect_dir=on,metacopy=on").contains("redirect_dir=on"));
        assert_eq!(line("rw,fsync=volatile"), line("rw,volatile"));
        assert_eq!(line("rw,fsync=volatile"), ["volatile".to_string()].into());
    }

    #[test]
    fn a_line_cut_short_is_left_out() {
        assert!(parse("21 1 0:30 / / rw,relatime sha").is_empty());
        assert!(parse("no mount at all\n\n - ").is_empty());
    }
}
