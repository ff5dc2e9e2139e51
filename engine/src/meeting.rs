//! One point of the log for all shards: a meeting.
//!
//! What every shard must do at the same place among its commands, and what must be seen at one place (the trial balance),
//! is done so: each shard is called, finishes what it has in hand (sixteen commands at most), says what it is asked and
//! stops. When all have stopped, whoever called the meeting decides, writes the record, and tells each shard to apply it
//! and go on. A call does not wait behind batches, so that no shard stands still for another's queue, and nothing is
//! worked out while they stand that can be worked out afterwards: payments wait for it.
//!
//! The caller may go away at any time: a shard whose caller is gone just goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use suanpan_core::{Command, Currency, Date, MerchantId, RawTotals, Reply, Snapshot, SweepItem, Timestamp};
use suanpan_wal::{Lsn, host};

use crate::tally::Voice;

/// What a meeting is asked.
pub(crate) struct Agenda {
    /// The time at which everything is decided.
    pub(crate) now: Timestamp,
    /// Commands that every shard has a voice in.
    pub(crate) commands: Vec<Command>,
    /// Owners whose accruals each shard is to name.
    pub(crate) owners: Vec<(MerchantId, Currency)>,
    /// Whether each shard is to say its part of the trial balance.
    pub(crate) totals: bool,
    /// Whether each shard is to give an image of its books.
    pub(crate) snapshot: bool,
}

/// What a shard gets through its slot.
pub(crate) struct Invitation {
    pub(crate) agenda: Arc<Agenda>,
    arrivals: Sender<Arrival>,
    words: Receiver<Word>,
}

/// What a shard says when it has stopped.
pub(crate) struct Arrival {
    pub(crate) shard: u16,
    /// The end of the last record it wrote.
    pub(crate) last: Lsn,
    pub(crate) date: Date,
    /// To each command of the agenda.
    pub(crate) voices: Vec<Voice>,
    /// Of each owner of the agenda.
    pub(crate) accruals: Vec<i128>,
    pub(crate) totals: Option<RawTotals>,
    pub(crate) snapshot: Option<Snapshot>,
}

/// What a shard is told while it stands.
pub(crate) enum Word {
    /// To say of which of these owners it is the home and may give them so much, and stand on.
    MayReceive(Arc<Vec<SweepItem>>, Sender<Vec<bool>>),
    /// To apply what was decided, and go on.
    Decision(Decision),
}

/// What a shard is to do before it goes on.
pub(crate) struct Decision {
    pub(crate) commands: Arc<Vec<Command>>,
    pub(crate) now: Timestamp,
    /// The end of the commands' record.
    pub(crate) end: Lsn,
    pub(crate) replies: Sender<(u16, Vec<Reply>)>,
}

/// All shards, stopped. Dropped, they go on as before.
pub(crate) struct Meeting {
    pub(crate) arrivals: Vec<Arrival>,
    words: Vec<SyncSender<Word>>,
}

/// A shard that has arrived, and waits for words.
pub(crate) struct Seat(Receiver<Word>);

impl Invitation {
    /// The shard's part: says what it knows and takes its seat.
    pub(crate) fn attend(self, arrival: Arrival) -> Seat {
        let Self { arrivals, words, .. } = self;
        // Nobody listens any more only if the meeting is off; there are no words then.
        let _ = arrivals.send(arrival);
        // The line closes when all have arrived or gone: whoever waits here must not hold it open for one that is gone.
        drop(arrivals);
        Seat(words)
    }
}

impl Seat {
    /// The next word; `None` is to go on as before.
    pub(crate) fn word(&self) -> Option<Word> {
        host::receive(&self.0).ok()
    }
}

impl Meeting {
    /// Calls `shards` shards by `send` and waits until all have stopped. `None` when one cannot come, because it has
    /// ended; the others go on.
    pub(crate) fn call(
        shards: u16,
        agenda: Agenda,
        mut send: impl FnMut(u16, Invitation) -> bool,
    ) -> Option<Self> {
        let agenda = Arc::new(agenda);
        let (arrivals_in, arrivals_out) = channel();
        let mut words = Vec::with_capacity(usize::from(shards));
        for shard in 0..shards {
            // At most one word is on its way: every one is answered but the last.
            let (word_in, word_out) = sync_channel(1);
            let (agenda, arrivals) = (agenda.clone(), arrivals_in.clone());
            if !send(shard, Invitation { agenda, arrivals, words: word_out }) {
                return None;
            }
            words.push(word_in);
        }
        drop(arrivals_in);
        let mut arrivals: Vec<Arrival> = all_of(&arrivals_out).take(usize::from(shards)).collect();
        if arrivals.len() < usize::from(shards) {
            return None;
        }
        arrivals.sort_by_key(|arrival| arrival.shard);
        Some(Self { arrivals, words })
    }

    /// The end of the last record that any of them wrote.
    pub(crate) fn last(&self) -> Lsn {
        self.arrivals.iter().map(|arrival| arrival.last).max().unwrap_or_default()
    }

    /// The accounting date, which all of them have.
    ///
    /// # Panics
    /// When they have not: then they have not applied the same commands.
    pub(crate) fn date(&self) -> Date {
        let date = self.arrivals.first().map(|arrival| arrival.date).unwrap_or_default();
        assert!(self.arrivals.iter().all(|arrival| arrival.date == date), "one date for all shards");
        date
    }

    /// Which of these owners live somewhere and may get so much; `None` when a shard is gone.
    pub(crate) fn may_receive(&self, items: &Arc<Vec<SweepItem>>) -> Option<Vec<bool>> {
        let (answers_in, answers_out) = channel();
        for words in &self.words {
            words.send(Word::MayReceive(items.clone(), answers_in.clone())).ok()?;
        }
        drop(answers_in);
        let mut may = vec![false; items.len()];
        let mut answered = 0;
        for answer in all_of(&answers_out) {
            assert_eq!(answer.len(), may.len());
            may.iter_mut().zip(answer).for_each(|(any, one)| *any |= one);
            answered += 1;
        }
        (answered == self.words.len()).then_some(may)
    }

    /// Tells all of them to apply commands whose record ends at `end`, and gathers what each said to each command, by
    /// shard.
    pub(crate) fn decide(self, commands: Vec<Command>, now: Timestamp, end: Lsn) -> Vec<Vec<Reply>> {
        let commands = Arc::new(commands);
        let (replies_in, replies_out) = channel();
        for words in &self.words {
            let (commands, replies) = (commands.clone(), replies_in.clone());
            // A shard that ended meanwhile ended with the whole engine.
            let _ = words.send(Word::Decision(Decision { commands, now, end, replies }));
        }
        drop(replies_in);
        let mut replies: Vec<(u16, Vec<Reply>)> = all_of(&replies_out).collect();
        replies.sort_by_key(|(shard, _)| *shard);
        replies.into_iter().map(|(_, reply)| reply).collect()
    }
}

/// What comes through a channel until nobody is there any more who could send.
fn all_of<T>(receiver: &Receiver<T>) -> impl Iterator<Item = T> {
    std::iter::from_fn(|| host::receive(receiver).ok())
}
