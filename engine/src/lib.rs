//! # suanpan-engine: the core and the log, made to run
//!
//! An [`Engine`] runs one [`Ledger`](suanpan_core::Ledger) for each shard on a thread of its own. A batch comes
//! in through the shard's bounded queue, is decided, written to the one log that all shards share, and its
//! replies leave through the shard's gate when the log is durable up to what they say.
//!
//! It promises that
//! - a merchant is touched by one thread only, in the order in which batches came in;
//! - what concerns several shards is decided and done by all of them at one point of the log, or not at all;
//! - no reply, also no refusal and no look, leaves before everything it says is durable;
//! - a full queue is an answer (`overloaded`), and a log without room is one (`read_only`), both before any
//!   state is touched;
//! - a start on the same folder finds everything that was answered;
//! - after a failure of the log or a panic nothing more is answered but *unknown*.
//!
//! [`Engine::run`] carries out what takes many commands, [`Engine::follow`] says what each command did.
//!
//! What it deliberately does **not** do: no sockets and no formats of the wire; no rules of the business (those
//! are the core's); no format of the log below the payload of a record (that is the log's); no retry of a
//! failed sync, ever.

mod answer;
mod batch;
mod beside;
mod chair;
mod clock;
mod cold;
mod config;
mod engine;
mod error;
mod expiry;
mod follow;
mod gate;
mod group;
mod holds;
mod mark;
mod meeting;
mod motion;
mod ports;
mod proposals;
mod queue;
mod replay;
mod run;
mod shard;
mod snapshot;
mod sync;
mod tally;

pub use batch::{BATCH_REQUESTS_MAX, BATCH_TOGETHER_MAX, Batch, Caller, Completed, Refused};
pub use clock::Clock;
pub use cold::ColdError;
#[doc(hidden)]
pub use config::Planted;
pub use config::{EngineConfig, SHARDS_MAX};
pub use engine::{Engine, Health, Recovered};
pub use error::EngineError;
pub use follow::{CheckpointError, Followed, Follower, HoldError, LogHolder, Place, Step, Visitor};
pub use group::{Group, GroupError, read_group};
pub use holds::{HOLD_BUCKETS, HoldTimes};
pub use mark::{Logged, read_logged};
pub use snapshot::file::SnapshotError;
pub use snapshot::keeper::{TakeError, TakenSnapshot};
pub use snapshot::look::{SnapshotReport, snapshots, verify_snapshots};
pub use suanpan_wal::{Backend, LockError, Lsn};
