//! Checkpoints of a follower: its books and its place in the log, in a folder of its own, so that it need not begin again.
//!
//! A checkpoint is a snapshot file (`snapshot/file.rs`) of one part, named after its position; two are kept. It belongs to a
//! log when that has the same id, and the same running hash at that place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use suanpan_core::Ledger;
use suanpan_wal::{Files, LogReader, Lsn, OpenError, Storage};

use crate::error::EngineError;
use crate::follow::books::Books;
use crate::follow::{End, Follower};
use crate::snapshot::file::{self, Header, SnapshotError, SnapshotFile, io_error};
use crate::snapshot::folder::{self, Found, KEPT};
use crate::snapshot::restore::restore_alone;

/// Why a checkpoint was not taken. The follower and the checkpoints before are untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The follower was begun without a folder for them.
    #[error("this follower keeps no checkpoints: begin it with `Follower::resume` and a folder")]
    NoFolder,
    /// Something was applied that nobody has read.
    #[error("no checkpoint at {0}: read what was applied first, a checkpoint would lose it")]
    Unread(Lsn),
    /// The books are not those of the log any more.
    #[error("no checkpoint: the books parted from the log at {lsn}: {what}")]
    Lost {
        /// Where.
        lsn: Lsn,
        /// In what.
        what: String,
    },
    /// The file could not be written, or not read back.
    #[error(transparent)]
    File(#[from] SnapshotError),
}

/// A folder of checkpoints.
pub(crate) struct Checkpoints {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    /// Those that are kept, the newest first.
    kept: Vec<Lsn>,
}

impl Follower {
    /// As [`Follower::beside`], with checkpoints in `folder`: it begins at the newest sound one that belongs to this log, if
    /// there is one. One follower at a time may have the folder; it holds nothing but checkpoints and is made when it is not
    /// there.
    ///
    /// # Errors
    /// As for [`Follower::beside`], and when the folder cannot be read.
    pub fn resume(data: &Path, folder: &Path) -> Result<Self, EngineError> {
        let storage: Arc<dyn Storage> = Arc::new(Files);
        let Found { files, damaged } = folder::find(&*storage, folder)?;
        let mut passed_over: Vec<String> = damaged.iter().map(ToString::to_string).collect();
        let kept: Vec<Lsn> = files.iter().map(|file| file.header.lsn).collect();
        for (place, file) in files.iter().enumerate() {
            match begin_at(&storage, data, file) {
                Ok((ledger, reader)) => {
                    let books = Books::new(ledger, file.header.taken);
                    let mut follower = Self::new(books, reader, End::Beside(file.header.lsn));
                    let (folder, kept) = (folder.to_owned(), kept[place..].to_vec());
                    follower.checkpoints = Some(Checkpoints { storage, folder, kept });
                    follower.passed_over = passed_over;
                    return Ok(follower);
                }
                Err(error) if is_passed_over(&error) => {
                    passed_over.push(format!("{}: {error}", file.path.display()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut follower = Self::beside(data)?;
        let folder = folder.to_owned();
        follower.checkpoints = Some(Checkpoints { storage, folder, kept: Vec::new() });
        follower.passed_over = passed_over;
        Ok(follower)
    }

    /// Writes a checkpoint of what was applied so far, and says where it is. Behind it all but the newest two go. It is
    /// taken between two records; where a day's cut was told and is not applied yet, before that.
    ///
    /// # Errors
    /// Why there is none. Nothing was changed then.
    pub fn checkpoint(&mut self) -> Result<Lsn, CheckpointError> {
        if let Some((lsn, what)) = &self.lost {
            return Err(CheckpointError::Lost { lsn: *lsn, what: what.clone() });
        }
        let lsn = self.position();
        if !self.ready.is_empty() {
            return Err(CheckpointError::Unread(lsn));
        }
        let hash = self.cut.as_ref().map_or(self.reader.hash(), |cut| cut.hash);
        let log_id = self.reader.log_id();
        let Some(checkpoints) = &mut self.checkpoints else { return Err(CheckpointError::NoFolder) };
        if checkpoints.kept.first() != Some(&lsn) {
            checkpoints.take(&mut self.books, log_id, lsn, hash)?;
        }
        Ok(lsn)
    }

    /// The checkpoints that were passed over at the beginning, and why each was.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }
}

/// The books of a checkpoint, and the log from there on, if it is the same.
fn begin_at(
    storage: &Arc<dyn Storage>,
    data: &Path,
    file: &SnapshotFile,
) -> Result<(Ledger, LogReader), EngineError> {
    let header = file.header;
    let reader = LogReader::open_at(storage.clone(), &data.join("log"), header.lsn)?;
    if (reader.log_id(), reader.hash()) != (header.log_id, header.hash) {
        return Err(EngineError::OtherHistory { path: file.path.clone() });
    }
    let ledger = restore_alone(file)?;
    let digest = ledger.digest();
    match &file.parts[..] {
        [part] if part.digest == digest => Ok((ledger, reader)),
        _ => {
            let what = format!("its digest is {digest:032x}, or it is no checkpoint of one part");
            Err(SnapshotError::Differs { path: file.path.clone(), what }.into())
        }
    }
}

/// Whether a follower goes on with the checkpoint before, or without one.
fn is_passed_over(error: &EngineError) -> bool {
    match error {
        EngineError::OtherHistory { .. } => true,
        EngineError::Open(error) => !matches!(error, OpenError::Io { .. }),
        EngineError::Snapshot(error) => !matches!(error, SnapshotError::Io { .. }),
        _ => false,
    }
}

impl Checkpoints {
    fn take(&mut self, books: &mut Books, log_id: u128, lsn: Lsn, hash: u64) -> Result<(), CheckpointError> {
        self.storage.make_dir(&self.folder).map_err(io_error("making folder", &self.folder))?;
        folder::prune(&*self.storage, &self.folder, &self.kept)?;
        let image = books.ledger.snapshot();
        let header = Header {
            log_id,
            lsn,
            hash,
            taken: books.now,
            savepoint: 0,
            seed: image.seed(),
            date: image.date(),
            shards: 1,
        };
        let temporary = folder::path_temporary(&self.folder, lsn);
        let images = [image];
        file::write(&*self.storage, &temporary, &header, &images, true, &mut || ())?;
        let path = folder::path(&self.folder, lsn);
        self.storage.rename(&temporary, &path).map_err(io_error("naming", &path))?;
        self.storage.sync_dir(&self.folder).map_err(io_error("syncing folder", &self.folder))?;
        let read = SnapshotFile::open(&*self.storage, &path).and_then(|file| file.verify(&mut || ()));
        read.inspect_err(|_| {
            // What cannot be read back is no checkpoint; the one before stays.
            let _ = self.storage.remove(&path);
        })?;
        self.kept.insert(0, lsn);
        self.kept.truncate(KEPT);
        folder::prune(&*self.storage, &self.folder, &self.kept)?;
        Ok(())
    }
}
