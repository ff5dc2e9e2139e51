//! What the checker knows: what was asked, what was answered, and what of it must be found again.
//!
//! A command is known by its bytes. Of each it is counted since the last recovery how often it was answered as newly done
//! and how often it may have been done, unanswered or unknown; so often it must, and may, stand in the log that is
//! recovered.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use suanpan_core::{
    Command, Date, Receipt, RefundResultState, Rejection, Reply, Request, ShardTotals, Timestamp, encode,
};
use suanpan_engine::{Completed, Followed, Lsn};
use suanpan_wal::SimDisk;
use suanpan_wal::host::baton;

use crate::naive::{Flaw, Naive};
use crate::world::{Counts, end_of_log};

/// Whoever waits longer for an answer waits because a wake-up was lost: nothing here takes so long. The expiry, which asks
/// every second, would wake a shard that sleeps too deeply.
const LATE: Duration = Duration::from_millis(400);

/// All of it, shared by whoever asks. Never locked where a thread may be switched off.
#[derive(Default)]
pub(crate) struct Books(Mutex<Known>);

pub(crate) struct Known {
    asked: BTreeMap<Vec<u8>, Asked>,
    /// The highest position that an answer said.
    as_of: Lsn,
    /// The last life said that it stopped in order, and nothing was begun since.
    pub(crate) stopped: bool,
    /// The log as it was found last.
    log: Vec<(Lsn, u16, Vec<u8>)>,
    pub(crate) model: Naive,
    pub(crate) counts: Counts,
    failure: Option<String>,
}

/// What is known of a command since the last recovery.
#[derive(Default)]
struct Asked {
    /// Answered as newly done.
    done: u32,
    /// Not answered, or not so that it is known.
    maybe: u32,
    /// Found in the log.
    found: u32,
    /// What was answered to those that were newly done.
    receipts: Vec<Receipt>,
    /// What the model answers to those that were found.
    told: Vec<Reply>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            as_of: Lsn::ZERO,
            stopped: false,
            log: Vec::new(),
            model: Naive::new(Date::default(), Flaw::None),
            counts: Counts::default(),
            failure: None,
        }
    }
}

/// What an answer says of whether the command was done by it.
enum Says {
    Done(Receipt),
    Nothing,
    Maybe,
}

fn bytes_of(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(command, &mut bytes);
    bytes
}

fn says(command: &Command, reply: &Reply) -> Says {
    let unclear = match command {
        Command::RefundResult(result) => result.state == RefundResultState::Unknown,
        Command::PayoutResult(result) => result.state == RefundResultState::Unknown,
        _ => false,
    };
    match reply {
        // The first result that contradicts is kept.
        Reply::Rejected(Rejection::Unknown | Rejection::ContradictsFinal, _) => Says::Maybe,
        Reply::Rejected(..) => Says::Nothing,
        Reply::Done(_) if unclear => Says::Nothing,
        Reply::Done(receipt) => match receipt {
            Receipt::Payment { repeat, .. }
            | Receipt::Refund { repeat, .. }
            | Receipt::RefundResult { repeat, .. }
            | Receipt::Void { repeat, .. }
            | Receipt::VoidResult { repeat, .. }
            | Receipt::Order { repeat, .. }
            | Receipt::Booked { repeat }
            | Receipt::Payout { repeat, .. } => {
                if *repeat {
                    Says::Nothing
                } else {
                    Says::Done(*receipt)
                }
            }
            Receipt::Date { .. } => Says::Done(*receipt),
            // What was put may have been so already.
            _ => Says::Maybe,
        },
        _ => Says::Maybe,
    }
}

impl Books {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is wrong; the first of it is the run's outcome.
    pub(crate) fn fail(&self, what: String) {
        baton::tell(&format!("WRONG: {what}"));
        self.lock().failure.get_or_insert(what);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Notes what is about to be asked.
    pub(crate) fn asks(&self, requests: &[Request]) {
        let mut known = self.lock();
        for request in requests {
            if let Request::Command(command) = request {
                known.asked.entry(bytes_of(command)).or_default().maybe += 1;
            }
        }
    }

    /// Notes that what was asked did not get in.
    pub(crate) fn got_not_in(&self, requests: &[Request]) {
        let mut known = self.lock();
        for request in requests {
            if let Request::Command(command) = request {
                known.asked.entry(bytes_of(command)).or_default().maybe -= 1;
            }
        }
    }

    /// Notes what was answered.
    pub(crate) fn answered(&self, completed: &Completed, asked_at: Duration) {
        let waited = baton::elapsed().saturating_sub(asked_at);
        if waited > LATE {
            self.fail(format!("an answer came after {waited:?}: {completed:?}"));
        }
        let mut known = self.lock();
        let mut said_anything = false;
        for (request, reply) in completed.requests.iter().zip(&completed.replies) {
            let unknown = matches!(reply, Reply::Rejected(Rejection::Unknown, _));
            known.counts.unknown += u64::from(unknown);
            known.counts.answered += u64::from(!unknown);
            known.counts.read_only += u64::from(matches!(reply, Reply::Rejected(Rejection::ReadOnly, _)));
            said_anything |= !unknown;
            let Request::Command(command) = request else { continue };
            let asked = known.asked.entry(bytes_of(command)).or_default();
            match says(command, reply) {
                Says::Maybe => continue,
                Says::Nothing => {}
                Says::Done(receipt) => {
                    asked.done += 1;
                    asked.receipts.push(receipt);
                    known.counts.done += 1;
                }
            }
            known.asked.entry(bytes_of(command)).or_default().maybe -= 1;
        }
        if said_anything {
            known.as_of = known.as_of.max(completed.as_of);
        }
    }

    /// After a life: what any answer said is what the disk gives back.
    pub(crate) fn check_kept(&self, disk: &SimDisk) {
        let as_of = self.lock().as_of;
        match end_of_log(disk) {
            Ok(end) if end >= as_of.get() => {}
            Ok(end) => self.fail(format!("an answer said {as_of}, and the log that is found ends at {end}")),
            Err(error) => self.fail(format!("the log cannot be opened: {error}")),
        }
    }

    /// Crashes a copy of the disk now, and sees whether it would give back what an answer says.
    pub(crate) fn look_behind(&self, disk: &SimDisk, as_of: Lsn, seed: u64) {
        self.lock().counts.looked_behind += 1;
        match end_of_log(&disk.crash(seed)) {
            Ok(end) if end >= as_of.get() => {}
            Ok(end) => {
                self.fail(format!("answered as of {as_of}, but after a crash the log would end at {end}"));
            }
            Err(error) => self.fail(format!("after a crash the log could not be opened: {error}")),
        }
    }

    /// Takes in the log as it is: all that was known of it, and what came to it, which the model is told. `recovered`
    /// says that nothing is on its way any more.
    pub(crate) fn found(&self, log: Vec<Followed>, recovered: bool) {
        let mut known = self.lock();
        let outcome = known.take_in(log).and_then(|()| known.check_asked());
        if recovered {
            known.asked.clear();
        }
        drop(known);
        if let Err(what) = outcome {
            self.fail(what);
        }
    }

    /// Whether the trial balance is zero.
    pub(crate) fn adds_up(&self, totals: &[ShardTotals]) {
        let mut sums = BTreeMap::new();
        for (currency, _, balance) in totals.iter().flat_map(|totals| &totals.accounts) {
            *sums.entry(*currency).or_insert(0i128) += balance;
        }
        if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
            self.fail(format!("the books in {currency:?} come to {sum}"));
        }
    }
}

impl Known {
    /// Commands of the log that the model was told.
    pub(crate) fn logged(&self) -> usize {
        self.log.len()
    }

    fn take_in(&mut self, log: Vec<Followed>) -> Result<(), String> {
        if log.len() < self.log.len() {
            return Err(format!("the log had {} commands and has {}", self.log.len(), log.len()));
        }
        for (at, followed) in log.into_iter().enumerate() {
            let bytes = bytes_of(&followed.command);
            let place = (followed.lsn, followed.index, bytes);
            if let Some(before) = self.log.get(at) {
                if *before != place {
                    return Err(format!("command {at} of the log is another than before: {followed:?}"));
                }
                continue;
            }
            let reply = self.tell(&followed.command, followed.now)?;
            let asked = self.asked.entry(place.2.clone()).or_default();
            asked.found += 1;
            asked.told.push(reply);
            // What the engine itself sends nobody asked for.
            asked.maybe += u32::from(followed.command.is_internal());
            self.counts.logged += 1;
            self.log.push(place);
        }
        Ok(())
    }

    /// Tells the model a command that stands in the log.
    fn tell(&mut self, command: &Command, now: Timestamp) -> Result<Reply, String> {
        let (reply, changed) = self.model.apply(command, now);
        match changed || command.merchant().is_none() {
            true => Ok(reply),
            false => Err(format!("{command:?} stands in the log, but the model says {reply:?}")),
        }
    }

    fn check_asked(&self) -> Result<(), String> {
        for (bytes, asked) in &self.asked {
            let Asked { done, maybe, found, receipts, told } = asked;
            if done > found || *found > done + maybe {
                return Err(format!(
                    "answered as done {done} times, perhaps done {maybe} times, found in the log {found} times: {:?}",
                    suanpan_core::decode(&mut &bytes[..])
                ));
            }
            if let Some(receipt) = receipts.iter().find(|receipt| !told.contains(&Reply::Done(**receipt))) {
                return Err(format!(
                    "answered {receipt:?}, the model says {told:?}: {:?}",
                    suanpan_core::decode(&mut &bytes[..])
                ));
            }
        }
        Ok(())
    }
}
