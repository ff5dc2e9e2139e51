//! What the log's threads and its writers share.

use crate::config::{Backend, Planted};
use crate::geometry::Geometry;
use crate::segment::Segment;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::tail::Tail;
use crate::waker::Waker;
use crate::{AdmitError, LogState};
use crossbeam_utils::CachePadded;
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

/// Fixed for one run of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) geometry: Geometry,
    pub(crate) log_id: u128,
    /// The seed of header checksums.
    pub(crate) seed: u32,
    pub(crate) epoch: u32,
    pub(crate) streams: u16,
    pub(crate) backend: Backend,
    pub(crate) planted: Option<Planted>,
}

pub(crate) struct Shared {
    pub(crate) run: Run,
    pub(crate) tail: Tail,
    /// Everything before it is durable. Raised by the committer (Release) after a sync and read by writers and
    /// the reply gate (Acquire), so that who sees it also sees what the committer did before.
    pub(crate) durable: CachePadded<AtomicU64>,
    /// Everything before it is proven durable by a record that is itself durable.
    pub(crate) proven: AtomicU64,
    /// The number of the first segment that is not ready. Raised by the preparer (Release) after the segment is
    /// in the table, read on admission (Acquire).
    ready_end: CachePadded<AtomicU64>,
    /// The segments that may still be written or synced, in order of their numbers. Locked when a thread moves
    /// from one segment to the next, not per record.
    segments: Mutex<VecDeque<Arc<Segment>>>,
    /// Those that were retired, kept until no writer holds them: giving a segment's memory back takes milliseconds,
    /// which are the preparer's to spend and not a writer's.
    retired: Mutex<Vec<Arc<Segment>>>,
    /// Syncs that were made, of whatever size.
    pub(crate) syncs: AtomicU64,
    pub(crate) committer: Waker,
    pub(crate) preparer: Waker,
    /// Somebody wants the hook called.
    pub(crate) asked: AtomicBool,
    stopping: AtomicBool,
    abandoned: AtomicBool,
    poisoned: AtomicBool,
    reason: Mutex<Option<String>>,
    on_poison: Box<dyn Fn(&str) + Send + Sync>,
    pub(crate) reserve_bytes: AtomicU64,
    /// Segments that end before it may be removed.
    pub(crate) release_before: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        run: Run,
        next: u64,
        reserve_bytes: u64,
        on_poison: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Shared {
        Shared {
            run,
            tail: Tail::new(run.geometry, next),
            durable: CachePadded::new(AtomicU64::new(next)),
            proven: AtomicU64::new(next),
            ready_end: CachePadded::new(AtomicU64::new(run.geometry.segment(next))),
            segments: Mutex::default(),
            retired: Mutex::default(),
            syncs: AtomicU64::new(0),
            committer: Waker::default(),
            preparer: Waker::default(),
            asked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            reason: Mutex::default(),
            on_poison,
            reserve_bytes: AtomicU64::new(reserve_bytes),
            release_before: AtomicU64::new(0),
        }
    }

    /// The segment of a number, while it is in use.
    pub(crate) fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        let segments = lock(&self.segments);
        let first = segments.front()?.number();
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        let segment = segments.get(index)?;
        assert_eq!(segment.number(), number, "the table has no gap");
        Some(Arc::clone(segment))
    }

    /// Puts the next segment into the table and lets writers have it.
    pub(crate) fn add(&self, segment: Segment) {
        let number = segment.number();
        assert_eq!(number, self.ready_end.load(Ordering::Relaxed), "segments are made ready in order");
        lock(&self.segments).push_back(Arc::new(segment));
        self.ready_end.store(number + 1, Ordering::Release);
    }

    /// Takes the oldest segment, full and synced, out of the table. Writers that still hold it have filled it.
    pub(crate) fn retire(&self, number: u64) {
        let retired = lock(&self.segments).pop_front();
        assert_eq!(
            retired.as_ref().map(|segment| segment.number()),
            Some(number),
            "segments are retired in order"
        );
        lock(&self.retired).extend(retired);
    }

    /// Gives back the memory of retired segments that nobody else holds any more.
    pub(crate) fn bury(&self) {
        let (gone, held) = std::mem::take(&mut *lock(&self.retired))
            .into_iter()
            .partition::<Vec<_>, _>(|segment| Arc::strong_count(segment) == 1);
        lock(&self.retired).extend(held);
        drop(gone);
    }

    pub(crate) fn ready_end(&self) -> u64 {
        self.ready_end.load(Ordering::Acquire)
    }

    /// Whether the log has room for one more record from every writer, see [`Geometry::record_size_max`].
    pub(crate) fn has_room(&self) -> bool {
        self.run.geometry.segment(self.tail.get()) + 1 < self.ready_end()
    }

    pub(crate) fn admit(&self) -> Result<(), AdmitError> {
        match self.state() {
            LogState::Running => Ok(()),
            LogState::ReadOnly => Err(AdmitError::ReadOnly),
            LogState::Poisoned => Err(AdmitError::Poisoned),
            LogState::Stopped => Err(AdmitError::Stopped),
        }
    }

    pub(crate) fn state(&self) -> LogState {
        if self.is_poisoned() {
            LogState::Poisoned
        } else if self.is_stopping() {
            LogState::Stopped
        } else if self.has_room() {
            LogState::Running
        } else {
            LogState::ReadOnly
        }
    }

    /// Asks for the hook to be called even when nothing new becomes durable.
    pub(crate) fn ask(&self) {
        // A swap: a store would hide the one before it together with what its thread had done, and of two that ask at
        // about the same time the first one's reply could be overlooked.
        self.asked.swap(true, Ordering::Release);
        self.committer.wake();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Takes the wish up. AcqRel: whoever asked had its reply queued before.
    pub(crate) fn take_asked(&self) -> bool {
        self.is_asked() && self.asked.swap(false, Ordering::AcqRel)
    }

    /// Ends the threads: with everything synced and a stop record, or `abandoned`, at once, as a crash would.
    pub(crate) fn stop(&self, abandoned: bool) {
        self.abandoned.fetch_or(abandoned, Ordering::Relaxed);
        self.stopping.store(true, Ordering::Release);
        self.wake_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_stopping() && self.abandoned.load(Ordering::Relaxed)
    }

    /// The first failure ends the log: nothing becomes durable any more, and it is said once.
    pub(crate) fn poison(&self, reason: &str) {
        {
            let mut first = lock(&self.reason);
            if first.is_some() {
                return;
            }
            *first = Some(reason.to_owned());
            self.poisoned.store(true, Ordering::Release);
        }
        self.wake_all();
        (self.on_poison)(reason);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn reason(&self) -> Option<String> {
        lock(&self.reason).clone()
    }

    fn wake_all(&self) {
        self.committer.wake();
        self.preparer.wake();
    }
}

/// A panic elsewhere while the lock was held has poisoned the whole log already, or will; the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
