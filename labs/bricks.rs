//! The bricks that containers are made of, one chapter each.
//!
//! A brick is a short sequence of system calls whose *order* is the lesson.
//! Each one lives in its chapter's folder, beside the text that explains it and
//! the small binary that shows it; this file only puts them on one shelf:
//!
//! ```text
//! hypervisor  00  one command as a process, in a container, on a machine
//! hostname    01  a UTS namespace and a name in it
//! namespaces  02  all eight types: make, join, keep; id maps, mounts, /proc
//! network     03  namespaces with names, and by netlink what connects them
//! cgroups     04  v1 and v2: make, limit, enter, count; BPF for what has no file
//! capabilities  05  the five sets, file capabilities, a seccomp filter
//! root        06  build a root, enter it; binds, masks, /dev, /proc, id maps
//! union       07  overlays: mounted, looked through, compared, copied
//! ```
//!
//! Every function that talks to the kernel takes an [`explain::Explain`] and
//! hands each call and its result to it. With `--explain` the call is printed;
//! when it fails, the same words become the error.

pub mod command;
pub mod explain;

#[path = "00-hypervisor/brick/mod.rs"]
pub mod hypervisor;

#[path = "01-hostname/hostname.rs"]
pub mod hostname;

#[path = "02-namespaces/brick/mod.rs"]
pub mod namespaces;

#[path = "03-network/brick/mod.rs"]
pub mod network;

#[path = "04-cgroups/brick/mod.rs"]
pub mod cgroups;

#[path = "05-capabilities/brick/mod.rs"]
pub mod capabilities;

#[path = "06-chroot/brick/mod.rs"]
pub mod root;

#[path = "07-union/brick/mod.rs"]
pub mod union;
