//! What a container is on disk. The names are docker's, so that what `inspect`
//! prints, and a template names, is what is stored.
//!
//! Two files in the container's folder: `container.json` is what was asked for,
//! and changes by `rename` and `update` alone; `state.json` is what has become of
//! it, and is the monitor's while there is one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{}`: how docker writes a member of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {}

/// `container.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without docker's leading slash.
    pub name: String,
    /// RFC 3339 in UTC with nanoseconds.
    pub created: String,
    /// The image's id, `sha256:…`.
    pub image: String,
    /// The program, after entrypoint and command have been put together, …
    pub path: String,
    /// … and its arguments.
    pub args: Vec<String>,
    pub config: Config,
    pub host_config: HostConfig,
    /// Binds and volumes, resolved at creation.
    pub mounts: Vec<MountPoint>,
    /// Networks asked for by `--net`, `network connect`: name to wishes.
    pub networks: BTreeMap<String, EndpointWish>,
}

/// What an image can give a default for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    /// `80/tcp`
    pub exposed_ports: BTreeMap<String, Member>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    /// `NAME=value`
    pub env: Vec<String>,
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The image as the user named it.
    pub image: String,
    /// Paths of anonymous volumes.
    pub volumes: BTreeMap<String, Member>,
    pub working_dir: String,
    pub entrypoint: Option<Vec<String>>,
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
}

/// Durations in nanoseconds, as docker has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["CMD-SHELL", "…"]`, `["CMD", …]` or `["NONE"]`.
    pub test: Vec<String>,
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    pub retries: i64,
}

/// What depends on the host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// `-v` with a host path or a volume's name, as given.
    pub binds: Vec<String>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    /// `bridge`, `none`, `host`, `container:ID` or a network's name.
    pub network_mode: String,
    /// `80/tcp` to the host's sides.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volumes_from: Vec<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    /// `private`, `host`, `container:ID` or empty.
    pub ipc_mode: String,
    /// `/container:/this/alias`, as docker writes them; here `container:alias`.
    pub links: Vec<String>,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: Vec<String>,
    /// Path to options.
    pub tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// Bytes.
    pub shm_size: i64,
    pub sysctls: BTreeMap<String, String>,
    pub runtime: String,
    pub init: bool,
    pub devices: Vec<DeviceMapping>,
    pub ulimits: Vec<Ulimit>,
    /// `--mount`, parsed: docker's object as it is.
    #[serde(rename = "Mounts")]
    pub asked_mounts: Vec<Value>,
    /// Bytes; 0 is no limit.
    pub memory: i64,
    pub memory_reservation: i64,
    /// Memory and swap together, bytes; -1 is no limit on swap.
    pub memory_swap: i64,
    /// CPUs times 10⁹.
    pub nano_cpus: i64,
    pub cpu_shares: i64,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub pids_limit: Option<i64>,
    pub blkio_weight: u16,
    pub oom_kill_disable: bool,
    pub oom_score_adj: i32,
    pub cgroup_parent: String,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// `json-file` or `none`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `max-size`, `max-file`
    pub config: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// Empty: every address.
    pub host_ip: String,
    /// Empty: one that is free.
    pub host_port: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `on-failure`, `always` or `unless-stopped`.
    pub name: String,
    pub maximum_retry_count: i64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Of `rwm`.
    pub cgroup_permissions: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}

/// One bind or volume of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Of a volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// On the host.
    pub source: String,
    /// In the container.
    pub destination: String,
    /// `local` for a volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Options after the second colon, as given.
    pub mode: String,
    #[serde(rename = "RW")]
    pub writable: bool,
    pub propagation: String,
    /// What docker keeps beside the mount point and `inspect` does not print.
    #[serde(skip_serializing_if = "MountOptions::is_empty")]
    pub options: MountOptions,
}

/// How a mount is made, beyond its mount point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountOptions {
    /// A volume that does not get what the image holds at its path.
    pub no_copy: bool,
    /// A bind without the mounts below its source.
    pub non_recursive: bool,
    /// Of a tmpfs, as mount(8) has them: `size=1048576,mode=1770`.
    pub tmpfs: String,
}

impl MountOptions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a user asks of a network for one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointWish {
    /// `--ip`; empty: any.
    pub address: String,
    /// `--mac-address`; empty: made from the address.
    pub mac_address: String,
    /// `--network-alias`
    pub aliases: Vec<String>,
    /// `--link` of this network, `container:alias`.
    pub links: Vec<String>,
}

/// `state.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    pub status: Status,
    /// Of the container's first process, in the machine's PID namespace; 0 when
    /// none runs.
    pub pid: i32,
    pub exit_code: i32,
    pub error: String,
    /// RFC 3339; `0001-01-01T00:00:00Z` for never.
    pub started_at: String,
    pub finished_at: String,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub restart_count: i64,
    /// Whether `stop` or `kill` ended it: `unless-stopped` looks at that.
    pub stopped_by_hand: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Network name to what this container has there, while it runs.
    pub networks: BTreeMap<String, Endpoint>,
    /// `80/tcp` to where it is published; `None` for exposed only.
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    /// The boot in which it was running: after another, it is not.
    pub boot_id: String,
    /// The cgroup, as `/proc/PID/cgroup` names it, with its hierarchy: what a
    /// later command has to clear.
    pub cgroup: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    pub failing_streak: i64,
    pub log: Vec<HealthResult>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthResult {
    pub start: String,
    pub end: String,
    pub exit_code: i32,
    pub output: String,
}

/// One container on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Endpoint {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub gateway: String,
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    pub mac_address: String,
    pub aliases: Vec<String>,
}
