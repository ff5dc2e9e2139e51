//! What is brought before all shards: a command that each has its part in, a sweep, the trial balance.

use std::sync::{Arc, Mutex, OnceLock};

use suanpan_core::{
    Command, Currency, MerchantId, Query, RawTotals, Rejection, Reply, Request, Snapshot, SweepItem,
    Timestamp,
};
use suanpan_wal::Lsn;

use crate::batch::{Caller, Completed};

/// One of them, and who waits for what comes of it.
pub(crate) struct Motion {
    pub(crate) what: What,
    pub(crate) token: u64,
    pub(crate) caller: Arc<dyn Caller>,
}

pub(crate) enum What {
    /// Decided by vote.
    Command(Command),
    /// What these owners accrued in all shards goes to them.
    Sweep(Vec<(MerchantId, Currency)>),
    /// What a sweep came to, once that is known.
    Swept(Vec<SweepItem>),
    /// The trial balance: each shard's part is put here.
    Totals(Arc<OnceLock<Vec<RawTotals>>>),
    /// Each shard's image at a mark in the log is put here.
    Snapshot(Arc<Mutex<Option<Taken>>>),
    /// A record that is no command, written for all shards without asking them.
    Note(Vec<u8>),
}

/// All shards' images at one point of the log.
pub(crate) struct Taken {
    /// By shard.
    pub(crate) images: Vec<Snapshot>,
    /// The end of the mark.
    pub(crate) end: Lsn,
    pub(crate) now: Timestamp,
}

impl Motion {
    /// The motion and its reply, as the gate of shard number `shard` takes them.
    pub(crate) fn answered(self, reply: Reply, shard: u16) -> (Arc<dyn Caller>, Completed) {
        let Self { what, token, caller } = self;
        let request = match what {
            What::Command(command) => Request::Command(command),
            What::Sweep(_) => Request::Command(Command::Sweep(Box::default())),
            What::Swept(items) => Request::Command(Command::Sweep(Box::new(items))),
            What::Totals(_) => Request::Query(Query::Totals),
            What::Snapshot(_) | What::Note(_) => Request::Query(Query::Date),
        };
        let (requests, replies) = (vec![request], vec![reply]);
        (caller, Completed { token, shard, requests, replies, as_of: Lsn::ZERO })
    }
}

/// The answer to what nobody can decide any more.
pub(crate) fn unknown() -> Reply {
    Reply::Rejected(Rejection::Unknown, None)
}
