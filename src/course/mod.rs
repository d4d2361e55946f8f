//! The catalogue of chapters and exercises, progress, hints.
//!
//! - [`catalogue`]: what the course holds, read from `exercises/`.
//! - [`spec`]: one `exercise.yaml`, typed.
//! - [`language`]: which translation of a text to read.
//! - [`yaml`]: YAML files of the course, with errors that name the place.

pub mod catalogue;
pub mod language;
pub mod spec;
pub mod yaml;

pub use catalogue::{Catalogue, Chapter, Exercise};
pub use language::Language;
pub use spec::{Kind, Spec};
