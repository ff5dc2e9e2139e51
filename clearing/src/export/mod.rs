//! From the log into the cold store: the day that is open, and what follows the log for it.

pub mod day;
mod encode;
