//! The folder of snapshots: `snapshots/LSN.snapshot`, of which the newest two are kept.

use std::io;
use std::path::{Path, PathBuf};

use suanpan_wal::{Lsn, Storage};

use crate::snapshot::file::{SnapshotError, SnapshotFile, io_error};

/// How many are kept: the newest, and one to fall back to.
pub(crate) const KEPT: usize = 2;

/// Digits in a file's name, so that names sort like positions.
const NAME_DIGITS: usize = 20;
const EXTENSION: &str = "snapshot";
const EXTENSION_TEMPORARY: &str = "snapshot-tmp";

/// What was found in a folder: snapshots with a sound header and table, the newest first, and what is wrong with others.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<SnapshotFile>,
    pub(crate) damaged: Vec<SnapshotError>,
}

/// The folder in a data folder.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("snapshots")
}

pub(crate) fn path(dir: &Path, lsn: Lsn) -> PathBuf {
    dir.join(format!("{:0NAME_DIGITS$}.{EXTENSION}", lsn.get()))
}

pub(crate) fn path_temporary(dir: &Path, lsn: Lsn) -> PathBuf {
    dir.join(format!("{:0NAME_DIGITS$}.{EXTENSION_TEMPORARY}", lsn.get()))
}

/// The position in a snapshot's name, if it is one's.
fn lsn_in(path: &Path, extension: &str) -> Option<Lsn> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == NAME_DIGITS && stem.bytes().all(|byte| byte.is_ascii_digit());
    if digits && path.extension()? == extension { stem.parse().ok().map(Lsn::new) } else { None }
}

/// Looks at all snapshots; changes nothing.
pub(crate) fn find(storage: &dyn Storage, dir: &Path) -> Result<Found, SnapshotError> {
    let mut found = Found::default();
    let mut paths = match storage.list(dir) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(io_error("reading folder", dir)(error)),
    };
    paths.sort();
    for path in paths.iter().rev() {
        let Some(lsn) = lsn_in(path, EXTENSION) else { continue };
        match SnapshotFile::open(storage, path) {
            Ok(file) if file.header.lsn == lsn => found.files.push(file),
            Ok(_) => {
                let what = "it has another snapshot's name";
                found.damaged.push(SnapshotError::Damaged { path: path.clone(), offset: 0, what });
            }
            Err(error @ SnapshotError::Io { .. }) => return Err(error),
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// Removes all files but the snapshots of these positions, also those that were being written.
pub(crate) fn prune(storage: &dyn Storage, dir: &Path, keep: &[Lsn]) -> Result<(), SnapshotError> {
    let paths = storage.list(dir).map_err(io_error("reading folder", dir))?;
    for path in paths {
        let old = lsn_in(&path, EXTENSION).is_some_and(|lsn| !keep.contains(&lsn));
        if old || lsn_in(&path, EXTENSION_TEMPORARY).is_some() {
            storage.remove(&path).map_err(io_error("removing", &path))?;
        }
    }
    storage.sync_dir(dir).map_err(io_error("syncing folder", dir))
}
