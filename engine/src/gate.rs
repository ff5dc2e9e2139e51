//! The reply gate: a decided batch waits here until all that its replies say is durable.
//!
//! Each shard puts what it decided, with the log position up to which it had written, into its own bounded
//! ring. The thread that syncs the log empties the rings up to the new durable position after every sync, so
//! no other thread has to wake for a reply to leave. A reply that says something durable already does not
//! enter at all.
//!
//! No reply is left behind: a shard puts its batches in *before* it wakes the committer, and the committer
//! looks into the rings *after* it has read the durable position and again whenever it was woken.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use suanpan_core::{Rejection, Reply};
use suanpan_wal::{LogHandle, LogState, Lsn};

use crate::batch::{Batch, Caller, Completed};
use crate::config::Planted;
use crate::sync::{ArrayQueue, AtomicUsize, Ordering};

/// Groups of one shard that may wait for a sync; more than that and the shard waits too.
const WAITING_GROUPS_MAX: usize = 1_024;

/// Batches that are safe to answer once the log is durable up to `until`.
pub(crate) struct Waiting {
    pub(crate) until: Lsn,
    pub(crate) batches: Vec<(Arc<dyn Caller>, Completed)>,
}

/// A shard's side of the gate.
pub(crate) struct Gate {
    ring: ArrayQueue<Waiting>,
    /// Requests that were accepted into the shard's queue and are not answered yet.
    outstanding: CachePadded<AtomicUsize>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { ring: ArrayQueue::new(WAITING_GROUPS_MAX), outstanding: CachePadded::new(AtomicUsize::new(0)) }
    }

    /// Counts `requests` in, unless more than `max` would then be unanswered.
    pub(crate) fn enter(&self, requests: usize, max: usize) -> bool {
        // Relaxed: a bound on memory, which orders nothing.
        let before = self.outstanding.fetch_add(requests, Ordering::Relaxed);
        if before + requests > max {
            self.outstanding.fetch_sub(requests, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Counts requests out that were refused after all.
    pub(crate) fn leave(&self, requests: usize) {
        let before = self.outstanding.fetch_sub(requests, Ordering::Relaxed);
        assert!(before >= requests, "answered more than was asked");
    }

    /// Requests accepted and not answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Puts a group behind the gate; gives it back when the ring is full.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), Waiting> {
        self.ring.push(waiting)
    }

    /// Answers a group at once when it is durable already, and otherwise puts it behind the gate; gives it back when there
    /// is no room.
    pub(crate) fn hand_over(&self, waiting: Waiting, log: &LogHandle) -> Result<(), Waiting> {
        if log.durable() >= waiting.until {
            self.release(waiting);
            return Ok(());
        }
        let pushed = self.push(waiting);
        log.wake();
        // Behind the fence of waking: either this sees the failure, or whoever failed found what was pushed.
        let poisoned = log.state() == LogState::Poisoned;
        match pushed {
            Err(back) if poisoned => self.release_unknown(back),
            Err(back) => return Err(back),
            Ok(()) => {}
        }
        if poisoned {
            // The committer may have failed, and answered all it saw, before this group came in.
            self.fail();
        }
        Ok(())
    }

    /// Answers a group now.
    pub(crate) fn release(&self, waiting: Waiting) {
        for (caller, completed) in waiting.batches {
            assert_eq!(completed.requests.len(), completed.replies.len());
            self.leave(completed.requests.len());
            caller.complete(completed);
        }
    }

    /// Answers a batch that was never looked at with *unknown*: nobody is there any more to decide it.
    pub(crate) fn refuse(&self, batch: Batch, shard: u16) {
        let Batch { requests, mut replies, token, caller } = batch;
        replies.clear();
        replies.resize(requests.len(), Reply::Rejected(Rejection::Unknown, None));
        let completed = Completed { token, shard, requests, replies, as_of: Lsn::ZERO };
        self.release(Waiting { until: Lsn::ZERO, batches: vec![(caller, completed)] });
    }

    /// Answers a group with *unknown*: the log failed, and nobody can say what of it will be found again.
    pub(crate) fn release_unknown(&self, mut waiting: Waiting) {
        for (_, completed) in &mut waiting.batches {
            completed.replies.fill(Reply::Rejected(Rejection::Unknown, None));
        }
        self.release(waiting);
    }
}

/// The committer's side: opens the gates of all shards.
pub(crate) struct GateKeeper {
    gates: Vec<Arc<Gate>>,
    /// The oldest group of each shard that had to wait for another sync.
    heads: Vec<Option<Waiting>>,
    /// See [`Planted::GateOpensEarly`].
    early_bytes: u64,
}

impl GateKeeper {
    pub(crate) fn new(gates: Vec<Arc<Gate>>) -> Self {
        let heads = gates.iter().map(|_| None).collect();
        Self { gates, heads, early_bytes: 0 }
    }

    pub(crate) fn planted(self, planted: Option<Planted>) -> Self {
        let early_bytes = if planted == Some(Planted::GateOpensEarly) { 1024 } else { 0 };
        Self { early_bytes, ..self }
    }

    /// Answers everything that is durable.
    pub(crate) fn open(&mut self, durable: Lsn) {
        let durable = Lsn::new(durable.get() + self.early_bytes);
        for (gate, head) in self.gates.iter().zip(&mut self.heads) {
            while let Some(waiting) = head.take().or_else(|| gate.ring.pop()) {
                if waiting.until > durable {
                    *head = Some(waiting);
                    break;
                }
                gate.release(waiting);
            }
        }
    }

    /// Answers everything with *unknown*.
    pub(crate) fn fail(&mut self) {
        for (gate, head) in self.gates.iter().zip(&mut self.heads) {
            while let Some(waiting) = head.take().or_else(|| gate.ring.pop()) {
                gate.release_unknown(waiting);
            }
        }
    }
}

impl Gate {
    /// Answers everything in this gate with *unknown*; for a shard that finds the log failed.
    pub(crate) fn fail(&self) {
        while let Some(waiting) = self.ring.pop() {
            self.release_unknown(waiting);
        }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod model;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use suanpan_core::{MerchantId, Query, Request};

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u64, Reply)>>);

    impl Caller for Seen {
        fn complete(&self, completed: Completed) {
            self.0.lock().unwrap().push((completed.token, completed.replies[0].clone()));
        }
    }

    fn waiting(seen: &Arc<Seen>, token: u64, until: u64) -> Waiting {
        let completed = Completed {
            token,
            shard: 0,
            requests: vec![Request::Query(Query::Balances(MerchantId(1)))],
            replies: vec![Reply::Accrued(7)],
            as_of: Lsn::new(until),
        };
        Waiting { until: Lsn::new(until), batches: vec![(seen.clone(), completed)] }
    }

    fn tokens(seen: &Seen) -> Vec<u64> {
        seen.0.lock().unwrap().iter().map(|(token, _)| *token).collect()
    }

    #[test]
    fn nothing_leaves_before_it_is_durable() {
        let (seen, gate) = (Arc::new(Seen::default()), Arc::new(Gate::new()));
        let mut keeper = GateKeeper::new(vec![gate.clone()]);
        for (token, until) in [(1, 100), (2, 100), (3, 101)] {
            assert!(gate.enter(1, 10));
            assert!(gate.push(waiting(&seen, token, until)).is_ok());
        }
        keeper.open(Lsn::new(99));
        assert_eq!(tokens(&seen), [0; 0]);
        keeper.open(Lsn::new(100));
        assert_eq!(tokens(&seen), [1, 2]);
        assert_eq!(gate.outstanding(), 1);
        keeper.open(Lsn::new(200));
        assert_eq!(tokens(&seen), [1, 2, 3]);
        assert_eq!(gate.outstanding(), 0);
    }

    #[test]
    fn after_a_failure_everything_is_unknown() {
        let (seen, gate) = (Arc::new(Seen::default()), Arc::new(Gate::new()));
        let mut keeper = GateKeeper::new(vec![gate.clone()]);
        for token in 1..=2 {
            assert!(gate.enter(1, 10));
            assert!(gate.push(waiting(&seen, token, 100)).is_ok());
            keeper.open(Lsn::new(50));
        }
        keeper.fail();
        let unknown = Reply::Rejected(Rejection::Unknown, None);
        assert_eq!(*seen.0.lock().unwrap(), [(1, unknown.clone()), (2, unknown)]);
    }

    #[test]
    fn no_more_enter_than_may() {
        let gate = Gate::new();
        assert!(gate.enter(6, 10));
        assert!(!gate.enter(5, 10));
        assert!(gate.enter(4, 10));
        gate.leave(4);
        assert_eq!(gate.outstanding(), 6);
    }
}
