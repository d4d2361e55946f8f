//! blkio, on v2 io: bandwidth of disks, by device.
//!
//! Again two things. A **share** counts when the disk has more to do than it can,
//! and it needs a scheduler that keeps accounts: BFQ, or v2's io.cost. A **limit**
//! in bytes or operations a second is plain throttling and always there.
//!
//! v1 sees only who reads, and who writes with O_DIRECT: ordinary writes go into
//! the page cache, and it is a kernel thread that brings them to the disk later.
//! v2 charges them to the group whose memory was written, which is why there io
//! and memory live in one tree.
//!
//! Read: cgroup-v1/blkio-controller, admin-guide/cgroup-v2 "IO", block/bfq-iosched

use anyhow::{Context, bail};
use nix::sys::stat::{major, minor, stat};

use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    ReadBytes,
    WriteBytes,
    ReadOperations,
    WriteOperations,
}

impl Rate {
    fn v1_file(self) -> &'static str {
        match self {
            Self::ReadBytes => "blkio.throttle.read_bps_device",
            Self::WriteBytes => "blkio.throttle.write_bps_device",
            Self::ReadOperations => "blkio.throttle.read_iops_device",
            Self::WriteOperations => "blkio.throttle.write_iops_device",
        }
    }

    fn v2_key(self) -> &'static str {
        match self {
            Self::ReadBytes => "rbps",
            Self::WriteBytes => "wbps",
            Self::ReadOperations => "riops",
            Self::WriteOperations => "wiops",
        }
    }
}

/// The files that can hold a weight, as the kernel was built.
pub const WEIGHTS: [&str; 4] = [
    "io.weight",
    "io.bfq.weight",
    "blkio.bfq.weight",
    "blkio.weight",
];

/// Sets the weight against the siblings. None of the files is there in a kernel
/// without BFQ and io.cost: then a share of the disk is not to be had (ENOENT).
pub fn set_share(explain: Explain, group: &Directory, percent: u32) -> Result<(), CallError> {
    let file = WEIGHTS.into_iter().find(|file| group.has(file));
    group.write(explain, file.unwrap_or("io.weight"), &percent.to_string())
}

/// `100`, or `default 100` followed by lines for single devices.
pub fn share(group: &Directory) -> Option<u64> {
    let file = WEIGHTS.into_iter().find(|file| group.has(file))?;
    let text = group.read(file).ok()?;
    let first = text.lines().next()?;
    first.strip_prefix("default ").unwrap_or(first).parse().ok()
}

/// Limits what the group does on one device a second; `None` takes the limit away.
pub fn set_max(
    explain: Explain,
    group: &Directory,
    rate: Rate,
    device: &str,
    limit: Option<u64>,
) -> Result<(), CallError> {
    match group.version {
        // One file a rate; 0 is "no limit".
        Version::V1 => {
            let value = format!("{device} {}", limit.unwrap_or(0));
            group.write(explain, rate.v1_file(), &value)
        }
        // One file for all; a key that is not named keeps its value.
        Version::V2 => {
            let limit = limit.map_or("max".into(), |limit| limit.to_string());
            let value = format!("{device} {}={limit}", rate.v2_key());
            group.write(explain, "io.max", &value)
        }
    }
}

/// The limits that are set, as `MAJOR:MINOR LIMIT`.
pub fn max(group: &Directory, rate: Rate) -> Vec<String> {
    match group.version {
        Version::V1 => {
            let text = group.read(rate.v1_file()).unwrap_or_default();
            text.lines().map(String::from).collect()
        }
        Version::V2 => {
            let text = group.read("io.max").unwrap_or_default();
            let key = format!("{}=", rate.v2_key());
            text.lines()
                .filter_map(|line| {
                    let mut words = line.split(' ');
                    let device = words.next()?;
                    let limit = words.find_map(|word| word.strip_prefix(key.as_str()))?;
                    (limit != "max").then(|| format!("{device} {limit}"))
                })
                .collect()
        }
    }
}

/// `MAJOR:MINOR` of `/dev/sda`, or as given. The kernel knows disks by number; a
/// partition is refused (ENODEV), because all of its disk shares one queue.
pub fn device_number(text: &str) -> anyhow::Result<String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text
        .split_once(':')
        .is_some_and(|(a, b)| is_number(a) && is_number(b))
    {
        return Ok(text.into());
    }
    let found = stat(text).with_context(|| format!("stat({text:?})"))?;
    if found.st_mode & libc::S_IFMT != libc::S_IFBLK {
        bail!("{text}: not a block device; `lsblk` lists the disks");
    }
    Ok(format!("{}:{}", major(found.st_rdev), minor(found.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn v1_has_a_file_for_each_rate_and_v2_a_key() {
        let explain = Explain::new(false);
        let old = scene(Version::V1, &[("blkio.throttle.write_bps_device", "")]);
        set_max(explain, &old.0, Rate::WriteBytes, "8:0", Some(1 << 20)).unwrap();
        assert_eq!(max(&old.0, Rate::WriteBytes), ["8:0 1048576"]);

        let new = scene(Version::V2, &[("io.max", "")]);
        set_max(explain, &new.0, Rate::ReadOperations, "8:0", Some(100)).unwrap();
        assert_eq!(new.text("io.max"), "8:0 riops=100");
        set_max(explain, &new.0, Rate::WriteBytes, "8:0", None).unwrap();
        assert_eq!(new.text("io.max"), "8:0 wbps=max");
    }

    #[test]
    fn one_limit_of_several_is_read() {
        let text = "8:0 rbps=max wbps=1048576 riops=max wiops=max\n";
        let new = scene(Version::V2, &[("io.max", text)]);
        assert_eq!(max(&new.0, Rate::WriteBytes), ["8:0 1048576"]);
        assert!(max(&new.0, Rate::ReadBytes).is_empty());
    }

    #[test]
    fn the_weight_is_in_the_file_that_the_kernel_has() {
        let explain = Explain::new(false);
        for file in WEIGHTS {
            let group = scene(Version::V2, &[(file, "default 100\n8:0 30\n")]);
            assert_eq!(share(&group.0), Some(100));
            set_share(explain, &group.0, 30).unwrap();
            assert_eq!(group.text(file), "30");
        }
    }

    #[test]
    fn a_device_is_a_number_or_a_block_device() {
        assert_eq!(device_number("254:16").unwrap(), "254:16");
        let error = device_number("/dev/null").unwrap_err().to_string();
        assert!(error.contains("not a block device"), "{error}");
        let error = format!("{:#}", device_number("/dev/absent").unwrap_err());
        assert!(error.contains("ENOENT"), "{error}");
    }
}
