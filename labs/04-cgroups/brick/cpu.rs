//! cpu and cpuacct: who gets how much of the processors, and who had how much.
//!
//! Two different things are called a limit. A **share** (weight) counts only
//! while others want the processor too: alone, a group with 20 % gets all of it.
//! A **maximum** (bandwidth) holds also on an idle machine.
//!
//! Read: admin-guide/cgroup-v2 "CPU", scheduler/sched-bwc, cgroup-v1/cpuacct

use std::time::Duration;

use super::files::{Directory, Version};
use crate::explain::{CallError, Explain};

/// The length in which a maximum is counted, 100 ms: the kernel's own default.
const PERIOD_US: u64 = 100_000;

/// v1's weight of a group for which nobody set one; v2's is 100.
const DEFAULT_SHARES: u64 = 1024;

/// Sets the weight against the group's siblings, in percent of what they get
/// together when theirs add up to 100.
///
/// Neither world has percents. v1 counts from 2 with 1024 for "as anybody", v2
/// from 1 with 100 for the same; all that matters is the proportion.
pub fn set_share(explain: Explain, group: &Directory, percent: u32) -> Result<(), CallError> {
    match group.version {
        Version::V1 => {
            let shares = u64::from(percent) * DEFAULT_SHARES / 100;
            group.write(explain, "cpu.shares", &shares.to_string())
        }
        Version::V2 => group.write(explain, "cpu.weight", &percent.to_string()),
    }
}

/// The weight in the percents of [`set_share`]; 100 where nobody set one.
pub fn share(group: &Directory) -> Option<u64> {
    match group.version {
        Version::V1 => Some((group.number("cpu.shares")? * 100).div_ceil(DEFAULT_SHARES)),
        Version::V2 => group.number("cpu.weight"),
    }
}

/// Sets how much processor time the group may use, in percent of one processor
/// (200 is two of them); `None` takes the limit away. Who has used up a period's
/// quota waits for the next period: that is "throttled" in cpu.stat.
pub fn set_max(explain: Explain, group: &Directory, percent: Option<u32>) -> Result<(), CallError> {
    let quota = percent.map(|percent| u64::from(percent) * PERIOD_US / 100);
    match group.version {
        Version::V1 => {
            // The period first: a quota is refused that is too small for the old one.
            group.write(explain, "cpu.cfs_period_us", &PERIOD_US.to_string())?;
            let quota = quota.map_or("-1".into(), |quota| quota.to_string());
            group.write(explain, "cpu.cfs_quota_us", &quota)
        }
        Version::V2 => {
            let quota = quota.map_or("max".into(), |quota| quota.to_string());
            group.write(explain, "cpu.max", &format!("{quota} {PERIOD_US}"))
        }
    }
}

/// The maximum in percent of one processor.
pub fn max(group: &Directory) -> Option<u64> {
    let (quota, period) = match group.version {
        Version::V1 => (
            group.number("cpu.cfs_quota_us")?,
            group.number("cpu.cfs_period_us")?,
        ),
        Version::V2 => {
            let text = group.read("cpu.max").ok()?;
            let (quota, period) = text.split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
    };
    Some(quota * 100 / period)
}

/// The processor time that the group and all below it have used. On v1 this is
/// cpuacct's, a controller of its own; v2 counts in every cgroup.
pub fn usage(group: &Directory) -> Option<Duration> {
    match group.version {
        Version::V1 => Some(Duration::from_nanos(group.number("cpuacct.usage")?)),
        Version::V2 => Some(Duration::from_micros(
            group.keyed("cpu.stat", "usage_usec")?,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::scene;
    use super::*;

    #[test]
    fn a_share_is_a_weight_of_each_world() {
        let explain = Explain::new(false);
        let old = scene(Version::V1, &[("cpu.shares", "1024\n")]);
        let new = scene(Version::V2, &[("cpu.weight", "100\n")]);
        for percent in [1, 20, 30, 50, 100] {
            set_share(explain, &old.0, percent).unwrap();
            set_share(explain, &new.0, percent).unwrap();
            assert_eq!(share(&old.0), Some(percent.into()));
            assert_eq!(share(&new.0), Some(percent.into()));
        }
        assert_eq!(old.text("cpu.shares"), "1024");
    }

    #[test]
    fn a_maximum_is_a_quota_of_a_period() {
        let explain = Explain::new(false);
        let files = [("cpu.cfs_period_us", ""), ("cpu.cfs_quota_us", "")];
        let old = scene(Version::V1, &files);
        set_max(explain, &old.0, Some(50)).unwrap();
        assert_eq!(old.text("cpu.cfs_quota_us"), "50000");
        assert_eq!(max(&old.0), Some(50));

        let new = scene(Version::V2, &[("cpu.max", "")]);
        set_max(explain, &new.0, Some(150)).unwrap();
        assert_eq!(new.text("cpu.max"), "150000 100000");
        assert_eq!(max(&new.0), Some(150));
    }

    #[test]
    fn used_time_is_in_the_units_of_each_world() {
        let old = scene(Version::V1, &[("cpuacct.usage", "1500000000\n")]);
        let new = scene(
            Version::V2,
            &[("cpu.stat", "usage_usec 1500000\nuser_usec 1\n")],
        );
        assert_eq!(usage(&old.0), Some(Duration::from_millis(1500)));
        assert_eq!(usage(&new.0), Some(Duration::from_millis(1500)));
    }
}
