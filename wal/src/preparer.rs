//! Keeps empty segments ready: every block allocated and written, so that no store into a map can ever find the
//! disk full, and no sync has blocks to allocate. Also takes back the segments that nobody needs any more.
//!
//! A released segment is kept under a temporary name, a few of them, and becomes the next one that is prepared:
//! written over with zeros, given a new header, synced, and only then named. It holds its blocks all the while, so a
//! full disk does not stop a log that is released as fast as it grows. What was in it cannot come back: until it has
//! its new name it is a temporary file, which a start removes, and when it has it, the zeros are synced.
//! Measured on ext4, Linux 6.18, 64 MiB, zeros synced by the MiB: 105 to 195 ms for one that is used again, 132 to 236
//! for a new one, and 16 to 40 more for removing one.

use crate::config::{Backend, Planted};
use crate::geometry::{Geometry, SEGMENT_SIZE_MIN};
use crate::segment::{self, Prepared, Segment};
use crate::shared::Shared;
use crate::storage::{Access, Storage, StorageFile};
use crate::sync::Ordering;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often to look whether there is space again.
const SPACE_RETRY: Duration = Duration::from_millis(200);
/// Zeros are written in pieces of this size, because the file system keeps the pages of one write together (a
/// "large folio") and from then on dirties, faults and writes them back together. Measured on ext4, Linux 6.18:
/// pieces of 1 MiB make every small sync write a whole MiB (1.5 GB/s of disk writes for 0.6 MB/s of records, and
/// writers that wait for the write-back of their own neighbours); pieces of 4 KiB make a 400 KB record fault a
/// hundred times (300 to 400 us to append); pieces of 64 KiB fault seven times (100 to 150 us) and sync as fast
/// as single pages.
const ZEROS_PIECE: usize = 64 << 10;
/// Zeros are handed to the disk whenever this much has been written, so that a sync of the log that comes in
/// between waits for that and not for a whole segment: with 64 MiB at once, one commit in a thousand took 20 ms
/// at 140 MB/s of records, with 1 MiB it takes 8 ms.
const ZEROS_SYNC_BYTES: u64 = 1 << 20;

/// Released segments that are kept to be used again, at most.
const SPARES: u64 = 2;

const _: () = assert!(SEGMENT_SIZE_MIN.is_multiple_of(ZEROS_PIECE as u64));
const _: () = assert!(ZEROS_SYNC_BYTES.is_multiple_of(ZEROS_PIECE as u64));

/// Why a segment could not be prepared.
#[derive(Debug)]
pub(crate) enum PrepareError {
    /// Not now; nothing was left behind.
    NoSpace {
        needed_bytes: u64,
        free_bytes: u64,
    },
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The log is being stopped.
    Stopped,
}

impl PrepareError {
    /// In words, for whoever asks why the log is poisoned.
    pub(crate) fn reason(&self) -> String {
        match self {
            PrepareError::Io { doing, path, source } => {
                format!("{doing} {} failed: {source}", path.display())
            }
            other => format!("{other:?}"),
        }
    }
}

/// Whether an error says only that something is short that others may give back: space, files, memory. No byte of
/// the log is at stake while a segment is being prepared, so it is tried again.
fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(
            Errno::NOSPC
                | Errno::DQUOT
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
                | Errno::INTR
                | Errno::NOBUFS
        )
    )
}

pub(crate) struct Preparer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) ready_segments: u64,
    /// The lowest segment that has a file.
    pub(crate) first: u64,
    /// Released segments under their temporary names, to be used again.
    pub(crate) spares: Vec<PathBuf>,
}

impl Preparer {
    /// Runs until the log is stopped or poisoned.
    pub(crate) fn run(mut self) -> Result<(), PrepareError> {
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_over() {
                return Ok(());
            }
            let mut timeout = None;
            match self.turn() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(PrepareError::NoSpace { .. }) => timeout = Some(SPACE_RETRY),
                Err(PrepareError::Stopped) => return Ok(()),
                Err(error) => return Err(error),
            }
            let short = timeout.is_some();
            shared
                .preparer
                .sleep(timeout, || self.is_over() || self.is_releasing() || (!short && self.is_wanting()));
        }
    }

    /// Takes back what was released, and prepares a segment if one is wanted. Whether one was.
    pub(crate) fn turn(&mut self) -> Result<bool, PrepareError> {
        self.take_released()?;
        self.shared.bury();
        let wanting = self.is_wanting();
        if wanting {
            self.prepare_next()?;
        }
        Ok(wanting)
    }

    /// Prepares the next segment, whether it is wanted yet or not.
    pub(crate) fn prepare_next(&mut self) -> Result<(), PrepareError> {
        let run = self.shared.run;
        let number = self.shared.ready_end();
        assert!(number <= segment::number_max(run.geometry));
        let prepared = Prepared { log_id: run.log_id, number, segment_size: run.geometry.segment_size() };
        let segment = match self.spares.pop() {
            // It has its room already.
            Some(spare) => self.prepare(&spare, Access::Write, prepared, 0, 0)?,
            None => {
                let free_bytes = self.free_bytes()?;
                let reserve_bytes = self.shared.reserve_bytes.load(Ordering::Relaxed);
                let needed_bytes = prepared.segment_size.saturating_add(reserve_bytes);
                if free_bytes < needed_bytes {
                    return Err(PrepareError::NoSpace { needed_bytes, free_bytes });
                }
                let temporary = segment::path_temporary(&self.dir, number);
                self.prepare(&temporary, Access::Create, prepared, needed_bytes, free_bytes)?
            }
        };
        self.shared.add(segment);
        Ok(())
    }

    /// Makes an empty segment of a temporary file, durable under its name.
    fn prepare(
        &self,
        temporary: &Path,
        access: Access,
        prepared: Prepared,
        needed_bytes: u64,
        free_bytes: u64,
    ) -> Result<Segment, PrepareError> {
        let failed = |path: &Path, source, is_gone| match is_passing(&source) && is_gone {
            true => PrepareError::NoSpace { needed_bytes, free_bytes },
            false => PrepareError::Io { doing: "preparing segment", path: path.to_owned(), source },
        };
        let file = match self.write_zeros(temporary, access, &prepared) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(PrepareError::Stopped),
            Err(error) => {
                // Best effort: a temporary file left over is removed at the next start.
                let _ = self.storage.remove(temporary);
                return Err(failed(temporary, error, true));
            }
        };
        let path = segment::path(&self.dir, prepared.number);
        let backend: Backend = self.shared.run.backend;
        let named =
            self.name(temporary, &path).and_then(|()| Segment::new(path.clone(), file, prepared, backend));
        named.map_err(|source| {
            // Not in the table yet, so nobody has it: it goes, and is made again.
            let removed = self.storage.remove(&path).or_else(|_| self.storage.remove(temporary));
            failed(&path, source, removed.is_ok())
        })
    }

    /// Gives a file its name, durably.
    fn name(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        if self.storage.exists(path)? {
            return Err(io::Error::other("a segment of that name is there already"));
        }
        self.storage.rename(temporary, path)?;
        self.storage.sync_dir(&self.dir)
    }

    fn write_zeros(
        &self,
        path: &Path,
        access: Access,
        prepared: &Prepared,
    ) -> io::Result<Option<Box<dyn StorageFile>>> {
        let planted = self.shared.run.planted;
        let file = self.storage.open(path, access)?;
        file.allocate(prepared.segment_size)?;
        let zeros = vec![0; ZEROS_PIECE];
        let to = match planted == Some(Planted::SpareNotZeroed) && access == Access::Write {
            true => 0,
            false => prepared.segment_size,
        };
        for offset in (0..to).step_by(ZEROS_PIECE) {
            if self.is_over() {
                return Ok(None);
            }
            file.write_all_at(&zeros, offset)?;
            if (offset + ZEROS_PIECE as u64).is_multiple_of(ZEROS_SYNC_BYTES) {
                file.sync_data()?;
            }
        }
        file.write_all_at(&prepared.encode(), 0)?;
        if planted != Some(Planted::RenameBeforeSync) {
            file.sync_all()?;
        }
        Ok(Some(file))
    }

    fn free_bytes(&self) -> Result<u64, PrepareError> {
        let free = self.storage.free_bytes(&self.dir);
        free.map_err(|source| PrepareError::Io {
            doing: "asking for free space in",
            path: self.dir.clone(),
            source,
        })
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopping() || self.shared.is_poisoned()
    }

    /// Whether fewer segments are ready beyond the tail's than should be.
    pub(crate) fn is_wanting(&self) -> bool {
        let current = self.shared.run.geometry.segment(self.shared.tail.get());
        self.shared.ready_end() <= current + self.ready_segments
    }

    /// The first segment that is to be kept: the released position's own, and never one in which nothing is durable
    /// yet. Its header would not be active, and a log whose lowest segment does not say what it continues is refused.
    fn keep_from(&self) -> u64 {
        let geometry: Geometry = self.shared.run.geometry;
        let released = self.shared.release_before.load(Ordering::Acquire);
        let durable = self.shared.durable.load(Ordering::Acquire);
        let number = geometry.segment(released.min(durable));
        if durable > geometry.first(number) { number } else { number.saturating_sub(1) }
    }

    fn is_releasing(&self) -> bool {
        self.first < self.keep_from()
    }

    /// Takes released segments back, from the oldest on: some to be used again, the others are removed. The folder is
    /// synced after each: a crash must leave no gap.
    fn take_released(&mut self) -> Result<(), PrepareError> {
        while self.is_releasing() {
            let path = segment::path(&self.dir, self.first);
            let spare = segment::path_temporary(&self.dir, self.first);
            let keep = (self.spares.len() as u64) < self.ready_segments.min(SPARES);
            let gone = match keep {
                true => self.storage.rename(&path, &spare),
                false => self.storage.remove(&path),
            };
            let gone = gone.and_then(|()| self.storage.sync_dir(&self.dir));
            gone.map_err(|source| PrepareError::Io { doing: "taking back segment", path, source })?;
            if keep {
                self.spares.push(spare);
            }
            self.first += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    /// What is short passes; what is broken does not.
    #[test]
    fn only_want_passes() {
        for passing in [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR] {
            assert!(is_passing(&passing.into()), "{passing}");
        }
        for broken in [Errno::IO, Errno::ROFS, Errno::ACCESS, Errno::NOENT, Errno::BADF] {
            assert!(!is_passing(&broken.into()), "{broken}");
        }
        assert!(!is_passing(&io::Error::other("short write")));
    }
}
