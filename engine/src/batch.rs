//! What is handed to a shard, and what comes back.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use suanpan_core::{Departures, Rejection, Reply, Request, Snapshot};
use suanpan_wal::Lsn;

/// The most requests in one batch.
pub const BATCH_REQUESTS_MAX: usize = 8_190;

/// Up to so many requests of one batch are decided with nothing in between, also no meeting of all shards.
pub const BATCH_TOGETHER_MAX: usize = 16;

/// Requests that one caller sends to one shard together. They are decided in order, and no other batch comes in between.
/// A batch of more than [`BATCH_TOGETHER_MAX`] may be interrupted by what concerns all shards: a transfer, a day cut; but not
/// between a command and a look right behind it.
pub struct Batch {
    /// 1..=[`BATCH_REQUESTS_MAX`] of them, each for a merchant of that shard (or for no merchant).
    pub requests: Vec<Request>,
    /// Empty; room for the replies, so that the caller may use a vector again.
    pub replies: Vec<Reply>,
    /// The caller's own mark, given back.
    pub token: u64,
    /// Who waits for it.
    pub caller: Arc<dyn Caller>,
}

/// What a shard takes out of its queue.
pub(crate) enum Item {
    Batch(Batch),
    Depart(Depart),
}

/// A piece of what leaves for the cold store.
pub(crate) struct Depart {
    pub(crate) was: Arc<Snapshot>,
    pub(crate) departures: Arc<Departures>,
    pub(crate) range: Range<usize>,
    /// Told when it is done.
    pub(crate) done: SyncSender<()>,
}

/// A batch that did not get in; nothing was changed by it.
pub struct Refused {
    /// `Overloaded` or `Unknown`.
    pub why: Rejection,
    /// The batch, given back.
    pub batch: Batch,
}

/// A batch that was decided, when everything that its replies say is durable.
#[derive(Debug)]
pub struct Completed {
    /// The batch's token.
    pub token: u64,
    /// Which shard decided.
    pub shard: u16,
    /// The requests, given back.
    pub requests: Vec<Request>,
    /// A reply to each of them, in order.
    pub replies: Vec<Reply>,
    /// The log position at which they hold.
    pub as_of: Lsn,
}

/// Where completed batches go.
pub trait Caller: Send + Sync {
    /// Takes a completed batch. Called once for each batch that was accepted, from the thread that syncs the
    /// log: it must not block.
    fn complete(&self, completed: Completed);
}
