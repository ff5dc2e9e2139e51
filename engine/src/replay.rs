//! From the log to the ledgers: every shard's thread reads the log and applies what is its own.
//!
//! A replay must do exactly what the first run did. That every logged command of a merchant changes the state again,
//! and under the same accounting date, is checked here. A command for all shards is in the log before any of them
//! has decided it, so that it may have changed nothing then; it does so again.

use std::thread;

use suanpan_core::{Command, Date, Key, Ledger, Timestamp};
use suanpan_wal::{Lsn, RecordRef, Recovery, STREAM_ALL};

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

/// Replays the whole log into `shards` ledgers, on a thread each.
pub(crate) fn replay(recovery: &Recovery, shards: u16, seed: u64) -> Result<Replayed, EngineError> {
    assert!(shards > 0);
    let outcomes: Vec<Result<(Ledger, u64), EngineError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..shards)
            .map(|shard| {
                thread::Builder::new()
                    .name(format!("replay-{shard}"))
                    .spawn_scoped(scope, move || replay_shard(recovery, shard, shards, seed))
                    .map_err(EngineError::Thread)
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(|thread| join(thread?)).collect()
    });
    let mut replayed = Replayed { ledgers: Vec::with_capacity(usize::from(shards)), commands: 0 };
    for outcome in outcomes {
        let (ledger, commands) = outcome?;
        replayed.ledgers.push(ledger);
        replayed.commands += commands;
    }
    Ok(replayed)
}

fn replay_shard(
    recovery: &Recovery,
    shard: u16,
    shards: u16,
    seed: u64,
) -> Result<(Ledger, u64), EngineError> {
    let mut ledger = Ledger::shard(seed, Date::default(), shard == 0);
    let mut applied = 0;
    let mut commands = Vec::new();
    for record in recovery.records(Lsn::ZERO) {
        // A record of one shard holds only that shard's merchants, if the shards were as many as now.
        let theirs = record.stream != STREAM_ALL && record.streams == shards && record.stream != shard;
        if theirs {
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
