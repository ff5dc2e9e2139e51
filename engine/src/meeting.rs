//! One point of the log for all shards: a meeting.
//!
//! What every shard must do at the same place among its commands (a channel's rules, the day cut), and what must
//! be seen at one place (the trial balance), is done so: each shard gets an invitation through its queue, says
//! what it knows and stops. When all have stopped, whoever called the meeting decides, writes the record, and
//! tells each shard to apply it and go on. An invitation waits its turn like a batch, so a shard stands still until
//! the slowest one has served what was in its queue before; nothing of a payment's way knows of meetings.
//!
//! The caller may go away at any time: a shard whose caller is gone just goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use suanpan_core::{Command, RawTotals, Reply, Timestamp};
use suanpan_wal::Lsn;

/// What a shard gets through its queue.
pub(crate) struct Invitation {
    arrivals: Sender<Arrival>,
    decisions: Receiver<Decision>,
}

/// What a shard says when it has stopped.
pub(crate) struct Arrival {
    pub(crate) totals: RawTotals,
    /// The end of the last record it wrote.
    pub(crate) last: Lsn,
    /// Its answers to the decision come this way.
    shard: u16,
}

/// What a shard is to do before it goes on.
pub(crate) struct Decision {
    pub(crate) command: Arc<Command>,
    pub(crate) now: Timestamp,
    /// The end of the command's record.
    pub(crate) end: Lsn,
    pub(crate) replies: Sender<(u16, Reply)>,
}

/// All shards, stopped.
pub(crate) struct Meeting {
    pub(crate) arrivals: Vec<Arrival>,
    decisions: Vec<SyncSender<Decision>>,
}

impl Invitation {
    /// The shard's part: says what it knows and waits for the decision; `None` is to go on as before.
    pub(crate) fn attend(self, shard: u16, totals: RawTotals, last: Lsn) -> Option<Decision> {
        let Self { arrivals, decisions } = self;
        arrivals.send(Arrival { totals, last, shard }).ok()?;
        // The line closes when all have arrived or gone: whoever waits here must not hold it open for one that is gone.
        drop(arrivals);
        decisions.recv().ok()
    }
}

impl Meeting {
    /// Invites `shards` shards by `send` and waits until all have stopped. `None` when one cannot come: its
    /// queue stayed full or it has ended; the others go on.
    pub(crate) fn call(shards: u16, mut send: impl FnMut(u16, Invitation) -> bool) -> Option<Self> {
        let (arrivals_in, arrivals_out) = channel();
        let mut decisions = Vec::with_capacity(usize::from(shards));
        for shard in 0..shards {
            let (decision_in, decision_out) = sync_channel(1);
            if !send(shard, Invitation { arrivals: arrivals_in.clone(), decisions: decision_out }) {
                return None;
            }
            decisions.push(decision_in);
        }
        drop(arrivals_in);
        let mut arrivals: Vec<Arrival> = arrivals_out.iter().take(usize::from(shards)).collect();
        if arrivals.len() < usize::from(shards) {
            return None;
        }
        arrivals.sort_by_key(|arrival| arrival.shard);
        Some(Self { arrivals, decisions })
    }

    /// Lets all of them go on, and keeps what they said.
    pub(crate) fn dissolve(self) -> Vec<Arrival> {
        self.arrivals
    }

    /// The end of the last record that any of them wrote.
    pub(crate) fn last(&self) -> Option<Lsn> {
        self.arrivals.iter().map(|arrival| arrival.last).max()
    }

    /// Tells all of them to apply a command whose record ends at `end`, and gathers their replies by shard.
    pub(crate) fn decide(self, command: Command, now: Timestamp, end: Lsn) -> Vec<Reply> {
        let command = Arc::new(command);
        let (replies_in, replies_out) = channel();
        for decision in &self.decisions {
            let replies = replies_in.clone();
            // A shard that ended meanwhile ended with the whole engine.
            let _ = decision.send(Decision { command: command.clone(), now, end, replies });
        }
        drop(replies_in);
        let mut replies: Vec<(u16, Reply)> = replies_out.iter().collect();
        replies.sort_by_key(|(shard, _)| *shard);
        replies.into_iter().map(|(_, reply)| reply).collect()
    }
}
