//! Expected snapshots: matchers, comparison, and the explanation of a mismatch.
//!
//! Pure: data in, data out (a translation alone is read from a file). What may stand in a snapshot, what each fact is
//! and what it depends on come from [`state::vocabulary`](crate::state::vocabulary).
//!
//! - [`parse`]: `expected.yaml` and `answer.yaml`, every mistake in its place;
//! - [`compare`]: a run held against a snapshot, strictly, both ways;
//! - [`explain`]: why a fact does not hold, from its kind;
//! - [`record`]: the snapshot of a run, as text;
//! - [`answers`]: the answers to a question held against a run;
//! - [`schema`]: the JSON Schema of a snapshot and the page of facts;
//! - [`texts`]: the texts for people, by language.

pub mod answers;
pub mod compare;
pub mod explain;
#[cfg(test)]
mod fixtures;
pub mod parse;
pub mod pattern;
pub mod record;
pub mod run;
pub mod schema;
pub mod texts;
mod yaml;

pub use answers::answers;
pub use compare::{Options, compare};
pub use parse::{AFTER, ExpectError, Expected, parse, parse_answers};
pub use record::record;
pub use run::Run;
pub use texts::Texts;
