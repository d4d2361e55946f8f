//! Cgroups by mkdir, write, read and rmdir.
//!
//! ```text
//! files      one directory of a cgroup: what all the others write and read through
//! hierarchy  which trees are mounted, which controllers each has, where you are
//! group      make, enter, list, empty and remove a cgroup in every hierarchy
//! setting    `cpu=50%`: one word for v1 and v2
//! cpu cpuset memory pids io freezer     a controller each: a plain write of a file
//! devices network                       files on v1, BPF programs on v2
//! perf pressure                         what a group costs, and what it waits for
//! bpf        bpf(2): load a program, attach it to a cgroup's directory
//! ```
//!
//! The two worlds differ in shape, not in idea. In **v1** each controller has a
//! tree of its own and a process a place in each. In **v2** there is one tree,
//! and a cgroup has a controller when its parent hands it on. So everything
//! here begins with the question in which directory a controller's files are.
//!
//! Read: cgroups(7); Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst

pub mod bpf;
pub mod cpu;
pub mod cpuset;
pub mod devices;
pub mod freezer;
pub mod io;
pub mod memory;
pub mod network;
pub mod perf;
pub mod pids;
pub mod pressure;

mod errors;
mod files;
mod group;
mod hierarchy;
mod setting;

pub use errors::meaning;
pub use files::{Directory, Version};
pub use group::{Group, names_below};
pub use hierarchy::{CONTROLLERS, Hierarchy, Machine, mount};
pub use setting::{Setting, WORDS, shown};
