//! From the log into the cold store: the day that is open, and what follows the log for it.

mod accounts;
pub mod day;
mod encode;
mod names;
