//! # suanpan-bench: how fast it is, and how fast it could be
//!
//! The criterion benches time the parts one by one (`core_apply`, `log_append`, `queue`, `frame_decode`). The
//! bench `limits` measures in one run what this machine could do at most at each thing that a payment needs
//! (disk, log, memory, network, rules) and how near the whole line comes to each.
//!
//! It promises that
//! - the traffic is the load generator's: order numbers of 20 characters, 10,000 merchants, a fee of 0.6%;
//! - limits and line take turns, round by round, so that a drift of the machine hits both alike;
//! - every figure is a median, printed with the least and the most that was seen.
//!
//! What it deliberately does **not** do: no thresholds and no verdicts, no load generator of its own (the line
//! is measured by `suanpan load`), no comparison with other systems.

pub mod disk;
mod error;
pub mod line;
pub mod log;
pub mod loopback;
pub mod machine;
pub mod memory;
pub mod recovery;
pub mod report;
pub mod samples;
pub mod table;
pub mod traffic;

pub use error::BenchError;
