//! What the kernel holds, as typed data, and how two such states differ.
//!
//! Pure: nothing in this room opens a file or makes a system call.
//!
//! - [`facts`]: the typed state that `observe` fills in;
//! - [`vocabulary`]: every fact of it in one table, from which the rest derives;
//! - [`difference`]: what changed since a baseline;
//! - [`symbols`]: names for the namespaces in it.

pub mod difference;
pub mod facts;
pub mod symbols;
pub mod vocabulary;

pub use difference::difference;

/// A value with the names of each object in the order of the alphabet: two of the same
/// content are read and recorded the same, whoever made them.
pub fn in_order(mut value: serde_json::Value) -> serde_json::Value {
    value.sort_all_objects();
    value
}
