//! A shard: the one thread that touches its merchants' accounts, orders and refunds.
//!
//! It takes batches from its queue, decides their requests one after the other, writes the commands that
//! changed something to the log as one group, puts the replies behind the gate, and wakes the committer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use suanpan_core::{Applied, Command, Key, Ledger, Rejection, Reply, Request, Timestamp};
use suanpan_wal::{AdmitError, LogHandle, LogState, Lsn, Permit, Writer};

use crate::batch::{BATCH_REQUESTS_MAX, Batch, Caller, Completed};
use crate::clock::Clock;
use crate::gate::{Gate, Waiting};
use crate::group::GroupWriter;
use crate::meeting::Invitation;
use crate::queue::Queue;

/// Requests decided before their group is closed, at least; a group ends with a whole batch.
const GROUP_REQUESTS: usize = BATCH_REQUESTS_MAX;

/// Commands whose cache lines are asked for together, before the first of them is decided.
const TOUCH_AHEAD: usize = 16;

/// The most bytes one command of a merchant takes in the log; a group is closed before it might not fit.
const COMMAND_BYTES_MAX: usize = 4 * 1024;

/// What a shard gets through its queue.
pub(crate) enum Work {
    Batch(Batch),
    Meet(Invitation),
}

/// A shard's thread, and all that only it touches.
pub(crate) struct Shard {
    pub(crate) id: u16,
    pub(crate) ledger: Ledger,
    pub(crate) queue: Arc<Queue<Work>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) log: LogHandle,
    pub(crate) clock: Arc<Clock>,
    pub(crate) journal: Journal,
    pub(crate) waiting: Vec<(Arc<dyn Caller>, Completed)>,
}

/// The shard's side of the log: the group in hand and where the last one ended.
pub(crate) struct Journal {
    writer: Writer,
    permit: Option<Permit>,
    group: GroupWriter,
    last: Lsn,
}

/// Answers what is left in a queue that nobody serves any more.
pub(crate) fn answer_what_is_left(queue: &Queue<Work>, gate: &Gate, shard: u16) {
    while let Some(work) = queue.pop() {
        match work {
            Work::Batch(batch) => gate.refuse(batch, shard),
            // Whoever called the meeting sees that this shard does not come.
            Work::Meet(invitation) => drop(invitation),
        }
    }
}

impl Journal {
    pub(crate) fn new(writer: Writer, last: Lsn) -> Self {
        let capacity = writer.record_max();
        Self { writer, permit: None, group: GroupWriter::new(capacity), last }
    }

    /// Makes sure that the group in hand can be written, whatever comes: before any state is touched.
    fn admit(&mut self) -> Result<(), Rejection> {
        if self.permit.is_none() {
            self.permit = Some(self.writer.admit().map_err(|error| match error {
                AdmitError::ReadOnly => Rejection::ReadOnly,
                _ => Rejection::Unknown,
            })?);
        }
        Ok(())
    }

    fn must_close(&self) -> bool {
        self.group.is_full() || self.group.len_bytes() + COMMAND_BYTES_MAX > self.writer.record_max()
    }

    /// Writes the group in hand, if there is anything in it.
    fn close(&mut self, now: Timestamp, date: suanpan_core::Date) {
        if self.group.is_empty() {
            return;
        }
        let permit = self.permit.take();
        assert!(permit.is_some(), "a group has commands only under a permit");
        if let Some(permit) = permit {
            self.last = self.writer.append(permit, self.group.seal(now, date));
        }
        self.group.clear();
    }
}

impl Shard {
    /// Runs until the queue is closed and empty. A panic poisons the log: no shard goes on alone.
    pub(crate) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                match self.queue.pop() {
                    Some(work) => self.serve(work),
                    None if self.queue.wait() => {}
                    None => break,
                }
            }
        }));
        if let Err(panic) = outcome {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("a panic without words");
            self.log.poison(&format!("shard {} stopped: {what}", self.id));
            self.give_up();
        }
    }

    /// After a panic: whatever was decided and not handed over, or waits in the queue, is answered *unknown*, and
    /// whoever called a meeting is let go.
    fn give_up(&mut self) {
        self.queue.close();
        let batches = std::mem::take(&mut self.waiting);
        self.gate.release_unknown(Waiting { until: self.journal.last, batches });
        answer_what_is_left(&self.queue, &self.gate, self.id);
    }

    /// Serves what is in the queue as one group: one moment, one record, one place at the gate.
    fn serve(&mut self, first: Work) {
        let now = self.clock.now();
        let mut requests = 0;
        let mut next = Some(first);
        while let Some(work) = next {
            match work {
                Work::Batch(batch) => {
                    requests += batch.requests.len();
                    self.decide(batch, now);
                }
                Work::Meet(invitation) => {
                    self.close(now);
                    self.meet(invitation);
                    return;
                }
            }
            if requests >= GROUP_REQUESTS {
                break;
            }
            next = self.queue.pop();
        }
        self.close(now);
    }

    fn decide(&mut self, batch: Batch, now: Timestamp) {
        let Batch { requests, mut replies, token, caller } = batch;
        assert!(replies.is_empty());
        replies.reserve_exact(requests.len());
        for some in requests.chunks(TOUCH_AHEAD) {
            let mut keys = [Key::default(); TOUCH_AHEAD];
            for (key, request) in keys.iter_mut().zip(some) {
                if let Request::Command(command) = request {
                    *key = self.ledger.touch(command);
                }
            }
            self.ledger.warm(&keys[..some.len()]);
            for (key, request) in keys.into_iter().zip(some) {
                replies.push(match request {
                    Request::Command(command) => self.command(command, key, now),
                    Request::Query(query) => self.ledger.answer(query, now),
                    // The engine carries these out, with many commands and looks.
                    Request::Run(_) => Reply::Rejected(Rejection::InvalidRequest, None),
                });
            }
        }
        let completed = Completed { token, shard: self.id, requests, replies, as_of: Lsn::ZERO };
        self.waiting.push((caller, completed));
    }

    fn command(&mut self, command: &Command, key: Key, now: Timestamp) -> Reply {
        if command.merchant().is_none() {
            // These change every shard; the engine calls a meeting for them.
            return Reply::Rejected(Rejection::InvalidRequest, None);
        }
        if self.journal.must_close() {
            self.journal.close(now, self.ledger.date());
        }
        if let Err(rejection) = self.journal.admit() {
            return Reply::Rejected(rejection, None);
        }
        let Applied { reply, changed } = self.ledger.apply_keyed(command, key, now, &mut ());
        if changed {
            self.journal.group.push(command);
        }
        reply
    }

    /// Writes the group and puts its replies behind the gate, or answers at once what is durable already.
    fn close(&mut self, now: Timestamp) {
        self.journal.close(now, self.ledger.date());
        if self.waiting.is_empty() {
            return;
        }
        let until = self.journal.last;
        let mut batches = std::mem::take(&mut self.waiting);
        for (_, completed) in &mut batches {
            completed.as_of = until;
        }
        let mut waiting = Waiting { until, batches };
        if self.log.durable() >= until {
            self.gate.release(waiting);
            return;
        }
        while let Err(back) = self.gate.push(waiting) {
            // The ring is full: the log is behind by a thousand groups. Wait for its next sync.
            waiting = back;
            if self.log.state() == LogState::Poisoned {
                self.gate.release_unknown(waiting);
                self.gate.fail();
                return;
            }
            self.log.wake();
            std::thread::yield_now();
        }
        self.log.wake();
        // The committer may have failed, and answered all it saw, before this group came in.
        if self.log.state() == LogState::Poisoned {
            self.gate.fail();
        }
    }

    fn meet(&mut self, invitation: Invitation) {
        let Some(decision) = invitation.attend(self.id, self.ledger.totals(), self.journal.last) else {
            return;
        };
        let applied = self.ledger.apply(&decision.command, decision.now, &mut ());
        self.journal.last = decision.end;
        // Whoever called the meeting may have given up; the command is in the log and applied all the same.
        let _ = decision.replies.send((self.id, applied.reply));
    }
}
