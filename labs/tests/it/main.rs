//! Tests of the labs: the binaries as a person runs them, and the transcripts of
//! the course's text against what really happens.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the verdict, in its helpers too"
)]

mod binaries;
mod capabilities;
mod cgroups;
mod chroot;
mod hypervisor;
mod network;
mod peers;
mod support;
mod transcript;
mod transcripts;
mod union;

use std::io::Write;

/// Says aloud that something could not be tested here, past libtest's capture.
/// With TP_REQUIRE_PEERS=1 nothing may be skipped.
fn skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    assert!(
        std::env::var_os("TP_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "TP_REQUIRE_PEERS=1 and this was skipped: {reason}"
    );
}

/// Says aloud that this user cannot see the thing here, and who does: `.ci/run`
/// runs every test as root and as an ordinary user.
fn elsewhere(reason: &str) {
    let _ = writeln!(std::io::stderr(), "ELSEWHERE: {reason}");
}
