//! Reading a log from its beginning on while it is being written, or when it is not: only what is durable, only through
//! the files, and verified like everything that is read.

use crate::chain::origin;
use crate::geometry::{Geometry, RECORD_SIZE_MAX, SEGMENT_SIZE_MIN};
use crate::record::{Header, Kind, crc_seed};
use crate::recovery::{Found, begin, io_error, lowest, lowest_number, read_header};
use crate::scout::Scout;
use crate::segment::{self, Active};
use crate::storage::{Access, Files, Storage, StorageFile};
use crate::verify::Walker;
use crate::{Lsn, OpenError, Proof, RecordRef};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes read beyond what is needed, so that small records share a system call.
const READ_AHEAD: u64 = 1 << 20;

/// Reads the records of a log in their order.
pub struct LogReader {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    geometry: Geometry,
    log_id: u128,
    walker: Walker,
    /// The segment that is being read, and its number.
    segment: Option<(u64, Box<dyn StorageFile>)>,
    /// Bytes of that segment from the position `from` on. Whole records, but maybe for the last.
    bytes: Vec<u8>,
    from: u64,
    /// Where the record that was read last begins, and the log's hash before it.
    last: (u64, u64),
    pub(crate) scout: Scout,
}

impl LogReader {
    /// Begins at the log's first record. The log may be running: nothing is changed, locked or synced.
    ///
    /// # Errors
    /// When the first segment is damaged or cannot be read.
    pub fn open(dir: &Path) -> Result<LogReader, OpenError> {
        LogReader::open_in(Arc::new(Files), dir)
    }

    /// Begins where a snapshot was taken, [`Lsn::ZERO`] being before everything. Everything before `lsn` is durable.
    ///
    /// # Errors
    /// [`OpenError::Released`] when the log begins later, [`OpenError::Position`] when no record begins there, and as
    /// for [`LogReader::open`].
    pub fn open_at(storage: Arc<dyn Storage>, dir: &Path, lsn: Lsn) -> Result<LogReader, OpenError> {
        let mut reader = LogReader::open_in(storage, dir)?;
        let geometry = reader.geometry;
        let to = geometry.enter(lsn.get());
        if to < reader.walker.next {
            return Err(OpenError::Released { lsn });
        }
        // From the segment that it is in, or, where that is not begun yet, from the one that it is the end of.
        let number = geometry.segment(to);
        let begun = reader.begin_at(number).and_then(|begun| {
            let before = !begun && number > geometry.segment(reader.walker.next);
            if before { reader.begin_at(number - 1) } else { Ok(begun) }
        });
        if let Err(error) = begun {
            // A segment that was released may be in use again already.
            return Err(if reader.is_released(number) { OpenError::Released { lsn } } else { error });
        }
        while reader.walker.next < to {
            // A record may lie across a position that is none: it is to be read whole, to see that.
            reader.step(Lsn::new(to), to + RECORD_SIZE_MAX)?;
        }
        // What lies behind was perhaps not written yet, and is to be read when it is durable.
        let known = usize::try_from(to.saturating_sub(reader.from)).unwrap_or(usize::MAX);
        reader.bytes.truncate(known);
        match reader.walker.next == to {
            true => Ok(reader),
            false => Err(OpenError::Position { lsn }),
        }
    }

    /// Goes to a segment's first record, if the segment is begun.
    fn begin_at(&mut self, number: u64) -> Result<bool, OpenError> {
        let path = segment::path(&self.dir, number);
        if !self.storage.exists(&path).map_err(io_error("looking for", &path))? {
            return Ok(false);
        }
        let file = self.storage.open(&path, Access::Read).map_err(io_error("opening", &path))?;
        let found = read_header(path, &*file, number, self.geometry)?;
        let Some(active) = found.active else { return Ok(false) };
        if found.prepared.log_id != self.log_id || active.first_lsn != self.geometry.first(number) {
            return Err(OpenError::SegmentOrder { path: found.path });
        }
        self.walker = Walker::new(self.geometry, crc_seed(self.log_id), active);
        (self.segment, self.from) = (None, self.walker.next);
        self.bytes.clear();
        Ok(true)
    }

    /// As [`LogReader::open`], in any storage.
    ///
    /// # Errors
    /// As for [`LogReader::open`].
    pub fn open_in(storage: Arc<dyn Storage>, dir: &Path) -> Result<LogReader, OpenError> {
        let (geometry, log_id, active) = loop {
            let number = lowest_number(&*storage, dir);
            match beginning(&*storage, dir) {
                // It was released while it was looked at: another is the lowest now.
                Err(_) if lowest_number(&*storage, dir) > number => {}
                begun => break begun?,
            }
        };
        let walker = Walker::new(geometry, crc_seed(log_id), active);
        let from = walker.next;
        let last = (from, walker.hash);
        Ok(LogReader {
            storage,
            dir: dir.to_owned(),
            geometry,
            log_id,
            walker,
            segment: None,
            bytes: Vec::new(),
            from,
            last,
            scout: Scout::default(),
        })
    }

    /// Whether nothing was removed before where it is: it begins with the log's first record.
    pub fn is_at_beginning(&self) -> bool {
        self.walker.next == self.geometry.first(0)
    }

    /// Where the next record begins, or will.
    pub fn position(&self) -> Lsn {
        Lsn::new(self.walker.next)
    }

    /// The running hash over the whole log before [`LogReader::position`], see [`crate::Recovery::hash_at`].
    pub fn hash(&self) -> u64 {
        self.walker.hash
    }

    /// Where the record that [`LogReader::read`] gave last begins, and the running hash before it.
    pub fn last(&self) -> (Lsn, u64) {
        (Lsn::new(self.last.0), self.last.1)
    }

    /// How far the log itself says that it is durable, for whoever reads it beside the process that writes it and is told
    /// nothing by that: what [`LogReader::read`] takes for `durable`. It follows the log's own with the next record, or
    /// with the mark that an idle log writes. What is behind it may be half there, or be cut off when the log is started
    /// again; then it stays where it is until there is something new.
    ///
    /// # Errors
    /// [`OpenError::Released`], or when a file cannot be read.
    pub fn witnessed(&mut self) -> Result<Lsn, OpenError> {
        if self.log_id == 0 {
            // There was no log yet when this was opened.
            *self = LogReader::open_in(self.storage.clone(), &self.dir)?;
            if self.log_id == 0 {
                return Ok(Lsn::ZERO);
            }
        }
        let LogReader { storage, dir, geometry, log_id, walker, scout, .. } = self;
        scout.look(&**storage, dir, *geometry, crc_seed(*log_id), walker).map(Lsn::new)
    }

    /// Whose log it is; 0 as long as there is none.
    pub fn log_id(&self) -> u128 {
        self.log_id
    }

    /// The next data record that ends at or before `durable`; `None` when there is none yet. `durable` is what
    /// [`crate::LogHandle::durable`] or [`crate::Recovery::end`] says.
    ///
    /// # Errors
    /// When something before `durable` is damaged or cannot be read. What was read before holds; nothing is skipped.
    pub fn read(&mut self, durable: Lsn) -> Result<Option<RecordRef<'_>>, OpenError> {
        while self.walker.next < durable.get() {
            let lsn = self.walker.next;
            self.last = (lsn, self.walker.hash);
            let (header, at) = self.step(durable, durable.get())?;
            if header.kind == Kind::Data {
                return Ok(Some(RecordRef {
                    lsn: Lsn::new(lsn),
                    end_lsn: self.position(),
                    stream: header.stream,
                    streams: header.streams,
                    epoch: header.epoch,
                    payload: header.payload(&self.bytes[at..]),
                }));
            }
        }
        Ok(None)
    }

    /// Takes in the record at `next`, which is durable up to `durable` and whole up to `limit`, and says where in `bytes`
    /// it is.
    fn step(&mut self, durable: Lsn, limit: u64) -> Result<(Header, usize), OpenError> {
        self.fill(limit)?;
        let lsn = self.walker.next;
        let at = usize::try_from(lsn - self.from).unwrap_or(usize::MAX);
        self.walker.step(&self.bytes[at..]).map(|header| (header, at)).map_err(|flaw| {
            let number = self.geometry.segment(lsn);
            // A segment that was released may be in use again already.
            if self.is_released(number) {
                return OpenError::Released { lsn: Lsn::new(lsn) };
            }
            let path = segment::path(&self.dir, number);
            let (offset, proof) = (self.geometry.offset(lsn), Proof::Caller(durable));
            OpenError::Damaged { path, offset, lsn: Lsn::new(lsn), flaw, proof }
        })
    }

    fn is_released(&self, number: u64) -> bool {
        lowest_number(&*self.storage, &self.dir).is_some_and(|lowest| lowest > number)
    }

    /// Reads on until the record at `next`, which ends at or before `limit`, is in memory.
    fn fill(&mut self, limit: u64) -> Result<(), OpenError> {
        let next = self.walker.next;
        let number = self.geometry.segment(next);
        if self.segment.as_ref().is_none_or(|(open, _)| *open != number)
            && let Err(error) = self.enter(number)
        {
            let lsn = self.position();
            return Err(if self.is_released(number) { OpenError::Released { lsn } } else { error });
        }
        // What is durable ends with a record, so up to there all records are whole.
        let limit = limit.min(self.geometry.start(number + 1));
        let needed = (limit - next).min(RECORD_SIZE_MAX);
        let end = self.from + self.bytes.len() as u64;
        assert!(self.from <= next && next <= end);
        if end - next >= needed {
            return Ok(());
        }
        self.bytes.drain(..usize::try_from(next - self.from).unwrap_or(usize::MAX));
        self.from = next;
        let had = self.bytes.len();
        let more = (needed - had as u64).max(READ_AHEAD).min(limit - end);
        self.bytes.resize(had + usize::try_from(more).unwrap_or(usize::MAX), 0);
        let Some((_, file)) = &self.segment else { unreachable!("entered above") };
        let path = segment::path(&self.dir, number);
        let read = file.read_exact_at(&mut self.bytes[had..], self.geometry.offset(end));
        read.map_err(io_error("reading", &path))
    }

    /// Opens a segment and sees that it continues what was read.
    fn enter(&mut self, number: u64) -> Result<(), OpenError> {
        let path = segment::path(&self.dir, number);
        let file = self.storage.open(&path, Access::Read).map_err(io_error("opening", &path))?;
        let Found { prepared, active, path, .. } = read_header(path, &*file, number, self.geometry)?;
        if prepared.log_id != self.log_id {
            return Err(OpenError::Foreign { path, found: prepared.log_id, expected: self.log_id });
        }
        let Walker { next, epoch, hash, .. } = self.walker;
        assert_eq!(next, self.geometry.first(number), "segments are entered where they begin");
        if active != Some(Active { first_lsn: next, epoch, hash }) {
            return Err(OpenError::SegmentOrder { path });
        }
        self.segment = Some((number, file));
        self.bytes.clear();
        self.from = next;
        Ok(())
    }
}

/// What is in force where a log begins, how it is laid out, and its id.
fn beginning(storage: &dyn Storage, dir: &Path) -> Result<(Geometry, u128, Active), OpenError> {
    let Some((number, geometry, found)) = lowest(storage, dir)? else {
        // Nothing was written yet: all that is read is what is durable, and nothing is.
        let geometry = Geometry::new(SEGMENT_SIZE_MIN);
        return Ok((geometry, 0, Active { first_lsn: geometry.first(0), epoch: 0, hash: origin(0) }));
    };
    let log_id = found.prepared.log_id;
    Ok((geometry, log_id, begin(&[(number, found)].into(), geometry, log_id, number)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, FolderLock, Hooks, LockError, LogConfig, Recovery};
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Follows a log while it is written across segments and starts, under both backends; what it reads is what was
    /// appended, and never more than what is durable.
    #[test]
    fn what_is_durable_is_read_while_the_log_runs() {
        for backend in [Backend::Write, Backend::Map] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("log");
            let config = LogConfig { segment_size: SEGMENT_SIZE_MIN, backend, ..LogConfig::new(&dir) };
            let mut reader: Option<LogReader> = None;
            let mut written = 0u64;
            for _ in 0..3 {
                let (log, mut writers) =
                    Recovery::open(config.clone()).unwrap().start(Hooks::none()).unwrap();
                let reader = reader.get_or_insert_with(|| LogReader::open(&dir).unwrap());
                for _ in 0..40 {
                    let first = written;
                    while written < first + 5 {
                        let Ok(permit) = writers[0].admit() else {
                            std::thread::yield_now();
                            continue;
                        };
                        let mut payload = vec![7; 1_000 + (written % 900) as usize];
                        payload[..8].copy_from_slice(&written.to_le_bytes());
                        writers[0].append(permit, &payload);
                        written += 1;
                    }
                    let mut read = first;
                    while read < written {
                        let durable = log.durable();
                        while let Some(record) = reader.read(durable).unwrap() {
                            assert!(record.end_lsn <= durable);
                            assert_eq!(record.payload[..8], read.to_le_bytes());
                            assert_eq!(record.payload.len(), 1_000 + (read % 900) as usize);
                            read += 1;
                        }
                        std::thread::yield_now();
                    }
                }
                log.stop().unwrap();
            }
            assert!(Recovery::open(config).unwrap().report().segments > 3);
        }
    }

    /// A reader that begins where the log ends reads what comes after, not what stood there before.
    #[test]
    fn what_comes_behind_a_position_is_read_when_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let config = LogConfig { segment_size: SEGMENT_SIZE_MIN, ..LogConfig::new(&dir) };
        let (log, mut writers) = Recovery::open(config).unwrap().start(Hooks::none()).unwrap();
        let mut append = |payload: &[u8]| {
            let permit = writers[0].admit().unwrap();
            let end = writers[0].append(permit, payload);
            while log.durable() < end {
                std::thread::yield_now();
            }
            end
        };
        let end = append(b"one");
        let mut reader = LogReader::open_at(Arc::new(Files), &dir, end).unwrap();
        let end = append(b"two");
        assert_eq!(reader.read(end).unwrap().unwrap().payload, b"two");
    }

    /// Files of which the lowest segment is released when they are asked for something the `nth` time: before that is
    /// done, or after; it is removed, or used again.
    #[derive(Debug)]
    struct Releasing {
        dir: PathBuf,
        asked: AtomicU32,
        nth: u32,
        after: bool,
        used_again: bool,
    }

    impl Releasing {
        fn around<T>(&self, call: impl FnOnce() -> T) -> T {
            let now = self.asked.fetch_add(1, Relaxed) == self.nth;
            let release = |now: bool| {
                let lowest = lowest_number(&Files, &self.dir).filter(|_| now);
                let Some(path) = lowest.map(|number| segment::path(&self.dir, number)) else { return };
                if self.used_again {
                    let file = Files.open(&path, Access::Write).unwrap();
                    Files.rename(&path, &path.with_extension("tmp")).unwrap();
                    file.write_all_at(&[0; 8192], 0).unwrap();
                } else {
                    Files.remove(&path).unwrap();
                }
            };
            release(now && !self.after);
            let done = call();
            release(now && self.after);
            done
        }
    }

    impl Storage for Releasing {
        fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
            self.around(|| Files.open(path, access))
        }
        fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
            self.around(|| Files.list(dir))
        }
        fn exists(&self, path: &Path) -> io::Result<bool> {
            self.around(|| Files.exists(path))
        }
        fn make_dir(&self, dir: &Path) -> io::Result<()> {
            Files.make_dir(dir)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Files.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            Files.remove(path)
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            Files.sync_dir(dir)
        }
        fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
            Files.free_bytes(dir)
        }
        fn lock(&self, dir: &Path) -> Result<FolderLock, LockError> {
            Files.lock(dir)
        }
        fn fresh_id(&self) -> io::Result<u128> {
            Files.fresh_id()
        }
    }

    /// Whenever a segment is released while a reader begins or goes on: it begins behind that, or says that it was released.
    #[test]
    fn a_segment_that_goes_while_it_is_looked_at_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let config = LogConfig { segment_size: SEGMENT_SIZE_MIN, ..LogConfig::new(&dir) };
        let (log, mut writers) = Recovery::open(config).unwrap().start(Hooks::none()).unwrap();
        let mut ends = Vec::new();
        for _ in 0..200 {
            let permit = loop {
                match writers[0].admit() {
                    Ok(permit) => break permit,
                    Err(_) => std::thread::yield_now(),
                }
            };
            ends.push(writers[0].append(permit, &[7; 1_000]));
        }
        let end = log.stop().unwrap();
        let (mut begun, mut released) = (0, 0);
        for case in 0..4 * 14u32 {
            let copy = folder.path().join(format!("{case}"));
            std::fs::create_dir(&copy).unwrap();
            for path in Files.list(&dir).unwrap() {
                std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
            let (asked, after, used_again) = (AtomicU32::new(0), case & 1 == 1, case & 2 == 2);
            let releasing = Releasing { dir: copy.clone(), asked, nth: case >> 2, after, used_again };
            let storage: Arc<dyn Storage> = Arc::new(releasing);
            let opened = match case % 3 {
                0 => LogReader::open_in(storage, &copy),
                1 => LogReader::open_at(storage, &copy, ends[30]),
                _ => LogReader::open_at(storage, &copy, ends[100]),
            };
            let mut reader = match opened {
                Ok(reader) => reader,
                Err(OpenError::Released { .. }) if case % 3 > 0 => {
                    released += 1;
                    continue;
                }
                Err(error) => panic!("case {case}: {error}"),
            };
            begun += 1;
            loop {
                match reader.read(end) {
                    Ok(Some(record)) => assert_eq!(record.payload, [7; 1_000]),
                    Ok(None) => break,
                    Err(OpenError::Released { .. }) => {
                        released += 1;
                        break;
                    }
                    Err(error) => panic!("case {case}: {error}"),
                }
            }
        }
        assert!(begun > 20 && released > 10, "{begun} begun, {released} released");
    }

    #[test]
    fn damage_is_named_and_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("log");
        let config = LogConfig { segment_size: SEGMENT_SIZE_MIN, ..LogConfig::new(&dir) };
        let (log, mut writers) = Recovery::open(config).unwrap().start(Hooks::none()).unwrap();
        let mut ends = Vec::new();
        for payload in [b"one", b"two", b"six"] {
            let permit = writers[0].admit().unwrap();
            ends.push(writers[0].append(permit, payload));
        }
        let end = log.stop().unwrap();
        let file = Files.open(&segment::path(&dir, 0), Access::Write).unwrap();
        file.write_all_at(b"T", ends[0].get() + 48).unwrap();
        let mut reader = LogReader::open(&dir).unwrap();
        assert_eq!(reader.read(end).unwrap().unwrap().payload, b"one");
        for _ in 0..2 {
            assert!(matches!(reader.read(end), Err(OpenError::Damaged { lsn, .. }) if lsn == ends[0]));
        }
        assert!(LogReader::open(&folder.path().join("none")).unwrap().read(end).is_err());
    }
}
