//! From the log to the ledgers: every shard's thread reads the log from where the snapshot ends, or from its beginning, and
//! applies what is its own.
//!
//! A replay must do exactly what the first run did. Checked here is that
//! - every record finds the accounting date it was decided under;
//! - every logged command of a merchant changes the state again;
//! - commands for all shards are in records for all shards, and only they;
//! - the digests that were logged for a mark are those of the books at that mark;
//! - in the end all shards have one date, and their books together are zero.
//!
//! What a command for all shards changes in one shard may be nothing: it has no part in it.

use std::collections::BTreeMap;

use suanpan_core::{Command, Currency, Date, Key, Ledger, Snapshot, Timestamp};
use suanpan_wal::{Lsn, RecordRef, Recovery, STREAM_ALL};

use crate::beside::beside;
use crate::cold::{ColdStore, bring_back};
use crate::config::Planted;
use crate::error::EngineError;
use crate::group::GroupReader;
use crate::mark::Payload;

/// What came out of the log.
pub(crate) struct Replayed {
    pub(crate) ledgers: Vec<Ledger>,
    /// Commands applied, those for all shards counted once.
    pub(crate) commands: u64,
}

/// What a replay begins with.
pub(crate) struct Base {
    /// The shards' ledgers at that place of the log.
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) from: Lsn,
}

impl Base {
    /// Empty ledgers, before the log's first record.
    pub(crate) fn empty(shards: u16, seed: u64) -> Self {
        let ledgers = (0..shards).map(|shard| Ledger::shard(seed, Date::default(), shard == 0)).collect();
        Self { ledgers, from: Lsn::ZERO }
    }
}

/// One shard's replay.
struct Replayer<'a> {
    ledger: Ledger,
    shard: u16,
    shards: u16,
    cold: &'a ColdStore,
    /// The books at the last mark, and where that ends.
    marked: Option<(Lsn, Snapshot)>,
    commands: Vec<Command>,
}

/// Commands decoded and touched ahead of the one that is applied.
const AHEAD: usize = 16;

/// See [`Planted::RecordSkipped`].
const SKIPPED: usize = 40;

/// Replays the log behind the base into its ledgers, on a thread each.
pub(crate) fn replay(
    recovery: &Recovery,
    base: Base,
    cold: &ColdStore,
    planted: Option<Planted>,
) -> Result<Replayed, EngineError> {
    let Base { ledgers, from } = base;
    let shards = u16::try_from(ledgers.len()).unwrap_or(u16::MAX);
    assert!(shards > 0);
    let skipped = (planted == Some(Planted::RecordSkipped)).then_some(SKIPPED);
    let replayers = (0..shards).zip(ledgers).map(|(shard, ledger)| Replayer {
        ledger,
        shard,
        shards,
        cold,
        marked: None,
        commands: Vec::new(),
    });
    let outcomes =
        beside("replay", replayers.collect(), |replayer| replayer.replay(recovery, from, skipped))?;
    let mut replayed = Replayed { ledgers: Vec::with_capacity(usize::from(shards)), commands: 0 };
    for outcome in outcomes {
        let (ledger, commands) = outcome?;
        replayed.ledgers.push(ledger);
        replayed.commands += commands;
    }
    check_whole(&replayed.ledgers).map_err(|what| EngineError::Diverged { lsn: recovery.end(), what })?;
    Ok(replayed)
}

/// What must hold of all shards together.
fn check_whole(ledgers: &[Ledger]) -> Result<(), String> {
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for ledger in ledgers {
        for (currency, _, balance) in ledger.totals().accounts {
            *sums.entry(currency).or_default() += balance;
        }
    }
    if let Some((currency, sum)) = sums.into_iter().find(|(_, sum)| *sum != 0) {
        return Err(format!("the books in {currency:?} come to {sum} instead of 0"));
    }
    match ledgers.windows(2).find(|two| two[0].date() != two[1].date()) {
        Some(two) => {
            Err(format!("shards at the accounting days {} and {}", two[0].date().0, two[1].date().0))
        }
        None => Ok(()),
    }
}

impl Replayer<'_> {
    fn replay(
        mut self,
        recovery: &Recovery,
        from: Lsn,
        skipped: Option<usize>,
    ) -> Result<(Ledger, u64), EngineError> {
        let mut applied = 0;
        for (number, record) in recovery.records(from).enumerate() {
            // A record of one shard holds only that shard's merchants, if the shards were as many as now.
            let theirs =
                record.stream != STREAM_ALL && record.streams == self.shards && record.stream != self.shard;
            if !theirs && Some(number) != skipped {
                applied += self.take(&record)?;
            }
        }
        Ok((self.ledger, applied))
    }

    fn take(&mut self, record: &RecordRef<'_>) -> Result<u64, EngineError> {
        let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
        match Payload::read(record.payload).map_err(unreadable)? {
            Payload::Commands(group) => self.group(group, record),
            Payload::Mark { shards } => {
                // The digests are those of as many shards.
                self.marked = (shards == self.shards).then(|| (record.end_lsn, self.ledger.snapshot()));
                Ok(0)
            }
            Payload::Digests { mark_end, digests } => {
                let marked = self.marked.take().filter(|(end, _)| *end == mark_end);
                let logged =
                    digests.get(usize::from(self.shard)).filter(|_| digests.len() == self.shards.into());
                if let (Some((_, books)), Some(logged)) = (marked, logged) {
                    compare(self.shard, mark_end, &books, *logged)?;
                }
                Ok(0)
            }
        }
    }

    fn group(&mut self, group: GroupReader<'_>, record: &RecordRef<'_>) -> Result<u64, EngineError> {
        let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
        let (now, date) = (group.now, group.date);
        let mut commands = std::mem::take(&mut self.commands);
        commands.clear();
        for command in group {
            let command = command.map_err(unreadable)?;
            check_stream(&command, record)?;
            let mine = command.merchant().is_none_or(|id| id.shard(self.shards) == self.shard);
            if mine {
                commands.push(command);
            }
        }
        if date != self.ledger.date() {
            let what = format!("accounting day {} in the log, {} in the books", date.0, self.ledger.date().0);
            return Err(EngineError::Diverged { lsn: record.lsn, what });
        }
        for some in commands.chunks(AHEAD) {
            self.apply(some, now, record)?;
        }
        // Those for all shards are counted by the first.
        let counted = record.stream != STREAM_ALL || self.shard == 0;
        let count = if counted { commands.len() as u64 } else { 0 };
        self.commands = commands;
        Ok(count)
    }

    fn apply(&mut self, some: &[Command], now: Timestamp, record: &RecordRef<'_>) -> Result<(), EngineError> {
        let mut keys = [Key::default(); AHEAD];
        for (key, command) in keys.iter_mut().zip(some) {
            *key = self.ledger.touch(command);
        }
        self.ledger.warm(&keys[..some.len()]);
        for (key, command) in keys.into_iter().zip(some) {
            if self.ledger.wanted(command, key).is_some() {
                bring_back(&mut self.ledger, self.cold, |ledger| ledger.wanted(command, key))?;
            }
            let applied = self.ledger.apply_keyed(command, key, now, &mut ());
            self.ledger.end_request();
            if !applied.changed && record.stream != STREAM_ALL {
                let what = format!("{command:?} was accepted, and is now {:?}", applied.reply);
                return Err(EngineError::Diverged { lsn: record.lsn, what });
            }
        }
        Ok(())
    }
}

/// Whether the books at a mark are those that were logged for it.
fn compare(shard: u16, mark_end: Lsn, books: &Snapshot, logged: u128) -> Result<(), EngineError> {
    let digest = books.digest(&mut || ());
    if digest == logged {
        return Ok(());
    }
    let what = format!("the digest of shard {shard} is {digest:032x} instead of {logged:032x}");
    Err(EngineError::Diverged { lsn: mark_end, what })
}

/// A command for all shards stands in a record for all shards, and no other does.
pub(crate) fn check_stream(command: &Command, record: &RecordRef<'_>) -> Result<(), EngineError> {
    if command.merchant().is_none() == (record.stream == STREAM_ALL) {
        return Ok(());
    }
    let what = format!("{command:?} in a record of stream {}", record.stream);
    Err(EngineError::Diverged { lsn: record.lsn, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_digest_that_differs_is_named() {
        let mut ledger = Ledger::shard(1, Date(5), true);
        let (books, digest) = (ledger.snapshot(), ledger.digest());
        assert!(compare(1, Lsn::new(77), &books, digest).is_ok());
        let error = compare(1, Lsn::new(77), &books, digest ^ 1).unwrap_err();
        assert!(
            matches!(&error, EngineError::Diverged { lsn, what } if lsn.get() == 77 && what.contains("shard 1"))
        );
    }
}
