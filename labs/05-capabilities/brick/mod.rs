//! Capabilities: root in pieces, and what a process may still become.
//!
//! ```text
//! set         the names, and a set of them: one 64-bit word, as in the kernel
//! process     capget and capset: effective, permitted, inheritable
//! limits      prctl: bounding, ambient, securebits, no_new_privs
//! reduce      all of it in the one order that works
//! file        security.capability, the attribute that makes a file give some
//! profile     what docker, podman and vserver leave to root
//! seccomp     a filter that asks for no capability at all
//! ```
//!
//! Read: capabilities(7), seccomp(2)

mod file;
mod limits;
mod process;
mod profile;
mod reduce;
mod seccomp;
mod set;

pub use file::{FileCapabilities, read_file, remove_file, write_file};
pub use limits::{
    SECBIT_NOROOT, SECBIT_NOROOT_LOCKED, ambient_raise, bounding_drop, set_no_new_privs,
    set_securebits,
};
pub use process::{Sets, ThreadSets, capget, capset};
pub use profile::Profile;
pub use reduce::{Reduction, reduce};
pub use seccomp::refuse_packet_sockets;
pub use set::{Capability, Set, all};
