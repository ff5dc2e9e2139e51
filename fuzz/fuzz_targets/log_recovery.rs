//! Recovery on damaged logs: it never panics, and what it serves is what was written, from the first record on without
//! a gap, or it refuses.
//!
//! A log of two starts over two segments is written by the real writer on a simulated disk, once. Each input is a list
//! of edits of its files (bytes, bits, cuts, copies of other places, removals), or files from nothing. Two more edits
//! make checksums right again, so that the checks behind them are reached; after these only panics are findings.
//! What recovery lets through is started, written to, and recovered once more.
#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use suanpan_wal::{Access, Hooks, LogConfig, Lsn, Recovery, SimDisk, Storage, Writer};

const DIR: &str = "/log";
const SEGMENT: usize = 64 << 10;
/// Bytes of a segment's header, and of a record's.
const SEGMENT_HEADER: usize = 4096;
const RECORD_HEADER: usize = 48;
/// In a segment's header: the checksums of its two parts, the second of which begins with its own; and the log's id.
const PREPARED_CRC: usize = 12;
const LOG_ID: usize = 16;
const ACTIVE_CRC: usize = 512;
const ACTIVE_END: usize = 1024;
/// In a record's header.
const RECORD_CRC: usize = 4;
const DURABLE_LSN: usize = 24;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A data record: where it begins, where the next one goes, its stream, its payload.
type Found = (u64, u64, u16, Vec<u8>);

/// The log that everything begins with.
struct Base {
    disk: SimDisk,
    files: Files,
    found: Vec<Found>,
    /// Where records are, in file order: file and offset.
    places: Vec<(usize, usize)>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let disk = SimDisk::new(7);
    disk.make_dir(DIR.as_ref()).expect("a disk without faults");
    let mut found = Vec::new();
    for (start, sizes) in [[9, 3000, 1500, 4000, 700], [4001, 3999, 17, 2500, 3500]].into_iter().enumerate() {
        let recovery = Recovery::open(config(&disk)).expect("a whole log");
        let (mut log, mut writers) = recovery.start_stepped(Hooks::none()).expect("room");
        for n in 0..14_usize {
            let payload = vec![(start * 14 + n + 1) as u8; sizes[n % 5] + n];
            let writer = &mut writers[n % 3];
            let stream = writer.stream();
            let end = append(writer, &payload);
            found.push((0, end.get(), stream, payload));
            if n % 3 != 1 {
                log.commit();
                log.prepare();
            }
        }
        log.commit();
        if start == 0 {
            log.stop().expect("a whole log");
        }
    }
    let recovery = Recovery::open(config(&disk)).expect("a whole log");
    for (known, record) in found.iter_mut().zip(recovery.records(Lsn::ZERO)) {
        known.0 = record.lsn.get();
    }
    assert_eq!(contents(&recovery), found);
    let files = disk.image();
    assert!(files.len() >= 2);
    let place = |lsn: u64| ((lsn as usize) / SEGMENT, (lsn as usize) % SEGMENT);
    let places = found.iter().map(|record| place(record.0)).collect();
    Base { disk, files, found, places }
});

fn config(disk: &SimDisk) -> LogConfig {
    LogConfig {
        storage: Arc::new(disk.clone()),
        segment_size: SEGMENT as u64,
        ready_segments: 1,
        streams: 2,
        ..LogConfig::new(DIR)
    }
}

fn append(writer: &mut Writer, payload: &[u8]) -> Lsn {
    let permit = writer.admit().expect("a log with room");
    writer.append(permit, payload)
}

fn contents(recovery: &Recovery) -> Vec<Found> {
    let record = |r: suanpan_wal::RecordRef<'_>| (r.lsn.get(), r.end_lsn.get(), r.stream, r.payload.to_vec());
    recovery.records(recovery.begin()).map(record).collect()
}

/// What is left of the input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn word(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_le_bytes([self.byte()?, self.byte()?])))
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A place in the log: near a record's beginning, or anywhere.
    fn place(&mut self) -> Option<(usize, usize)> {
        let which = usize::from(self.byte()?);
        match BASE.places.get(which) {
            Some((file, offset)) => Some((*file, offset + usize::from(self.byte()?))),
            None => Some((which % BASE.files.len(), self.word()?)),
        }
    }
}

fn crc(seed: u32, bytes: &[u8], at: usize) -> [u8; 4] {
    let mut unsealed = bytes.to_vec();
    unsealed[at..at + 4].fill(0);
    crc32c::crc32c_append(seed, &unsealed).to_le_bytes()
}

/// Makes the checksums of a segment's header right.
fn seal_segment(file: &mut [u8]) {
    if file.len() < SEGMENT_HEADER {
        return;
    }
    let prepared = crc(0, &file[..ACTIVE_CRC], PREPARED_CRC);
    file[PREPARED_CRC..PREPARED_CRC + 4].copy_from_slice(&prepared);
    let active = crc(u32::from_le_bytes(prepared), &file[ACTIVE_CRC..ACTIVE_END], 0);
    file[ACTIVE_CRC..ACTIVE_CRC + 4].copy_from_slice(&active);
}

/// Makes the checksum of a record's header right.
fn seal_record(file: &mut [u8], at: usize) {
    if file.len() < at + RECORD_HEADER || at < SEGMENT_HEADER {
        return;
    }
    let seed = crc32c::crc32c(&file[LOG_ID..LOG_ID + 16]);
    let sum = crc(seed, &file[at..at + RECORD_HEADER], RECORD_CRC);
    file[at + RECORD_CRC..at + RECORD_CRC + 4].copy_from_slice(&sum);
}

/// Makes the edits; whether any of them forged a checksum.
fn edit(files: &mut Files, input: &mut Input<'_>) -> bool {
    let names: Vec<PathBuf> = files.keys().cloned().collect();
    let mut forged = false;
    while let Some(kind) = input.byte() {
        let Some((file, at)) = input.place() else { return forged };
        let Some(bytes) = files.get_mut(&names[file % names.len()]) else { continue };
        let at = at.min(bytes.len());
        match kind % 8 {
            0 | 1 => {
                let new = input.bytes(1 + usize::from(kind / 8));
                let end = (at + new.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << (kind / 8 % 8),
            3 => bytes.truncate(at),
            4 => {
                let Some((from_file, from)) = input.place() else { return forged };
                let Some(len) = input.word() else { return forged };
                let source = files.get(&names[from_file % names.len()]).cloned().unwrap_or_default();
                let copied = source.get(from..).map_or(&[][..], |rest| &rest[..len.min(rest.len())]);
                let Some(bytes) = files.get_mut(&names[file % names.len()]) else { continue };
                let end = (at + copied.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&copied[..end - at]);
            }
            5 => {
                let end = (at + usize::from(kind) * 8).min(bytes.len());
                bytes[at..end].fill(0);
            }
            6 if kind >= 128 => {
                forged = true;
                match at < SEGMENT_HEADER {
                    true => seal_segment(bytes),
                    false => seal_record(bytes, at),
                }
            }
            7 if kind >= 128 => drop(files.remove(&names[file % names.len()])),
            _ => {}
        }
    }
    forged
}

/// Puts the files that differ from the base's on a copy of its disk.
fn disk_of(files: &Files) -> SimDisk {
    let disk = BASE.disk.fork();
    for (path, old) in &BASE.files {
        match files.get(path) {
            None => disk.remove(path).expect("a disk without faults"),
            Some(new) if new == old => {}
            Some(new) => put(&disk, path, new),
        }
    }
    disk.sync_dir(DIR.as_ref()).expect("a disk without faults");
    disk
}

fn put(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, Access::Create).expect("a disk without faults");
    file.write_all_at(bytes, 0).expect("a disk without faults");
    file.sync_all().expect("a disk without faults");
}

/// The first position at which the files differ from the base's, if they do.
fn first_change(files: &Files) -> Option<u64> {
    BASE.files.iter().enumerate().find_map(|(number, (path, old))| {
        let start = (number * SEGMENT) as u64;
        let Some(new) = files.get(path) else { return Some(start) };
        let differs = old.iter().zip(new).position(|(old, new)| old != new);
        let at = differs.or_else(|| (old.len() != new.len()).then_some(new.len().min(old.len())));
        at.map(|at| start + at as u64)
    })
}

/// Whether the last record, which proves those before it, is as it was, and its segment's header and end too.
fn witness_is_whole(files: &Files) -> bool {
    let (number, at) = *BASE.places.last().expect("there are records");
    let same = |(index, (path, old)): (usize, (&PathBuf, &Vec<u8>))| {
        let Some(new) = files.get(path) else { return false };
        let whole = new.len() == old.len();
        whole
            && (index != number || (new[..SEGMENT_HEADER] == old[..SEGMENT_HEADER] && new[at..] == old[at..]))
    };
    BASE.files.iter().enumerate().all(same)
}

/// The record that holds a position.
fn record_at(position: u64) -> Option<&'static Found> {
    let size = |record: &Found| (RECORD_HEADER + record.3.len()).next_multiple_of(8) as u64;
    BASE.found.iter().find(|record| (record.0..record.0 + size(record)).contains(&position))
}

/// What must hold of a log whose checksums nobody forged.
fn check(files: &Files, found: Option<&[Found]>) {
    let Some(change) = first_change(files) else {
        assert_eq!(found, Some(&BASE.found[..]), "an unchanged log is served");
        return;
    };
    let (number, at) = *BASE.places.last().expect("there are records");
    let witness = BASE.files.values().nth(number).expect("its segment");
    let proven = u64::from_le_bytes(std::array::from_fn(|byte| witness[at + DURABLE_LSN + byte]));
    match found {
        None => {}
        Some(found) => {
            assert!(found.len() <= BASE.found.len() && *found == BASE.found[..found.len()], "a prefix");
            let before = BASE.found.iter().take_while(|record| record.1 <= change).count();
            assert!(found.len() >= before, "{} records, {before} are untouched", found.len());
            let damaged = record_at(change).is_some_and(|record| record.1 <= proven);
            assert!(!(damaged && witness_is_whole(files)), "damage at {change} is proven and was served");
        }
    }
}

/// Starts what was recovered, writes one more record, and recovers again.
fn go_on(disk: &SimDisk, recovery: Recovery, found: &[Found], forged: bool) {
    let started = recovery.start_stepped(Hooks::none());
    let Ok((mut log, mut writers)) = started else {
        assert!(forged, "a log that is whole starts");
        return;
    };
    let end = append(&mut writers[0], b"one more");
    log.commit();
    assert!(log.handle().durable() == end);
    drop((log, writers));
    let again = Recovery::open(config(&disk.crash(1))).expect("a log that was just started");
    let served = contents(&again);
    assert_eq!(served[..served.len() - 1], *found);
    assert_eq!(served.last().map(|record| &record.3[..]), Some(&b"one more"[..]));
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut files = BASE.files.clone();
    let from_nothing = input.byte().unwrap_or(0) == 255;
    let forged = match from_nothing {
        true => {
            for bytes in files.values_mut() {
                bytes.fill(0);
                let new = input.bytes(data.len() / 2);
                let len = new.len().min(bytes.len());
                bytes[..len].copy_from_slice(&new[..len]);
            }
            true
        }
        false => edit(&mut files, &mut input),
    };
    let disk = disk_of(&files);
    let recovery = Recovery::open(config(&disk));
    let found = recovery.as_ref().ok().map(contents);
    if !forged {
        check(&files, found.as_deref());
    }
    if let (Ok(recovery), Some(found)) = (recovery, found) {
        go_on(&disk, recovery, &found, forged);
    }
});
