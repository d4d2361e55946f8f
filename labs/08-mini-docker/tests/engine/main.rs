//! The engine through its real binary.

// A test that cannot go on fails: that is what unwrap says.
#![allow(clippy::unwrap_used)]

mod attacks;
mod compare;
mod crash;
mod image;
mod life;
mod network;
mod normal;
mod runtime;
mod show;
mod storm;
mod support;
mod volume;
