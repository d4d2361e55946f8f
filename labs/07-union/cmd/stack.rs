//! The options that name the layers of a stack, or find those of a mount.
//!
//! A mounted overlay tells its layers in /proc/self/mountinfo, in the words of
//! whoever mounted it. A path that was relative then leads nowhere now.
//!
//! Read: proc_pid_mountinfo(5)

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use labs::union::Union;

#[derive(Args)]
pub struct Stack {
    /// A read-only layer, the topmost first
    #[arg(long, value_name = "DIRECTORY", required_unless_present = "mounted")]
    lower: Vec<PathBuf>,

    /// The directory on top of them that got the changes
    #[arg(long, value_name = "DIRECTORY", requires = "lower")]
    upper: Option<PathBuf>,

    /// Take the layers of the overlay that is mounted there
    #[arg(long, value_name = "TARGET", conflicts_with = "lower")]
    mounted: Option<PathBuf>,
}

impl Stack {
    /// All layers, the upper directory first; and whether there is one.
    pub fn layers(self) -> anyhow::Result<(Union, bool)> {
        if let Some(target) = &self.mounted {
            return of_mount(target);
        }
        let has_upper = self.upper.is_some();
        let layers = self.upper.into_iter().chain(self.lower).collect();
        Ok((Union::new(layers), has_upper))
    }
}

/// The layers of what is mounted there, in the order of a lookup.
fn of_mount(target: &Path) -> anyhow::Result<(Union, bool)> {
    let target = target
        .canonicalize()
        .with_context(|| format!("{}", target.display()))?;
    let text = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
    // mountinfo(5): fields up to a lone dash, the fifth is the mount point; then the
    // type, the source, and the file system's own options.
    // The last one on a mount point is the one that shows.
    let options = text.lines().rev().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let options = system.strip_prefix("overlay ")?.split_once(' ')?.1;
        (Path::new(&octal(point)) == target).then_some(options)
    });
    let Some(options) = options else {
        bail!(
            "{}: no overlay is mounted there; `findmnt -t overlay` lists those that you see",
            target.display()
        );
    };

    let (mut layers, mut upper) = (Vec::new(), None);
    // A comma in a value is an octal code here, so those that are left separate.
    for option in options.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = octal(value);
        match name {
            // One list, or (since Linux 6.8) one by one, which needs no backslashes.
            "lowerdir" => layers.extend(split(&value)),
            "lowerdir+" => layers.push(value),
            // One path, with the backslashes that protect it in the option string; of
            // mount(2) also those before a colon, which needs none here.
            "upperdir" => upper = Some(unprotected(&value)),
            _ => {}
        }
    }
    let has_upper = upper.is_some();
    let layers: Vec<PathBuf> = upper.into_iter().chain(layers).map(PathBuf::from).collect();
    // From here it would be another directory, or none: better no answer.
    match layers.iter().find(|layer| !layer.is_absolute()) {
        Some(layer) => bail!(
            "{}: its layer `{}` was named from a directory that is not told; name the layers by \
             --upper and --lower",
            target.display(),
            layer.display()
        ),
        None => Ok((Union::new(layers), has_upper)),
    }
}

/// The layers of a list: parts between colons that no backslash protects, less the
/// backslashes; empty ones (`::`) left out.
fn split(list: &str) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in list.chars() {
        let protected = escaped;
        escaped = c == '\\' && !protected;
        match parts.last_mut() {
            _ if c == ':' && !protected => parts.push(String::new()),
            Some(last) if c != '\\' || protected => last.push(c),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The path less the backslashes; what follows one stands for itself.
fn unprotected(path: &str) -> String {
    let (mut plain, mut chars) = (String::new(), path.chars());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// Undoes `\040`, as mountinfo writes what would break its columns.
fn octal(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        plain.extend(code);
        plain.extend(&part.as_bytes()[if code.is_some() { 3 } else { 0 }..]);
    }
    String::from_utf8_lossy(&plain).into_owned()
}
