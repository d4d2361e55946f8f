//! `network inspect`

use serde_json::{Map, Value, json};

use crate::cmd::ps;
use crate::engine::Engine;
use crate::network::definition::Network;

/// The document of one network, with the containers that run on it.
///
/// # Errors
/// The store cannot be read.
pub fn network(engine: &Engine, network: &Network) -> anyhow::Result<Value> {
    let mut containers = Map::new();
    for (brief, state) in ps::read(engine, false)? {
        if let Some(endpoint) = state.networks.get(&network.name) {
            let address = match endpoint.ip_address.is_empty() {
                true => String::new(),
                false => format!("{}/{}", endpoint.ip_address, endpoint.ip_prefix_len),
            };
            let entry = json!({
                "Name": brief.name,
                "EndpointID": endpoint.endpoint_id,
                "MacAddress": endpoint.mac_address,
                "IPv4Address": address,
                "IPv6Address": "",
            });
            containers.insert(brief.id.clone(), entry);
        }
    }
    let pool = network.pool.as_ref().map(|pool| {
        let mut config = json!({ "Subnet": pool.subnet });
        if let Some(range) = &pool.range {
            config["IPRange"] = json!(range);
        }
        config["Gateway"] = json!(pool.gateway);
        config
    });
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv6": false,
        "IPAM": {
            "Driver": "default",
            "Options": null,
            "Config": pool.into_iter().collect::<Vec<_>>(),
        },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
    }))
}
