//! Opening a log: everything is synced, read, verified and judged; no byte is changed.

use crate::chain::{fold, origin};
use crate::config::{LogConfig, Planted};
use crate::geometry::{Geometry, SEGMENT_HEADER_SIZE, SEGMENT_SIZE_MIN};
use crate::map::ReadMap;
use crate::record::{Header, crc_seed, digest_of};
use crate::replay::Records;
use crate::segment::{self, Active, FORMAT_VERSION, HeaderFlaw, Prepared};
use crate::storage::{Access, Storage, StorageFile};
use crate::verdict::{Evidence, Verdict, decide};
use crate::verify::{Walk, Walker, next_after, search};
use crate::{Flaw, Lsn, OpenError};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// A log that has been verified and is about to be replayed, then started. It may be shared by threads, so that
/// each shard replays its own stream.
pub struct Recovery {
    pub(crate) config: LogConfig,
    pub(crate) geometry: Geometry,
    pub(crate) log_id: u128,
    /// The segments with records, from the lowest on, for replay.
    pub(crate) maps: Vec<ReadMap>,
    /// The lowest segment's number.
    pub(crate) first: u64,
    /// Where the next record goes.
    pub(crate) end: u64,
    pub(crate) epoch: u32,
    pub(crate) hash: u64,
    /// Whether the segment of `end` is active.
    pub(crate) end_active: bool,
    pub(crate) report: Report,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Data records.
    pub records: u64,
    /// Their payloads' bytes.
    pub payload_bytes: u64,
    /// Segment files with records.
    pub segments: u64,
    /// The last epoch; each start of the log begins one. 0: the log is new.
    pub epoch: u32,
    /// What a crash left half-written, if anything: to be cut off when the log starts.
    pub cut: Option<CutTail>,
    /// Whether the log was stopped in order, or is new.
    pub clean_stop: bool,
}

/// A torn tail: bytes that had not become durable when the log went down, hence were never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutTail {
    /// Where the log ends.
    pub from: Lsn,
    /// How far bytes are stored beyond that, those in later segments included.
    pub bytes: u64,
    /// What is wrong with the first of them.
    pub flaw: Flaw,
}

/// One segment file with its header read.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) prepared: Prepared,
    pub(crate) active: Option<Active>,
    untouched: bool,
}

impl Recovery {
    /// Opens the log in `config.dir`, verifying every record. A folder that is missing or has no segment is a new
    /// log. The caller holds the data folder's lock.
    ///
    /// # Errors
    /// When anything that had been durable is damaged or missing, when the files are not this log's, or cannot be
    /// read. Nothing has been changed then, nor is it when all is well.
    pub fn open(config: LogConfig) -> Result<Recovery, OpenError> {
        config.check()?;
        let segment_size = stored_segment_size(&*config.storage, &config.dir)?.unwrap_or(config.segment_size);
        let config = LogConfig { segment_size, ..config };
        let storage = &*config.storage;
        let geometry = config.check()?;
        let found = find(storage, &config.dir, geometry)?;
        let log_id = identify(&config, &found)?;
        let first = found.keys().next().copied().unwrap_or(0);
        let begin = begin(&found, geometry, log_id, first)?;
        let mut walker = Walker::new(geometry, crc_seed(log_id), begin);
        walker.epoch_ignored = config.planted == Some(Planted::EpochIgnored);
        let flaw = walk(storage, &mut walker, &found, geometry)?;
        let cut = judge(&walker, &found, geometry, log_id, &config, flaw)?;
        reaches_back(&config, geometry, first)?;

        let last = geometry.segment(walker.next);
        let mut maps = Vec::new();
        for (number, segment) in &found {
            if segment.active.is_some() && *number <= last {
                let mapped = storage.open(&segment.path, Access::Read).and_then(|file| file.view());
                maps.push(mapped.map_err(io_error("mapping", &segment.path))?);
            }
        }
        let report = Report {
            records: walker.records,
            payload_bytes: walker.payload_bytes,
            segments: maps.len() as u64,
            epoch: walker.epoch,
            cut,
            clean_stop: walker.clean_stop || walker.epoch == 0,
        };
        let end_active = found.get(&last).is_some_and(|segment| segment.active.is_some());
        let (end, epoch, hash) = (walker.next, walker.epoch, walker.hash);
        Ok(Recovery { config, geometry, log_id, maps, first, end, epoch, hash, end_active, report })
    }

    /// The data records that begin at or after `from`, in order. May be called from several threads.
    ///
    /// # Panics
    /// When `from` is before [`Recovery::begin`]: the log no longer reaches back so far, a snapshot is missing.
    pub fn records(&self, from: Lsn) -> Records<'_> {
        assert!(from >= self.begin(), "the log begins at {}, records from {from} are gone", self.begin());
        Records::new(self, from)
    }

    /// The position the log reaches back to: zero unless segments have been released.
    pub fn begin(&self) -> Lsn {
        Lsn::new(self.geometry.start(self.first))
    }

    /// Where the log ends: everything before is verified and durable.
    pub fn end(&self) -> Lsn {
        Lsn::new(self.end)
    }

    /// Bytes per segment file: what the log was made with, whatever it was opened with.
    pub fn segment_size(&self) -> u64 {
        self.geometry.segment_size()
    }

    /// The log's id, random when it was made; a snapshot notes it to know its log.
    pub fn log_id(&self) -> u128 {
        self.log_id
    }

    /// The running hash over the whole log before `lsn`, which the next record begins at; `None` where none does. A
    /// snapshot notes it with its position ([`crate::LogReader::hash`]): when it is loaded, the log must have it there,
    /// or it is another history than the one that the snapshot was taken of. Reads through one segment.
    pub fn hash_at(&self, lsn: Lsn) -> Option<u64> {
        if lsn.get() == self.end {
            return Some(self.hash);
        }
        let geometry = self.geometry;
        let lsn = geometry.enter(lsn.get());
        let number = geometry.segment(lsn);
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let bytes = self.maps.get(index)?.bytes();
        let active = Active::decode(bytes, &Prepared::decode(bytes).ok()?)?;
        let (mut next, mut hash) = (active.first_lsn, active.hash);
        while next < lsn.min(self.end) {
            let record = &bytes[geometry.offset(next) as usize..];
            hash = fold(hash, digest_of(record));
            next = next_after(geometry, &Header::decode(record, crc_seed(self.log_id)).ok()?);
        }
        (next == lsn).then_some(hash)
    }

    /// What was found.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// The segment size that the lowest segment's header states, if there is one that can be read. If it cannot, opening
/// says why.
fn stored_segment_size(storage: &dyn Storage, dir: &Path) -> Result<Option<u64>, OpenError> {
    let lowest = match lowest_path(storage, dir) {
        Ok(Some((_, path))) => path,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("reading folder", dir)(error)),
    };
    let mut header = [0; SEGMENT_HEADER_SIZE as usize];
    let file = storage.open(&lowest, Access::Read).map_err(io_error("opening", &lowest))?;
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => Ok(Prepared::decode(&header).ok().map(|prepared| prepared.segment_size)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(io_error("reading", &lowest)(error)),
    }
}

/// The number and path of the lowest segment, if there is one.
fn lowest_path(storage: &dyn Storage, dir: &Path) -> io::Result<Option<(u64, PathBuf)>> {
    let paths = storage.list(dir)?.into_iter();
    Ok(paths.filter_map(|path| Some((segment::number_in(&path)?, path))).min())
}

/// The number of the lowest segment that is in the folder now, if that can be seen.
pub(crate) fn lowest_number(storage: &dyn Storage, dir: &Path) -> Option<u64> {
    lowest_path(storage, dir).ok()?.map(|(number, _)| number)
}

/// Whose log it is, and whether it is the one that is expected.
fn identify(config: &LogConfig, found: &BTreeMap<u64, Found>) -> Result<u128, OpenError> {
    let found = found.values().next().map(|lowest| lowest.prepared.log_id);
    match (found, config.expected_log_id) {
        (Some(found), Some(expected)) if found != expected => {
            Err(OpenError::OtherLog { dir: config.dir.clone(), found, expected })
        }
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => config.storage.fresh_id().map_err(io_error("making an id for", &config.dir)),
    }
}

/// Whether the log reaches back to where the caller needs it from.
fn reaches_back(config: &LogConfig, geometry: Geometry, first: u64) -> Result<(), OpenError> {
    let begin = Lsn::new(geometry.start(first));
    match config.replay_from {
        Some(needed) if needed < begin => {
            let path = segment::path(&config.dir, geometry.segment(needed.get()));
            Err(OpenError::Beginning { path, begin, needed })
        }
        _ => Ok(()),
    }
}

/// Reads all segment files' headers. Syncs first: what is read is to be what stays.
fn find(storage: &dyn Storage, dir: &Path, geometry: Geometry) -> Result<BTreeMap<u64, Found>, OpenError> {
    let mut found = BTreeMap::new();
    let paths = match storage.list(dir) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(io_error("reading folder", dir)(error)),
    };
    for path in paths {
        let Some(number) = segment::number_in(&path) else {
            if segment::is_passed_over(&path) {
                continue;
            }
            return Err(OpenError::Unknown { path });
        };
        let file = storage.open(&path, Access::Read).map_err(io_error("opening", &path))?;
        file.sync_all().map_err(io_error("syncing", &path))?;
        // After a sync that failed the kernel may hold pages for clean that never reached the disk, and this sync says
        // nothing of them: what is read below is to come from the disk.
        file.forget_cached();
        found.insert(number, read_header(path, &*file, number, geometry)?);
    }
    storage.sync_dir(dir).map_err(io_error("syncing folder", dir))?;
    let log_id = found.values().next().map(|lowest| lowest.prepared.log_id);
    for segment in found.values() {
        if let Some(expected) = log_id.filter(|expected| segment.prepared.log_id != *expected) {
            return Err(OpenError::Foreign {
                path: segment.path.clone(),
                found: segment.prepared.log_id,
                expected,
            });
        }
    }
    Ok(found)
}

/// The lowest segment of a log, its number, and the size of segments that it states. `None` when there is none.
pub(crate) fn lowest(storage: &dyn Storage, dir: &Path) -> Result<Option<(u64, Geometry, Found)>, OpenError> {
    let Some(segment_size) = stored_segment_size(storage, dir)? else {
        return match lowest_path(storage, dir) {
            Ok(Some((number, path))) => {
                // It is there and does not say what it is: this says why.
                let file = storage.open(&path, Access::Read).map_err(io_error("opening", &path))?;
                read_header(path.clone(), &*file, number, Geometry::new(SEGMENT_SIZE_MIN))?;
                Err(OpenError::SegmentHeader { path })
            }
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("reading folder", dir)(error)),
        };
    };
    let geometry = LogConfig { segment_size, ..LogConfig::new(dir) }.check()?;
    let lowest = lowest_path(storage, dir).map_err(io_error("reading folder", dir))?;
    let Some((number, path)) = lowest else { return Ok(None) };
    let file = storage.open(&path, Access::Read).map_err(io_error("opening", &path))?;
    Ok(Some((number, geometry, read_header(path, &*file, number, geometry)?)))
}

/// Reads and checks a segment's header.
pub(crate) fn read_header(
    path: PathBuf,
    file: &dyn StorageFile,
    number: u64,
    geometry: Geometry,
) -> Result<Found, OpenError> {
    let size = file.len().map_err(io_error("reading", &path))?;
    if size < SEGMENT_HEADER_SIZE {
        return Err(OpenError::WrongSize { path, found: size, expected: geometry.segment_size() });
    }
    let mut header = [0; SEGMENT_HEADER_SIZE as usize];
    file.read_exact_at(&mut header, 0).map_err(io_error("reading", &path))?;
    let prepared = match Prepared::decode(&header) {
        Ok(prepared) => prepared,
        Err(HeaderFlaw::Damaged) => return Err(OpenError::SegmentHeader { path }),
        Err(HeaderFlaw::Version(found)) => {
            return Err(OpenError::Version { path, found, known: FORMAT_VERSION });
        }
    };
    if prepared.segment_size != geometry.segment_size() {
        let (stored, configured) = (prepared.segment_size, geometry.segment_size());
        return Err(OpenError::SegmentSize { path, stored, configured });
    }
    if size != prepared.segment_size {
        return Err(OpenError::WrongSize { path, found: size, expected: prepared.segment_size });
    }
    if prepared.number != number || number > segment::number_max(geometry) {
        return Err(OpenError::SegmentOrder { path });
    }
    let active = Active::decode(&header, &prepared);
    let untouched = segment::is_untouched(&header);
    Ok(Found { path, prepared, active, untouched })
}

/// What is in force at the lowest segment's first record.
pub(crate) fn begin(
    found: &BTreeMap<u64, Found>,
    geometry: Geometry,
    log_id: u128,
    first: u64,
) -> Result<Active, OpenError> {
    let fresh = Active { first_lsn: geometry.first(0), epoch: 0, hash: origin(log_id) };
    let Some(lowest) = found.get(&first) else { return Ok(fresh) };
    match lowest.active {
        Some(active) if active.first_lsn != geometry.first(first) || (first == 0 && active != fresh) => {
            Err(OpenError::SegmentOrder { path: lowest.path.clone() })
        }
        Some(active) => Ok(active),
        None if first == 0 => Ok(fresh),
        // Segments are removed from the oldest on and only behind what is durable: the lowest had been active.
        None => Err(OpenError::SegmentHeader { path: lowest.path.clone() }),
    }
}

/// Walks until no valid record follows, and says why.
fn walk(
    storage: &dyn Storage,
    walker: &mut Walker,
    found: &BTreeMap<u64, Found>,
    geometry: Geometry,
) -> Result<Flaw, OpenError> {
    let mut buffer = Vec::new();
    loop {
        let Some(segment) = found.get(&geometry.segment(walker.next)) else { return Ok(Flaw::Unused) };
        let Some(active) = segment.active else { return Ok(Flaw::Unused) };
        let expected = Active { first_lsn: walker.next, epoch: walker.epoch, hash: walker.hash };
        if active != expected {
            return Err(OpenError::SegmentOrder { path: segment.path.clone() });
        }
        read_all(storage, segment, &mut buffer)?;
        if let Walk::Bad(flaw) = walker.walk(&buffer) {
            return Ok(flaw);
        }
    }
}

/// Collects the evidence about where the walk ended and applies the verdict.
fn judge(
    walker: &Walker,
    found: &BTreeMap<u64, Found>,
    geometry: Geometry,
    log_id: u128,
    config: &LogConfig,
    flaw: Flaw,
) -> Result<Option<CutTail>, OpenError> {
    let bad = walker.next;
    let number = geometry.segment(bad);
    let mut evidence = Evidence { bad, active: 0, witnessed: 0, given: config.proven.get(), stored: false };
    let mut bytes = 0;
    let mut buffer = Vec::new();
    for (other, segment) in found.range(number..) {
        read_all(&*config.storage, segment, &mut buffer)?;
        let from = if *other == number { bad } else { geometry.first(*other) };
        let remains = search(geometry, crc_seed(log_id), walker.epoch, &buffer, from);
        if let Some(active) = segment.active {
            evidence.active = evidence.active.max(active.first_lsn);
        } else {
            evidence.stored |= !segment.untouched;
        }
        evidence.witnessed = evidence.witnessed.max(remains.witnessed);
        evidence.stored |= remains.stored_bytes > 0;
        if remains.stored_bytes > 0 {
            bytes = from + remains.stored_bytes - bad;
        }
    }
    match decide(&evidence) {
        Verdict::End => Ok(None),
        Verdict::Cut => Ok(Some(CutTail { from: Lsn::new(bad), bytes, flaw })),
        Verdict::Refuse(proof) => Err(OpenError::Damaged {
            path: segment::path(&config.dir, number),
            offset: geometry.offset(bad),
            lsn: Lsn::new(bad),
            flaw,
            proof,
        }),
    }
}

/// Reads a segment into `buffer`: through the file and not a map, so that a read error is an error.
fn read_all(storage: &dyn Storage, segment: &Found, buffer: &mut Vec<u8>) -> Result<(), OpenError> {
    // One allocation of zeros for the first, and none for those after it.
    if buffer.len() as u64 != segment.prepared.segment_size {
        *buffer = vec![0; segment.prepared.segment_size as usize];
    }
    let file = storage.open(&segment.path, Access::Read);
    let read = file.and_then(|file| file.read_exact_at(buffer, 0));
    read.map_err(io_error("reading", &segment.path))
}

pub(crate) fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { doing, path: path.to_owned(), source }
}
