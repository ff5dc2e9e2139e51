//! # suanpan-loadgen: load that can be believed
//!
//! Plays merchants' traffic against a server, measures it and checks it: every answer against what it must be, and at
//! the end every merchant's balance against its own count. Over the binary protocol it plays payments, refunds and
//! voids in frames; over HTTP payments, one a request.
//!
//! It promises that
//! - in an **open loop** (a rate was asked for) a batch's latency counts from the moment it was *meant* to be
//!   sent, so that a server that stalls is seen to stall (no coordinated omission); in a **closed loop** it counts
//!   from the moment of sending, and the rate is what the server gives;
//! - nothing is counted that was not answered, and an answer that is wrong ends in an error.
//!
//! What it deliberately does **not** do: no judgement (it has no thresholds), no refunds over HTTP, no traffic to several
//! servers, no retries: what a server refuses for want of room is counted as refused.

mod error;
mod http;
mod line;
mod plan;
mod progress;
mod report;
mod run;
mod skew;
mod trader;

pub use error::LoadError;
pub use http::{AnswerError, HttpError};
pub use plan::{LoadPlan, Loop, Protocol};
pub use report::{Latency, Report};
pub use run::run;
pub use skew::Skew;
