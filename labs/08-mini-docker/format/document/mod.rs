//! What `inspect` prints, field by field in docker's order.
//!
//! Most of it is stored under these names already. What is added is what docker
//! derives (`State.Running`), and the empty fields that scripts may ask for.

mod container;
mod host;
mod image;
mod network;

pub use container::{container, image_size};
pub use image::{image, tags};
pub use network::network;

use serde::Serialize;
use serde_json::Value;

/// Any value of ours as JSON. Maps of strings and structs always are.
fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A list that docker writes `null` when nothing is in it.
fn or_null<T: Serialize>(list: &[T]) -> Value {
    match list.is_empty() {
        true => Value::Null,
        false => json_of(&list),
    }
}
