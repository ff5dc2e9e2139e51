//! # suanpan-net: the edge
//!
//! Two ways in: a binary protocol over TCP for high volume, and the HTTP API; and the Rust client of the first.
//!
//! It promises that
//! - any bytes on either port get an answer, an error or a closed connection: never a panic, never more memory
//!   than the limits ([`wire`], [`TcpLimits`], [`http`]);
//! - replies leave only when the engine has let them through: the edge answers nothing by itself but what is
//!   malformed or too much.
//!
//! What it deliberately does **not** do: no rules of the business (the core's), no threads of the payment's way
//! but tokio's, no retry on anybody's behalf, no second truth: what it remembers is a copy of facts that do not
//! change.

mod client;
mod gateway;
pub mod http;
mod inbox;
mod parties;
mod session;
pub mod tcp;
pub mod wire;

pub use client::{Client, ClientError, Connection, Receiver, Sender};
pub use gateway::{Answer, Gateway};
pub use parties::BadSplit;
pub use tcp::TcpLimits;
