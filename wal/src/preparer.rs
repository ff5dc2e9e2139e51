//! Keeps empty segments ready: every block allocated and written, so that no store into a map can ever find the
//! disk full, and no sync has blocks to allocate. Also removes the segments that nobody needs any more.

use crate::config::Backend;
use crate::geometry::{Geometry, SEGMENT_SIZE_MIN};
use crate::segment::{self, Prepared, Segment};
use crate::shared::Shared;
use crate::sync::Ordering;
use rustix::fs::FallocateFlags;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
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

/// Makes an empty segment file in `dir`, durable under its name, and takes it.
pub(crate) fn prepare(
    dir: &Path,
    prepared: Prepared,
    backend: Backend,
    reserve_bytes: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Segment, PrepareError> {
    let free_bytes = free_bytes(dir)?;
    let needed_bytes = prepared.segment_size.saturating_add(reserve_bytes);
    if free_bytes < needed_bytes {
        return Err(PrepareError::NoSpace { needed_bytes, free_bytes });
    }
    let temporary = segment::path_temporary(dir, prepared.number);
    let file = match write_zeros(&temporary, &prepared, go_on) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(PrepareError::Stopped),
        Err(error) => {
            // Best effort: a temporary file left over is removed at the next start.
            let _ = fs::remove_file(&temporary);
            return Err(match is_passing(&error) {
                true => PrepareError::NoSpace { needed_bytes, free_bytes },
                false => PrepareError::Io { doing: "preparing segment", path: temporary, source: error },
            });
        }
    };
    let path = segment::path(dir, prepared.number);
    let named =
        name(dir, &temporary, &path).and_then(|()| Segment::new(path.clone(), file, prepared, backend));
    named.map_err(|source| {
        // Not in the table yet, so nobody has it: it goes, and is made again.
        let removed = fs::remove_file(&path).or_else(|_| fs::remove_file(&temporary));
        match is_passing(&source) && removed.is_ok() {
            true => PrepareError::NoSpace { needed_bytes, free_bytes },
            false => PrepareError::Io { doing: "preparing segment", path, source },
        }
    })
}

/// Gives a file its name, durably. The folder is opened first: what can be short is short before anything changes.
fn name(dir: &Path, temporary: &Path, path: &Path) -> io::Result<()> {
    assert!(!path.exists(), "a segment is prepared once");
    let folder = File::open(dir)?;
    fs::rename(temporary, path)?;
    folder.sync_all()
}

fn write_zeros(path: &Path, prepared: &Prepared, go_on: &dyn Fn() -> bool) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, prepared.segment_size)?;
    let zeros = vec![0; ZEROS_PIECE];
    for offset in (0..prepared.segment_size).step_by(ZEROS_PIECE) {
        if !go_on() {
            return Ok(None);
        }
        file.write_all_at(&zeros, offset)?;
        if (offset + ZEROS_PIECE as u64).is_multiple_of(ZEROS_SYNC_BYTES) {
            file.sync_data()?;
        }
    }
    file.write_all_at(&prepared.encode(), 0)?;
    file.sync_all()?;
    Ok(Some(file))
}

fn free_bytes(dir: &Path) -> Result<u64, PrepareError> {
    match rustix::fs::statvfs(dir) {
        Ok(stat) => Ok(stat.f_bavail.saturating_mul(stat.f_frsize)),
        Err(error) => Err(PrepareError::Io {
            doing: "asking for free space in",
            path: dir.to_owned(),
            source: error.into(),
        }),
    }
}

pub(crate) struct Preparer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    pub(crate) ready_segments: u64,
    /// The lowest segment that has a file.
    pub(crate) first: u64,
}

impl Preparer {
    /// Runs until the log is stopped or poisoned.
    pub(crate) fn run(mut self) -> Result<(), PrepareError> {
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_over() {
                return Ok(());
            }
            self.remove_released()?;
            shared.bury();
            let mut timeout = None;
            if self.is_wanting() {
                match self.prepare_next() {
                    Ok(()) => continue,
                    Err(PrepareError::NoSpace { .. }) => timeout = Some(SPACE_RETRY),
                    Err(PrepareError::Stopped) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let short = timeout.is_some();
            shared
                .preparer
                .sleep(timeout, || self.is_over() || self.is_releasing() || (!short && self.is_wanting()));
        }
    }

    /// Prepares the next segment, whether it is wanted yet or not.
    pub(crate) fn prepare_next(&self) -> Result<(), PrepareError> {
        let run = &self.shared.run;
        let number = self.shared.ready_end();
        assert!(number <= segment::number_max(run.geometry));
        let prepared = Prepared { log_id: run.log_id, number, segment_size: run.geometry.segment_size() };
        let reserve_bytes = self.shared.reserve_bytes.load(Ordering::Relaxed);
        let go_on = || !self.is_over();
        self.shared.add(prepare(&self.dir, prepared, run.backend, reserve_bytes, &go_on)?);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopping() || self.shared.is_poisoned()
    }

    /// Whether fewer segments are ready beyond the tail's than should be.
    pub(crate) fn is_wanting(&self) -> bool {
        let current = self.shared.run.geometry.segment(self.shared.tail.get());
        self.shared.ready_end() <= current + self.ready_segments
    }

    /// The first segment that is to be kept: the released position's own, and never one that is not durable.
    fn keep_from(&self) -> u64 {
        let geometry: Geometry = self.shared.run.geometry;
        let released = self.shared.release_before.load(Ordering::Acquire);
        let durable = self.shared.durable.load(Ordering::Acquire);
        geometry.segment(released.min(durable))
    }

    fn is_releasing(&self) -> bool {
        self.first < self.keep_from()
    }

    /// Removes released segments from the oldest on. The folder is synced after each: a crash must leave no gap.
    fn remove_released(&mut self) -> Result<(), PrepareError> {
        while self.is_releasing() {
            let path = segment::path(&self.dir, self.first);
            let removed = fs::remove_file(&path).and_then(|()| segment::sync_dir(&self.dir));
            removed.map_err(|source| PrepareError::Io { doing: "removing segment", path, source })?;
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
