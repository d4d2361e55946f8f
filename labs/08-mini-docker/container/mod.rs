//! A container: its record, its life, its monitor.
//!
//! ```text
//! record                        what a container is on disk
//! create names making store     it comes into being, is found, is removed
//! monitor                       the process that stays with a running container:
//!   launch rootfs               starts it
//!   serve client logs           passes its output on, to commands and to its log
//!   requests exec groups        does what commands ask for
//!   health restart ending       checks it, starts it again, or clears up after it
//! wire                          what a command and a monitor say to each other
//! attach relay terminal signals the command's side: a terminal, keys, signals
//! tail events usage             what is read: logs, events, counters
//! clear                         what killed processes have left
//! rootless                      an ordinary user as root of a user namespace
//! ```

pub mod attach;
mod child;
pub mod clear;
mod client;
pub mod create;
mod ending;
pub mod events;
mod exec;
mod groups;
mod health;
mod launch;
pub mod logs;
mod making;
pub mod monitor;
pub mod names;
pub mod record;
pub mod relay;
mod requests;
mod restart;
pub mod rootfs;
pub mod rootless;
mod serve;
pub mod signals;
pub mod store;
pub mod tail;
pub mod terminal;
pub mod usage;
pub mod wire;
