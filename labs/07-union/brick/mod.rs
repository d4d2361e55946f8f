//! A file system made of layers: read-only ones below, one to write in on top.
//!
//! ```text
//! mount    fsopen, fsconfig, fsmount, move_mount: an overlay of any number of layers
//! marks    how a layer says "deleted", "opaque", "moved", "bytes are below"
//! layers   what shows where, and which layer it comes from, without a mount
//! changes  added, changed, deleted: what an upper directory says about its image
//! copy     layers into one directory; an upper directory into a layer
//! btrfs    the other way: snapshots, which share blocks and no directories
//! ```
//!
//! Read: mount(8) (overlay), fsopen(2), xattr(7), and
//! Documentation/filesystems/overlayfs.rst in the kernel's sources

mod btrfs;
mod changes;
mod copy;
mod layers;
mod marks;
mod mount;

pub use btrfs::{Subvolume, snapshot, subvolumes};
pub use changes::{Change, Kind, changes};
pub use copy::{commit, fill, flatten};
pub use layers::{Entry, Part, Union};
pub use marks::{
    Class, attribute, attributes, is_whiteout, mark, set_attribute, set_mark, whiteout,
};
pub use mount::{Overlay, in_user_namespace};
