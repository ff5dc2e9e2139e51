//! Checkpoints of a follower: its books and its place in the log, in a folder of its own, so that it need not begin again.
//!
//! A checkpoint is a snapshot file (`snapshot/file.rs`) of one part, named after its position; two are kept. It belongs to a
//! log when that has the same id, and the same running hash at that place.
//!
//! With each, orders that are done with leave the follower's memory for a cold store of its own in that folder, as those of
//! a server leave for its own (`snapshot/keeper.rs`): written first, named by the checkpoint's savepoint, taken out when the
//! checkpoint is on the disk. A command that wants one of them brings it back. So a follower keeps open orders and those of
//! some days in memory, however long it follows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use suanpan_core::{Date, Departures, Ledger, Snapshot, Timestamp};
use suanpan_wal::{Files, FolderLock, LogReader, Lsn, OpenError, Storage};

use crate::cold::{ColdError, ColdStore};
use crate::error::EngineError;
use crate::follow::books::Books;
use crate::follow::hold::{HoldError, hold};
use crate::follow::{End, Follower};
use crate::snapshot::file::{self, Header, SnapshotError, SnapshotFile, io_error};
use crate::snapshot::folder::{self, Found, KEPT};
use crate::snapshot::keeper::{COLD_ORDERS, Kept};
use crate::snapshot::restore::restore_alone;

/// Days after which orders that are done with leave memory, when nothing else is asked for.
const HOT_DAYS: u16 = 7;

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
    /// The cold store could not be written.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// The checkpoint was taken, but the log is still held as before.
    #[error(transparent)]
    Hold(#[from] HoldError),
}

/// A folder of checkpoints.
pub(crate) struct Checkpoints {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    /// Those that are kept, the newest first.
    kept: Vec<Kept>,
    hot_days: u16,
    /// Where the follower began.
    began: Lsn,
    data: PathBuf,
    /// By this name it holds the log, if it does.
    name: Option<String>,
    /// Two followers would write into one cold store.
    _lock: FolderLock,
}

impl Follower {
    /// As [`Follower::beside`], with checkpoints in `folder`: it begins at the newest sound one that belongs to this log, if
    /// there is one. The folder is locked as long as the follower lives; it holds nothing but checkpoints and their cold
    /// store, and is made when it is not there.
    ///
    /// # Errors
    /// As for [`Follower::beside`], and when the folder is in use, or it or the cold store that the checkpoint needs cannot
    /// be read.
    pub fn resume(data: &Path, folder: &Path) -> Result<Self, EngineError> {
        let storage: Arc<dyn Storage> = Arc::new(Files);
        storage.make_dir(folder).map_err(io_error("making folder", folder))?;
        let lock = storage.lock(folder)?;
        let Found { files, damaged } = folder::find(&*storage, folder)?;
        let mut passed_over: Vec<String> = damaged.iter().map(ToString::to_string).collect();
        let kept = |file: &SnapshotFile| Kept { lsn: file.header.lsn, savepoint: file.header.savepoint };
        let kept: Vec<Kept> = files.iter().map(kept).collect();
        for (place, file) in files.iter().enumerate() {
            match begin_at(&storage, data, file) {
                Ok((ledger, reader)) => {
                    let books = Books::new(ledger, file.header.taken);
                    let mut follower = Self::new(books, reader, End::Beside(file.header.lsn));
                    follower.keep(storage, data, folder, kept[place..].to_vec(), lock);
                    // Only now: to go back to an older savepoint is to forget the newer ones.
                    if let Some(cold) = &follower.books.cold {
                        cold.restore(file.header.savepoint)?;
                    }
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
        follower.keep(storage, data, folder, Vec::new(), lock);
        follower.passed_over = passed_over;
        Ok(follower)
    }

    fn keep(
        &mut self,
        storage: Arc<dyn Storage>,
        data: &Path,
        folder: &Path,
        kept: Vec<Kept>,
        lock: FolderLock,
    ) {
        self.books.cold = Some(ColdStore::new(storage.clone(), folder));
        let (began, hot_days, name) = (self.position(), HOT_DAYS, None);
        let (folder, data) = (folder.to_owned(), data.to_owned());
        self.checkpoints =
            Some(Checkpoints { storage, folder, kept, hot_days, began, data, name, _lock: lock });
    }

    /// Has the server keep the log from where this follower could begin again: from its older checkpoint, once it has two,
    /// until then from where it began. From now on each checkpoint says so anew. A follower that is given up is given up by
    /// removing the file `follower-NAME.lsn` in the data folder.
    ///
    /// # Errors
    /// When it keeps no checkpoints, the name is none, the file cannot be written, or the log was released meanwhile.
    pub fn hold(&mut self, name: &str) -> Result<(), HoldError> {
        let log_id = self.reader.log_id();
        let Some(checkpoints) = &mut self.checkpoints else { return Err(HoldError::NoFolder) };
        checkpoints.name = Some(name.to_owned());
        checkpoints.hold(log_id)?;
        let needed = checkpoints.needed();
        let log = LogReader::open_in(checkpoints.storage.clone(), &checkpoints.data.join("log"));
        match log {
            Ok(log) if !log.is_at_beginning() && log.position() > needed => Err(HoldError::Released(needed)),
            // Whatever is wrong with the log is said when it is read.
            _ => Ok(()),
        }
    }

    /// Changes after how many days orders that are done with leave memory with a checkpoint: 7, and at least one. Places in
    /// the ledger ([`Ledger::touched`]) hold until then.
    pub fn set_hot_days(&mut self, days: u16) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.hot_days = days.max(1);
        }
    }

    /// Writes a checkpoint of what was applied so far, and says where it is. Behind it all but the newest two go. It is
    /// taken between two records; where a day's cut was told and is not applied yet, before that. While there is no log
    /// there is nothing to write.
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
        let is_there = checkpoints.kept.first().is_some_and(|kept| kept.lsn == lsn);
        if log_id != 0 && !is_there {
            checkpoints.take(&mut self.books, log_id, lsn, hash)?;
            checkpoints.hold(log_id)?;
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
        // What a failed one left must be gone for good before its savepoint is.
        self.prune()?;
        let mut image = books.ledger.snapshot();
        let (departures, savepoint) = match &books.cold {
            Some(cold) => self.depart(cold, &image, books.now)?,
            None => (Departures::default(), 0),
        };
        let left = image.without(&departures, &mut || ());
        let header = Header {
            log_id,
            lsn,
            hash,
            taken: books.now,
            savepoint,
            seed: left.seed(),
            date: left.date(),
            shards: 1,
        };
        self.write(&header, left)?;
        self.kept.insert(0, Kept { lsn, savepoint });
        self.kept.truncate(KEPT);
        books.ledger.depart(&image, &departures, 0..departures.len());
        // It is taken. Should the older ones not go now, the next one says so.
        let _ = self.prune();
        Ok(())
    }

    /// From where on it needs the log, should it have to begin again and the newest checkpoint be damaged.
    fn needed(&self) -> Lsn {
        let older = self.kept.last().filter(|_| self.kept.len() == KEPT);
        older.map_or(self.began, |older| older.lsn)
    }

    fn hold(&self, log_id: u128) -> Result<(), HoldError> {
        let Some(name) = &self.name else { return Ok(()) };
        hold(&*self.storage, &self.data, name, log_id, self.needed())
    }

    /// Removes all checkpoints but those that are kept.
    fn prune(&self) -> Result<(), SnapshotError> {
        let keep: Vec<Lsn> = self.kept.iter().map(|kept| kept.lsn).collect();
        folder::prune(&*self.storage, &self.folder, &keep)
    }

    /// What may leave, written to the cold store, and the savepoint that has it.
    fn depart(
        &self,
        cold: &ColdStore,
        image: &Snapshot,
        now: Timestamp,
    ) -> Result<(Departures, u64), CheckpointError> {
        let days = i32::from(self.hot_days);
        let through = Date(image.date().0.saturating_sub(days));
        let before = Timestamp(now.0.saturating_sub(i64::from(days) * 24 * 60 * 60 * 1_000));
        let departures = image.departures(through, before);
        if !departures.is_empty() {
            let write = cold.write()?;
            for from in (0..departures.len()).step_by(COLD_ORDERS) {
                let (mut blocks, mut orders) = (Vec::new(), Vec::new());
                let range = from..departures.len().min(from + COLD_ORDERS);
                image.write_departures(
                    &departures,
                    range,
                    |block| blocks.push(block),
                    |order| orders.push(order),
                );
                write.put(&mut orders, &blocks)?;
            }
            write.commit()?;
        }
        let keep: Vec<u64> = self.kept.iter().map(|kept| kept.savepoint).collect();
        Ok((departures, cold.savepoint(&keep)?))
    }

    /// Writes the file, gives it its name, and reads it back.
    fn write(&self, header: &Header, image: Snapshot) -> Result<(), SnapshotError> {
        let temporary = folder::path_temporary(&self.folder, header.lsn);
        file::write(&*self.storage, &temporary, header, &[image], true, &mut || ())?;
        let path = folder::path(&self.folder, header.lsn);
        self.storage.rename(&temporary, &path).map_err(io_error("naming", &path))?;
        self.storage.sync_dir(&self.folder).map_err(io_error("syncing folder", &self.folder))?;
        let read = SnapshotFile::open(&*self.storage, &path).and_then(|file| file.verify(&mut || ()));
        read.inspect_err(|_| {
            // What cannot be read back is no checkpoint; the one before stays.
            let _ = self.storage.remove(&path);
        })
    }
}
