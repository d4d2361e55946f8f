//! A running container's cgroup: frozen, limited anew, asked who was killed.
//!
//! Where it is stands in the state, a directory a line (`runtime::Waiting::cgroup`).
//!
//! Read: cgroups(7), admin-guide/cgroup-v1, admin-guide/cgroup-v2

use anyhow::bail;
use oci_spec::runtime::Spec;

use super::record::HostConfig;
use crate::engine::Engine;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::spec;

/// Stops all processes of a container, or lets them go on.
///
/// # Errors
/// It has no cgroup: an ordinary user's on a machine that lends none.
pub fn freeze(cgroup: &str, freeze: bool) -> anyhow::Result<()> {
    let Some(cgroup) = Cgroup::of(cgroup) else {
        bail!(
            "this container has no cgroup that could be frozen; run it as root, or where systemd lends you one"
        );
    };
    cgroup.freeze(freeze)
}

/// Ends whatever is in a container's cgroup, and removes it.
pub fn clear(cgroup: &str) {
    if let Some(cgroup) = Cgroup::of(cgroup)
        && !cgroup.remove_empty()
    {
        let _ = cgroup.kill();
        let _ = cgroup.remove();
    }
}

/// The same for a container whose monitor was killed, perhaps before it could write
/// down where the cgroup is: then the bundle says where it was going to be.
pub fn clear_dead(engine: &Engine, id: &str, cgroup: &str) {
    if !cgroup.is_empty() {
        return clear(cgroup);
    }
    let bundle = engine.container(id).join("config.json");
    let Ok(spec) = crate::files::read_json::<Spec>(&bundle) else {
        return;
    };
    let path = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.cgroups_path().as_ref());
    let planned = path.map(|path| Cgroup::planned(path, engine.rootless));
    if let Some(Ok(cgroup)) = planned {
        let _ = cgroup.kill();
        let _ = cgroup.remove();
    }
}

/// Whether the kernel has killed a process for want of memory.
pub fn oom_killed(cgroup: &str) -> bool {
    Cgroup::of(cgroup).is_some_and(|cgroup| cgroup.oom_killed())
}

/// Sets the limits of a changed record.
///
/// # Errors
/// A controller that the container does not have; what the kernel refuses.
pub fn limit(cgroup: &str, before: &HostConfig, after: &HostConfig) -> anyhow::Result<()> {
    let (before, after) = (spec::resources(before)?, spec::resources(after)?);
    match Cgroup::of(cgroup) {
        _ if before == after => Ok(()),
        Some(cgroup) => cgroup.update(&after),
        None => bail!("this container has no cgroup that could be limited; run it as root"),
    }
}
