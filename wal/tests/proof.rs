//! Nothing is lost: the log on the simulated disk, crashed at every call, with every sync failing, the disk filling up
//! and bits rotting; and the same with a guard taken away, which has to be noticed.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

#[path = "support/proof.rs"]
mod proof;

use proof::{Plan, Tally};
use std::sync::Arc;
use suanpan_wal::{Backend, Call, Hooks, LogConfig, Planted, Recovery, SimDisk};

#[test]
fn a_crash_at_every_call_loses_nothing_that_was_answered() {
    let Tally { points, crashes, recoveries, cuts, segments, recycled, .. } =
        proof::seeds(5, |seed| proof::crash_everywhere(Plan::of(seed, 260, 2)));
    assert!(points >= 1_500 && crashes >= 4 * points && recoveries >= 2 * points, "{points} {crashes}");
    assert!(cuts > 100 && segments > 8 && recycled > 0, "{cuts} {segments} {recycled}");
}

#[test]
fn a_crash_at_every_call_of_the_threads_loses_nothing_that_was_answered() {
    let tally = proof::seeds(4, |seed| proof::crash_threads(Plan::of(seed, 0, 1), 60));
    assert!(tally.points >= 100, "{tally:?}");
}

#[test]
fn each_failed_sync_ends_the_log_at_once_and_loses_nothing_that_was_answered() {
    let tally = proof::seeds(4, |seed| proof::fail_every(Plan::of(seed, 120, 0), Call::Sync));
    assert!(tally.faults >= 150, "{tally:?}");
}

#[test]
fn whatever_else_fails_ends_the_log_at_once_and_loses_nothing_that_was_answered() {
    let calls = [
        Call::SyncDir,
        Call::Write,
        Call::Rename,
        Call::Remove,
        Call::Open,
        Call::List,
        Call::MakeDir,
        Call::Allocate,
        Call::FreeBytes,
        Call::Exists,
        Call::Len,
        Call::Map,
        Call::FreshId,
    ];
    let tally = proof::seeds(2, |seed| {
        calls.iter().try_fold(Tally::default(), |mut all, call| {
            all.add(&proof::fail_every(Plan::of(seed, 100, 0), *call)?);
            Ok(all)
        })
    });
    assert!(tally.faults >= 150, "{tally:?}");
}

#[test]
fn each_failed_read_stops_the_start() {
    let tally = proof::seeds(4, |seed| proof::fail_every_read(Plan::of(seed, 200, 0)));
    assert!(tally.faults >= 30, "{tally:?}");
}

#[test]
fn a_full_disk_at_each_preparation_makes_the_log_read_only_and_loses_nothing() {
    let tally = proof::seeds(4, |seed| proof::fill_disk_at_every_preparation(Plan::of(seed, 0, 0), 9));
    assert!(tally.faults >= 48, "{tally:?}");
}

#[test]
fn rotten_bits_are_refused_or_harmless() {
    let (mut refused, mut harmless) = (0, 0);
    for seed in 0..4 {
        let (bad, good) = proof::rot(Plan::of(seed, 260, 0), 150).unwrap();
        (refused, harmless) = (refused + bad, harmless + good);
    }
    // What nobody depends on is harmless: the active part of a header that is not active yet, zeros behind an end, a mark.
    assert!(refused > 3 * harmless && harmless > 0, "{refused} {harmless}");
}

/// When the released position is where a segment begins in which nothing is durable yet, the one before it stays: a
/// log must not begin with a segment that does not say what it continues.
#[test]
fn what_is_released_up_to_a_border_still_opens() {
    let disk = SimDisk::new(1);
    let config = LogConfig {
        storage: Arc::new(disk.clone()),
        segment_size: 64 << 10,
        ready_segments: 1,
        reserve_bytes: 0,
        replay_from: None,
        ..LogConfig::new("/log")
    };
    let (mut log, mut writers) =
        Recovery::open(config.clone()).unwrap().start_stepped(Hooks::none()).unwrap();
    let mut end = log.handle().tail();
    while end.get() < 64 << 10 {
        let left = (64 << 10) - end.get() - 48;
        let permit = writers[0].admit().unwrap();
        end = writers[0].append(permit, &vec![1; left.min(2000) as usize]);
    }
    log.commit();
    assert_eq!((log.handle().durable(), end.get()), (end, (64 << 10) + 4096), "at the border");
    log.handle().release(end);
    log.prepare();
    let again = LogConfig { storage: Arc::new(disk.crash(1)), ..config };
    assert_eq!(Recovery::open(again).unwrap().end(), end);
}

/// The first of some seeds that notices that a guard is missing, and what it says. They are tried from `first` on: one
/// that is known to notice saves time.
fn noticed(planted: Planted, backend: Backend, first: u64) -> Option<(u64, String)> {
    (first..first + 40).find_map(|seed| {
        let small = planted == Planted::EpochIgnored;
        let plan = Plan { backend, small, planted: Some(planted), ..Plan::of(seed, 260, 1) };
        // The log's own assertions notice, too.
        let notice = match std::panic::catch_unwind(|| proof::crash_everywhere(plan)) {
            Ok(outcome) => outcome.err(),
            Err(panic) => Some(format!("{:?}", panic.downcast_ref::<String>())),
        };
        notice.map(|notice| (seed, notice))
    })
}

#[test]
fn a_guard_that_is_missing_is_noticed() {
    for (planted, first, words) in [
        (Planted::AnswerBeforeSync, 0, &["was said to be durable"][..]),
        (Planted::RenameBeforeSync, 0, &["bytes long instead of", "header is damaged"]),
        (Planted::TailNotZeroed, 0, &["has a torn tail", "a record says where it is"]),
        (Planted::EpochIgnored, 9, &["never appended", "not what was appended", "a record says where it is"]),
        (Planted::SpareNotZeroed, 0, &["has a torn tail", "a record says where it is"]),
    ] {
        for backend in [Backend::Write, Backend::Map] {
            let notice = noticed(planted, backend, first);
            let (seed, notice) =
                notice.unwrap_or_else(|| panic!("{planted:?} under {backend:?} was not noticed"));
            let words_first = notice.lines().next().unwrap_or_default();
            println!("{planted:?} {backend:?}, seed {seed}: {words_first}");
            assert!(words.iter().any(|word| notice.contains(word)), "{notice}");
        }
    }
}
