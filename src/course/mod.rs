//! The catalogue of chapters and exercises, progress, hints.
