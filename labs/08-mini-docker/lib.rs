//! mini-docker: a small but real container engine.
//!
//! The words are docker's; what is behind them are the bricks of chapters 1 to 7.
//! There is no daemon: a command works on the files of the store, and each
//! running container has a small monitor of its own.
//!
//! | room | what |
//! |---|---|
//! | [`cmd`] | one file a command, all of one shape |
//! | [`engine`], [`files`] | where everything lies; writing so that a crash loses nothing |
//! | [`container`] | what a container is on disk, its life, its monitor |
//! | [`runtime`] | from a bundle to a process: the low-level OCI runtime |
//! | [`image`] | images, layers, archives |
//! | [`network`] | bridge, addresses, NAT, published ports, names |
//! | [`volume`] | data that outlives a container |
//! | [`format`] | tables, Go templates, sizes and times as docker prints them |
//!
//! Not here yet: building from a Dockerfile, registries, the engine's API.

pub mod cmd;
pub mod container;
pub mod engine;
pub mod files;
pub mod format;
pub mod image;
pub mod network;
pub mod runtime;
pub mod volume;
