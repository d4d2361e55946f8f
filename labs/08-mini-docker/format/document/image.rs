//! `image inspect`

use serde_json::{Value, json};

use super::container::{config, image_size};
use crate::container::record::Config;
use crate::engine::Engine;
use crate::image::Image;
use crate::image::layout::Layout;

/// The document of one image: docker's, of what its OCI configuration says.
pub fn image(engine: &Engine, image: &Image) -> Value {
    let text = |name: &str| {
        image
            .raw
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let own = image.defaults().unwrap_or_default();
    let size = image_size(engine, image);
    let top = image.layers.last();
    let top = top
        .map(|layer| layer.to_string_lossy().into_owned())
        .unwrap_or_default();
    let lower = image
        .layers
        .iter()
        .rev()
        .skip(1)
        .map(|layer| layer.to_string_lossy());
    let lower = lower.collect::<Vec<_>>().join(":");
    let mut data = json!({});
    if !lower.is_empty() {
        data["LowerDir"] = lower.into();
    }
    data["UpperDir"] = top.into();
    json!({
        "Id": image.id,
        "RepoTags": tags(engine, image),
        "RepoDigests": [],
        "Parent": "",
        "Comment": comment(image),
        "Created": text("created"),
        "Container": text("container"),
        "ContainerConfig": container_config(image),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config(&own),
        "Architecture": text("architecture"),
        "Os": text("os"),
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": { "Data": data, "Name": "overlay2" },
        "RootFS": {
            "Type": "layers",
            "Layers": image.raw["rootfs"]["diff_ids"],
        },
        "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
    })
}

/// Its names, as docker shortens them.
pub fn tags(engine: &Engine, image: &Image) -> Vec<String> {
    let index = Layout::open(engine).and_then(|layout| layout.index());
    let manifests = index.map(|index| index.manifests).unwrap_or_default();
    let own = manifests
        .iter()
        .filter(|entry| entry.digest == image.manifest);
    let names = own.filter_map(|entry| entry.name());
    let mut names: Vec<String> = names.map(short).collect();
    names.sort();
    names
}

fn short(name: &str) -> String {
    crate::image::reference::Reference::parse(name)
        .map_or_else(|_| name.into(), |reference| reference.tagged())
}

/// Of the newest step of its history, or docker's own field.
fn comment(image: &Image) -> Value {
    let history = image.raw["history"].as_array();
    let newest = history
        .and_then(|steps| steps.last())
        .map(|step| &step["comment"]);
    let own = image.raw.get("comment").or(newest);
    own.filter(|comment| comment.is_string())
        .cloned()
        .unwrap_or_else(|| "".into())
}

/// What docker's `commit` and `build` write, and no OCI tool does.
fn container_config(image: &Image) -> Value {
    let stored = image.raw.get("container_config").cloned();
    let stored = stored.and_then(|stored| serde_json::from_value::<Config>(stored).ok());
    config(&stored.unwrap_or_default())
}
