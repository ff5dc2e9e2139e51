//! A running log for models: everything from the writers to the committer's loop is the real one, the segments' memory and
//! the disk are stand-ins, and nothing prepares segments: two are there.

use super::{Disk, Ordering};
use crate::Lsn;
use crate::committer::Committer;
use crate::config::{Backend, Hooks, Planted};
use crate::geometry::{Geometry, SEGMENT_SIZE_MIN};
use crate::log::LogHandle;
use crate::record::{STREAM_LOG, crc_seed};
use crate::segment::{Prepared, Segment};
use crate::shared::{Run, Shared};
use crate::writer::{Appender, Writer};
use std::sync::Arc;
use std::time::Duration;

pub(super) const LOG_ID: u128 = 5;
/// Segments that are there.
const SEGMENTS: u64 = 3;
/// No mark is written: it would come at any time.
const MARK_IDLE: Duration = Duration::MAX;

/// Where a modelled log begins, and what is wrong with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// So many bytes before the end of the first segment, or, if 0, at its first record.
    pub before_end: u64,
    /// What the committer gets wrong.
    pub planted: Option<Planted>,
    /// How many streams there are.
    pub streams: u16,
}

/// The committer, to be run on a thread of the model's.
pub struct Committing {
    committer: Committer,
    marks: Appender,
    shared: Arc<Shared>,
}

/// A log, its writers, and its committer.
#[must_use]
pub fn log(start: Start, disk: &Disk, hooks: Hooks) -> (LogHandle, Vec<Writer>, Committing) {
    let geometry = Geometry::new(SEGMENT_SIZE_MIN);
    let first = first(start);
    let run = Run {
        geometry,
        log_id: LOG_ID,
        seed: crc_seed(LOG_ID),
        epoch: 1,
        streams: start.streams,
        backend: Backend::Write,
        planted: start.planted,
    };
    let shared = Arc::new(Shared::new(run, first, 0, hooks.on_poison));
    for number in 0..SEGMENTS {
        let prepared = Prepared { log_id: LOG_ID, number, segment_size: SEGMENT_SIZE_MIN };
        let path = format!("segment {number}").into();
        shared.add(Segment::new(path, disk.segment(number), prepared, Backend::Write).expect("memory"));
    }
    let current = shared.segment(0).expect("it is there");
    let appender = |stream| Appender::of_stream(Arc::clone(&shared), stream, BASE, Arc::clone(&current));
    let writers = (0..start.streams).map(|stream| Writer::new(appender(stream))).collect();
    let marks = appender(STREAM_LOG);
    let mut committer = Committer::new(Arc::clone(&shared), first, start.before_end > 0, BASE, 1);
    committer.on_durable = hooks.on_durable;
    committer.mark_idle = MARK_IDLE;
    let handle = LogHandle::new(Arc::clone(&shared));
    (handle, writers, Committing { committer, marks, shared })
}

/// The log's hash where it begins.
const BASE: u64 = 9;

fn first(start: Start) -> u64 {
    let geometry = Geometry::new(SEGMENT_SIZE_MIN);
    match start.before_end {
        0 => geometry.first(0),
        before_end => geometry.settle(SEGMENT_SIZE_MIN - before_end),
    }
}

/// The data records that are on the disk up to `durable`, all of them whole.
#[must_use]
pub fn durable_records(start: Start, disk: &Disk, durable: Lsn) -> Vec<(u16, Vec<u8>)> {
    disk.records(Geometry::new(SEGMENT_SIZE_MIN), BASE, first(start), durable)
}

impl Committing {
    /// Runs until the log is stopped or fails, which poisons it. A panic is the model's to find.
    pub fn run(self) {
        self.shared.committer.register();
        if let Err(error) = self.committer.run(self.marks) {
            self.shared.poison(&error.to_string());
        }
    }
}

/// Stops a log in order.
pub fn stop(handle: &LogHandle) {
    handle.shared().stop(false);
}

/// Asks for the hook as [`LogHandle::wake`] does, but by a store, which can hide another thread's asking: a mistake.
pub fn wake_by_store(handle: &LogHandle) {
    handle.shared().asked.store(true, Ordering::Release);
    handle.shared().committer.wake();
}
