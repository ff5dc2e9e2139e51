//! Nothing is lost: the log on the simulated disk, crashed at every call, with every sync failing, the disk filling up
//! and bits rotting; and the same with a guard taken away, which has to be noticed.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

#[path = "support/proof.rs"]
mod proof;

use proof::{Plan, Tally};
use suanpan_wal::{Backend, Planted};

#[test]
fn a_crash_at_every_call_loses_nothing_that_was_answered() {
    let Tally { points, crashes, recoveries, cuts, segments, recycled, .. } =
        proof::seeds(6, |seed| proof::crash_everywhere(Plan::of(seed, 260, 2)));
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
    let tally = proof::seeds(4, |seed| proof::fail_every_sync(Plan::of(seed, 120, 0)));
    assert!(tally.faults >= 150, "{tally:?}");
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
    // Only what nobody wrote is harmless: what lies behind an end, or in a mark that nothing depends on.
    assert!(refused > 20 * harmless.max(1), "{refused} {harmless}");
}

/// The first seeds of a run with a guard taken away: some of them must notice.
fn noticed(planted: Planted, backend: Backend, seeds: u64) -> Option<String> {
    (0..seeds).find_map(|seed| {
        proof::crash_everywhere(Plan { backend, planted: Some(planted), ..Plan::of(seed, 260, 1) }).err()
    })
}

#[test]
fn a_guard_that_is_missing_is_noticed() {
    for backend in [Backend::Write, Backend::Map] {
        for (planted, word) in [
            (Planted::AnswerBeforeSync, "was said to be durable"),
            (Planted::RenameBeforeSync, "restore"),
            (Planted::TailNotZeroed, ""),
            (Planted::EpochIgnored, ""),
            (Planted::SpareNotZeroed, ""),
        ] {
            let words = noticed(planted, backend, 12);
            let words = words.unwrap_or_else(|| panic!("{planted:?} under {backend:?} was not noticed"));
            println!("{planted:?} {backend:?}: {}", words.lines().next().unwrap_or_default());
            assert!(words.contains(word), "{words}");
        }
    }
}
