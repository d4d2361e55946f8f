//! `HostConfig`, with the fields that docker has and this engine does not use: a
//! script that reads one gets docker's default.

use labs::root;
use serde_json::{Value, json};

use super::{json_of, or_null};
use crate::container::record::HostConfig;

pub fn host_config(host: &HostConfig) -> Value {
    let mut document = json!({
        "Binds": or_null(&host.binds),
        "ContainerIDFile": host.container_id_file,
        "LogConfig": host.log_config,
        "NetworkMode": host.network_mode,
        "PortBindings": host.port_bindings,
        "RestartPolicy": host.restart_policy,
        "AutoRemove": host.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": or_null(&host.volumes_from),
        "CapAdd": or_null(&host.cap_add),
        "CapDrop": or_null(&host.cap_drop),
        "CgroupnsMode": cgroup_namespace(),
        "Dns": host.dns,
        "DnsOptions": host.dns_options,
        "DnsSearch": host.dns_search,
        "ExtraHosts": or_null(&host.extra_hosts),
        "GroupAdd": or_null(&host.group_add),
        "IpcMode": host.ipc_mode,
        "Cgroup": "",
        "Links": or_null(&host.links),
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": host.pid_mode,
        "Privileged": host.privileged,
        "PublishAllPorts": host.publish_all_ports,
        "ReadonlyRootfs": host.readonly_rootfs,
        "SecurityOpt": or_null(&host.security_opt),
    });
    // These three are not there when they are empty.
    if !host.tmpfs.is_empty() {
        document["Tmpfs"] = json_of(&host.tmpfs);
    }
    append(&mut document, namespaces_and_limits(host));
    if !host.asked_mounts.is_empty() {
        document["Mounts"] = json_of(&host.asked_mounts);
    }
    // Kept in the record only where it asks for something else than the defaults.
    let unmasked = host.privileged
        || host
            .security_opt
            .iter()
            .any(|option| option == "systempaths=unconfined");
    let or_default = |own: &[String], default: &[&str]| match own.is_empty() && !unmasked {
        true => json_of(&default),
        false => json_of(&own),
    };
    document["MaskedPaths"] = or_default(&host.masked_paths, &root::MASKED_PATHS);
    document["ReadonlyPaths"] = or_default(&host.readonly_paths, &root::READ_ONLY_PATHS);
    if host.init {
        document["Init"] = true.into();
    }
    document
}

fn namespaces_and_limits(host: &HostConfig) -> Value {
    let mut document = json!({
        "UTSMode": host.uts_mode,
        "UsernsMode": "",
        "ShmSize": host.shm_size,
    });
    if !host.sysctls.is_empty() {
        document["Sysctls"] = json_of(&host.sysctls);
    }
    let limits = json!({
        "Runtime": host.runtime,
        "ConsoleSize": [0, 0],
        "Isolation": "",
        "CpuShares": host.cpu_shares,
        "Memory": host.memory,
        "NanoCpus": host.nano_cpus,
        "CgroupParent": host.cgroup_parent,
        "BlkioWeight": host.blkio_weight,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": null,
        "BlkioDeviceWriteBps": null,
        "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteIOps": null,
        "CpuPeriod": host.cpu_period,
        "CpuQuota": host.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": host.cpuset_cpus,
        "CpusetMems": host.cpuset_mems,
        "Devices": host.devices,
        "DeviceCgroupRules": null,
        "DeviceRequests": null,
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
        "MemoryReservation": host.memory_reservation,
        "MemorySwap": host.memory_swap,
        "MemorySwappiness": null,
        "OomKillDisable": host.oom_kill_disable,
        "PidsLimit": host.pids_limit,
        "Ulimits": or_null(&host.ulimits),
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    });
    append(&mut document, limits);
    document
}

/// docker's defaults: its own cgroup namespace on v2, the host's on v1.
fn cgroup_namespace() -> &'static str {
    match std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        true => "private",
        false => "host",
    }
}

fn append(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}
