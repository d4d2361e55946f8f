//! Volumes: data that outlives a container.
//!
//! ```text
//! ROOT/volumes/NAME/
//!   volume.json     name, labels, options: what `volume inspect` prints
//!   _data/          the data; bind-mounted into containers
//!   users/ID        one file for each container that has it
//!   .filling        there while the image's content is copied in
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`flags`] | `-v`, `--mount`, `--tmpfs`: from the command line into the record |
//! | [`mode`] | the options after the second colon |
//! | [`resolve()`] | from the record to what is mounted, when a container is made |
//! | [`fill()`] | first use: what the image holds goes into the volume |
//! | [`store`] | making, finding and removing volumes |
//!
//! Read: docker-volume(1), mount_namespaces(7)

mod fill;
pub mod flags;
pub mod mode;
mod resolve;
pub mod store;

pub use fill::fill;
pub use resolve::resolve;
pub use store::release;
