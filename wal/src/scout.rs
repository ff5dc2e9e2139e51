//! How far a log is durable, as its own records say: for whoever follows it beside the process that writes it.
//!
//! Every record carries the `durable_lsn` that was known when it was written, and an idle log writes a mark for nothing else.
//! So the greatest of them proves how far a reader may go, whatever becomes of the record that says it: it was true when it
//! was written, and what is durable stays. What lies behind it proves nothing. It may be half written, and after a crash it
//! may be cut off and written again in another epoch, at other places.
//!
//! The scout goes from header to header ahead of the reader, and takes whatever is no sound header for *nothing more yet*.
//! Should that be damage, the segment behind says so: it is begun only when all before it is durable, so the reader is sent to
//! where it begins, and finds what is wrong.
//!
//! It keeps no byte of what it sees but the last header that it passed. As long as that stands in the log, what was passed
//! stands too, since a cut zeroes everything from its place to the log's end; when it does not, the scout begins again
//! where the reader is. It holds no file open either: the one of that name may be another after a start.

use crate::geometry::Geometry;
use crate::record::{HEADER_SIZE, Header, crc_seed};
use crate::recovery::{io_error, lowest_number, read_header};
use crate::segment;
use crate::storage::{Access, Storage, StorageFile};
use crate::verify::{Walker, next_after};
use crate::{Lsn, OpenError};
use std::{io, path::Path};

/// Bytes read at first: an idle log is looked at often and has nothing new.
const READ_FIRST: u64 = 4 << 10;
/// Bytes read when there was something.
const READ_MORE: u64 = 256 << 10;
/// How far ahead of the reader is far enough.
const AHEAD: u64 = 1 << 20;

const HEADER_LEN: usize = HEADER_SIZE as usize;

/// See the file's page.
#[derive(Default)]
pub(crate) struct Scout {
    /// Where the next header is looked for.
    at: u64,
    /// The last header that was passed, and where.
    passed: Option<(u64, [u8; HEADER_LEN])>,
    /// The epoch in force at `at`.
    epoch: u32,
    /// What was found out.
    witnessed: u64,
    /// Used again.
    bytes: Vec<u8>,
}

impl Scout {
    /// How far the log is known to be durable, with a look at what is new. `reader` is where the reader is.
    pub(crate) fn look(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        geometry: Geometry,
        seed: u32,
        reader: &Walker,
    ) -> Result<u64, OpenError> {
        if self.at < reader.next || !self.stands(storage, dir, geometry)? {
            (self.at, self.passed, self.epoch) = (reader.next, None, reader.epoch);
        }
        let mut size = READ_FIRST;
        while self.witnessed < reader.next + AHEAD {
            let number = geometry.segment(self.at);
            let Some(file) = open(storage, dir, number)? else {
                if self.passed.is_none() && lowest_number(storage, dir).is_some_and(|lowest| lowest > number)
                {
                    return Err(OpenError::Released { lsn: Lsn::new(reader.next) });
                }
                return Ok(self.witnessed);
            };
            let room = geometry.start(number + 1) - self.at;
            self.bytes.resize(usize::try_from(size.min(room)).unwrap_or(usize::MAX), 0);
            let path = segment::path(dir, number);
            let read = file.read_exact_at(&mut self.bytes, geometry.offset(self.at));
            if !is_there(read).map_err(io_error("reading", &path))? || !self.pass(geometry, seed, number) {
                let begun = begun(storage, dir, geometry, number + 1, seed)?;
                return Ok(self.witnessed.max(begun));
            }
            size = READ_MORE;
        }
        Ok(self.witnessed)
    }

    /// Whether the last header that was passed is still where it was.
    fn stands(&self, storage: &dyn Storage, dir: &Path, geometry: Geometry) -> Result<bool, OpenError> {
        let Some((lsn, passed)) = &self.passed else { return Ok(true) };
        let number = geometry.segment(*lsn);
        let Some(file) = open(storage, dir, number)? else { return Ok(false) };
        let mut header = [0; HEADER_LEN];
        let read = file.read_exact_at(&mut header, geometry.offset(*lsn));
        let there = is_there(read).map_err(io_error("reading", &segment::path(dir, number)))?;
        Ok(there && header == *passed)
    }

    /// Passes the headers in `bytes`, which are those from `at` on; false when one is not sound.
    fn pass(&mut self, geometry: Geometry, seed: u32, number: u64) -> bool {
        let from = self.at;
        let end = from + self.bytes.len() as u64;
        while geometry.segment(self.at) == number {
            // Positions are settled: there is room for a header, and if not in these bytes, then in the next.
            if self.at + HEADER_SIZE > end {
                return true;
            }
            let at = usize::try_from(self.at - from).unwrap_or(usize::MAX);
            let room = geometry.start(number + 1) - self.at;
            let Ok(header) = Header::decode_within(&self.bytes[at..], room, seed) else { return false };
            if header.lsn != self.at || header.durable_lsn > header.lsn || header.epoch < self.epoch {
                return false;
            }
            let mut passed = [0; HEADER_LEN];
            passed.copy_from_slice(&self.bytes[at..at + HEADER_LEN]);
            self.passed = Some((self.at, passed));
            self.epoch = header.epoch;
            self.witnessed = self.witnessed.max(header.durable_lsn);
            self.at = next_after(geometry, &header);
        }
        true
    }
}

/// A segment's file, when there is one of that name now.
fn open(storage: &dyn Storage, dir: &Path, number: u64) -> Result<Option<Box<dyn StorageFile>>, OpenError> {
    let path = segment::path(dir, number);
    match storage.open(&path, Access::Read) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("opening", &path)(error)),
    }
}

/// Where a segment begins, if it was begun; else 0.
fn begun(
    storage: &dyn Storage,
    dir: &Path,
    geometry: Geometry,
    number: u64,
    seed: u32,
) -> Result<u64, OpenError> {
    let Some(file) = open(storage, dir, number)? else { return Ok(0) };
    // Whatever it may be, it proves nothing unless it is whole.
    let found = read_header(segment::path(dir, number), &*file, number, geometry).ok();
    let active = found.filter(|found| crc_seed(found.prepared.log_id) == seed).and_then(|found| found.active);
    Ok(active.map_or(0, |active| active.first_lsn))
}

/// Whether the file was long enough.
fn is_there(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use crate::geometry::SEGMENT_SIZE_MIN;
    use crate::segment;
    use crate::{
        Access, Backend, Files, Hooks, Log, LogConfig, LogReader, Lsn, OpenError, Recovery, Storage, Writer,
    };
    use std::path::Path;

    fn config(dir: &Path, backend: Backend) -> LogConfig {
        // No mark: what was appended last is unproven, as it is when a crash comes.
        LogConfig { segment_size: SEGMENT_SIZE_MIN, mark_idle_ms: 1 << 40, backend, ..LogConfig::new(dir) }
    }

    fn begin(dir: &Path, backend: Backend) -> (Log, Writer) {
        let (log, mut writers) = Recovery::open(config(dir, backend)).unwrap().start(Hooks::none()).unwrap();
        (log, writers.remove(0))
    }

    /// Appends a record of so many bytes of `byte`, and waits until it is durable.
    fn append(log: &Log, writer: &mut Writer, byte: u8, len: usize) -> Lsn {
        let permit = loop {
            match writer.admit() {
                Ok(permit) => break permit,
                Err(_) => std::thread::yield_now(),
            }
        };
        let end = writer.append(permit, &vec![byte; len]);
        while log.durable() < end {
            std::thread::yield_now();
        }
        end
    }

    /// The first bytes of the records that can be read now.
    fn read(reader: &mut LogReader) -> Result<Vec<u8>, OpenError> {
        let mut read = Vec::new();
        loop {
            let bound = reader.witnessed()?;
            match reader.read(bound)? {
                Some(record) => {
                    assert!(record.end_lsn <= bound);
                    read.push(record.payload[0]);
                }
                None => return Ok(read),
            }
        }
    }

    fn damage(dir: &Path, at: u64, bytes: &[u8]) {
        let file = Files.open(&segment::path(dir, at / SEGMENT_SIZE_MIN), Access::Write).unwrap();
        file.write_all_at(bytes, at % SEGMENT_SIZE_MIN).unwrap();
    }

    /// What the last record says is believed, and it itself only when the next says so.
    #[test]
    fn a_record_is_read_when_a_later_one_proves_it() {
        for backend in [Backend::Write, Backend::Map] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("log");
            std::fs::create_dir(&dir).unwrap();
            let mut early = LogReader::open(&dir).unwrap();
            assert_eq!(early.witnessed().unwrap(), Lsn::ZERO);
            let (log, mut writer) = begin(&dir, backend);
            for number in 1..200u8 {
                append(&log, &mut writer, number, 1_000);
                let expected: Vec<u8> = if number == 1 { vec![] } else { vec![number - 1] };
                assert_eq!(read(&mut early).unwrap(), expected, "{backend:?}");
            }
            assert_eq!(read(&mut LogReader::open(&dir).unwrap()).unwrap().len(), 198);
            log.stop().unwrap();
            assert_eq!(read(&mut early).unwrap(), [199]);
        }
    }

    /// A reader that is far behind is shown the way piece by piece, each of which is proven.
    #[test]
    fn a_reader_far_behind_is_never_sent_where_the_scout_got() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let (log, mut writer) = begin(&dir, Backend::Write);
        let mut end = Lsn::ZERO;
        loop {
            let permit = loop {
                match writer.admit() {
                    Ok(permit) => break permit,
                    Err(_) => std::thread::yield_now(),
                }
            };
            // Then there is room for the record of the stop, too, which proves the last one.
            if end.get() >= 3 * super::AHEAD {
                break;
            }
            end = writer.append(permit, &[1; 5_000]);
        }
        log.stop().unwrap();
        let mut reader = LogReader::open(&dir).unwrap();
        let mut looks = 0;
        while reader.position() < end {
            let bound = reader.witnessed().unwrap();
            assert!(reader.position() < bound && bound.get() < reader.scout.at);
            while reader.read(bound).unwrap().is_some() {}
            looks += 1;
        }
        assert!((2..10).contains(&looks), "{looks} looks");
    }

    /// What was seen and then cut off and written again is read as it was written again.
    #[test]
    fn what_was_cut_off_was_never_there() {
        for (backend, segments) in [(Backend::Write, 1), (Backend::Map, 1), (Backend::Write, 3)] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("log");
            let (log, mut writer) = begin(&dir, backend);
            let mut reader = LogReader::open(&dir).unwrap();
            let mut expected: Vec<u8> = Vec::new();
            for number in 0..segments * 60 {
                append(&log, &mut writer, number, 1_000);
                expected.push(number);
            }
            let cut = append(&log, &mut writer, 201, 700);
            let mut was = read(&mut reader).unwrap();
            assert_eq!(was, expected);
            // It seems to be there, and is passed by the scout. Nobody else ever knew of it.
            append(&log, &mut writer, 202, 500);
            assert!(reader.witnessed().unwrap() == cut && reader.scout.at > cut.get());
            drop(log);
            // The last one is gone after the crash, which the reader cannot know.
            damage(&dir, cut.get(), &[0; 8]);
            assert_eq!(read(&mut reader).unwrap(), [201]);
            let (log, mut writer) = begin(&dir, backend);
            assert_eq!(read(&mut reader).unwrap(), [0u8; 0]);
            for (number, len) in [(203, 48), (204, 2_000), (205, 30)] {
                append(&log, &mut writer, number, len);
            }
            assert_eq!(read(&mut reader).unwrap(), [203, 204]);
            log.stop().unwrap();
            assert_eq!(read(&mut reader).unwrap(), [205]);
            was.extend([201, 203, 204, 205]);
            assert_eq!(read(&mut LogReader::open(&dir).unwrap()).unwrap(), was);
        }
    }

    /// Whatever byte is another: what is read is the beginning of what was written. Behind the bound it is no damage, and
    /// before it, it is, or it is what nobody knows of yet.
    #[test]
    fn no_changed_byte_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let (log, mut writer) = begin(&dir, Backend::Write);
        for number in 1..=6 {
            append(&log, &mut writer, number, 40 + usize::from(number));
        }
        let end = append(&log, &mut writer, 7, 50);
        drop(log);
        let proven = LogReader::open(&dir).unwrap().witnessed().unwrap().get();
        let mut damaged = 0;
        for at in 4096..end.get() + 64 {
            let number = at / SEGMENT_SIZE_MIN;
            let mut byte = [0];
            let file = Files.open(&segment::path(&dir, number), Access::Read).unwrap();
            file.read_exact_at(&mut byte, at).unwrap();
            damage(&dir, at, &[byte[0] ^ 0x41]);
            let mut reader = LogReader::open(&dir).unwrap();
            match read(&mut reader) {
                Ok(read) => assert!([1, 2, 3, 4, 5, 6].starts_with(&read), "byte {at}: {read:?}"),
                Err(OpenError::Damaged { lsn, .. }) => {
                    assert!(lsn.get() <= at && at < proven, "byte {at}");
                    damaged += 1;
                }
                Err(error) => panic!("byte {at}: {error}"),
            }
            damage(&dir, at, &byte);
        }
        assert!(damaged > 100, "{damaged} found");
        assert_eq!(read(&mut LogReader::open(&dir).unwrap()).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    /// Damage in a segment that another follows is said, also where no header can be passed any more.
    #[test]
    fn damage_before_a_later_segment_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let (log, mut writer) = begin(&dir, Backend::Write);
        let first = append(&log, &mut writer, 1, 1_000);
        for number in 2..100 {
            append(&log, &mut writer, number, 1_000);
        }
        damage(&dir, first.get(), &[0; 48]);
        let mut reader = LogReader::open(&dir).unwrap();
        for _ in 0..2 {
            assert!(matches!(read(&mut reader), Err(OpenError::Damaged { lsn, .. }) if lsn == first));
        }
    }

    /// What was released meanwhile is said to be.
    #[test]
    fn a_reader_that_was_left_behind_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let (log, mut writer) = begin(&dir, Backend::Write);
        append(&log, &mut writer, 1, 1_000);
        append(&log, &mut writer, 2, 1_000);
        let mut reader = LogReader::open(&dir).unwrap();
        assert_eq!(read(&mut reader).unwrap(), [1]);
        for number in 3..200 {
            append(&log, &mut writer, number, 1_000);
        }
        log.handle().release(log.durable());
        while segment::path(&dir, 0).exists() {
            std::thread::yield_now();
        }
        for _ in 0..2 {
            assert!(matches!(read(&mut reader), Err(OpenError::Released { .. })));
        }
    }
}
