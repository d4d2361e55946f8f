//! The catalogue of chapters and exercises, progress, hints.
//!
//! - [`catalogue`]: what the course holds, read from `exercises/`.
//! - [`spec`]: one `exercise.yaml`, typed.
//! - [`progress`]: how far the student is, from an append-only log.
//! - [`hints`]: hints in layers, chosen by what failed.
//! - [`shipped`]: work files as shipped, and the way back to them.
//! - [`new`]: the beginning of a new exercise.
//! - [`language`]: which translation of a text to read.
//! - [`files`]: reading what a student may have put there;
//! - [`yaml`]: YAML files of the course, with errors that name the place.

pub mod catalogue;
pub mod files;
pub mod hints;
pub mod language;
pub mod new;
pub mod progress;
pub mod shipped;
pub mod spec;
pub mod yaml;

pub use catalogue::{Catalogue, Chapter, Exercise};
pub use language::Language;
pub use spec::{Kind, Spec};
