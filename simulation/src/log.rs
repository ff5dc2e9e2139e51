//! What stands in the log's files, read apart from the engine: records one behind the other, from the first segment that is
//! still there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use suanpan_core::{Command, Timestamp};
use suanpan_engine::{Logged, Lsn, read_logged};
use suanpan_wal::{LogReader, OpenError, SimDisk, Storage};

use crate::life::DATA;

/// A record of it.
pub(crate) struct Record {
    pub(crate) lsn: Lsn,
    pub(crate) end: Lsn,
    pub(crate) what: What,
}

pub(crate) enum What {
    Commands(Timestamp, Vec<Command>),
    Mark(u16),
    Digests(Lsn, Vec<u128>),
}

/// All that is there.
pub(crate) struct Log {
    /// Where it begins: what was before is released.
    pub(crate) begin: Lsn,
    pub(crate) records: Vec<Record>,
}

/// Why it cannot be read.
pub(crate) enum Unread {
    /// It was being released meanwhile.
    Released,
    Wrong(String),
}

impl From<OpenError> for Unread {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Released { .. } => Self::Released,
            error => Self::Wrong(format!("the log cannot be read: {error}")),
        }
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(DATA).join("log")
}

/// Whether a path is that of a segment.
pub(crate) fn is_segment(path: &Path) -> bool {
    path.parent() == Some(&*folder()) && path.extension().is_some_and(|extension| extension == "log")
}

/// Reads what is durable up to there.
pub(crate) fn read(disk: &SimDisk, durable: Lsn) -> Result<Log, Unread> {
    let mut reader = LogReader::open_in(Arc::new(disk.clone()), &folder())?;
    let mut log = Log { begin: reader.position(), records: Vec::new() };
    loop {
        let (lsn, end, logged) = match reader.read(durable)? {
            Some(record) => (record.lsn, record.end_lsn, read_logged(record.payload)),
            None => return Ok(log),
        };
        let what = match logged.map_err(|error| Unread::Wrong(format!("the record at {lsn}: {error}")))? {
            Logged::Commands(group) => What::Commands(group.now, group.commands),
            Logged::Mark { shards } => What::Mark(shards),
            Logged::Digests { mark_end, digests } => What::Digests(mark_end, digests),
            other => return Err(Unread::Wrong(format!("the record at {lsn} is {other:?}"))),
        };
        log.records.push(Record { lsn, end, what });
    }
}

/// Where in the log the snapshots are whose files are there, the newest last.
pub(crate) fn snapshots(disk: &SimDisk) -> Vec<(Lsn, PathBuf)> {
    let paths = disk.list(&Path::new(DATA).join("snapshots")).unwrap_or_default();
    let named =
        paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "snapshot"));
    named.filter_map(|path| Some((Lsn::new(path.file_stem()?.to_str()?.parse().ok()?), path))).collect()
}

/// Reads what is durable because there is a snapshot of it: before a segment goes.
pub(crate) fn read_to_snapshot(disk: &SimDisk) -> Result<Log, Unread> {
    let newest = snapshots(disk).last().map(|(lsn, _)| *lsn);
    read(disk, newest.unwrap_or(Lsn::ZERO))
}

/// Whether a log reaches back to a position.
pub(crate) fn reaches_back(disk: &SimDisk, to: Lsn) -> bool {
    !matches!(LogReader::open_at(Arc::new(disk.clone()), &folder(), to), Err(OpenError::Released { .. }))
}
