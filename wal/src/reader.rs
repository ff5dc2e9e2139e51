//! Reading a log from its beginning on while it is being written, or when it is not: only what is durable, only through
//! the files, and verified like everything that is read.

use crate::chain::origin;
use crate::geometry::{Geometry, RECORD_SIZE_MAX, SEGMENT_SIZE_MIN};
use crate::record::{Kind, crc_seed};
use crate::recovery::{Found, begin, io_error, lowest, read_header};
use crate::segment::{self, Active};
use crate::verify::Walker;
use crate::{Lsn, OpenError, Proof, RecordRef};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes read beyond what is needed, so that small records share a system call.
const READ_AHEAD: u64 = 1 << 20;

/// Reads the records of a log in their order.
pub struct LogReader {
    dir: PathBuf,
    geometry: Geometry,
    log_id: u128,
    walker: Walker,
    /// The segment that is being read, and its number.
    segment: Option<(u64, File)>,
    /// Bytes of that segment from the position `from` on. Whole records, but maybe for the last.
    bytes: Vec<u8>,
    from: u64,
}

impl LogReader {
    /// Begins at the log's first record. The log may be running: nothing is changed, locked or synced.
    ///
    /// # Errors
    /// When the first segment is damaged or cannot be read.
    pub fn open(dir: &Path) -> Result<LogReader, OpenError> {
        let (geometry, log_id, active) = match lowest(dir)? {
            Some((number, geometry, found)) => {
                let log_id = found.prepared.log_id;
                (geometry, log_id, begin(&[(number, found)].into(), geometry, log_id, number)?)
            }
            // Nothing was written yet: all that is read is what is durable, and nothing is.
            None => {
                let geometry = Geometry::new(SEGMENT_SIZE_MIN);
                (geometry, 0, Active { first_lsn: geometry.first(0), epoch: 0, hash: origin(0) })
            }
        };
        let walker = Walker::new(geometry, crc_seed(log_id), active);
        let from = walker.next;
        Ok(LogReader {
            dir: dir.to_owned(),
            geometry,
            log_id,
            walker,
            segment: None,
            bytes: Vec::new(),
            from,
        })
    }

    /// Where the next record begins, or will.
    pub fn position(&self) -> Lsn {
        Lsn::new(self.walker.next)
    }

    /// The next data record that ends at or before `durable`; `None` when there is none yet. `durable` is what
    /// [`crate::LogHandle::durable`] or [`crate::Recovery::end`] says.
    ///
    /// # Errors
    /// When something before `durable` is damaged or cannot be read. What was read before holds; nothing is skipped.
    pub fn read(&mut self, durable: Lsn) -> Result<Option<RecordRef<'_>>, OpenError> {
        while self.walker.next < durable.get() {
            self.fill(durable)?;
            let lsn = self.walker.next;
            let at = usize::try_from(lsn - self.from).unwrap_or(usize::MAX);
            let header = match self.walker.step(&self.bytes[at..]) {
                Ok(header) => header,
                Err(flaw) => {
                    let path = segment::path(&self.dir, self.geometry.segment(lsn));
                    let (offset, proof) = (self.geometry.offset(lsn), Proof::Caller(durable));
                    return Err(OpenError::Damaged { path, offset, lsn: Lsn::new(lsn), flaw, proof });
                }
            };
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

    /// Reads on until the record at `next`, which ends at or before `durable`, is in memory.
    fn fill(&mut self, durable: Lsn) -> Result<(), OpenError> {
        let next = self.walker.next;
        let number = self.geometry.segment(next);
        if self.segment.as_ref().is_none_or(|(open, _)| *open != number) {
            self.enter(number)?;
        }
        // What is durable ends with a record, so up to there all records are whole.
        let limit = durable.get().min(self.geometry.start(number + 1));
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
        let file = File::open(&path).map_err(io_error("opening", &path))?;
        let Found { prepared, active, path, .. } = read_header(path, &file, number, self.geometry)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, Hooks, LogConfig, Recovery};

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
        let file = File::options().write(true).open(segment::path(&dir, 0)).unwrap();
        file.write_all_at(b"T", ends[0].get() + 48).unwrap();
        let mut reader = LogReader::open(&dir).unwrap();
        assert_eq!(reader.read(end).unwrap().unwrap().payload, b"one");
        for _ in 0..2 {
            assert!(matches!(reader.read(end), Err(OpenError::Damaged { lsn, .. }) if lsn == ends[0]));
        }
        assert!(LogReader::open(&folder.path().join("none")).unwrap().read(end).is_err());
    }
}
