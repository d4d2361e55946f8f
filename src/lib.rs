//! `tp`, the runner of the course *Containers, from the kernel up*.
//!
//! A check goes through the rooms in this order:
//!
//! ```text
//! course  -> sandbox -> observe -> state -> expect -> check -> ui
//! what it    where it   what the   what     what it   the      how it
//! asks       runs       kernel     changed  should    verdict  is told
//!                       holds               be
//! ```
//!
//! Nothing here depends on the package `labs`: the bricks do, the runner
//! observes, so that a bug in a brick cannot hide itself in the checker.

pub mod check;
pub mod course;
pub mod expect;
pub mod grade;
pub mod observe;
pub mod sandbox;
pub mod state;
pub mod ui;
