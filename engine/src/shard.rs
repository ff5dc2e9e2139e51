//! A shard: the one thread that touches its merchants' accounts, orders and refunds.
//!
//! It takes batches from its queue, decides their requests one after the other, writes the commands that
//! changed something to the log as one group, puts the replies behind the gate, and wakes the committer. Every sixteen
//! requests it looks whether it is called to a meeting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use suanpan_core::{
    Applied, ColdKey, Command, Key, Ledger, Query, Rejection, Reply, Request, SweepItem, Timestamp, Vote,
};
use suanpan_wal::{AdmitError, LogHandle, Lsn, Permit, Writer, host};

use crate::batch::{BATCH_REQUESTS_MAX, BATCH_TOGETHER_MAX, Batch, Caller, Completed, Depart, Item};
use crate::clock::Clock;
use crate::cold::{ColdStore, bring_back};
use crate::gate::{Gate, Waiting};
use crate::group::GroupWriter;
use crate::holds::Holds;
use crate::meeting::{Agenda, Arrival, Decision, Invitation, Word};
use crate::motion::unknown;
use crate::ports::Port;
use crate::queue::Queue;
use crate::tally::{Party, Voice, parties};

/// Requests decided before their group is closed, at least; a group ends with a whole batch.
const GROUP_REQUESTS: usize = BATCH_REQUESTS_MAX;

/// Commands whose cache lines are asked for together, before the first of them is decided. Between two such runs of a batch
/// a meeting may come.
const TOUCH_AHEAD: usize = BATCH_TOGETHER_MAX;

/// The most bytes one command of a merchant takes in the log, a refund with fifty split returns; a group is closed before
/// it might not fit.
const COMMAND_BYTES_MAX: usize = 8 * 1024;

/// A shard's thread, and all that only it touches.
pub(crate) struct Shard {
    pub(crate) id: u16,
    /// How many there are.
    pub(crate) shards: u16,
    pub(crate) ledger: Ledger,
    pub(crate) queue: Arc<Queue<Item, Invitation>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) log: LogHandle,
    pub(crate) clock: Arc<Clock>,
    /// The time of the group in hand.
    pub(crate) now: Timestamp,
    pub(crate) journal: Journal,
    pub(crate) holds: Arc<Holds>,
    pub(crate) cold: Arc<ColdStore>,
    pub(crate) in_memory: Arc<AtomicU64>,
    /// Orders that it keeps in memory at most.
    pub(crate) orders_max: u64,
    pub(crate) waiting: Vec<(Arc<dyn Caller>, Completed)>,
}

/// The shard's side of the log: the group in hand and where the last one ended.
pub(crate) struct Journal {
    writer: Writer,
    permit: Option<Permit>,
    group: GroupWriter,
    last: Lsn,
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
                if let Some(invitation) = self.queue.take_call() {
                    self.meet(invitation);
                    continue;
                }
                match self.queue.pop() {
                    Some(Item::Batch(batch)) => self.serve(batch),
                    Some(Item::Depart(depart)) => self.depart(depart),
                    None if self.queue.wait() => {}
                    None => break,
                }
            }
        }));
        if let Err(panic) = outcome {
            self.log.poison(&format!("shard {} stopped: {}", self.id, words_of(&*panic)));
            self.give_up();
        }
    }

    /// After a panic: whatever was decided and not handed over, or waits in the queue, is answered *unknown*, and
    /// whoever called a meeting is let go.
    fn give_up(&mut self) {
        self.queue.close();
        let batches = std::mem::take(&mut self.waiting);
        self.gate.release_unknown(Waiting { until: self.journal.last, batches });
        let (queue, gate, in_memory) = (self.queue.clone(), self.gate.clone(), self.in_memory.clone());
        Port { queue, gate, in_memory }.answer_what_is_left(self.id);
    }

    /// Serves what is in the queue as one group: one moment, one record, one place at the gate. A meeting in between
    /// ends the record and the moment.
    fn serve(&mut self, first: Batch) {
        self.now = self.clock.now();
        let mut requests = 0;
        let mut next = Some(Item::Batch(first));
        while let Some(item) = next {
            match item {
                Item::Batch(batch) => {
                    requests += batch.requests.len();
                    self.decide(batch);
                }
                Item::Depart(depart) => self.depart(depart),
            }
            if requests >= GROUP_REQUESTS {
                break;
            }
            next = self.queue.pop();
        }
        self.close();
    }

    /// Takes out what is in the cold store now: no answer and no digest is another by it.
    #[allow(clippy::needless_pass_by_value, reason = "whoever waits for it is told when it goes")]
    fn depart(&mut self, depart: Depart) {
        self.ledger.depart(&depart.was, &depart.departures, depart.range.clone());
        self.tell();
        let _ = depart.done.send(());
    }

    /// Says how many orders are in memory. Relaxed: a figure by itself.
    fn tell(&self) {
        self.in_memory.store(self.ledger.orders_in_memory(), Ordering::Relaxed);
    }

    /// Brings back from the cold store what a request needs. False when it cannot be read: then the log is poisoned.
    #[cold]
    fn bring_back(&mut self, wanted: impl Fn(&Ledger) -> Option<ColdKey>) -> bool {
        match bring_back(&mut self.ledger, &self.cold, wanted) {
            Ok(()) => true,
            Err(error) => {
                self.log.poison(&error.to_string());
                false
            }
        }
    }

    /// A look, with what it needs brought back.
    fn look(&mut self, query: &Query) -> Reply {
        let wanted = self.ledger.has_cold() && self.ledger.wanted_to_look(query).is_some();
        if wanted && !self.bring_back(|ledger| ledger.wanted_to_look(query)) {
            return unknown();
        }
        let reply = self.ledger.answer(query, self.now);
        if wanted {
            self.ledger.end_request();
        }
        reply
    }

    fn decide(&mut self, batch: Batch) {
        let Batch { requests, mut replies, token, caller } = batch;
        assert!(replies.is_empty());
        replies.reserve_exact(requests.len());
        let mut behind_command = false;
        for some in requests.chunks(TOUCH_AHEAD) {
            // A look behind a command sees what that did: nothing comes between the two.
            let looks_back = behind_command && matches!(some.first(), Some(Request::Query(_)));
            behind_command = matches!(some.last(), Some(Request::Command(_)));
            if !looks_back && let Some(invitation) = self.queue.take_call() {
                self.interrupt(invitation);
            }
            let mut keys = [Key::default(); TOUCH_AHEAD];
            for (key, request) in keys.iter_mut().zip(some) {
                if let Request::Command(command) = request {
                    *key = self.ledger.touch(command);
                }
            }
            self.ledger.warm(&keys[..some.len()]);
            for (key, request) in keys.into_iter().zip(some) {
                replies.push(match request {
                    Request::Command(command) => self.command(command, key),
                    Request::Query(query) => self.look(query),
                    // The engine carries these out, with many commands and looks.
                    Request::Run(_) => Reply::Rejected(Rejection::InvalidRequest, None),
                });
            }
        }
        let completed = Completed { token, shard: self.id, requests, replies, as_of: Lsn::ZERO };
        self.waiting.push((caller, completed));
    }

    fn command(&mut self, command: &Command, key: Key) -> Reply {
        if command.merchant().is_none() {
            // These change every shard; the engine calls a meeting for them.
            return Reply::Rejected(Rejection::InvalidRequest, None);
        }
        if self.journal.must_close() {
            self.journal.close(self.now, self.ledger.date());
        }
        if let Err(rejection) = self.journal.admit() {
            return Reply::Rejected(rejection, None);
        }
        let has_cold = self.ledger.has_cold();
        let wanted = has_cold && self.ledger.wanted(command, key).is_some();
        if wanted && !self.bring_back(|ledger| ledger.wanted(command, key)) {
            return unknown();
        }
        if self.ledger.orders_in_memory() >= self.orders_max && self.ledger.is_new_order(command, key) {
            return Reply::Rejected(Rejection::Overloaded, None);
        }
        let Applied { reply, changed } = self.ledger.apply_keyed(command, key, self.now, &mut ());
        if wanted {
            self.ledger.end_request();
        }
        if changed {
            self.journal.group.push(command);
        }
        reply
    }

    /// Writes the group and puts its replies behind the gate, or answers at once what is durable already.
    fn close(&mut self) {
        self.journal.close(self.now, self.ledger.date());
        self.tell();
        while !self.hand_over() {
            // The ring is full: the log is behind by a thousand groups. Wait for its next sync, but let nobody wait for
            // that: nothing is in hand that a meeting could come in between.
            if let Some(invitation) = self.queue.take_call() {
                self.meet(invitation);
            }
            host::yield_now();
        }
    }

    /// Puts what was decided behind the gate; false when there is no room, and it stays in hand.
    fn hand_over(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        let until = self.journal.last;
        let mut batches = std::mem::take(&mut self.waiting);
        for (_, completed) in &mut batches {
            completed.as_of = until;
        }
        match self.gate.hand_over(Waiting { until, batches }, &self.log) {
            Ok(()) => true,
            Err(back) => {
                self.waiting = back.batches;
                false
            }
        }
    }

    /// A meeting between two requests of a batch: what came before is written first, and what comes after has a moment of
    /// its own.
    fn interrupt(&mut self, invitation: Invitation) {
        self.journal.close(self.now, self.ledger.date());
        // Without room at the gate what was decided stays in hand and leaves with the next group.
        let _ = self.hand_over();
        self.meet(invitation);
        self.now = self.clock.now();
    }

    /// Stands still with all other shards; nothing is in hand that is not written.
    fn meet(&mut self, invitation: Invitation) {
        assert!(self.journal.group.is_empty(), "a meeting finds everything written");
        let since = Instant::now();
        let agenda = invitation.agenda.clone();
        let seat = invitation.attend(self.arrival(&agenda));
        while let Some(word) = seat.word() {
            match word {
                Word::MayReceive(items, answers) => {
                    let may =
                        |item: &SweepItem| self.ledger.can_receive(item.owner, item.currency, item.amount);
                    let _ = answers.send(items.iter().map(may).collect());
                }
                Word::Decision(decision) => {
                    self.apply(&decision);
                    break;
                }
            }
        }
        self.holds.record(since.elapsed());
    }

    /// What this shard says to what is on the agenda.
    fn arrival(&mut self, agenda: &Agenda) -> Arrival {
        let snapshot = agenda.snapshot.then(|| self.ledger.snapshot());
        Arrival {
            shard: self.id,
            last: self.journal.last,
            date: self.ledger.date(),
            voices: agenda.commands.iter().map(|command| self.voice(command, agenda.now)).collect(),
            accruals: agenda
                .owners
                .iter()
                .map(|(id, currency)| self.ledger.accruals(*id, *currency))
                .collect(),
            totals: agenda.totals.then(|| self.ledger.totals()),
            snapshot,
        }
    }

    fn voice(&self, command: &Command, now: Timestamp) -> Voice {
        let vote = self.ledger.vote(command, now);
        let is_absent = |party: &Party| {
            let home = party.merchant.shard(self.shards) == self.id;
            let look = Query::Balances(party.merchant);
            home && (vote == Vote::Abstain || !matches!(self.ledger.answer(&look, now), Reply::Balances(_)))
        };
        Voice { vote, absent: parties(command).position(|party| is_absent(&party)) }
    }

    fn apply(&mut self, decision: &Decision) {
        let apply = |command| self.ledger.apply(command, decision.now, &mut ()).reply;
        let replies = decision.commands.iter().map(apply).collect();
        self.journal.last = decision.end;
        // Whoever called the meeting may have given up; the commands are in the log and applied all the same.
        let _ = decision.replies.send((self.id, replies));
    }
}

/// What a panic said.
pub(crate) fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::{MerchantId, Number, Refund, RefundDetails, SPLIT_PARTS_MAX, SplitReturn, encode};

    #[test]
    fn the_largest_command_of_a_merchant_fits() {
        let number: Number = "9".repeat(32).parse().unwrap();
        let merchant = MerchantId(MerchantId::MAX);
        let back = SplitReturn {
            merchant,
            return_no: number,
            order_no: number,
            split_no: number,
            receiver: merchant,
            amount: suanpan_core::AMOUNT_MAX,
        };
        let details = RefundDetails { reason: "r".repeat(256), split_returns: vec![back; SPLIT_PARTS_MAX] };
        let command = Command::Refund(Refund {
            merchant,
            refund_no: number,
            order_no: number,
            amount: suanpan_core::AMOUNT_MAX,
            details: Some(Box::new(details)),
        });
        assert_eq!(command.check(), Ok(()));
        let mut bytes = Vec::new();
        encode(&command, &mut bytes);
        assert!((COMMAND_BYTES_MAX / 2..COMMAND_BYTES_MAX).contains(&bytes.len()), "{}", bytes.len());
    }
}
