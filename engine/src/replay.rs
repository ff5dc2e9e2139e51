//! From the log to the ledgers: every shard's thread reads the log and applies what is its own.
//!
//! A replay must do exactly what the first run did. Checked here is that
//! - every record finds the accounting date it was decided under;
//! - every logged command of a merchant changes the state again;
//! - commands for all shards are in records for all shards, and only they;
//! - in the end all shards have one date, and their books together are zero.
//!
//! What a command for all shards changes in one shard may be nothing: it has no part in it.

use std::collections::BTreeMap;
use std::thread;

use suanpan_core::{Command, Currency, Date, Key, Ledger, Timestamp};
use suanpan_wal::{Lsn, RecordRef, Recovery, STREAM_ALL, host};

use crate::config::{EngineConfig, Planted};
use crate::error::EngineError;
use crate::group::GroupReader;

/// What came out of the log.
pub(crate) struct Replayed {
    pub(crate) ledgers: Vec<Ledger>,
    /// Commands applied, those for all shards counted once.
    pub(crate) commands: u64,
}

/// Commands decoded and touched ahead of the one that is applied.
const AHEAD: usize = 16;

/// See [`Planted::RecordSkipped`].
const SKIPPED: usize = 40;

/// Replays the whole log into a ledger for each shard, on a thread each.
pub(crate) fn replay(recovery: &Recovery, config: &EngineConfig, seed: u64) -> Result<Replayed, EngineError> {
    let shards = config.shards;
    let skipped = (config.planted == Some(Planted::RecordSkipped)).then_some(SKIPPED);
    assert!(shards > 0);
    let outcomes: Vec<Result<(Ledger, u64), EngineError>> = match host::is_simulated() {
        // Shards that replay have nothing to do with each other, so that any order is as good.
        true => (0..shards).map(|shard| replay_shard(recovery, shard, shards, seed, skipped)).collect(),
        false => replay_beside(recovery, shards, seed, skipped),
    };
    let mut replayed = Replayed { ledgers: Vec::with_capacity(usize::from(shards)), commands: 0 };
    for outcome in outcomes {
        let (ledger, commands) = outcome?;
        replayed.ledgers.push(ledger);
        replayed.commands += commands;
    }
    check_whole(&replayed.ledgers).map_err(|what| EngineError::Diverged { lsn: recovery.end(), what })?;
    Ok(replayed)
}

/// Replays each shard on a thread of its own.
fn replay_beside(
    recovery: &Recovery,
    shards: u16,
    seed: u64,
    skipped: Option<usize>,
) -> Vec<Result<(Ledger, u64), EngineError>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..shards)
            .map(|shard| {
                thread::Builder::new()
                    .name(format!("replay-{shard}"))
                    .spawn_scoped(scope, move || replay_shard(recovery, shard, shards, seed, skipped))
                    .map_err(EngineError::Thread)
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(|thread| join(thread?)).collect()
    })
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

fn replay_shard(
    recovery: &Recovery,
    shard: u16,
    shards: u16,
    seed: u64,
    skipped: Option<usize>,
) -> Result<(Ledger, u64), EngineError> {
    let mut ledger = Ledger::shard(seed, Date::default(), shard == 0);
    let mut applied = 0;
    let mut commands = Vec::new();
    for (at, record) in recovery.records(Lsn::ZERO).enumerate() {
        // A record of one shard holds only that shard's merchants, if the shards were as many as now.
        let theirs = record.stream != STREAM_ALL && record.streams == shards && record.stream != shard;
        if theirs || skipped == Some(at) {
            continue;
        }
        applied += replay_record(&mut ledger, &record, shard, shards, &mut commands)?;
    }
    Ok((ledger, applied))
}

fn replay_record(
    ledger: &mut Ledger,
    record: &RecordRef<'_>,
    shard: u16,
    shards: u16,
    commands: &mut Vec<Command>,
) -> Result<u64, EngineError> {
    let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
    let group = GroupReader::new(record.payload).map_err(unreadable)?;
    let (now, date) = (group.now, group.date);
    let mine = |command: &Command| match command.merchant() {
        Some(merchant) => merchant.shard(shards) == shard,
        None => true,
    };
    commands.clear();
    for command in group {
        let command = command.map_err(unreadable)?;
        check_stream(&command, record)?;
        if mine(&command) {
            commands.push(command);
        }
    }
    if date != ledger.date() {
        let what = format!("accounting day {} in the log, {} in the books", date.0, ledger.date().0);
        return Err(EngineError::Diverged { lsn: record.lsn, what });
    }
    for some in commands.chunks(AHEAD) {
        apply_some(ledger, some, now, record)?;
    }
    // Those for all shards are counted by the first.
    let counted = record.stream != STREAM_ALL || shard == 0;
    Ok(if counted { commands.len() as u64 } else { 0 })
}

/// A command for all shards stands in a record for all shards, and no other does.
pub(crate) fn check_stream(command: &Command, record: &RecordRef<'_>) -> Result<(), EngineError> {
    if command.merchant().is_none() == (record.stream == STREAM_ALL) {
        return Ok(());
    }
    let what = format!("{command:?} in a record of stream {}", record.stream);
    Err(EngineError::Diverged { lsn: record.lsn, what })
}

fn apply_some(
    ledger: &mut Ledger,
    some: &[Command],
    now: Timestamp,
    record: &RecordRef<'_>,
) -> Result<(), EngineError> {
    let mut keys = [Key::default(); AHEAD];
    for (key, command) in keys.iter_mut().zip(some) {
        *key = ledger.touch(command);
    }
    ledger.warm(&keys[..some.len()]);
    for (key, command) in keys.into_iter().zip(some) {
        let applied = ledger.apply_keyed(command, key, now, &mut ());
        if !applied.changed && record.stream != STREAM_ALL {
            let what = format!("{command:?} was accepted, and is now {:?}", applied.reply);
            return Err(EngineError::Diverged { lsn: record.lsn, what });
        }
    }
    Ok(())
}
