//! What a process gives up before it becomes the container's program.
//!
//! The order is forced: each step needs what a later one takes away.
//!
//! Read: capabilities(7), setgroups(2), setrlimit(2), PR_SET_KEEPCAPS(2const)

use anyhow::{Context, anyhow};
use labs::capabilities::{
    Capability, Set, ThreadSets, ambient_raise, bounding_drop, capset, set_no_new_privs,
};
use labs::explain::Explain;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, PosixRlimitType, Process};

/// By its number in capabilities(7).
const SYS_ADMIN: Capability = Capability(21);

/// Takes the specification's ids and capabilities. Gives the sets that are to be had
/// after a filter has been loaded, if there is one to be (`filtered`).
///
/// # Errors
/// An id that is not mapped; a capability that this process does not have itself.
pub fn give_up(process: &Process, filtered: bool) -> anyhow::Result<ThreadSets> {
    let explain = Explain::new(false);
    let capabilities = process.capabilities();
    let all = labs::capabilities::all();
    let set = |pick: fn(&LinuxCapabilities) -> &Option<Capabilities>| {
        let named = capabilities.as_ref();
        let set = named.map_or(Ok(Set::default()), |named| names_to_set(pick(named)));
        set.map(|set| set.and(all))
    };
    // The bounding set while CAP_SETPCAP is there.
    let bounding = set(|all| all.bounding())?;
    for capability in all.without(bounding).iter() {
        bounding_drop(explain, capability)?;
    }
    // The groups while CAP_SETGID is there, the user last. Without KEEPCAPS the
    // change from 0 to another user would empty the permitted set.
    prctl::set_keepcaps(true).context("prctl(PR_SET_KEEPCAPS)")?;
    take_ids(process)?;
    prctl::set_keepcaps(false).context("prctl(PR_SET_KEEPCAPS)")?;

    let sets = ThreadSets {
        effective: set(|all| all.effective())?,
        permitted: set(|all| all.permitted())?,
        inheritable: set(|all| all.inheritable())?,
    };
    let no_new_privileges = process.no_new_privileges() == Some(true);
    // A filter wants one of the two: CAP_SYS_ADMIN, or no_new_privs. The last exec
    // takes away what is not in the bounding set, so it can stay until then.
    let until_exec = match filtered && !no_new_privileges {
        true => Set::of(&[SYS_ADMIN]),
        false => Set::default(),
    };
    capset(
        explain,
        ThreadSets {
            effective: sets.effective.or(until_exec),
            permitted: sets.permitted.or(until_exec),
            ..sets
        },
    )?;
    // One that is not in both cannot be raised (EPERM); runc passes it over, too.
    let ambient = set(|all| all.ambient())?;
    for capability in ambient.and(sets.permitted).and(sets.inheritable).iter() {
        ambient_raise(explain, capability)?;
    }
    if no_new_privileges {
        set_no_new_privs(explain)?;
    }
    Ok(sets)
}

/// While CAP_SYS_RESOURCE is there, which alone may raise a hard limit.
pub fn set_limits(process: &Process) -> anyhow::Result<()> {
    for limit in process.rlimits().iter().flatten() {
        let resource = match limit.typ() {
            PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
            PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
            PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
            PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
            PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
            PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
            PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
            PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
            PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
            PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
            PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
            PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
            PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
            PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
            PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
            PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
        };
        let value = libc::rlimit {
            rlim_cur: limit.soft(),
            rlim_max: limit.hard(),
        };
        // SAFETY: the kernel reads one structure that lives over the call.
        let done = unsafe { libc::setrlimit(resource, &raw const value) };
        Errno::result(done).with_context(|| {
            format!(
                "error setting rlimit type {}: {}:{}",
                limit.typ(),
                limit.soft(),
                limit.hard()
            )
        })?;
    }
    Ok(())
}

/// Whether this user namespace gave setgroups(2) up for its map of groups.
fn setgroups_denied() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny")
}

/// Groups, group, user: each needs a capability that the next one may end.
fn take_ids(process: &Process) -> anyhow::Result<()> {
    let user = process.user();
    let groups = user.additional_gids().iter().flatten();
    let groups: Vec<Gid> = groups.map(|gid| Gid::from_raw(*gid)).collect();
    match nix::unistd::setgroups(&groups) {
        // In a user namespace of one id the kernel has no list of groups to change, and
        // other groups than root's could not be had anyhow.
        Err(Errno::EPERM) if setgroups_denied() => {}
        done => done.context("setgroups")?,
    }
    let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
    let mapped = "an id that is not mapped in this user namespace";
    nix::unistd::setresgid(gid, gid, gid).with_context(|| format!("setgid({gid}): {mapped}?"))?;
    nix::unistd::setresuid(uid, uid, uid).with_context(|| format!("setuid({uid}): {mapped}?"))?;
    if let Some(mask) = user.umask() {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
    } else {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    }
    Ok(())
}

/// The bricks' set for the specification's names.
fn names_to_set(capabilities: &Option<Capabilities>) -> anyhow::Result<Set> {
    let mut set = Set::default();
    for capability in capabilities.iter().flatten() {
        let one = capability
            .to_string()
            .parse()
            .map_err(|error: String| anyhow!(error))?;
        set = set.or(Set::of(&[one]));
    }
    Ok(set)
}
