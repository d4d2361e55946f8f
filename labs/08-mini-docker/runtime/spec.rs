//! From a container's record to the `config.json` that the runtime runs.
//!
//! What is here when nobody asks for anything else are docker's defaults.
//!
//! Read: OCI runtime specification (config, config-linux), docker-run(1)

mod limits;
mod mounts;
mod seccomp;
mod user;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use labs::capabilities::{Profile, Set};
use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxCapabilities, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, Process, Root, Spec, User,
};

use crate::container::record::Container;
use crate::engine::Engine;
use crate::runtime::init;

pub use limits::resources;

/// What the engine knows beside the record when a container starts.
#[derive(Debug)]
pub struct Extra<'a> {
    /// The mounted root.
    pub rootfs: &'a Path,
    /// Variables that are not in the record (`--link`).
    pub variables: &'a [String],
    /// Files to mount over `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`: all
    /// three in this folder.
    pub network_files: &'a Path,
    /// Namespaces of another container to join: `("network", pid)`, `ipc`, `pid`.
    pub join: &'a [(&'static str, i32)],
}

/// docker's defaults, and what the record asks for: namespaces, capabilities,
/// seccomp policy, mounts, masked and read-only paths, devices, limits.
///
/// # Errors
/// A value that cannot be, in docker's words.
pub fn spec(engine: &Engine, container: &Container, extra: &Extra) -> anyhow::Result<Spec> {
    let mut spec = Spec::default();
    spec.set_version("1.2.0".into());
    let mut root = Root::default();
    root.set_path(extra.rootfs.to_path_buf());
    root.set_readonly(Some(container.host_config.readonly_rootfs));
    spec.set_root(Some(root));
    // With the host's name the container has no name of its own to set.
    let names = container.host_config.uts_mode != "host";
    spec.set_hostname(names.then(|| hostname(container)));
    let domain = &container.config.domainname;
    spec.set_domainname(Some(domain.clone()).filter(|domain| names && !domain.is_empty()));
    spec.set_process(Some(process(container, extra, true)?));
    // To be killed later than others takes CAP_SYS_RESOURCE on the machine.
    if let Some(process) = spec.process_mut()
        && engine.rootless
        && process.oom_score_adj().is_some_and(|score| score < 0)
    {
        process.set_oom_score_adj(None);
    }
    spec.set_mounts(Some(mounts::mounts(container, extra)?));
    spec.set_linux(Some(linux(container, extra)?));
    Ok(spec)
}

fn hostname(container: &Container) -> String {
    match container.config.hostname.as_str() {
        "" => container.id.chars().take(12).collect(),
        name => name.to_string(),
    }
}

fn process(container: &Container, extra: &Extra, with_init: bool) -> anyhow::Result<Process> {
    let host = &container.host_config;
    let config = &container.config;
    // Names are those of the container's files, so they are looked up in its root.
    let user = user::resolve(extra.rootfs, &config.user, &host.group_add)?;
    let mut process = Process::default();
    process.set_terminal(Some(config.tty));
    let mut arguments = vec![container.path.clone()];
    arguments.extend(container.args.iter().cloned());
    if with_init && container.host_config.init {
        arguments.splice(0..0, [init::PATH.to_string(), "--".to_string()]);
    }
    process.set_args(Some(arguments));
    process.set_env(Some(environment(container, extra, &user.home)));
    let folder = match config.working_dir.as_str() {
        "" => "/",
        folder => folder,
    };
    process.set_cwd(PathBuf::from(folder));
    process.set_capabilities(Some(capabilities(container, user.uid == 0)?));
    let mut ids = User::default();
    ids.set_uid(user.uid);
    ids.set_gid(user.gid);
    ids.set_additional_gids(Some(user.groups));
    process.set_user(ids);
    process.set_rlimits(Some(limits::ulimits(&host.ulimits)?));
    process.set_no_new_privileges(Some(no_new_privileges(&host.security_opt)?));
    process.set_oom_score_adj(Some(host.oom_score_adj).filter(|score| *score != 0));
    Ok(process)
}

/// docker's own variables, then the image's and the user's, which win.
fn environment(container: &Container, extra: &Extra, home: &str) -> Vec<String> {
    let mut environment = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string(),
        format!("HOSTNAME={}", hostname(container)),
    ];
    if container.config.tty {
        environment.push("TERM=xterm".into());
    }
    let asked = extra.variables.iter().chain(&container.config.env);
    for variable in asked {
        // A name without `=` takes the variable away.
        let name = variable.split('=').next().unwrap_or_default();
        let position = environment
            .iter()
            .position(|known| known.split('=').next() == Some(name));
        match (position, variable.contains('=')) {
            (Some(at), true) => environment[at] = variable.clone(),
            (None, true) => environment.push(variable.clone()),
            (Some(at), false) => drop(environment.remove(at)),
            (None, false) => {}
        }
    }
    if !environment.iter().any(|one| one.starts_with("HOME=")) {
        environment.push(format!("HOME={home}"));
    }
    environment
}

/// What a further process of a running container gets: the container's own
/// settings with other words, and another user, folder or variables if asked for.
/// `root` is the container's root seen from here, `/proc/PID/root`.
///
/// # Errors
/// No such user; an option that cannot be, in docker's words.
pub fn exec_process(container: &Container, extra: &Extra, exec: &Exec) -> anyhow::Result<Process> {
    let mut changed = container.clone();
    changed.path = exec.arguments.first().cloned().unwrap_or_default();
    changed.args = exec.arguments.iter().skip(1).cloned().collect();
    changed.config.tty = exec.terminal;
    changed.config.env.extend(exec.environment.iter().cloned());
    if let Some(user) = exec.user {
        changed.config.user = user.to_string();
    }
    if let Some(folder) = exec.working_dir {
        changed.config.working_dir = folder.to_string();
    }
    changed.host_config.privileged |= exec.privileged;
    process(&changed, extra, false)
}

/// What `exec` asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec<'a> {
    pub arguments: &'a [String],
    /// `NAME=value`
    pub environment: &'a [String],
    pub user: Option<&'a str>,
    pub working_dir: Option<&'a str>,
    pub terminal: bool,
    pub privileged: bool,
}

/// docker's 14, with what was added and without what was dropped. Only root's
/// process has them effective; the bounding set is what a set-user-id program of
/// the container can still get.
fn capabilities(container: &Container, is_root: bool) -> anyhow::Result<LinuxCapabilities> {
    let set = capability_set(container)?;
    let all: Capabilities = set
        .iter()
        .filter_map(|one| {
            one.to_string()
                .trim_start_matches("CAP_")
                .parse::<Capability>()
                .ok()
        })
        .collect();
    let own = if is_root {
        all.clone()
    } else {
        Capabilities::new()
    };
    let mut capabilities = LinuxCapabilities::default();
    capabilities.set_bounding(Some(all));
    capabilities.set_permitted(Some(own.clone()));
    capabilities.set_effective(Some(own));
    capabilities.set_inheritable(None);
    capabilities.set_ambient(None);
    Ok(capabilities)
}

fn capability_set(container: &Container) -> anyhow::Result<Set> {
    let host = &container.host_config;
    // What is said in docker's way, with or without CAP_, in any case.
    let named = |names: &[String]| -> anyhow::Result<Set> {
        let mut set = Set::default();
        for name in names {
            let upper = name.trim().to_uppercase();
            let parsed = match upper.strip_prefix("CAP_").unwrap_or(&upper) {
                "ALL" => Ok(labs::capabilities::all()),
                // By name alone: the brick knows numbers, docker does not.
                short if short.parse::<u8>().is_ok() => Err(String::new()),
                short => short.parse::<Set>(),
            };
            set = set.or(parsed.map_err(|_| anyhow!("invalid capability: {name:?}"))?);
        }
        Ok(set)
    };
    let is_all = |names: &[String]| names.iter().any(|one| one.eq_ignore_ascii_case("ALL"));
    let (added, dropped) = (named(&host.cap_add)?, named(&host.cap_drop)?);
    // ALL on either side is the beginning, and the other side's names are taken off it
    // or put to it.
    Ok(if host.privileged {
        labs::capabilities::all()
    } else if is_all(&host.cap_add) {
        labs::capabilities::all().without(dropped)
    } else if is_all(&host.cap_drop) {
        added
    } else {
        Profile::Docker.capabilities().without(dropped).or(added)
    })
}

fn no_new_privileges(options: &[String]) -> anyhow::Result<bool> {
    let mut set = false;
    for option in options {
        let (name, value) = option.split_once([':', '=']).unwrap_or((option, "true"));
        match (name, value) {
            ("no-new-privileges", "true") => set = true,
            ("no-new-privileges", "false") => set = false,
            ("seccomp" | "label" | "apparmor" | "systempaths", _) => {}
            _ => bail!("invalid --security-opt 2: {option:?}"),
        }
    }
    Ok(set)
}

fn linux(container: &Container, extra: &Extra) -> anyhow::Result<Linux> {
    let host = &container.host_config;
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces(container, extra)?));
    linux.set_resources(Some(limits::resources(host)?));
    let parent = match host.cgroup_parent.as_str() {
        "" => "/mini-docker",
        parent => parent,
    };
    linux.set_cgroups_path(Some(Path::new(parent).join(&container.id)));
    linux.set_devices(Some(limits::devices(host)?));
    linux.set_rootfs_propagation(None);
    let sysctls = host
        .sysctls
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    linux.set_sysctl(
        Some(sysctls.collect()).filter(|all: &std::collections::HashMap<_, _>| !all.is_empty()),
    );
    // Who may do all is hidden nothing.
    let open = host.privileged
        || host
            .security_opt
            .iter()
            .any(|one| one == "systempaths=unconfined");
    let paths = |asked: &[String], usual: &[&str]| match (open, asked) {
        (true, _) => Vec::new(),
        (false, []) => usual.iter().map(|path| path.to_string()).collect(),
        (false, asked) => asked.to_vec(),
    };
    linux.set_masked_paths(Some(paths(&host.masked_paths, &labs::root::MASKED_PATHS)));
    linux.set_readonly_paths(Some(paths(
        &host.readonly_paths,
        &labs::root::READ_ONLY_PATHS,
    )));
    let set = capability_set(container)?;
    linux.set_seccomp(seccomp::policy(&host.security_opt, host.privileged, set)?);
    Ok(linux)
}

/// Six new ones, but for what is shared with the host or another container. The
/// cgroup namespace is private on v2, and on v1 the host's, as docker has it.
fn namespaces(container: &Container, extra: &Extra) -> anyhow::Result<Vec<LinuxNamespace>> {
    let host = &container.host_config;
    let mut namespaces = Vec::new();
    let mut add = |kind, word: &str, mode: &str| -> anyhow::Result<()> {
        if mode == "host" {
            return Ok(());
        }
        let builder = LinuxNamespaceBuilder::default().typ(kind);
        let file = match word {
            "network" => "net",
            other => other,
        };
        let joined = extra.join.iter().find(|(name, _)| *name == word);
        if mode.starts_with("container:") && joined.is_none() {
            bail!("cannot join the {word} namespace of {mode}: it is not running");
        }
        let builder = match joined {
            Some((_, pid)) => builder.path(format!("/proc/{pid}/ns/{file}")),
            None => builder,
        };
        namespaces.push(builder.build().context("namespace")?);
        Ok(())
    };
    add(LinuxNamespaceType::Mount, "mount", "")?;
    add(LinuxNamespaceType::Network, "network", &host.network_mode)?;
    add(LinuxNamespaceType::Uts, "uts", &host.uts_mode)?;
    add(LinuxNamespaceType::Pid, "pid", &host.pid_mode)?;
    add(LinuxNamespaceType::Ipc, "ipc", &host.ipc_mode)?;
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        add(LinuxNamespaceType::Cgroup, "cgroup", "")?;
    }
    Ok(namespaces)
}
