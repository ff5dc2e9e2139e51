//! Models of the way of a record: reserve, copy, publish, walk, sync, say so.

use super::loom::thread;
use super::{Disk, Mistake, Start, check, current, durable_records, log, park, stop};
use crate::config::{Hooks, Planted};
use crate::{LogHandle, Lsn, Writer};
use std::sync::{Arc, Mutex};

/// What a stream appends: two words, none of them zero, each stream's its own.
fn payload(stream: u16) -> Vec<u8> {
    vec![stream as u8 + 1; 16]
}

fn append(writer: &mut Writer) -> Lsn {
    let permit = writer.admit().expect("a log with room");
    let payload = payload(writer.stream());
    writer.append(permit, &payload)
}

/// Hooks that read what is said to be durable, each time that it is said.
fn reading(start: Start, disk: &Disk) -> Hooks {
    let (disk, seen) = (disk.clone(), Mutex::new(0));
    let on_durable = Box::new(move |durable: Lsn| {
        let records = durable_records(start, &disk, durable);
        assert!(records.iter().all(|(stream, bytes)| *bytes == payload(*stream)));
        let mut seen = seen.lock().expect("no panic goes on");
        assert!(durable.get() >= *seen, "durable only grows");
        *seen = durable.get();
    });
    Hooks { on_durable, on_poison: Box::new(|reason| panic!("{reason}")) }
}

/// Two writers append a record each while the committer runs; when all is durable, the log is stopped.
fn two_writers(start: Start) {
    let disk = Disk::new(None);
    let (handle, writers, committing) = log(start, &disk, reading(start, &disk));
    let committer = thread::spawn(move || committing.run());
    let mut writers = writers.into_iter();
    let (mut first, mut second) = (writers.next().expect("two"), writers.next().expect("two"));
    let appending = thread::spawn(move || append(&mut second));
    let ends = [append(&mut first), appending.join().expect("a writer does not fail")];
    stop(&handle);
    committer.join().expect("a committer does not fail");
    let durable = handle.durable();
    assert!(ends.iter().all(|end| *end <= durable));
    let mut streams: Vec<u16> =
        durable_records(start, &disk, durable).iter().map(|record| record.0).collect();
    streams.sort_unstable();
    assert_eq!(streams, [0, 1], "no record is lost");
}

/// One writer appends, and nobody stops the log before its record is durable.
fn one_writer(start: Start) {
    let disk = Disk::new(None);
    let waiting = current();
    let Hooks { mut on_durable, on_poison } = reading(start, &disk);
    let wake = Box::new(move |durable| {
        on_durable(durable);
        waiting.unpark();
    });
    let (handle, mut writers, committing) = log(start, &disk, Hooks { on_durable: wake, on_poison });
    let committer = thread::spawn(move || committing.run());
    let end = append(&mut writers[0]);
    wait(&handle, end);
    stop(&handle);
    committer.join().expect("a committer does not fail");
}

/// A wake-up that is lost leaves nobody to go on, which loom finds.
fn wait(handle: &LogHandle, end: Lsn) {
    while handle.durable() < end {
        park();
    }
}

const AT_FIRST: Start = Start { before_end: 0, planted: None, streams: 2 };
/// Room for one record of 64 bytes and, behind it, not for another.
const AT_BORDER: Start = Start { before_end: 128 + 56, planted: None, streams: 2 };

#[test]
fn what_is_durable_is_whole_and_in_order() {
    check("two writers and the committer", 2, Mistake::None, || two_writers(AT_FIRST));
}

#[test]
fn a_border_between_segments_is_crossed() {
    check("two writers and the committer at a border", 2, Mistake::None, || two_writers(AT_BORDER));
}

#[test]
fn the_committer_is_woken() {
    check("a writer that waits for the committer", 3, Mistake::None, || one_writer(AT_FIRST));
}

#[test]
#[should_panic(expected = "a payload that is not whole")]
fn found_publish_before_copy() {
    check("planted", 2, Mistake::PublishedBeforeCopied, || one_writer(AT_FIRST));
}

#[test]
#[should_panic(expected = "a record says where it is")]
fn found_publish_relaxed() {
    check("planted", 2, Mistake::PublishedRelaxed, || one_writer(AT_FIRST));
}

#[test]
#[should_panic(expected = "what is durable was synced")]
fn found_durable_before_sync() {
    let start = Start { planted: Some(Planted::AnswerBeforeSync), ..AT_FIRST };
    check("planted", 2, Mistake::None, move || one_writer(start));
}

#[test]
fn nothing_is_durable_after_a_failed_sync() {
    let model = || {
        let disk = Disk::new(Some(0));
        let said = Arc::new(Mutex::new(0));
        let on_poison = {
            let said = Arc::clone(&said);
            Box::new(move |_: &str| *said.lock().expect("no panic goes on") += 1)
        };
        let hooks = Hooks { on_durable: Box::new(|durable| panic!("{durable} is not durable")), on_poison };
        let (handle, mut writers, committing) = log(AT_FIRST, &disk, hooks);
        let before = handle.durable();
        let committer = thread::spawn(move || committing.run());
        append(&mut writers[0]);
        committer.join().expect("a committer does not panic");
        assert_eq!((handle.durable(), *said.lock().expect("no panic goes on")), (before, 1));
        assert!(writers[0].admit().is_err());
    };
    check("a sync that fails", 3, Mistake::None, model);
}
