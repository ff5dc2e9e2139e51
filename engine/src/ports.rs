//! The ways into all shards.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use suanpan_core::{Departures, MerchantId, Rejection, Reply, Request, Snapshot};

use suanpan_wal::host;

use crate::answer::Asker;
use crate::batch::{BATCH_REQUESTS_MAX, Batch, Depart, Item, Refused};
use crate::config::SHARDS_MAX;
use crate::gate::Gate;
use crate::meeting::Invitation;
use crate::queue::{Pushed, Queue};

/// How long it takes to look again whether a full queue has room for what is in no hurry.
const QUEUE_RETRY: Duration = Duration::from_millis(1);

/// The way into one shard.
pub(crate) struct Port {
    pub(crate) queue: Arc<Queue<Item, Invitation>>,
    pub(crate) gate: Arc<Gate>,
    /// Orders that the shard has in memory, told after each group.
    pub(crate) in_memory: Arc<AtomicU64>,
}

/// The ways into all of them, shared by whoever asks.
pub(crate) struct Ports {
    ports: Vec<Port>,
    outstanding_requests_max: usize,
    /// Why the log failed, if it did.
    failed: Arc<OnceLock<String>>,
}

impl Ports {
    pub(crate) fn new(
        ports: Vec<Port>,
        outstanding_requests_max: usize,
        failed: Arc<OnceLock<String>>,
    ) -> Self {
        assert!((1..=usize::from(SHARDS_MAX)).contains(&ports.len()));
        Self { ports, outstanding_requests_max, failed }
    }

    pub(crate) fn shards(&self) -> u16 {
        u16::try_from(self.ports.len()).unwrap_or(SHARDS_MAX)
    }

    pub(crate) fn shard_of(&self, merchant: MerchantId) -> u16 {
        merchant.shard(self.shards())
    }

    /// Why the log failed, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Hands a batch to a shard; never waits.
    pub(crate) fn submit(&self, shard: u16, batch: Batch) -> Result<(), Refused> {
        let requests = batch.requests.len();
        assert!((1..=BATCH_REQUESTS_MAX).contains(&requests), "a batch of {requests} requests");
        let port = &self.ports[usize::from(shard)];
        if !port.gate.enter(requests, self.outstanding_requests_max) {
            return Err(Refused { why: Rejection::Overloaded, batch });
        }
        match port.queue.push(Item::Batch(batch)) {
            Ok(Pushed::InTime) => Ok(()),
            Ok(Pushed::Late) => {
                port.answer_what_is_left(shard);
                Ok(())
            }
            Err(Item::Depart(_)) => unreachable!("what did not get in is given back"),
            Err(Item::Batch(batch)) => {
                port.gate.leave(requests);
                let why = if self.failure().is_some() { Rejection::Unknown } else { Rejection::Overloaded };
                Err(Refused { why, batch })
            }
        }
    }

    /// Has a shard take a piece of what leaves out of its books, and waits for that. False when it takes nothing any more.
    pub(crate) fn depart(
        &self,
        shard: u16,
        was: Arc<Snapshot>,
        departures: Arc<Departures>,
        range: Range<usize>,
    ) -> bool {
        let (done, waits) = sync_channel(1);
        let port = &self.ports[usize::from(shard)];
        let mut item = Item::Depart(Depart { was, departures, range, done });
        loop {
            match port.queue.push(item) {
                Ok(Pushed::InTime) => break,
                Ok(Pushed::Late) => {
                    port.answer_what_is_left(shard);
                    break;
                }
                Err(_) if port.queue.is_closed() => return false,
                // Full: it is no hurry.
                Err(back) => item = back,
            }
            host::park_timeout(QUEUE_RETRY);
        }
        host::receive(&waits).is_ok()
    }

    /// Asks one shard and waits until what it says is durable: one reply to each request.
    pub(crate) fn ask(&self, shard: u16, requests: Vec<Request>) -> Vec<Reply> {
        let count = requests.len();
        let (caller, answer) = Asker::new();
        let refused = |why| vec![Reply::Rejected(why, None); count];
        match self.submit(shard, Batch { requests, replies: Vec::new(), token: 0, caller }) {
            Ok(()) => answer.wait().map_or_else(|| refused(Rejection::Unknown), |done| done.replies),
            Err(Refused { why, .. }) => refused(why),
        }
    }

    /// Asks one shard one thing, as [`Ports::ask`].
    pub(crate) fn ask_one(&self, shard: u16, request: Request) -> Reply {
        let reply = self.ask(shard, vec![request]).pop();
        reply.unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// Calls a shard to a meeting; false when it cannot come, because it ended.
    pub(crate) fn invite(&self, shard: u16, invitation: Invitation) -> bool {
        let port = &self.ports[usize::from(shard)];
        match port.queue.call(invitation) {
            Ok(Pushed::InTime) => true,
            Ok(Pushed::Late) => {
                port.answer_what_is_left(shard);
                false
            }
            // One meeting at a time: a slot that is full belongs to a shard that did not come to the last one.
            Err(_) => false,
        }
    }

    /// Orders in memory, when each shard was last told.
    pub(crate) fn orders_in_memory(&self) -> u64 {
        // Relaxed: figures by themselves.
        self.ports.iter().map(|port| port.in_memory.load(Ordering::Relaxed)).sum()
    }

    /// Requests that were taken and are not answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.ports.iter().map(|port| port.gate.outstanding()).sum()
    }

    /// Lets nothing more in; the shards end when they have served what is inside.
    pub(crate) fn close(&self) {
        for port in &self.ports {
            port.queue.close();
        }
    }
}

impl Port {
    /// Answers what is left in a queue that nobody serves any more.
    pub(crate) fn answer_what_is_left(&self, shard: u16) {
        while let Some(item) = self.queue.pop() {
            match item {
                Item::Batch(batch) => self.gate.refuse(batch, shard),
                // Whoever waits for it sees that nobody does it.
                Item::Depart(depart) => drop(depart),
            }
        }
        // Whoever called the meeting sees that this shard does not come.
        drop(self.queue.take_call());
    }
}
