//! Looking at a folder's snapshots without starting anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use suanpan_core::Date;
use suanpan_wal::{Files, LogReader, Lsn, Storage};

use crate::error::EngineError;
use crate::snapshot::file::{SnapshotError, SnapshotFile};
use crate::snapshot::folder::{self, Found};
use crate::snapshot::restore::restore;

/// What a snapshot is, and whether it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// Its file.
    pub path: PathBuf,
    /// Where in the log it is.
    pub lsn: Lsn,
    /// Orders in it, those in the cold store too.
    pub orders: u64,
    /// The shards it was taken of.
    pub shards: u16,
    /// The accounting date.
    pub date: Date,
    /// Bytes of its file.
    pub bytes: u64,
    /// Why a start would pass it over or refuse it, if it was asked.
    pub unsound: Option<String>,
}

impl SnapshotReport {
    fn of(file: &SnapshotFile, unsound: Option<String>) -> Self {
        let (header, bytes) = (file.header, file.len_bytes());
        let orders = file.parts.iter().map(|part| part.orders).sum();
        let (lsn, shards, date) = (header.lsn, header.shards, header.date);
        Self { path: file.path.clone(), lsn, orders, shards, date, bytes, unsound }
    }
}

/// The snapshots in a data folder, the newest first; only their headers are read. A server may run on the folder.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn snapshots(data: &Path) -> Result<Vec<SnapshotReport>, SnapshotError> {
    let Found { files, .. } = folder::find(&Files, &folder::folder(data))?;
    Ok(files.iter().map(|file| SnapshotReport::of(file, None)).collect())
}

/// Reads every snapshot in a data folder whole, restores it, compares digests, and looks for its place in the log. Changes
/// nothing; a server may run on the folder.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn verify_snapshots(data: &Path) -> Result<Vec<SnapshotReport>, SnapshotError> {
    let Found { files, damaged } = folder::find(&Files, &folder::folder(data))?;
    let mut reports: Vec<_> =
        files.iter().map(|file| SnapshotReport::of(file, check(file, data).err())).collect();
    for error in damaged {
        let path = match &error {
            SnapshotError::Damaged { path, .. } | SnapshotError::Version { path, .. } => path.clone(),
            _ => folder::folder(data),
        };
        reports.push(SnapshotReport {
            path,
            lsn: Lsn::ZERO,
            orders: 0,
            shards: 0,
            date: Date::default(),
            bytes: 0,
            unsound: Some(error.to_string()),
        });
    }
    Ok(reports)
}

fn check(file: &SnapshotFile, data: &Path) -> Result<(), String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    file.verify(&mut || ()).map_err(|error| words(&error))?;
    restore(file, file.header.shards).map_err(|error| words(&error))?;
    let storage: Arc<dyn Storage> = Arc::new(Files);
    let log =
        LogReader::open_at(storage, &data.join("log"), file.header.lsn).map_err(|error| words(&error))?;
    if log.log_id() != file.header.log_id || log.hash() != file.header.hash {
        return Err(words(&EngineError::OtherHistory { path: file.path.clone() }));
    }
    Ok(())
}
