//! From the log into the cold store: a follower of the log, the day that is open, and what a day is checked for.

mod accounts;
pub mod day;
mod encode;
mod exporter;
mod names;
mod verify;

pub use exporter::{ExportError, Exporter, ExporterConfig, Progress};
pub use verify::verify;
