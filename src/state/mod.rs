//! What the kernel holds, as typed data, and how two such states differ.
//!
//! Pure: nothing in this room opens a file or makes a system call.
//!
//! - [`facts`]: the typed state that `observe` fills in.

pub mod facts;
