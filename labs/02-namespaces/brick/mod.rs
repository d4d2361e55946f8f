//! Make, join and keep namespaces of all eight types.
//!
//! ```text
//! kind     the eight types: file in /proc/PID/ns, CLONE_NEW… flag
//! clone3   a child that starts in new namespaces
//! id_map   who is who in a new user namespace
//! mounts   propagation, /proc, a namespace kept by a bind mount
//! join     setns(2) into those of another process, in the right order
//! ```
//!
//! `unshare(2)` needs no brick: it is one call, and `nix` has it.
//!
//! Read: namespaces(7)

mod clone3;
mod id_map;
mod join;
mod kind;
mod mounts;

pub use clone3::{clone3, clone3_into};
pub use id_map::{map_root, write_file, write_id_maps};
pub use join::{join, open_namespaces};
pub use kind::{Kind, flag_names, flags};
pub use mounts::{Propagation, keep, mount_proc, set_propagation};
