//! Limits that cannot be, in docker's words.

use anyhow::bail;

use crate::container::record::HostConfig;

/// Limits that the engine itself refuses, before any kernel does.
pub(super) fn check(host: &HostConfig) -> anyhow::Result<()> {
    const LEAST: i64 = 6 << 20;
    if host.memory != 0 && host.memory < LEAST {
        bail!("Minimum memory limit allowed is 6MB");
    }
    if host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory {
        bail!("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if host.memory == 0 && host.memory_swap > 0 {
        bail!("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if host.memory > 0 && host.memory_reservation > host.memory {
        bail!("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    if host.nano_cpus != 0 && (host.cpu_period != 0 || host.cpu_quota != 0) {
        bail!("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let most = i64::try_from(cpus)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000);
    if host.nano_cpus < 0 || host.nano_cpus > most {
        bail!("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
    }
    if host.cpu_period != 0 && !(1_000..=1_000_000).contains(&host.cpu_period) {
        bail!(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        );
    }
    if host.cpu_quota != 0 && host.cpu_quota < 1_000 && host.cpu_quota != -1 {
        bail!("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if host.blkio_weight != 0 && !(10..=1000).contains(&host.blkio_weight) {
        bail!("Range of blkio weight is from 10 to 1000");
    }
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        bail!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        );
    }
    if host.shm_size < 0 {
        bail!("SHM size can not be less than 0");
    }
    Ok(())
}
