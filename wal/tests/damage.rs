//! Damaged and half-written logs: an exact prefix that holds all that was answered, or a refusal.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod support;

/// What is published is in the file at once: more can go wrong with it than with what is written out in order.
const BACKEND: suanpan_wal::Backend = suanpan_wal::Backend::Map;

use proptest::prelude::*;
use std::path::Path;
use suanpan_wal::{Flaw, Hooks, LogConfig, Lsn, OpenError, Proof, Recovery};
use support::{Contents, Image, append, config, contents, folder, start, wait, wait_durable};

const HEADER_SIZE: usize = 4096;
const SECTOR_SIZE: usize = 512;

/// A log after a crash, and what it had held.
struct Crashed {
    image: Image,
    contents: Contents,
    durable: Lsn,
}

/// A small log with `records` records of two streams, each durable before the next, then killed. With `mark` it
/// was idle before, so that its last record is proven.
fn crashed(records: usize, payload_len: usize, mark: bool) -> Crashed {
    let folder = folder();
    let config = LogConfig { mark_idle_ms: if mark { 1 } else { u64::MAX / 2 }, ..config(folder.path(), 2) };
    let (log, mut writers) = start(&config);
    let mut contents = Vec::new();
    let handle = log.handle();
    for n in 0..records {
        let payload = vec![n as u8 + 1; payload_len + n % 9];
        let end = append(&mut writers[n % 3], &payload);
        contents.push((end, writers[n % 3].stream(), payload));
        wait_durable(&handle, end);
    }
    let durable = contents.last().unwrap().0;
    if mark {
        wait(|| handle.proven() >= durable);
    }
    drop(log);
    Crashed { image: Image::take(folder.path()), contents, durable }
}

/// The bytes of the first segment up to the last that is not zero.
fn used(image: &Image) -> usize {
    image.0[0].1.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// What opening gives: the number of records of an exact prefix, or the refusal.
fn open(dir: &Path, contents_before: &Contents, proven: Lsn) -> Result<usize, OpenError> {
    let recovery = Recovery::open(LogConfig { proven, ..config(dir, 2) })?;
    let found = contents(&recovery);
    assert_eq!(found[..], contents_before[..found.len()], "an exact prefix, nothing altered");
    assert!(recovery.end() >= proven);
    Ok(found.len())
}

#[test]
fn every_flipped_bit_is_harmless_or_refused() {
    let Crashed { image, contents, durable } = crashed(9, 20, true);
    let folder = folder();
    let dir = folder.path().join("log");
    image.put(&dir);
    let (name, bytes) = &image.0[0];
    let (mut harmless, mut refused) = (0, 0);
    for at in (0..1024).chain(HEADER_SIZE..used(&image)) {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(dir.join(name), &flipped).unwrap();
            match open(&dir, &contents, Lsn::ZERO) {
                Ok(records) => {
                    assert_eq!(records, contents.len(), "byte {at} bit {bit}: all were answered");
                    harmless += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Only the mark itself may be lost without anything answered being lost.
    assert_eq!(harmless, (used(&image) - durable.get() as usize) * 8);
    assert!(harmless > 40 * 8);
    assert!(refused > 8 * 1024);
}

#[test]
fn every_flipped_bit_of_an_unproven_end_loses_at_most_the_last_record() {
    let Crashed { image, contents, durable } = crashed(5, 3, false);
    let folder = folder();
    let dir = folder.path().join("log");
    image.put(&dir);
    let (name, bytes) = &image.0[0];
    let mut cut = 0;
    for at in HEADER_SIZE..used(&image) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(dir.join(name), &flipped).unwrap();
        if let Ok(records) = open(&dir, &contents, Lsn::ZERO) {
            assert_eq!(records, contents.len() - 1, "byte {at}");
            cut += 1;
        }
        // A snapshot at the end is proof enough.
        assert!(open(&dir, &contents, durable).is_err(), "byte {at}");
    }
    assert!(cut >= 51);
}

#[test]
fn flips_in_a_full_segment_are_refused() {
    let Crashed { image, contents, .. } = crashed(40, 2000, true);
    assert!(image.0.len() >= 2);
    let folder = folder();
    let dir = folder.path().join("log");
    image.put(&dir);
    let (name, bytes) = &image.0[0];
    // The end record closes the segment; the zeros after it hold nothing, and are nobody's.
    for at in (0..1024).chain(HEADER_SIZE..used(&image)).step_by(13) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(dir.join(name), &flipped).unwrap();
        assert!(open(&dir, &contents, Lsn::ZERO).is_err(), "byte {at}");
    }
}

#[test]
fn every_zeroed_tail_gives_a_prefix_and_starts_again() {
    let Crashed { image, contents, durable } = crashed(7, 30, true);
    let folder = folder();
    let dir = folder.path().join("log");
    let (name, bytes) = &image.0[0];
    for from in (HEADER_SIZE..used(&image)).rev() {
        image.put(&dir);
        let mut torn = bytes.clone();
        torn[from..].fill(0);
        std::fs::write(dir.join(name), &torn).unwrap();
        let whole = contents.iter().filter(|(end, ..)| end.get() <= from as u64).count();
        let records = open(&dir, &contents, Lsn::ZERO).unwrap();
        // Padding that is zero anyway may be what was torn off.
        assert!(records == whole || records == whole + 1, "from {from}: {records} of {whole}");
        if durable.get() > from as u64 && records < contents.len() {
            assert!(matches!(open(&dir, &contents, durable), Err(OpenError::Damaged { .. })), "from {from}");
        }
        if from % 11 == 0 {
            // The cut holds: what is written next comes after the prefix, in a new epoch.
            let (log, mut writers) = start(&config(&dir, 2));
            append(&mut writers[1], b"next");
            log.stop().unwrap();
            let recovery = Recovery::open(config(&dir, 2)).unwrap();
            let found = support::contents(&recovery);
            assert_eq!(found[..records], contents[..records]);
            assert_eq!((found.len(), found[records].2.as_slice()), (records + 1, b"next".as_slice()));
            assert!(recovery.report().clean_stop);
        }
    }
}

/// A log that was killed with `unsynced` records published but not synced: its files as they were when all was
/// synced, and as they were in memory at the end.
fn torn(synced: usize, payload_len: usize, unsynced: u16) -> (Image, Crashed) {
    let folder = folder();
    let (log, mut writers) = start(&config(folder.path(), unsynced));
    let handle = log.handle();
    let mut contents = Vec::new();
    for n in 0..synced {
        let payload = vec![n as u8 + 1; payload_len];
        let end = append(&mut writers[0], &payload);
        contents.push((end, 0, payload));
        wait_durable(&handle, end);
    }
    let durable = handle.tail();
    wait_durable(&handle, durable);
    let permits: Vec<_> = writers.iter_mut().map(|writer| writer.admit().unwrap()).collect();
    // Its threads are gone: what is appended now is in memory only.
    drop(log);
    let durable = durable.max(handle.durable());
    let before = Image::take(folder.path());
    for (writer, permit) in writers.iter_mut().zip(permits) {
        let payload = vec![0xA0 ^ writer.stream() as u8; payload_len];
        contents.push((writer.append(permit, &payload), writer.stream(), payload));
    }
    (before, Crashed { image: Image::take(folder.path()), contents, durable })
}

#[test]
fn any_mix_of_written_and_unwritten_sectors_opens_with_all_that_was_durable() {
    // The second one crosses into a segment that is not active yet.
    for (synced, payload_len) in [(3, 700), (77, 700), (78, 720)] {
        let (before, Crashed { image: after, contents, durable }) = torn(synced, payload_len, 6);
        let folder = folder();
        let dir = folder.path().join("log");
        let mut cuts = 0;
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..300 {
            let mut mixed = before.clone();
            for ((_, old), (_, new)) in mixed.0.iter_mut().zip(&after.0) {
                for (old, new) in old.chunks_mut(SECTOR_SIZE).zip(new.chunks(SECTOR_SIZE)) {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    if random & 3 != 0 {
                        old.copy_from_slice(new);
                    }
                }
            }
            mixed.put(&dir);
            // Never a refusal: nothing here is damage.
            let recovery = Recovery::open(config(&dir, 6)).unwrap();
            let found = support::contents(&recovery);
            assert!(found.len() >= synced && recovery.end() >= durable);
            assert_eq!(found[..], contents[..found.len()]);
            cuts += usize::from(recovery.report().cut.is_some());
            // Crash while the cut is made: any part of the zeroing is on the disk. The verdict stays.
            let end = recovery.end();
            drop(recovery);
            let segment = (end.get() / support::SEGMENT_SIZE) as usize;
            let (name, bytes) = &mut mixed.0[segment];
            let from = (end.get() % support::SEGMENT_SIZE) as usize;
            for (at, byte) in bytes.iter_mut().enumerate().skip(from) {
                if (random >> (at / SECTOR_SIZE % 64)) & 1 == 0 {
                    *byte = 0;
                }
            }
            std::fs::write(dir.join(name), &*bytes).unwrap();
            let again = Recovery::open(config(&dir, 6)).unwrap();
            assert_eq!(again.end(), end);
            let (log, mut writers) = again.start(Hooks::none()).unwrap();
            append(&mut writers[0], b"next");
            log.stop().unwrap();
            assert_eq!(Recovery::open(config(&dir, 6)).unwrap().report().records, found.len() as u64 + 1);
        }
        assert!(cuts > 100, "{cuts}");
    }
}

#[test]
fn a_hole_ends_the_log_even_if_records_follow() {
    let (_, Crashed { mut image, contents, .. }) = torn(2, 40, 4);
    let folder = folder();
    let dir = folder.path().join("log");
    // The third record of all is the first that was not synced: unpublish the one after it.
    let hole = contents[2].0.get() as usize;
    image.0[0].1[hole..hole + 4].fill(0);
    image.put(&dir);
    let recovery = Recovery::open(config(&dir, 4)).unwrap();
    assert_eq!(support::contents(&recovery)[..], contents[..3]);
    let cut = recovery.report().cut.unwrap();
    assert_eq!((cut.from.get() as usize, cut.flaw), (hole, Flaw::Blank));
    assert!(cut.bytes > 0);
}

#[test]
fn damage_is_named_with_its_place_and_its_proof() {
    let Crashed { mut image, contents, .. } = crashed(4, 40, true);
    let folder = folder();
    let dir = folder.path().join("log");
    // From its end, since a mark may stand before it: a header, 41 bytes, and padding.
    let second = contents[1].0.get() - 96;
    image.0[0].1[second as usize + 50] ^= 4;
    image.put(&dir);
    let error = open(&dir, &contents, Lsn::ZERO).unwrap_err();
    let OpenError::Damaged { path, offset, lsn, flaw, proof } = &error else { panic!("{error}") };
    assert_eq!(path, &dir.join("000000000000000000.log"));
    assert_eq!((*offset, lsn.get(), *flaw), (second, second, Flaw::PayloadChecksum));
    assert!(matches!(proof, Proof::LaterRecord(proven) if *proven > *lsn));
    let text = error.to_string();
    assert!(text.contains(&format!("offset {second}")) && text.contains("restore"), "{text}");
}

#[test]
fn bytes_of_an_earlier_epoch_are_not_taken_for_the_present() {
    let (_, Crashed { mut image, contents, .. }) = torn(2, 40, 4);
    let old = image.clone();
    let folder = folder();
    let dir = folder.path().join("log");
    let cut_at = contents[2].0.get() as usize;
    image.0[0].1[cut_at + 60] ^= 1;
    image.put(&dir);
    // Fill exactly up to where a record of the first epoch began: a start record of 64 bytes comes first.
    let (log, mut writers) = start(&config(&dir, 4));
    let next = contents[4].0.get() as usize;
    let end = append(&mut writers[0], &vec![7; next - cut_at - 64 - 48]);
    assert_eq!(end.get() as usize, next);
    drop(log);
    let mut stale = Image::take(&dir);
    // As if the zeroing had been forgotten: the old record lies where the next one would.
    let old_end = contents[5].0.get() as usize;
    stale.0[0].1[next..].fill(0);
    stale.0[0].1[next..old_end].copy_from_slice(&old.0[0].1[next..old_end]);
    stale.put(&dir);
    let recovery = Recovery::open(config(&dir, 4)).unwrap();
    assert_eq!(recovery.end().get() as usize, next);
    assert_eq!(recovery.report().cut.unwrap().flaw, Flaw::Epoch);
    let found = support::contents(&recovery);
    assert_eq!((found.len(), found[..3] == contents[..3]), (4, true));
}

/// What a log with the history of `image` becomes when `fill` is appended to it, over and over, and it is killed.
fn history(image: &Image, fill: u8, records: usize, payload_len: usize) -> (Image, Vec<Lsn>) {
    let folder = folder();
    let dir = folder.path().join("log");
    image.put(&dir);
    let (log, mut writers) = start(&LogConfig { mark_idle_ms: u64::MAX / 2, ..config(&dir, 2) });
    let ends = (0..records).map(|_| append(&mut writers[0], &vec![fill; payload_len])).collect::<Vec<_>>();
    wait_durable(&log.handle(), *ends.last().unwrap());
    drop(log);
    (Image::take(&dir), ends)
}

#[test]
fn records_of_another_history_of_the_same_log_do_not_continue_it() {
    let base = crashed(2, 40, true).image;
    let (mut one, ends) = history(&base, 1, 3, 100);
    let (other, other_ends) = history(&base, 2, 3, 100);
    assert_eq!(ends, other_ends);
    let (from, to) = (ends[1].get() as usize, ends[2].get() as usize);
    one.0[0].1[from..to].copy_from_slice(&other.0[0].1[from..to]);
    let folder = folder();
    let dir = folder.path().join("log");
    one.put(&dir);
    // Position, epoch and checksums are right; only what came before it is not.
    let recovery = Recovery::open(config(&dir, 2)).unwrap();
    assert_eq!(recovery.end(), ends[1]);
    assert_eq!(recovery.report().cut.unwrap().flaw, Flaw::Chain);

    let (mut one, _) = history(&base, 1, 40, 2000);
    one.0[1] = history(&base, 2, 40, 2000).0.0[1].clone();
    one.put(&dir);
    assert!(matches!(Recovery::open(config(&dir, 2)), Err(OpenError::SegmentOrder { .. })));
}

#[test]
fn files_that_do_not_belong_are_refused_by_name() {
    let Crashed { image, contents, .. } = crashed(120, 2000, true);
    let foreign = crashed(60, 2000, true).image;
    assert!(image.0.len() >= 4 && foreign.0.len() >= 3);
    let folder = folder();
    let dir = folder.path().join("log");
    let refusal = |change: &dyn Fn(&mut Image)| {
        let mut changed = image.clone();
        change(&mut changed);
        changed.put(&dir);
        open(&dir, &contents, Lsn::ZERO).unwrap_err()
    };
    let missing = refusal(&|image| drop(image.0.remove(1)));
    assert!(
        matches!(missing, OpenError::Damaged { flaw: Flaw::Unused, proof: Proof::LaterSegment(_), ref path, .. }
        if path.ends_with("000000000000000001.log"))
    );
    assert!(matches!(refusal(&|image| image.0[1].1 = foreign.0[1].1.clone()), OpenError::Foreign { .. }));
    assert!(matches!(refusal(&|image| image.0[1].1[8] = 9), OpenError::Version { found: 9, known: 1, .. }));
    assert!(matches!(
        refusal(&|image| image.0[1].1.truncate(60_000)),
        OpenError::WrongSize { found: 60_000, .. }
    ));
    assert!(matches!(refusal(&|image| image.0[1].1.clear()), OpenError::WrongSize { found: 0, .. }));
    assert!(matches!(refusal(&|image| image.0[1].1 = image.0[0].1.clone()), OpenError::SegmentOrder { .. }));
    assert!(matches!(refusal(&|image| image.0[1].1[512..1024].fill(0)), OpenError::Damaged { .. }));
    image.put(&dir);
    assert_eq!(open(&dir, &contents, Lsn::ZERO).unwrap(), contents.len());
    let larger = LogConfig { segment_size: 128 << 10, ..config(&dir, 2) };
    assert_eq!(
        Recovery::open(larger).unwrap().segment_size(),
        65536,
        "a log keeps the size it was made with"
    );
    let odd = LogConfig { segment_size: 65537, ..config(&dir, 2) };
    assert!(matches!(Recovery::open(odd), Err(OpenError::Config { setting: "segment_size", .. })));
    // A log that is gone altogether is not a new one when a snapshot knows better.
    Image(Vec::new()).put(&dir);
    assert!(matches!(
        open(&dir, &contents, contents[0].0),
        Err(OpenError::Damaged { proof: Proof::Caller(_), .. })
    ));
}

#[test]
fn a_damaged_header_of_the_last_segment_is_not_taken_for_an_unused_one() {
    let Crashed { mut image, contents, .. } = crashed(40, 2000, true);
    let last = (contents.last().unwrap().0.get() / support::SEGMENT_SIZE) as usize;
    assert!(last >= 1);
    let folder = folder();
    let dir = folder.path().join("log");
    image.0[last].1[SECTOR_SIZE..2 * SECTOR_SIZE].fill(0);
    image.put(&dir);
    let error = open(&dir, &contents, Lsn::ZERO).unwrap_err();
    assert!(
        matches!(error, OpenError::Damaged { flaw: Flaw::Unused, proof: Proof::LaterRecord(_), .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Garbage anywhere before the last mark: refused, since the mark proves what was there.
    #[test]
    fn garbage_never_passes(at in 0usize..7000, garbage in prop::collection::vec(any::<u8>(), 1..200)) {
        thread_local! {
            static CRASHED: Crashed = crashed(20, 90, true);
        }
        CRASHED.with(|Crashed { image, contents, durable }| {
            let folder = folder();
            let dir = folder.path().join("log");
            let mut image = image.clone();
            let end = (at + garbage.len()).min(durable.get() as usize);
            let at = at.min(end);
            let bytes = &mut image.0[0].1[at..end];
            let garbage = &garbage[..end - at];
            let changed = bytes != garbage;
            bytes.copy_from_slice(garbage);
            image.put(&dir);
            prop_assert_eq!(open(&dir, contents, Lsn::ZERO).is_err(), changed);
            Ok(())
        })?;
    }
}
