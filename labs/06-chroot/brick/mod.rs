//! Another root directory: build one, furnish it, move in, and leave again.
//!
//! ```text
//! build    a small root from the host's programs and the libraries they need
//! inside   a path resolved in the new root, which may hold links that lie
//! binds    mounts of the host's in it: read-only with all below, or idmapped
//! masks    what of /proc and /sys a container is not to see, or not to write
//! device   a /dev with six nodes, terminals and shared memory of its own
//! enter    chroot(2), pivot_root(2), and no descriptor taken along
//! escape   out of a chroot; from a pivoted root it leads nowhere
//! ```
//!
//! Order: mount namespace, private mounts, the root bound on itself, everything
//! that is mounted in it, and only then in: from inside the host's files, which
//! binds and nodes are made of, are out of reach.
//!
//! Read: chroot(2), pivot_root(2), mount_namespaces(7), path_resolution(7)

mod binds;
mod build;
mod device;
mod enter;
mod escape;
mod inside;
mod masks;

pub use binds::{Attributes, Bind, IdMap, bind, move_mount, open_tree, set_attributes};
pub use build::{build, needed_files};
pub use device::{make_nodes, mount_dev, mount_proc_with};
pub use enter::{bind_root, chroot_into, close_descriptors, pivot_into};
pub use escape::escape;
pub use inside::{Make, Root, path_of};
pub use masks::{MASKED_PATHS, READ_ONLY_PATHS, make_read_only, mask};
