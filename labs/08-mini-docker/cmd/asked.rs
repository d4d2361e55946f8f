//! What the flags of `create` and `run` ask for, as a container's record.
//!
//! Read: docker-run(1)

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::options::Options;
use anyhow::bail;

use super::parse::{self, each, named};
use crate::container::create::set_variable;
use crate::container::record::{
    Config, Container, EndpointWish, HostConfig, LogConfig, Member, RestartPolicy,
};
use crate::container::{logs, signals};
use crate::volume::flags::{self, VolumeFlag};

impl Options {
    /// The record that the flags ask for, without the image's part.
    ///
    /// # Errors
    /// A value that cannot be, in docker's words.
    pub fn container(&self, image: &str, command: &[String]) -> anyhow::Result<Container> {
        let mut container = Container {
            config: self.config(image, command)?,
            host_config: self.host_config()?,
            ..Container::default()
        };
        self.networks(&mut container)?;
        self.check(&container)?;
        Ok(container)
    }

    fn config(&self, image: &str, command: &[String]) -> anyhow::Result<Config> {
        let mut exposed: BTreeMap<String, Member> = BTreeMap::new();
        for text in &self.expose {
            exposed.extend(parse::expose(text)?);
        }
        exposed.extend(
            each(&self.publish, parse::publish)?
                .into_iter()
                .flatten()
                .map(|(port, _)| (port, Member {})),
        );
        Ok(Config {
            hostname: self.hostname.clone().unwrap_or_default(),
            domainname: self.domainname.clone(),
            user: self.user.clone().unwrap_or_default(),
            exposed_ports: exposed,
            tty: self.tty,
            open_stdin: self.interactive,
            env: environment(&self.env_file, &self.env)?,
            cmd: (!command.is_empty()).then(|| command.to_vec()),
            healthcheck: parse::health(self)?,
            image: image.into(),
            volumes: each(&self.volume, flags::volume)?
                .into_iter()
                .filter_map(|flag| match flag {
                    VolumeFlag::Anonymous(path) => Some((path, Member {})),
                    VolumeFlag::Bind(_) => None,
                })
                .collect(),
            working_dir: self.workdir.clone().unwrap_or_default(),
            entrypoint: self
                .entrypoint
                .as_ref()
                .map(|program| match program.is_empty() {
                    // `--entrypoint ""` takes away the image's.
                    true => Vec::new(),
                    false => vec![program.clone()],
                }),
            labels: self.labels()?,
            stop_signal: match &self.stop_signal {
                Some(signal) => signals::parse(signal).map(|_| Some(signal.clone()))?,
                None => None,
            },
            stop_timeout: self.stop_timeout,
            ..Config::default()
        })
    }

    fn labels(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut labels = Vec::new();
        for file in &self.label_file {
            labels.extend(parse::lines_of(file)?);
        }
        labels.extend(self.label.iter().cloned());
        let pair = |label: String| match label.split_once('=') {
            Some((name, value)) => (name.to_string(), value.to_string()),
            None => (label, String::new()),
        };
        Ok(labels.into_iter().map(pair).collect())
    }

    fn host_config(&self) -> anyhow::Result<HostConfig> {
        let mut ports: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (port, binding) in each(&self.publish, parse::publish)?.into_iter().flatten() {
            ports.entry(port).or_default().push(binding);
        }
        let memory = parse::size_flag(self.memory.as_deref(), "memory")?;
        Ok(HostConfig {
            binds: each(&self.volume, flags::volume)?
                .into_iter()
                .filter_map(|flag| match flag {
                    VolumeFlag::Bind(bind) => Some(bind),
                    VolumeFlag::Anonymous(_) => None,
                })
                .collect(),
            container_id_file: match &self.cidfile {
                Some(file) => file.display().to_string(),
                None => String::new(),
            },
            log_config: LogConfig {
                kind: self.log_driver.clone(),
                config: parse::pairs(&self.log_opt, "log-opt")?,
            },
            network_mode: self
                .network
                .first()
                .map_or("bridge", |name| mode(name))
                .into(),
            port_bindings: ports,
            restart_policy: parse::restart(&self.restart)?,
            auto_remove: self.rm,
            volumes_from: self.volumes_from.clone(),
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            dns: named("dns", &self.dns, parse::address)?,
            dns_options: self.dns_option.clone(),
            dns_search: self.dns_search.clone(),
            extra_hosts: named("add-host", &self.add_host, parse::extra_host)?,
            group_add: self.group_add.clone(),
            ipc_mode: match self.ipc.as_str() {
                "" => "private".into(),
                mode => parse::namespace("IPC", mode, &["private", "host", "shareable", "none"])?,
            },
            links: named("link", &self.link, parse::link)?,
            pid_mode: parse::namespace("PID", &self.pid, &["host"])?,
            privileged: self.privileged,
            publish_all_ports: self.publish_all,
            readonly_rootfs: self.read_only,
            security_opt: self.security_opt.clone(),
            tmpfs: self.tmpfs.iter().map(|text| flags::tmpfs(text)).collect(),
            uts_mode: match self.uts.as_str() {
                "" | "host" => self.uts.clone(),
                _ => bail!("--uts: invalid UTS mode"),
            },
            shm_size: match &self.shm_size {
                Some(text) => parse::size_flag(Some(text), "shm-size")?,
                None => 64 << 20,
            },
            sysctls: parse::pairs(&self.sysctl, "sysctl")?,
            runtime: "mini-runtime".into(),
            init: self.init,
            devices: each(&self.device, parse::device)?,
            ulimits: named("ulimit", &self.ulimit, parse::ulimit)?,
            asked_mounts: each(&self.mount, flags::mount)?,
            memory,
            memory_reservation: parse::size_flag(
                self.memory_reservation.as_deref(),
                "memory-reservation",
            )?,
            memory_swap: match self.memory_swap.as_deref() {
                Some("-1") => -1,
                // docker's rule: as much swap again as memory.
                None if memory > 0 => memory * 2,
                other => parse::size_flag(other, "memory-swap")?,
            },
            nano_cpus: self.cpus.as_deref().map_or(Ok(0), parse::cpus)?,
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: parse::cpu_list(&self.cpuset_cpus, "cpus")?,
            cpuset_mems: parse::cpu_list(&self.cpuset_mems, "mems")?,
            pids_limit: self.pids_limit,
            blkio_weight: self.blkio_weight,
            oom_kill_disable: self.oom_kill_disable,
            oom_score_adj: self.oom_score_adj,
            cgroup_parent: self.cgroup_parent.clone(),
            ..HostConfig::default()
        })
    }

    /// What is wished of each network; address and links are for the first.
    fn networks(&self, container: &mut Container) -> anyhow::Result<()> {
        let first = container.host_config.network_mode.clone();
        if matches!(first.as_str(), "none" | "host") || first.starts_with("container:") {
            return Ok(());
        }
        let wish = EndpointWish {
            address: self.ip.clone().unwrap_or_default(),
            mac_address: self.mac_address.clone().unwrap_or_default(),
            aliases: self.network_alias.clone(),
            links: container.host_config.links.clone(),
        };
        container.networks.insert(first, wish);
        for other in self.network.iter().skip(1) {
            container
                .networks
                .insert(other.clone(), EndpointWish::default());
        }
        Ok(())
    }

    /// What does not go together, and what is out of bounds.
    fn check(&self, container: &Container) -> anyhow::Result<()> {
        let host = &container.host_config;
        let shares = host.network_mode.starts_with("container:");
        if self.hostname.is_some() && shares {
            bail!("conflicting options: hostname and the network mode");
        }
        if self.hostname.is_some() && host.uts_mode == "host" {
            bail!("conflicting options: hostname and the UTS mode");
        }
        if shares && (self.publish_all || !self.publish.is_empty()) {
            bail!("conflicting options: port publishing and the container type network mode");
        }
        if self.rm && !matches!(host.restart_policy, RestartPolicy { ref name, .. } if name == "no")
        {
            bail!("conflicting options: cannot specify both --restart and --rm");
        }
        if self.no_healthcheck && self.health_cmd.is_some() {
            bail!("--no-healthcheck conflicts with --health-* options");
        }
        if let Some(workdir) = self
            .workdir
            .as_deref()
            .filter(|path| !path.starts_with('/'))
        {
            bail!("the working directory '{workdir}' is invalid, it needs to be an absolute path");
        }
        logs::options(&host.log_config)?;
        super::limits::check(host)
    }
}

/// docker's names of network modes.
fn mode(name: &str) -> &str {
    match name {
        "default" => "bridge",
        name => name,
    }
}

/// `--env-file` and `-e` together. Those of files first, so that one on the command
/// line wins; a bare name takes the caller's value, and none where there is none.
///
/// # Errors
/// A file that is not there; a variable without a name.
pub fn environment(files: &[PathBuf], given: &[String]) -> anyhow::Result<Vec<String>> {
    let mut variables = Vec::new();
    for file in files {
        variables.extend(parse::variables_of(file)?);
    }
    variables.extend(given.iter().cloned());
    let mut env = Vec::new();
    for variable in &variables {
        if variable.is_empty() || variable.starts_with('=') {
            bail!("invalid environment variable: {variable}");
        }
        if variable.contains('=') {
            set_variable(&mut env, variable);
        } else if let Ok(value) = std::env::var(variable) {
            set_variable(&mut env, &format!("{variable}={value}"));
        }
    }
    Ok(env)
}
