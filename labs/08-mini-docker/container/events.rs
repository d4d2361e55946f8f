//! What happens to containers, images, networks and volumes, a line each.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use serde_json::json;

use crate::engine::Engine;

/// Appends one event. A line is one write at the end of the file (O_APPEND), so
/// those of many commands never mix. An event that cannot be written is lost, and
/// nothing else.
pub fn emit(
    engine: &Engine,
    kind: &str,
    action: &str,
    id: &str,
    attributes: &BTreeMap<String, String>,
) {
    let now = jiff::Timestamp::now();
    let event = json!({
        "Type": kind,
        "Action": action,
        "Actor": { "ID": id, "Attributes": attributes },
        "scope": "local",
        "time": now.as_second(),
        "timeNano": now.as_nanosecond() as i64,
    });
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(engine.run.join("events"));
    if let Ok(mut file) = file {
        let _ = file.write_all(format!("{event}\n").as_bytes());
    }
}
