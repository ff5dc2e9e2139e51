//! Appending and reading back, with everything in order.

use crate::support::{SEGMENT_SIZE, append, config, contents, folder, start, wait, wait_durable};
use std::process::{Command, Stdio};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use suanpan_wal::{AdmitError, Hooks, LogConfig, LogState, Lsn, OpenError, Recovery, STREAM_ALL, StopError};

#[test]
fn what_is_appended_comes_back() {
    let folder = folder();
    let config = config(folder.path(), 2);
    let mut expected = Vec::new();
    for epoch in 1u32..=3 {
        let (log, mut writers) = start(&config);
        assert_eq!(writers.iter().map(|w| w.stream()).collect::<Vec<_>>(), [0, 1, STREAM_ALL]);
        for len in [1, 7, 8, 9, 500, writers[0].record_max()] {
            for writer in &mut writers {
                let payload = vec![epoch as u8 ^ len as u8; len];
                let end = append(writer, &payload);
                expected.push((end, writer.stream(), payload));
            }
        }
        let end = log.stop().unwrap();
        assert!(end > expected.last().unwrap().0, "the stop record follows");
        let recovery = Recovery::open(config.clone()).unwrap();
        assert_eq!(contents(&recovery), expected);
        assert_eq!(recovery.end(), end);
        let report = recovery.report();
        assert!(report.clean_stop && report.cut.is_none());
        assert_eq!((report.records, report.epoch), (expected.len() as u64, epoch));
    }
    // From any place on: exactly what begins there or later.
    let recovery = Recovery::open(config).unwrap();
    for (index, (end, ..)) in expected.iter().enumerate() {
        assert_eq!(recovery.records(*end).count(), expected.len() - index - 1);
        let before = Lsn::new(end.get() - 1);
        assert!(recovery.records(before).count() <= expected.len() - index);
    }
}

#[test]
fn opening_changes_nothing() {
    let folder = folder();
    let config = config(&folder.path().join("new"), 1);
    assert_eq!(Recovery::open(config.clone()).unwrap().report().records, 0);
    assert!(!config.dir.exists());
    let (log, mut writers) = start(&config);
    append(&mut writers[0], b"one");
    drop(log);
    let image = crate::support::Image::take(&config.dir);
    Recovery::open(config.clone()).unwrap();
    assert!(crate::support::Image::take(&config.dir) == image);
}

#[test]
fn many_writers_cross_many_segments() {
    const STREAMS: u16 = 4;
    const RECORDS: u64 = 1500;
    let folder = folder();
    let config = config(folder.path(), STREAMS);
    let (log, writers) = start(&config);
    let ends: Vec<Vec<Lsn>> = std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .into_iter()
            .map(|mut writer| {
                scope.spawn(move || {
                    let payload = |n: u64| {
                        [n.to_le_bytes().as_slice(), &vec![n as u8; (n * 37 % 900) as usize]].concat()
                    };
                    (0..RECORDS).map(|n| append(&mut writer, &payload(n))).collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    log.stop().unwrap();
    let recovery = Recovery::open(config).unwrap();
    assert!(recovery.report().segments > 10, "crossing was tested");
    // As shards do: each thread replays its own stream from the one recovery.
    std::thread::scope(|scope| {
        for (stream, ends) in (0..STREAMS).chain([STREAM_ALL]).zip(&ends) {
            let recovery = &recovery;
            scope.spawn(move || {
                let own = recovery.records(Lsn::ZERO).filter(|record| record.stream == stream);
                let mut count = 0;
                for (n, record) in own.enumerate() {
                    assert_eq!(record.payload[..8], (n as u64).to_le_bytes());
                    assert!(record.payload[8..].iter().all(|byte| *byte == n as u8));
                    assert_eq!((record.end_lsn, record.streams), (ends[n], STREAMS));
                    count += 1;
                }
                assert_eq!(count, RECORDS);
            });
        }
    });
}

#[test]
fn the_hook_tells_what_is_durable_and_answers_a_wake() {
    let folder = folder();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hooks = Hooks {
        on_durable: Box::new({
            let told = Arc::clone(&told);
            move |lsn| told.lock().unwrap().push(lsn)
        }),
        ..Hooks::none()
    };
    // No marks: every call is for a record or for a wake.
    let config = LogConfig { mark_idle_ms: u64::MAX / 2, ..config(folder.path(), 1) };
    let (log, mut writers) = Recovery::open(config).unwrap().start(hooks).unwrap();
    let end = append(&mut writers[0], b"answered");
    wait(|| told.lock().unwrap().last() == Some(&end));
    assert_eq!(log.durable(), end);
    for calls in 2..50 {
        log.wake();
        wait(|| told.lock().unwrap().len() >= calls);
        assert_eq!(told.lock().unwrap().last(), Some(&end));
    }
}

#[test]
fn an_idle_log_proves_its_last_record_once() {
    let folder = folder();
    let (log, mut writers) = start(&config(folder.path(), 1));
    let end = append(&mut writers[0], b"last");
    let handle = log.handle();
    wait(|| handle.proven() >= end);
    assert!(handle.durable() > end, "a mark was written");
    let marked = handle.tail();
    let end = append(&mut writers[0], b"next");
    assert!(end > marked && end.get() - marked.get() <= 56, "one mark, then silence");
    log.stop().unwrap();
}

#[test]
fn released_segments_go_and_the_rest_still_opens() {
    let folder = folder();
    let config = config(folder.path(), 1);
    let (log, mut writers) = start(&config);
    let ends: Vec<Lsn> = (0..400u32).map(|n| append(&mut writers[0], &[n as u8; 1000])).collect();
    let handle = log.handle();
    wait_durable(&handle, ends[399]);
    let keep = ends[200];
    let first = keep.get() / SEGMENT_SIZE;
    handle.release(keep);
    let lowest = |n: u64| config.dir.join(format!("{n:018}.log"));
    wait(|| !lowest(first - 1).exists());
    assert!(lowest(first).exists());
    log.stop().unwrap();
    assert!(matches!(Recovery::open(config.clone()), Err(OpenError::Beginning { .. })));
    let config = LogConfig { replay_from: Some(keep), ..config };
    let recovery = Recovery::open(LogConfig { proven: keep, ..config.clone() }).unwrap();
    assert_eq!(recovery.begin().get(), first * SEGMENT_SIZE);
    assert_eq!(recovery.records(keep).map(|record| record.end_lsn).collect::<Vec<_>>(), ends[201..]);
    let (log, mut writers) = recovery.start(Hooks::none()).unwrap();
    append(&mut writers[0], b"on");
    log.stop().unwrap();
    assert_eq!(Recovery::open(config).unwrap().records(keep).count(), 200);
}

#[test]
fn the_number_of_streams_may_change() {
    let folder = folder();
    for streams in [3, 1, 8] {
        let (log, mut writers) = start(&config(folder.path(), streams));
        assert_eq!(writers.len(), usize::from(streams) + 1);
        for writer in &mut writers {
            append(writer, b"x");
        }
        log.stop().unwrap();
    }
    let recovery = Recovery::open(config(folder.path(), 1)).unwrap();
    assert_eq!(contents(&recovery).len(), 4 + 2 + 9);
}

#[test]
fn a_panic_in_a_hook_poisons() {
    let folder = folder();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let hooks = Hooks {
        on_durable: Box::new(|_| panic!("planted")),
        on_poison: Box::new({
            let reasons = Arc::clone(&reasons);
            move |reason| reasons.lock().unwrap().push(reason.to_owned())
        }),
    };
    let (log, mut writers) = Recovery::open(config(folder.path(), 1)).unwrap().start(hooks).unwrap();
    append(&mut writers[0], b"x");
    wait(|| !reasons.lock().unwrap().is_empty());
    assert_eq!(log.state(), LogState::Poisoned);
    assert_eq!(writers[0].admit().unwrap_err(), AdmitError::Poisoned);
    log.handle().poison("a second reason is not the reason");
    let Err(StopError::Poisoned { reason }) = log.stop() else { panic!("stopped in order") };
    assert!(reason.contains("wal-committer panicked"), "{reason}");
    assert_eq!(*reasons.lock().unwrap(), [reason]);
}

#[test]
fn a_full_disk_makes_the_log_read_only_until_there_is_space() {
    let folder = folder();
    let config = LogConfig { reserve_bytes: 0, ..config(folder.path(), 1) };
    let (log, mut writers) = start(&config);
    let handle = log.handle();
    handle.set_reserve_bytes(u64::MAX);
    let mut appended = 0;
    // Bounded by what was ready before the space ran out.
    while let Ok(permit) = writers[0].admit() {
        writers[0].append(permit, &[1; 1000]);
        appended += 1;
        assert!(appended < 1000);
    }
    assert_eq!(writers[0].admit().unwrap_err(), AdmitError::ReadOnly);
    assert_eq!(handle.state(), LogState::ReadOnly);
    let end = handle.tail();
    wait_durable(&handle, end);
    handle.set_reserve_bytes(0);
    wait(|| handle.state() == LogState::Running);
    append(&mut writers[0], b"again");
    log.stop().unwrap();
    assert_eq!(Recovery::open(config.clone()).unwrap().report().records, appended + 1);

    let no_space = LogConfig { reserve_bytes: u64::MAX, ..config };
    let error = Recovery::open(no_space).unwrap().start(Hooks::none()).err().unwrap().to_string();
    assert!(
        error.contains(&folder.path().display().to_string()) && error.contains("bytes are needed"),
        "{error}"
    );
}

/// What was released holds its space: a full disk does not stop a log that is released as fast as it grows.
#[test]
fn a_full_disk_does_not_stop_a_log_that_is_released() {
    let folder = folder();
    let config = LogConfig { reserve_bytes: 0, ..config(folder.path(), 1) };
    let (log, mut writers) = start(&config);
    let handle = log.handle();
    let grow = |writers: &mut Vec<suanpan_wal::Writer>, to: u64| {
        let mut end = handle.tail();
        while end.get() < to {
            end = append(&mut writers[0], &[5; 2000]);
            wait_durable(&handle, end);
            handle.release(end);
        }
        end
    };
    // Nothing to use again yet: the first ones take space.
    grow(&mut writers, 4 * SEGMENT_SIZE);
    handle.set_reserve_bytes(u64::MAX);
    let end = grow(&mut writers, 20 * SEGMENT_SIZE);
    let stopped = log.stop().unwrap();
    assert!(std::fs::read_dir(folder.path()).unwrap().count() <= 4, "they do not pile up");
    let recovery = Recovery::open(LogConfig { replay_from: Some(end), ..config }).unwrap();
    assert_eq!(recovery.end(), stopped);
    assert_eq!(recovery.report().cut, None);
}

/// Not a test of its own: what the next test runs in a process that it kills.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var("SUANPAN_WAL_CHILD") else { return };
    let config = LogConfig { dir: dir.into(), ..config("".as_ref(), 2) };
    let (log, writers) = start(&config);
    let counter = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for mut writer in writers {
            let (log, counter) = (log.handle(), &counter);
            scope.spawn(move || {
                loop {
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    let end = append(&mut writer, &number.to_le_bytes().repeat(1 + number as usize % 60));
                    wait_durable(&log, end);
                    println!("\nanswered {number} {end}");
                }
            });
        }
    });
}

#[test]
fn what_was_answered_survives_kill_9() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut answered = Vec::new();
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["append_cases::child_that_is_killed", "--exact", "--nocapture"])
            .env("SUANPAN_WAL_CHILD", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut take = |line: String| {
            // The last line may be cut short by the kill: it ends with the LSN, so compare whole answers only.
            if let Some([number, end]) =
                line.strip_prefix("answered ").map(|l| l.split(' ').collect::<Vec<_>>()).as_deref()
            {
                answered.push((round, number.parse::<u64>().unwrap(), end.parse::<u64>().unwrap()));
            }
        };
        lines.by_ref().take(200 * round).for_each(&mut take);
        child.kill().unwrap();
        child.wait().unwrap();
        let rest: Vec<String> = lines.collect();
        // Without a line break after it, the last line may be half a number.
        rest.iter().take(rest.len().saturating_sub(1)).cloned().for_each(&mut take);

        let recovery = Recovery::open(config(folder.path(), 2)).unwrap();
        assert!(!recovery.report().clean_stop);
        let found = contents(&recovery);
        for (_, number, end) in &answered {
            let at = found.binary_search_by_key(end, |(end, ..)| end.get()).expect("answered, hence there");
            assert_eq!(found[at].2[..8], number.to_le_bytes());
        }
    }
    assert!(answered.len() > 300);
}
