//! The words of mount(8) that stand in a specification's `options`.
//!
//! The kernel has them in two alphabets: MS_… for mount(2) and MOUNT_ATTR_… for
//! mount_setattr(2). What is a word of neither belongs to the file system.
//!
//! Read: mount(8), mount_setattr(2), config.md ("mounts")

use labs::root::Attributes;
use nix::mount::MsFlags;

/// The options of one mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// For a new file system.
    pub flags: MsFlags,
    /// The same for a bind, of the mount that is bound.
    pub attributes: Attributes,
    /// The same for all mounts below it, too (`rro`).
    pub all_below: Attributes,
    /// MS_PRIVATE, MS_SLAVE, …, with MS_REC; empty where nothing is said.
    pub propagation: MsFlags,
    /// `bind` or `rbind`: with all that is mounted below?
    pub bind: Option<bool>,
    /// The file system's own words.
    pub data: String,
    /// A new tmpfs takes over what the image has at its place.
    pub copy_up: bool,
}

/// Word, flag of mount(2), attribute of mount_setattr(2), whether it sets them.
#[rustfmt::skip]
const WORDS: [(&str, MsFlags, u64, bool); 18] = [
    ("ro", MsFlags::MS_RDONLY, libc::MOUNT_ATTR_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, libc::MOUNT_ATTR_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, libc::MOUNT_ATTR_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, libc::MOUNT_ATTR_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, libc::MOUNT_ATTR_NODEV, true),
    ("dev", MsFlags::MS_NODEV, libc::MOUNT_ATTR_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME, false),
    ("noatime", MsFlags::MS_NOATIME, libc::MOUNT_ATTR_NOATIME, true),
    ("strictatime", MsFlags::MS_STRICTATIME, libc::MOUNT_ATTR_STRICTATIME, true),
    ("relatime", MsFlags::MS_RELATIME, 0, true),
    ("nosymfollow", MsFlags::from_bits_retain(256), libc::MOUNT_ATTR_NOSYMFOLLOW, true),
    ("symfollow", MsFlags::from_bits_retain(256), libc::MOUNT_ATTR_NOSYMFOLLOW, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, 0, true),
    ("dirsync", MsFlags::MS_DIRSYNC, 0, true),
    ("defaults", MsFlags::empty(), 0, true),
];

impl Options {
    pub fn parse(words: &[String]) -> Self {
        let none = |recursive| Attributes {
            set: 0,
            clear: 0,
            propagation: 0,
            recursive,
        };
        let mut options = Self {
            flags: MsFlags::empty(),
            attributes: none(false),
            all_below: none(true),
            propagation: MsFlags::empty(),
            bind: None,
            data: String::new(),
            copy_up: false,
        };
        for word in words {
            options.take(word);
        }
        options
    }

    fn take(&mut self, word: &str) {
        let known = |word: &str| WORDS.iter().find(|(name, ..)| *name == word);
        if let Some((_, flag, attribute, set)) = known(word) {
            self.flags.set(*flag, *set);
            change(&mut self.attributes, *attribute, *set);
        } else if let Some((_, _, attribute, set)) = word.strip_prefix('r').and_then(known) {
            // `rro`, `rnoexec`, …: with all below.
            change(&mut self.all_below, *attribute, *set);
        } else {
            match word {
                "bind" => self.bind = Some(false),
                "rbind" => self.bind = Some(true),
                "private" => self.propagation = MsFlags::MS_PRIVATE,
                "rprivate" => self.propagation = MsFlags::MS_PRIVATE | MsFlags::MS_REC,
                "slave" => self.propagation = MsFlags::MS_SLAVE,
                "rslave" => self.propagation = MsFlags::MS_SLAVE | MsFlags::MS_REC,
                "shared" => self.propagation = MsFlags::MS_SHARED,
                "rshared" => self.propagation = MsFlags::MS_SHARED | MsFlags::MS_REC,
                "unbindable" => self.propagation = MsFlags::MS_UNBINDABLE,
                "runbindable" => self.propagation = MsFlags::MS_UNBINDABLE | MsFlags::MS_REC,
                "tmpcopyup" => self.copy_up = true,
                // What the file system knows, or will refuse.
                own => {
                    if !self.data.is_empty() {
                        self.data.push(',');
                    }
                    self.data.push_str(own);
                }
            }
        }
    }
}

/// The later word wins, as on a command line.
fn change(attributes: &mut Attributes, attribute: u64, set: bool) {
    let (to, from) = match set {
        true => (&mut attributes.set, &mut attributes.clear),
        false => (&mut attributes.clear, &mut attributes.set),
    };
    *to |= attribute;
    *from &= !attribute;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Options {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        Options::parse(&words)
    }

    #[test]
    fn flags_and_the_file_systems_own_words_are_told_apart() {
        let options = parse(&["nosuid", "mode=755", "ro", "size=65536k", "rw"]);
        assert_eq!(options.flags, MsFlags::MS_NOSUID);
        assert_eq!(options.data, "mode=755,size=65536k");
        assert_eq!(options.attributes.clear, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(options.bind, None);
    }

    #[test]
    fn a_bind_says_how_deep_its_words_go() {
        let options = parse(&["rbind", "rro", "noexec", "rslave"]);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.all_below.set, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(options.attributes.set, libc::MOUNT_ATTR_NOEXEC);
        assert_eq!(options.propagation, MsFlags::MS_SLAVE | MsFlags::MS_REC);
        assert!(options.data.is_empty());
    }
}
