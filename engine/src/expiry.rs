//! Orders whose time is over are closed: one thread that looks once a second, and at once when the clock was set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use suanpan_core::{Close, Command, MerchantId, Number, Query, Reply, Request};
use suanpan_wal::host::{self, JoinHandle};

use crate::clock::Clock;
use crate::engine::spawn;
use crate::error::EngineError;
use crate::ports::Ports;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Orders closed in one batch: short enough to stand among payments.
const BATCH_ORDERS: u16 = 256;

/// Batches for one shard at one look; more have to wait for the next.
const BATCHES_MAX: usize = 64;

/// The running thread.
pub(crate) struct Expiry {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle,
}

impl Expiry {
    pub(crate) fn start(ports: Arc<Ports>, clock: &Clock) -> Result<Self, EngineError> {
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let thread = spawn("expiry", move || {
            // Acquire, with the Release in `end`; the token that `unpark` leaves makes sure that it is looked at.
            while !seen.load(Ordering::Acquire) {
                look(&ports, &seen);
                host::park_timeout(EVERY);
            }
        })?;
        clock.wake_when_set(thread.thread());
        Ok(Self { stopping, thread })
    }

    /// Ends the thread. The shards must still answer.
    pub(crate) fn end(self) {
        self.stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // It asserts nothing of its own: what it asks is the shards' to fail at.
        let _ = self.thread.join();
    }
}

/// Closes what is over in every shard.
fn look(ports: &Ports, stopping: &AtomicBool) {
    for shard in 0..ports.shards() {
        for _ in 0..BATCHES_MAX {
            if stopping.load(Ordering::Acquire) || ports.failure().is_some() || !close_some(ports, shard) {
                break;
            }
        }
    }
}

/// Closes some orders of a shard; whether there may be more that can be closed now.
fn close_some(ports: &Ports, shard: u16) -> bool {
    let look = Request::Query(Query::Expired(BATCH_ORDERS));
    let Reply::Expired(expired) = ports.ask_one(shard, look) else { return false };
    if expired.is_empty() {
        return false;
    }
    let full = expired.len() == usize::from(BATCH_ORDERS);
    let close = |(merchant, order_no): (MerchantId, Number)| {
        Request::Command(Command::Close(Close { merchant, order_no, expired: true }))
    };
    let replies = ports.ask(shard, expired.into_iter().map(close).collect());
    // What cannot be closed now would be found again at once; it has time until the next look.
    full && replies.iter().all(|reply| matches!(reply, Reply::Done(_)))
}
