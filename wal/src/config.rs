//! What a log is opened with.

use crate::geometry::{Geometry, RECORD_SIZE_MIN, SEGMENT_SIZE_MAX, SEGMENT_SIZE_MIN, STREAMS_MAX};
use crate::storage::{Files, Storage};
use crate::{Lsn, OpenError};
use std::{path::PathBuf, sync::Arc};

/// The segments' size when nothing else is asked for: 64 MiB.
const SEGMENT_SIZE_DEFAULT: u64 = 64 << 20;
const READY_SEGMENTS_MAX: u32 = 64;
const RESERVE_BYTES_DEFAULT: u64 = 256 << 20;
const MARK_IDLE_MS_DEFAULT: u64 = 5;

/// Chosen by measuring, on ext4 with Linux 6.18 and two cores, the whole line in paired runs: with [`Backend::Write`]
/// 2.7 to 2.8 million payments a second, with [`Backend::Map`] 2.3 to 2.7; 99 of 100 batches at half that rate within
/// 6.1 and 7.1 ms. A store into a clean mapped page faults, every sync makes the pages clean again, and telling the
/// other cores of it was three quarters of the committer's time. Writing costs it a copy instead.
const BACKEND_DEFAULT: Backend = Backend::Write;

const _: () = assert!(SEGMENT_SIZE_DEFAULT.is_power_of_two() && SEGMENT_SIZE_DEFAULT <= SEGMENT_SIZE_MAX);

/// How records get from the writers' memory to the file. What is on disk is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// Writers store into the mapped file; the committer syncs it.
    Map,
    /// Writers store into memory; the committer writes what is published with one `pwrite`, and syncs.
    Write,
}

/// How a log is laid out and kept.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The folder that holds the segment files and nothing else. Made when it is not there.
    pub dir: PathBuf,
    /// Where that folder is: real files, or a simulated disk.
    pub storage: Arc<dyn Storage>,
    /// Bytes per segment file of a new log: a power of two from 64 KiB to 1 GiB. A log keeps the size it was made with.
    pub segment_size: u64,
    /// How many empty segments are kept ready beyond the one being written, 1 to 64.
    pub ready_segments: u32,
    /// Bytes of free disk that preparing segments leaves for others. Below it the log turns read-only. Left at its
    /// default of 256 MiB it counts as four segments when those are smaller.
    pub reserve_bytes: u64,
    /// How many streams append, 1 to 256; may differ from start to start.
    pub streams: u16,
    /// Milliseconds without a record after which a mark proves the last one durable.
    pub mark_idle_ms: u64,
    /// How records get to the file. May differ from start to start.
    pub backend: Backend,
    /// A position known by other means to have been durable, e.g. the newest snapshot's. A log that ends before
    /// it is refused. [`Lsn::ZERO`] when nothing is known.
    pub proven: Lsn,
    /// Where the caller is going to replay from: the position of the snapshot that it has loaded, or zero. A log that
    /// begins after it is refused. `None`: from wherever it begins, for whoever only looks.
    pub replay_from: Option<Lsn>,
    /// The log that this must be, e.g. the one that a snapshot was taken of. Another is refused. A new log gets it.
    pub expected_log_id: Option<u128>,
    /// A mistake that is made on purpose, so that tests can see that it would be found. Never set but by them.
    #[doc(hidden)]
    pub planted: Option<Planted>,
}

/// Mistakes that the proof on the simulated disk has to find, each where a guard would be missing. They are looked at
/// when a log is opened, once a sync and once a segment, never for a record that is appended.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// What is published is said to be durable before it is synced.
    AnswerBeforeSync,
    /// A segment gets its name before its zeros and its header are synced.
    RenameBeforeSync,
    /// A start leaves the torn tail where it is.
    TailNotZeroed,
    /// Recovery takes records of an earlier start. The zeroed tail and the chain guard against these as well, so the
    /// tail is not zeroed either, and a chain that was begun in another epoch is believed.
    EpochIgnored,
    /// A segment that is used again keeps its old records.
    SpareNotZeroed,
}

impl LogConfig {
    /// A log in `dir` for one stream, with everything else as it is by default.
    pub fn new(dir: impl Into<PathBuf>) -> LogConfig {
        LogConfig {
            dir: dir.into(),
            storage: Arc::new(Files),
            segment_size: SEGMENT_SIZE_DEFAULT,
            ready_segments: 2,
            reserve_bytes: RESERVE_BYTES_DEFAULT,
            streams: 1,
            mark_idle_ms: MARK_IDLE_MS_DEFAULT,
            backend: BACKEND_DEFAULT,
            proven: Lsn::ZERO,
            replay_from: Some(Lsn::ZERO),
            expected_log_id: None,
            planted: None,
        }
    }

    pub(crate) fn check(&self) -> Result<Geometry, OpenError> {
        let refuse = |setting: &'static str, rule: &'static str| Err(OpenError::Config { setting, rule });
        if !self.segment_size.is_power_of_two()
            || !(SEGMENT_SIZE_MIN..=SEGMENT_SIZE_MAX).contains(&self.segment_size)
        {
            return refuse("segment_size", "must be a power of two from 65536 to 1073741824 bytes");
        }
        if !(1..=READY_SEGMENTS_MAX).contains(&self.ready_segments) {
            return refuse("ready_segments", "must be 1 to 64");
        }
        if !(1..=STREAMS_MAX).contains(&self.streams) {
            return refuse("streams", "must be 1 to 256");
        }
        let geometry = Geometry::new(self.segment_size);
        if geometry.record_size_max(self.streams) < RECORD_SIZE_MIN {
            return refuse("segment_size", "is too small for so many streams");
        }
        Ok(geometry)
    }
}

/// What the log calls when something has changed. Called on the log's own threads: be quick, do not block.
pub struct Hooks {
    /// Called by the committer after each sync with the position everything before which is durable, and again,
    /// with an unchanged position, after [`crate::LogHandle::wake`]. Must not itself wake the log: it would be
    /// called without end.
    pub on_durable: Box<dyn FnMut(Lsn) + Send>,
    /// Called once, with the reason, when the log is poisoned: stop the process after saying so.
    pub on_poison: Box<dyn Fn(&str) + Send + Sync>,
}

impl Hooks {
    /// Hooks that do nothing.
    pub fn none() -> Hooks {
        Hooks { on_durable: Box::new(|_| ()), on_poison: Box::new(|_| ()) }
    }
}
