//! A container as `ps` shows it: what is read of its two files, and docker's words for
//! its state and its ports.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::functions::quote;
use super::listing::Row;
use super::words::{ago, go_time, seconds_since, size};
use crate::container::record::{Endpoint, MountPoint, PortBinding, State, Status};

/// Of `container.json` only what a listing needs: with thousands of containers,
/// reading the rest would be most of the time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Brief {
    pub id: String,
    pub name: String,
    pub created: String,
    pub image: String,
    pub path: String,
    pub args: Vec<String>,
    pub config: BriefConfig,
    pub host_config: BriefHost,
    pub mounts: Vec<MountPoint>,
    pub networks: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BriefConfig {
    pub image: String,
    pub labels: BTreeMap<String, String>,
    pub exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BriefHost {
    pub network_mode: String,
}

/// The rows' own bytes and those of their image, where they were asked for (`-s`).
pub type Sizes = Option<(u64, u64)>;

/// What `ps` can show of a container. `image` is how its image is called now.
pub fn row(brief: &Brief, state: &State, image: &str, sizes: Sizes, truncate: bool) -> Row {
    let short = |text: &str, width: usize| match truncate {
        true => ellipsis(text, width),
        false => text.to_string(),
    };
    let mut row = Row::default();
    row.set(
        "ID",
        if truncate {
            short_id(&brief.id)
        } else {
            &brief.id
        },
    );
    row.set("Names", brief.name.as_str());
    row.set("Image", image);
    row.set("Command", quote(&short(&command(brief), 20)));
    row.set("CreatedAt", go_time(&brief.created));
    let age = ago(seconds_since(&brief.created).unwrap_or(0));
    row.set("RunningFor", format!("{age} ago"));
    row.set("Ports", ports(&state.ports));
    row.set("State", word(state.status));
    row.set("Status", status(state));
    let text = sizes.map(|(own, image)| format!("{} (virtual {})", size(own), size(own + image)));
    row.set("Size", text.unwrap_or_else(|| "0B".into()));
    let labels = brief.config.labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    row.set("Labels", labels.join(","));
    let local = brief.mounts.iter().filter(|mount| mount.driver == "local");
    row.set("LocalVolumes", local.count().to_string());
    let mounts = brief
        .mounts
        .iter()
        .map(|mount| match mount.name.is_empty() {
            true => short(&mount.source, 15),
            false => short(&mount.name, 15),
        });
    row.set("Mounts", mounts.collect::<Vec<_>>().join(","));
    row.set("Networks", networks(brief, &state.networks).join(","));
    row.methods = serde_json::json!({ "Label": brief.config.labels });
    row
}

/// The names of its networks, running or not.
pub fn networks(brief: &Brief, endpoints: &BTreeMap<String, Endpoint>) -> Vec<String> {
    if !endpoints.is_empty() {
        return endpoints.keys().cloned().collect();
    }
    if !brief.networks.is_empty() {
        return brief.networks.keys().cloned().collect();
    }
    match brief.host_config.network_mode.as_str() {
        "" | "default" => vec!["bridge".into()],
        mode if mode.starts_with("container:") => Vec::new(),
        mode => vec![mode.into()],
    }
}

/// `exited`
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Removing => "removing",
        Status::Exited => "exited",
        Status::Dead => "dead",
    }
}

/// `Up 2 minutes (healthy)`, `Exited (0) 3 seconds ago`
pub fn status(state: &State) -> String {
    let since = |time: &str| ago(seconds_since(time).unwrap_or(0));
    match state.status {
        Status::Created => "Created".into(),
        Status::Paused => format!("Up {} (Paused)", since(&state.started_at)),
        Status::Restarting => {
            let finished = since(&state.finished_at);
            format!("Restarting ({}) {finished} ago", state.exit_code)
        }
        Status::Removing => "Removal In Progress".into(),
        Status::Dead => "Dead".into(),
        Status::Exited => {
            format!(
                "Exited ({}) {} ago",
                state.exit_code,
                since(&state.finished_at)
            )
        }
        Status::Running => {
            let up = format!("Up {}", since(&state.started_at));
            match state.health.as_ref().map(|health| health.status.as_str()) {
                Some("starting") => format!("{up} (health: starting)"),
                Some(health @ ("healthy" | "unhealthy")) => format!("{up} ({health})"),
                _ => up,
            }
        }
    }
}

/// The whole command line; an argument with blanks stands in quotes.
fn command(brief: &Brief) -> String {
    let mut words = vec![brief.path.clone()];
    for argument in &brief.args {
        words.push(match argument.contains(' ') {
            true => format!("'{argument}'"),
            false => argument.clone(),
        });
    }
    words.join(" ")
}

/// `0.0.0.0:8080->80/tcp, 99/tcp`: docker groups neighbours that are published under
/// their own number (`0.0.0.0:80-82->80-82/tcp`), and puts the others behind them.
pub fn ports(ports: &BTreeMap<String, Option<Vec<PortBinding>>>) -> String {
    let mut entries = Vec::new();
    for (port, bindings) in ports {
        let (inside, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let inside: u16 = inside.parse().unwrap_or(0);
        for binding in bindings.iter().flatten() {
            let outside: u16 = binding.host_port.parse().unwrap_or(0);
            entries.push((inside, binding.host_ip.as_str(), outside, protocol));
        }
        if bindings.as_ref().is_none_or(Vec::is_empty) {
            entries.push((inside, "", 0, protocol));
        }
    }
    entries.sort_unstable();
    let mut shown = Vec::new();
    let mut others = Vec::new();
    // In the order in which they were met: address and protocol, first and last port.
    let mut groups: Vec<((&str, &str), u16, u16)> = Vec::new();
    for (inside, address, outside, protocol) in entries {
        if !address.is_empty() && outside != inside {
            others.push(format!("{address}:{outside}->{inside}/{protocol}"));
            continue;
        }
        let key = (address, protocol);
        match groups.iter_mut().find(|group| group.0 == key) {
            None => groups.push((key, inside, inside)),
            Some((_, _, last)) if u32::from(*last) + 1 == u32::from(inside) => *last = inside,
            Some((_, first, last)) => {
                shown.push(group(key, *first, *last));
                (*first, *last) = (inside, inside);
            }
        }
    }
    shown.extend(
        groups
            .into_iter()
            .map(|(key, first, last)| group(key, first, last)),
    );
    shown.extend(others);
    shown.join(", ")
}

fn group((address, protocol): (&str, &str), first: u16, last: u16) -> String {
    let range = match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    match address.is_empty() {
        true => format!("{range}/{protocol}"),
        false => format!("{address}:{range}->{range}/{protocol}"),
    }
}

/// The first twelve digits of an id, without `sha256:`.
pub fn short_id(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// At most `width` letters, the last of which says that there were more.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    let mut short: String = text.chars().take(width - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ports_are_one_range() {
        let at = |address: &str, port: &str| {
            Some(vec![PortBinding {
                host_ip: address.into(),
                host_port: port.into(),
            }])
        };
        let mut map = BTreeMap::from([
            ("80/tcp".to_string(), at("0.0.0.0", "80")),
            ("81/tcp".to_string(), at("0.0.0.0", "81")),
            ("99/tcp".to_string(), None),
            ("53/udp".to_string(), at("127.0.0.1", "53")),
        ]);
        assert_eq!(
            ports(&map),
            "127.0.0.1:53->53/udp, 0.0.0.0:80-81->80-81/tcp, 99/tcp"
        );
        map.insert("443/tcp".into(), at("0.0.0.0", "8443"));
        map.insert("85/tcp".into(), at("0.0.0.0", "85"));
        assert_eq!(
            ports(&map),
            "0.0.0.0:80-81->80-81/tcp, 127.0.0.1:53->53/udp, 0.0.0.0:85->85/tcp, 99/tcp, \
             0.0.0.0:8443->443/tcp"
        );
    }

    #[test]
    fn a_command_is_quoted_and_cut() {
        let brief = Brief {
            path: "sh".into(),
            args: vec!["-c".into(), "echo \"a b\"; sleep 1".into()],
            ..Brief::default()
        };
        let row = row(&brief, &State::default(), "base", None, true);
        assert_eq!(row.cells["Command"], r#""sh -c 'echo \"a b\"; …""#);
        assert_eq!(row.cells["Status"], "Created");
    }
}
