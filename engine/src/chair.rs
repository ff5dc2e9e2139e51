//! The chair: the one thread that calls the shards to meetings.
//!
//! What concerns all shards comes in through a queue of its own. Whatever waits there and does not touch the same merchants
//! is decided at one meeting and written as one record, so that many transfers share a meeting and its sync. The chair
//! never waits for a sync: its replies go behind a gate, like those of a shard.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use suanpan_core::{
    BALANCE_MAX, Command, Currency, MerchantId, RawTotals, Receipt, Rejection, Reply, Snapshot, SweepItem,
    Timestamp,
};
use suanpan_wal::{AdmitError, LogHandle, Lsn, Writer, host};

use crate::clock::Clock;
use crate::config::RECORD_BYTES_MIN;
use crate::gate::{Gate, Waiting};
use crate::group::GroupWriter;
use crate::mark::write_mark;
use crate::meeting::{Agenda, Meeting};
use crate::motion::{Motion, Taken, What, unknown};
use crate::ports::Ports;
use crate::queue::Queue;
use crate::shard::words_of;
use crate::tally::{Tally, Voice, are_apart, count, merge};

/// Motions that may wait for the chair and for their syncs; more are `overloaded`.
pub(crate) const MOTIONS_MAX: usize = 4_096;

/// The most commands of one meeting: a bound on how long it holds the shards.
const MEETING_COMMANDS_MAX: usize = 32;

/// How far behind the oldest motion others are looked for that can share its meeting.
const LOOK_BEHIND_MAX: usize = 8 * MEETING_COMMANDS_MAX;

/// The most bytes that a command which may share its meeting takes in the log.
const SHARED_COMMAND_BYTES_MAX: usize = 1024;

const _: () = assert!(MEETING_COMMANDS_MAX * SHARED_COMMAND_BYTES_MAX < RECORD_BYTES_MIN, "one record");

/// The chair's thread, and all that only it touches.
pub(crate) struct Chair {
    pub(crate) queue: Arc<Queue<Motion>>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) log: LogHandle,
    pub(crate) clock: Arc<Clock>,
    pub(crate) writer: Writer,
    pub(crate) group: GroupWriter,
    /// The end of the last record it wrote.
    pub(crate) last: Lsn,
    /// Motions taken out of the queue and not yet decided, the oldest first.
    pub(crate) table: VecDeque<Motion>,
}

/// The motions of one meeting.
#[derive(Default)]
struct Session {
    /// Commands that are apart from each other, or one sweep.
    decided: Vec<Motion>,
    totals: Vec<Motion>,
    /// What stands for itself: a snapshot, or a note.
    alone: Option<Motion>,
}

impl Session {
    /// Takes a motion in, or gives it back when it has to do with one of those already in.
    fn admit(&mut self, motion: Motion) -> Result<(), Motion> {
        if self.alone.is_some() {
            return Err(motion);
        }
        if let What::Snapshot(_) | What::Note(_) = motion.what {
            if !self.decided.is_empty() || !self.totals.is_empty() {
                return Err(motion);
            }
            self.alone = Some(motion);
            return Ok(());
        }
        if let What::Totals(_) = motion.what {
            self.totals.push(motion);
            return Ok(());
        }
        let apart = |other: &Motion| match (&motion.what, &other.what) {
            (What::Command(one), What::Command(other)) => are_apart(one, other),
            _ => false,
        };
        if self.decided.len() == MEETING_COMMANDS_MAX || !self.decided.iter().all(apart) {
            return Err(motion);
        }
        self.decided.push(motion);
        Ok(())
    }

    fn agenda(&self, now: Timestamp) -> Agenda {
        let mut agenda = Agenda {
            now,
            commands: Vec::new(),
            owners: Vec::new(),
            totals: !self.totals.is_empty(),
            snapshot: matches!(self.alone, Some(Motion { what: What::Snapshot(_), .. })),
        };
        for motion in &self.decided {
            match &motion.what {
                What::Command(command) => agenda.commands.push(command.clone()),
                What::Sweep(owners) => agenda.owners.clone_from(owners),
                What::Swept(_) | What::Totals(_) | What::Snapshot(_) | What::Note(_) => {}
            }
        }
        agenda
    }
}

impl Chair {
    /// Runs until the queue is closed and empty. A panic poisons the log: the shards may have parted.
    pub(crate) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                self.take_in();
                if !self.table.is_empty() {
                    let session = self.session();
                    self.hold(session);
                } else if !self.queue.wait() {
                    break;
                }
            }
        }));
        if let Err(panic) = outcome {
            self.log.poison(&format!("the meeting of all shards stopped: {}", words_of(&*panic)));
        }
        self.queue.close();
        answer_what_is_left(&self.queue, &self.gate, self.ports.shards());
        let left = self.table.drain(..).map(|motion| motion.answered(unknown(), self.ports.shards()));
        self.gate.release_unknown(Waiting { until: self.last, batches: left.collect() });
    }

    /// Takes in what waits, so that those that can share a meeting find each other.
    fn take_in(&mut self) {
        while self.table.len() < MOTIONS_MAX
            && let Some(motion) = self.queue.pop()
        {
            self.table.push_back(motion);
        }
    }

    /// Picks the next meeting's motions: the oldest, and those behind it that are apart from it and each other. The oldest
    /// of what stays is the next meeting's first, so that nothing waits for ever.
    fn session(&mut self) -> Session {
        let mut session = Session::default();
        let mut left = Vec::new();
        for _ in 0..LOOK_BEHIND_MAX {
            let Some(motion) = self.table.pop_front() else { break };
            if let Err(motion) = session.admit(motion) {
                left.push(motion);
            }
        }
        left.into_iter().rev().for_each(|motion| self.table.push_front(motion));
        session
    }

    /// Holds a meeting and hands over what came of it.
    fn hold(&mut self, session: Session) {
        let agenda = session.agenda(self.clock.now());
        let now = agenda.now;
        let Session { decided, totals, alone } = session;
        if let Some(motion) = alone {
            let reply = self.stand_alone(&motion, agenda);
            return self.hand_over(vec![(motion, reply)], self.last);
        }
        let ports = self.ports.clone();
        let met = Meeting::call(ports.shards(), agenda, |shard, call| ports.invite(shard, call));
        let Some(mut meeting) = met else {
            let unknown = decided.into_iter().chain(totals).map(|motion| (motion, unknown()));
            return self.hand_over(unknown.collect(), self.last);
        };
        // All that this meeting's refusals and totals were worked out from.
        let seen = meeting.last().max(self.last);
        let parts: Vec<RawTotals> =
            meeting.arrivals.iter_mut().filter_map(|arrival| arrival.totals.take()).collect();
        let outcomes = self.decide(meeting, now, decided);
        // The shards have gone on by now.
        self.hand_over(answer_totals(totals, &parts), seen);
        self.hand_over(outcomes, seen.max(self.last));
    }

    /// Carries out what is no command.
    fn stand_alone(&mut self, motion: &Motion, agenda: Agenda) -> Reply {
        match &motion.what {
            What::Snapshot(place) => self.snapshot(agenda).map_or_else(
                |why| Reply::Rejected(why, None),
                |taken| {
                    let date = taken.images.first().map(Snapshot::date).unwrap_or_default();
                    *host::lock(place) = Some(taken);
                    Reply::Date(date)
                },
            ),
            What::Note(payload) => match self.write(payload) {
                Ok(()) => Reply::Done(Receipt::Swept),
                Err(why) => Reply::Rejected(why, None),
            },
            _ => unknown(),
        }
    }

    /// Stops all shards, takes their images and marks the place in the log.
    fn snapshot(&mut self, agenda: Agenda) -> Result<Taken, Rejection> {
        let (ports, now) = (self.ports.clone(), agenda.now);
        let met = Meeting::call(ports.shards(), agenda, |shard, call| ports.invite(shard, call));
        let mut meeting = met.ok_or(Rejection::Unknown)?;
        // The shards stand until the mark is written: what they do after is behind it.
        self.write(&write_mark(ports.shards()))?;
        let images: Vec<Snapshot> =
            meeting.arrivals.iter_mut().filter_map(|arrival| arrival.snapshot.take()).collect();
        assert!(images.len() == usize::from(ports.shards()), "each shard gave its image");
        Ok(Taken { images, end: self.last, now })
    }

    /// Writes a record that is no group of commands.
    fn write(&mut self, payload: &[u8]) -> Result<(), Rejection> {
        let permit = self.writer.admit().map_err(|error| match error {
            AdmitError::ReadOnly => Rejection::ReadOnly,
            _ => Rejection::Unknown,
        })?;
        self.last = self.writer.append(permit, payload);
        Ok(())
    }

    /// Counts the votes, writes what was carried, and has it applied.
    fn decide(&mut self, meeting: Meeting, now: Timestamp, motions: Vec<Motion>) -> Vec<(Motion, Reply)> {
        let date = meeting.date();
        let mut outcomes = Vec::with_capacity(motions.len());
        let (mut carried, mut commands) = (Vec::new(), Vec::new());
        for (place, mut motion) in motions.into_iter().enumerate() {
            match tally(&mut motion, &meeting, place) {
                Ok(command) => {
                    carried.push(motion);
                    commands.push(command);
                }
                Err(reply) => outcomes.push((motion, reply)),
            }
        }
        if commands.is_empty() {
            return outcomes;
        }
        for command in &commands {
            self.group.push(command);
        }
        let group = self.group.seal(now, date).to_vec();
        self.group.clear();
        if let Err(why) = self.write(&group) {
            outcomes.extend(carried.into_iter().map(|motion| (motion, Reply::Rejected(why, None))));
            return outcomes;
        }
        let replies = meeting.decide(commands, now, self.last);
        let all = replies.len() == usize::from(self.ports.shards());
        for (place, motion) in carried.into_iter().enumerate() {
            let of_all = replies.iter().filter_map(|of_one| of_one.get(place).cloned());
            outcomes.push((motion, if all { merge(of_all) } else { unknown() }));
        }
        outcomes
    }

    /// Puts replies behind the gate, or answers at once when what they say is durable already.
    fn hand_over(&self, outcomes: Vec<(Motion, Reply)>, until: Lsn) {
        if outcomes.is_empty() {
            return;
        }
        let shard = self.ports.shards();
        let mut batches: Vec<_> =
            outcomes.into_iter().map(|(motion, reply)| motion.answered(reply, shard)).collect();
        for (_, completed) in &mut batches {
            completed.as_of = until;
        }
        let mut waiting = Waiting { until, batches };
        while let Err(back) = self.gate.hand_over(waiting, &self.log) {
            waiting = back;
            host::yield_now();
        }
    }
}

/// The command to be written for a motion, or the reply to it without.
fn tally(motion: &mut Motion, meeting: &Meeting, place: usize) -> Result<Command, Reply> {
    match &motion.what {
        What::Command(command) => {
            let voices: Vec<Voice> =
                meeting.arrivals.iter().filter_map(|arrival| arrival.voices.get(place).copied()).collect();
            match count(command, &voices) {
                Tally::Carried => Ok(command.clone()),
                Tally::Answered(reply) => Err(reply),
            }
        }
        What::Sweep(owners) => {
            let items = swept(owners, meeting).ok_or(unknown())?;
            motion.what = What::Swept(items.clone());
            match items.is_empty() {
                true => Err(Reply::Done(Receipt::Swept)),
                false => Ok(Command::Sweep(Box::new(items))),
            }
        }
        What::Swept(_) | What::Totals(_) | What::Snapshot(_) | What::Note(_) => Err(unknown()),
    }
}

/// What owners are to get: what they accrued in all shards together, where it is over 0 and may be received. `None` when a
/// shard is gone.
fn swept(owners: &[(MerchantId, Currency)], meeting: &Meeting) -> Option<Vec<SweepItem>> {
    let mut items = Vec::with_capacity(owners.len());
    for (place, &(owner, currency)) in owners.iter().enumerate() {
        let parts = meeting.arrivals.iter().filter_map(|arrival| arrival.accruals.get(place));
        let sum: i128 = parts.sum();
        if let Ok(amount) = u64::try_from(sum)
            && (1..=BALANCE_MAX).contains(&amount)
        {
            items.push(SweepItem { owner, currency, amount });
        }
    }
    if items.is_empty() {
        return Some(items);
    }
    let items = Arc::new(items);
    let may = meeting.may_receive(&items)?;
    Some(items.iter().zip(may).filter(|(_, may)| *may).map(|(item, _)| *item).collect())
}

/// Puts each shard's part where it is waited for, and answers with the date.
fn answer_totals(motions: Vec<Motion>, parts: &[RawTotals]) -> Vec<(Motion, Reply)> {
    let date = parts.first().map(|part| part.accounting_date).unwrap_or_default();
    let answer = |motion: Motion| {
        if let What::Totals(place) = &motion.what {
            let _ = place.set(parts.to_vec());
        }
        (motion, Reply::Date(date))
    };
    motions.into_iter().map(answer).collect()
}

/// Answers what is left in a queue that no chair serves any more.
pub(crate) fn answer_what_is_left(queue: &Queue<Motion>, gate: &Gate, shard: u16) {
    while let Some(motion) = queue.pop() {
        let batches = vec![motion.answered(unknown(), shard)];
        gate.release_unknown(Waiting { until: Lsn::ZERO, batches });
    }
}
