//! Capabilities of a file: the extended attribute `security.capability`.
//!
//! Twenty bytes make a program give CAP_NET_RAW to whoever executes it: what
//! setuid root does, with one of 41 pieces in place of the whole. The value is
//! `struct vfs_cap_data`, little-endian on every machine, because a disk may be
//! carried to another.
//!
//! Read: "File capabilities" in capabilities(7), setxattr(2), xattr(7)

use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

use super::set::Set;
use crate::explain::Explain;

/// In the namespace `security.`, which the kernel guards: who may write to the
/// file may not write this, and a plain copy of the file has none.
const ATTRIBUTE: &std::ffi::CStr = c"security.capability";

// The first word: a version above, and below it whether the effective set is
// filled at the execve. It is one bit for all of them, not a set.
const VERSION_MASK: u32 = 0xff00_0000;
const VERSION_2: u32 = 0x0200_0000;
const VERSION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

/// What a file gives to whoever executes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCapabilities {
    /// Given, within the bounding set.
    pub permitted: Set,
    /// Given to those who have it in their inheritable set.
    pub inheritable: Set,
    /// Whether they are effective at once, for programs that know nothing of it.
    pub effective: bool,
    /// Version 3: counts only in user namespaces whose root is this user id
    /// (as the reader's namespace calls it), and below. Without it: everywhere.
    pub root: Option<u32>,
}

impl FileCapabilities {
    /// The attribute's value: 20 bytes, and 24 when a root is named.
    ///
    /// The kernel knows a version by its first word *and* by its size; a value
    /// that is one byte longer is refused at setxattr already (EINVAL).
    pub fn to_bytes(self) -> Vec<u8> {
        let version = self.root.map_or(VERSION_2, |_| VERSION_3);
        let mut words = vec![version | if self.effective { EFFECTIVE } else { 0 }];
        // Permitted and inheritable in turn, first the lower halves of both.
        for shift in [0, 32] {
            words.push((self.permitted.0 >> shift) as u32);
            words.push((self.inheritable.0 >> shift) as u32);
        }
        words.extend(self.root);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    /// The same backwards. Version 1, of the years when 32 capabilities were
    /// enough, is refused: nobody has written it since 2008.
    pub fn from_bytes(value: &[u8]) -> Result<Self> {
        let words: Vec<u32> = value
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let root = match words[..] {
            [first, _, _, _, _] if first & VERSION_MASK == VERSION_2 => None,
            [first, _, _, _, _, root] if first & VERSION_MASK == VERSION_3 => Some(root),
            _ => bail!(
                "security.capability: {} bytes that are neither version 2 nor 3",
                value.len()
            ),
        };
        // Halves of one set are two words apart: permitted and inheritable in turn.
        let wide =
            |low: usize, high: usize| Set(u64::from(words[low]) | u64::from(words[high]) << 32);
        Ok(Self {
            permitted: wide(1, 3),
            inheritable: wide(2, 4),
            effective: words[0] & EFFECTIVE != 0,
            root,
        })
    }
}

/// As getcap(8) writes it: `cap_net_raw=ep`, with ` [rootid=1000]` for version 3.
impl fmt::Display for FileCapabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = self.permitted.and(self.inheritable);
        // Three groups are enough: `e` is the same for all of them.
        let groups = [
            (both, "ip"),
            (self.permitted.without(both), "p"),
            (self.inheritable.without(both), "i"),
        ];
        // getcap's order of the letters is e, i, p.
        let e = if self.effective { "e" } else { "" };
        let texts: Vec<String> = groups
            .into_iter()
            .filter(|(set, _)| !set.is_empty())
            .map(|(set, flags)| {
                let names: Vec<String> = set
                    .iter()
                    .map(|one| one.to_string().to_lowercase())
                    .collect();
                format!("{}={e}{flags}", names.join(","))
            })
            .collect();
        f.write_str(&texts.join(" "))?;
        match self.root {
            Some(root) => write!(f, " [rootid={root}]"),
            None => Ok(()),
        }
    }
}

/// As setcap(8) takes it: clauses `NAMES=FLAGS`, with a space between them.
impl FromStr for FileCapabilities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `=` and `+` are the same to who begins with nothing.
        let mut file = Self::default();
        for clause in text.split_whitespace() {
            let (names, flags) = clause.split_once(['=', '+']).ok_or_else(|| {
                format!("`{clause}`: write NAMES=FLAGS, with e, i, p as flags: cap_net_raw=ep")
            })?;
            let set: Set = names.parse()?;
            // Several clauses add up; setcap has `-` and an order as well, which
            // are of use to who edits a set, and here it is written anew.
            for flag in flags.chars() {
                match flag {
                    'e' => file.effective = true,
                    'i' => file.inheritable = file.inheritable.or(set),
                    'p' => file.permitted = file.permitted.or(set),
                    _ => return Err(format!("`{clause}`: no flag `{flag}`; there are e, i, p")),
                }
            }
        }
        // `=e` alone is a legal value, and makes every execve of the file lose the
        // ambient set: hardly what is meant.
        if file.permitted.or(file.inheritable).is_empty() {
            return Err(format!(
                "`{text}` gives nothing: add p or i to the flags; `none` removes the attribute"
            ));
        }
        Ok(file)
    }
}

/// Those of a file; `None` when it has none. Anybody may ask who can reach it.
///
/// What version 3 says is translated for the reader: the root id as this user
/// namespace calls it, version 2 when it is this namespace's own root, and
/// EOVERFLOW when that root has no id here at all.
pub fn read_file(explain: Explain, file: &Path) -> Result<Option<FileCapabilities>> {
    let path = c_path(file)?;
    let mut value = [0_u8; 64];
    // SAFETY: two C strings, and a buffer with its length.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr(),
            ATTRIBUTE.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    let call = format!("getxattr({file:?}, \"security.capability\", …, 64)");
    let result = Errno::result(size);
    // No attribute, or a file system that has none: nothing, not a failure.
    if let Err(Errno::ENODATA | Errno::EOPNOTSUPP) = result {
        explain.announce(&format!("{call} = -1 ENODATA"));
        return Ok(None);
    }
    // All else is told as an error: EOVERFLOW, ENOENT, EACCES on the way to it.
    let size = explain.call_returning(call, result, |size| *size as i64)?;
    let parsed = FileCapabilities::from_bytes(&value[..size as usize]);
    parsed.map(Some).with_context(|| file.display().to_string())
}

/// Gives the file these capabilities, in place of those that it had. Needs
/// CAP_SETFCAP. A later write to the file, or chown, removes them.
///
/// Root of a user namespace over a file of outside gets version 3 whatever is
/// asked: the kernel adds that root's id, so that nothing is given to the rest
/// of the machine.
pub fn write_file(explain: Explain, file: &Path, capabilities: FileCapabilities) -> Result<()> {
    let path = c_path(file)?;
    // 0 as the last argument: make it, or replace what there is.
    let value = capabilities.to_bytes();
    // SAFETY: two C strings, and a value with its length.
    let done = unsafe {
        libc::setxattr(
            path.as_ptr(),
            ATTRIBUTE.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    explain.call(
        format!(
            "setxattr({file:?}, \"security.capability\", \"{capabilities}\", {}, 0)",
            value.len()
        ),
        Errno::result(done).map(drop),
    )?;
    Ok(())
}

/// Takes the attribute away; also when there was none, because then all is as
/// it was asked for. Needs CAP_SETFCAP, as to write it does.
pub fn remove_file(explain: Explain, file: &Path) -> Result<()> {
    let path = c_path(file)?;
    // SAFETY: two C strings.
    let done = unsafe { libc::removexattr(path.as_ptr(), ATTRIBUTE.as_ptr()) };
    let result = match Errno::result(done) {
        Err(Errno::ENODATA) => Ok(()),
        result => result.map(drop),
    };
    explain.call(
        format!("removexattr({file:?}, \"security.capability\")"),
        result,
    )?;
    Ok(())
}

/// A path for the C calls: they know its end by a NUL byte, so it may hold none.
fn c_path(file: &Path) -> Result<CString> {
    CString::new(file.as_os_str().as_bytes())
        .with_context(|| format!("{file:?}: a path holds no NUL byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_that_setcap_writes() {
        let file: FileCapabilities = "cap_net_raw=ep".parse().unwrap();
        // `getfattr -n security.capability -e hex` after `setcap cap_net_raw=ep`.
        let written = "0100000200200000000000000000000000000000";
        let hex: String = file.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, written);
        let root = FileCapabilities {
            root: Some(1000),
            ..file
        };
        let hex: String = root.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "0100000300200000000000000000000000000000e8030000");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "cap_net_raw=ep",
            "cap_net_bind_service=ip cap_checkpoint_restore=p",
            "cap_chown,cap_bpf=ei",
        ] {
            let file: FileCapabilities = text.parse().unwrap();
            assert_eq!(
                FileCapabilities::from_bytes(&file.to_bytes()).unwrap(),
                file
            );
            assert_eq!(file.to_string(), text);
        }
    }

    #[test]
    fn what_gives_nothing_or_is_damaged_is_refused() {
        for text in ["net_raw", "net_raw=x", "net_raw=e", "sniff=ep", ""] {
            assert!(text.parse::<FileCapabilities>().is_err(), "{text}");
        }
        for value in [&b""[..], &[0; 20], &[1, 0, 0, 2], &[0; 24]] {
            assert!(FileCapabilities::from_bytes(value).is_err(), "{value:?}");
        }
    }
}
