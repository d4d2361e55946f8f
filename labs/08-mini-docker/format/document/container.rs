//! `container inspect`

use serde_json::{Map, Value, json};

use super::host::host_config;
use super::{json_of, or_null};
use crate::container::record::{Config, Container, Endpoint, EndpointWish, State, Status};
use crate::engine::Engine;
use crate::format::containers::word;
use crate::image::{Image, layers};

/// The document of one container. `image` for the layers below; `sizes` where they
/// were asked for (`-s`).
pub fn container(
    engine: &Engine,
    container: &Container,
    state: &State,
    image: Option<&Image>,
    sizes: Option<(u64, u64)>,
) -> Value {
    let folder = engine.container(&container.id);
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let log = match container.host_config.log_config.kind.as_str() {
        "none" => String::new(),
        _ => file(&format!("{}-json.log", container.id)),
    };
    let mut document = json!({
        "Id": container.id,
        "Created": container.created,
        "Path": container.path,
        "Args": container.args,
        "State": state_of(state),
        "Image": container.image,
        "ResolvConfPath": file("resolv.conf"),
        "HostnamePath": file("hostname"),
        "HostsPath": file("hosts"),
        "LogPath": log,
        "Name": format!("/{}", container.name),
        "RestartCount": state.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host_config(&container.host_config),
        "GraphDriver": graph_driver(&file, image),
    });
    if let Some((own, image)) = sizes {
        document["SizeRw"] = own.into();
        document["SizeRootFs"] = (own + image).into();
    }
    document["Mounts"] = mounts(container);
    document["Config"] = config(&container.config);
    document["NetworkSettings"] = network_settings(container, state);
    document
}

fn state_of(state: &State) -> Value {
    let running = matches!(
        state.status,
        Status::Running | Status::Paused | Status::Restarting
    );
    let mut document = json!({
        "Status": word(state.status),
        "Running": running,
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": state.status == Status::Dead,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(&state.started_at),
        "FinishedAt": time(&state.finished_at),
    });
    if let Some(health) = &state.health {
        document["Health"] = json_of(health);
    }
    document
}

/// Go's zero time where there is none.
fn time(text: &str) -> &str {
    match text.is_empty() {
        true => "0001-01-01T00:00:00Z",
        false => text,
    }
}

fn graph_driver(file: &dyn Fn(&str) -> String, image: Option<&Image>) -> Value {
    let layers = image
        .map(|image| image.layers.as_slice())
        .unwrap_or_default();
    let lower = layers.iter().rev().map(|layer| layer.to_string_lossy());
    json!({
        "Data": {
            "LowerDir": lower.collect::<Vec<_>>().join(":"),
            "MergedDir": file("merged"),
            "UpperDir": file("diff"),
            "WorkDir": file("work"),
        },
        "Name": "overlay2",
    })
}

fn mounts(container: &Container) -> Value {
    let mut mounts = json_of(&container.mounts);
    for mount in mounts.as_array_mut().into_iter().flatten() {
        if let Some(mount) = mount.as_object_mut() {
            mount.shift_remove("Options");
        }
    }
    mounts
}

/// The part that an image has defaults for.
pub(super) fn config(config: &Config) -> Value {
    let mut document = Map::new();
    for (name, value) in json_of(config).as_object().cloned().unwrap_or_default() {
        match name.as_str() {
            "ExposedPorts" if config.exposed_ports.is_empty() => continue,
            "Env" if config.env.is_empty() => document.insert(name, Value::Null),
            "Volumes" if config.volumes.is_empty() => document.insert(name, Value::Null),
            "Labels" => {
                document.insert("OnBuild".into(), Value::Null);
                document.insert(name, value)
            }
            _ => document.insert(name, value),
        };
    }
    Value::Object(document)
}

fn network_settings(container: &Container, state: &State) -> Value {
    let running = state.pid > 0;
    let empty = Endpoint::default();
    let bridge = state.networks.get("bridge").unwrap_or(&empty);
    let key = match running {
        true => format!("/proc/{}/ns/net", state.pid),
        false => String::new(),
    };
    json!({
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": state.ports,
        "SandboxKey": key,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": bridge.endpoint_id,
        "Gateway": bridge.gateway,
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": bridge.ip_address,
        "IPPrefixLen": bridge.ip_prefix_len,
        "IPv6Gateway": "",
        "MacAddress": bridge.mac_address,
        "Networks": networks(container, state),
    })
}

/// Those that it is on, or will be on when it starts.
fn networks(container: &Container, state: &State) -> Value {
    let mut networks = Map::new();
    let mode = container.host_config.network_mode.as_str();
    let default = match mode {
        "" | "default" => "bridge",
        mode => mode,
    };
    let (no_wish, no_endpoint) = (EndpointWish::default(), Endpoint::default());
    let mut names: Vec<&str> = state.networks.keys().map(String::as_str).collect();
    if names.is_empty() {
        names = container.networks.keys().map(String::as_str).collect();
    }
    if names.is_empty() && !mode.starts_with("container:") {
        names.push(default);
    }
    for name in names {
        let wish = container.networks.get(name).unwrap_or(&no_wish);
        let endpoint = state.networks.get(name).unwrap_or(&no_endpoint);
        networks.insert(name.into(), network(wish, endpoint));
    }
    Value::Object(networks)
}

fn network(wish: &EndpointWish, endpoint: &Endpoint) -> Value {
    let ipam = match wish.address.is_empty() {
        true => Value::Null,
        false => json!({ "IPv4Address": wish.address }),
    };
    json!({
        "IPAMConfig": ipam,
        "Links": or_null(&wish.links),
        "Aliases": or_null(&endpoint.aliases),
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.endpoint_id,
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.ip_address,
        "IPPrefixLen": endpoint.ip_prefix_len,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": endpoint.mac_address,
        "DriverOpts": null,
    })
}

/// Bytes of an image: all its layers, unpacked.
pub fn image_size(engine: &Engine, image: &Image) -> u64 {
    let names = image
        .layers
        .iter()
        .filter_map(|layer| layer.parent()?.file_name());
    let sizes = names.filter_map(|name| layers::get(engine, &name.to_string_lossy()));
    sizes.map(|layer| layer.size).sum()
}
