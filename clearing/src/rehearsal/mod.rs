//! A rehearsal: days of a made-up town with every kind of trade, and what its channels saw of them.
//!
//! The town is played by the real rules, from a seed, into a real cold store, so that finance can try statements, settlement and reconciliation
//! before the first real day, and tests can compare what was found with what was planted. What the channels saw is noted when it happens, not
//! read back from the books.

mod bills;
pub mod papers;
mod town;

pub use bills::{Bill, Difference, Line, Planted, bill, plant};
pub use town::{Happened, Plan, Played, play};
