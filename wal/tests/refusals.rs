//! Folders that must not be opened: each is named for what it is, and no byte of it is changed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

/// What is on disk is the same under both.
const BACKEND: suanpan_wal::Backend = suanpan_wal::Backend::Write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use suanpan_wal::{Files, Flaw, LogConfig, LogReader, Lsn, OpenError, Proof, Recovery};
use support::{append, config, folder, start, wait, wait_durable};

/// All files of a folder, whatever they are.
type Bytes = BTreeMap<PathBuf, Vec<u8>>;

fn bytes(dir: &Path) -> Bytes {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// A log of several segments that was stopped in order, and its end.
fn log(dir: &Path) -> Lsn {
    let (log, mut writers) = start(&config(dir, 2));
    for n in 0..120u8 {
        append(&mut writers[usize::from(n % 3)], &[n + 1; 2000]);
    }
    log.stop().unwrap()
}

fn name(number: u64) -> String {
    format!("{number:018}.log")
}

/// Changes a log's folder, sees it refused and left alone, and returns what was said.
fn refused(change: impl Fn(&Path), ask: impl Fn(LogConfig) -> LogConfig) -> OpenError {
    let folder = folder();
    let dir = folder.path().join("log");
    log(&dir);
    change(&dir);
    let before = bytes(&dir);
    let error = Recovery::open(ask(config(&dir, 2))).err().expect("refused");
    assert!(bytes(&dir) == before, "{error}: and yet something was written");
    let text = error.to_string();
    assert!(text.contains(folder.path().to_str().unwrap()), "{text} names no place");
    error
}

fn edit(dir: &Path, number: u64, change: impl Fn(&mut Vec<u8>)) {
    let path = dir.join(name(number));
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn same(config: LogConfig) -> LogConfig {
    config
}

#[test]
fn a_truncated_segment() {
    for len in [0, 4095, 4096, 60_000] {
        let error = refused(|dir| edit(dir, 1, |bytes| bytes.truncate(len)), same);
        assert!(matches!(error, OpenError::WrongSize { found, .. } if found == len as u64), "{error}");
    }
}

#[test]
fn another_version() {
    for version in [0u32, 2, 900] {
        let other = |dir: &Path| edit(dir, 1, |bytes| bytes[8..12].copy_from_slice(&version.to_le_bytes()));
        let error = refused(other, same);
        assert!(matches!(error, OpenError::Version { found, known: 1, .. } if found == version), "{error}");
        assert!(error.to_string().contains("start the version that wrote it"));
    }
}

#[test]
fn an_edited_segment() {
    let error = refused(|dir| edit(dir, 1, |bytes| bytes[9000] ^= 1), same);
    assert!(matches!(error, OpenError::Damaged { proof: Proof::LaterSegment(_), .. }), "{error}");
    let error = refused(|dir| edit(dir, 0, |bytes| bytes[20] ^= 1), same);
    assert!(matches!(error, OpenError::SegmentHeader { .. }), "{error}");
    let swap = |dir: &Path| {
        let (one, two, by) = (dir.join(name(1)), dir.join(name(2)), dir.join("by"));
        std::fs::rename(&one, &by).unwrap();
        std::fs::rename(&two, &one).unwrap();
        std::fs::rename(&by, &two).unwrap();
    };
    let error = refused(swap, same);
    assert!(matches!(error, OpenError::SegmentOrder { .. }), "{error}");
}

#[test]
fn a_missing_segment() {
    let error = refused(|dir| std::fs::remove_file(dir.join(name(0))).unwrap(), same);
    assert!(
        matches!(&error, OpenError::Beginning { path, needed, .. } if path.ends_with(name(0)) && *needed == Lsn::ZERO),
        "{error}"
    );
    let error = refused(|dir| std::fs::remove_file(dir.join(name(1))).unwrap(), same);
    assert!(
        matches!(&error, OpenError::Damaged { path, flaw: Flaw::Unused, .. } if path.ends_with(name(1))),
        "{error}"
    );
}

#[test]
fn a_missing_snapshot() {
    // Released up to the second segment, and nobody knows a snapshot that reaches so far.
    let remove = |dir: &Path| std::fs::remove_file(dir.join(name(0))).unwrap();
    let error = refused(remove, |config| LogConfig { replay_from: Some(Lsn::new(5000)), ..config });
    assert!(error.to_string().contains("put the snapshot"), "{error}");
    let folder = folder();
    let dir = folder.path().join("log");
    log(&dir);
    remove(&dir);
    for replay_from in [Some(Lsn::new(64 << 10)), None] {
        Recovery::open(LogConfig { replay_from, ..config(&dir, 2) }).unwrap();
    }
}

#[test]
fn a_log_that_is_gone_or_too_short() {
    let proven = |config| LogConfig { proven: Lsn::new(1 << 20), ..config };
    let empty = |dir: &Path| bytes(dir).keys().for_each(|path| std::fs::remove_file(path).unwrap());
    for change in [&empty as &dyn Fn(&Path), &|_| ()] {
        let error = refused(change, proven);
        assert!(matches!(error, OpenError::Damaged { proof: Proof::Caller(_), .. }), "{error}");
    }
}

#[test]
fn another_servers_backup() {
    let other = folder();
    log(&other.path().join("log"));
    let theirs = other.path().join("log").join(name(1));
    let error = refused(|dir| assert!(std::fs::copy(&theirs, dir.join(name(1))).unwrap() > 0), same);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    // All of it is theirs, and whole: only the id tells.
    let error = refused(|_| (), |config| LogConfig { expected_log_id: Some(7), ..config });
    assert!(matches!(error, OpenError::OtherLog { expected: 7, .. }), "{error}");
    let id = Recovery::open(config(&other.path().join("log"), 2)).unwrap().log_id();
    let expecting = LogConfig { expected_log_id: Some(id), ..config(&other.path().join("log"), 2) };
    assert_eq!(Recovery::open(expecting).unwrap().log_id(), id);
}

#[test]
fn a_folder_that_is_no_logs() {
    let error = refused(|dir| std::fs::write(dir.join("photos.zip"), b"x").unwrap(), same);
    assert!(matches!(&error, OpenError::Unknown { path } if path.ends_with("photos.zip")), "{error}");
}

#[test]
fn a_reader_that_begins_where_nothing_does() {
    let folder = folder();
    let dir = folder.path().join("log");
    let end = log(&dir);
    let recovery = Recovery::open(config(&dir, 2)).unwrap();
    let ends: Vec<Lsn> = recovery.records(Lsn::ZERO).map(|record| record.end_lsn).collect();
    let open_at = |lsn| LogReader::open_at(std::sync::Arc::new(Files), &dir, lsn);
    for (index, lsn) in [Lsn::ZERO].iter().chain(&ends).enumerate() {
        let mut reader = open_at(*lsn).unwrap();
        assert_eq!(Some(reader.hash()), recovery.hash_at(*lsn));
        let mut read = 0;
        while reader.read(end).unwrap().is_some() {
            read += 1;
        }
        assert_eq!(read, ends.len() - index, "from {lsn}");
        assert_eq!((reader.position(), Some(reader.hash())), (end, recovery.hash_at(end)));
    }
    let between = Lsn::new(ends[3].get() + 8);
    assert!(matches!(open_at(between), Err(OpenError::Position { lsn }) if lsn == between));
    assert_eq!(recovery.hash_at(between), None);
    drop(recovery);
    std::fs::remove_file(dir.join(name(0))).unwrap();
    assert!(matches!(open_at(ends[3]), Err(OpenError::Released { lsn }) if lsn == ends[3]));
}

/// A reader that is overtaken by releases is told so, not that the log is damaged: what it reads is in use again.
#[test]
fn a_reader_that_is_too_slow() {
    let folder = folder();
    let dir = folder.path().join("log");
    let (log, mut writers) = start(&config(&dir, 1));
    let mut end = append(&mut writers[0], &[1; 3000]);
    wait_durable(&log.handle(), end);
    let mut reader = LogReader::open(&dir).unwrap();
    assert!(reader.read(log.durable()).unwrap().is_some());
    while end.get() < 6 * support::SEGMENT_SIZE {
        end = append(&mut writers[0], &[2; 3000]);
        wait_durable(&log.handle(), end);
        log.handle().release(end);
    }
    wait(|| !dir.join(name(3)).exists());
    let error = loop {
        match reader.read(end) {
            Ok(record) => assert!(record.is_some(), "it cannot come to the end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, OpenError::Released { .. }), "{error}");
    log.stop().unwrap();
}
