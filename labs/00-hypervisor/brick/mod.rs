//! One command in three places: as a plain process, in a container, and on a
//! virtual machine that boots a kernel for it.
//!
//! ```text
//! place      starts the command in one of them, its input and output on pipes
//! initramfs  the file system that a kernel unpacks before its first process
//! machine    the words for qemu: a kernel, an initramfs, a serial line
//! ```
//!
//! Read: clone(2), namespaces(7), qemu-system-x86_64(1), kernel-parameters(7)

mod initramfs;
mod machine;
mod place;

pub use initramfs::{Archive, of_this_program};
pub use machine::{Accelerator, Machine};
pub use place::{Running, container, process};
