//! Group commit: one thread walks what has been published without a gap, syncs it, and says how far it got.
//!
//! While a sync runs, writers go on publishing; the next sync takes all of that at once. So the cost of a sync is
//! shared by whatever arrived during the one before, and no timer is needed to form groups.
//!
//! Order at a border between segments: the old segment is synced to its end, and only then is the new one's
//! header made active. The kernel may write any dirty page at any time, so this order is what makes an active
//! segment proof that all before it was durable.

use crate::Lsn;
use crate::chain::fold;
use crate::config::Planted;
use crate::geometry::SEGMENT_HEADER_SIZE;
use crate::host;
use crate::record::{
    DURABLE_LSN_OFFSET, EPOCH_OFFSET, HEADER_SIZE, Kind, LSN_OFFSET, STREAM_OFFSET, digest, is_data, is_end,
    len_of, record_size,
};
use crate::segment::{Active, Segment};
use crate::shared::Shared;
use crate::sync::Ordering;
use crate::writer::Appender;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) on_durable: Box<dyn FnMut(Lsn) + Send>,
    pub(crate) mark_idle: Duration,
    /// How far the walk got: everything before is published.
    walked: u64,
    /// The segment of `walked`, once it is known to be there.
    segment: Option<Arc<Segment>>,
    /// Whether that segment's header is active.
    active: bool,
    /// Whether it became so since the last sync.
    activated: bool,
    /// What is being written out.
    buffer: Vec<u8>,
    /// The log-wide hash and the epoch in force at `walked`.
    hash: u64,
    epoch: u32,
    /// The end of the last data record walked, and the highest position that walked records prove.
    data_end: u64,
    proven: u64,
}

/// A sync failed; whatever was not durable before is in doubt.
#[derive(Debug, thiserror::Error)]
#[error("syncing {path} failed: {source}; what was not answered is in doubt, restart to recover")]
pub(crate) struct SyncError {
    path: String,
    source: io::Error,
}

impl Committer {
    /// Continues at `walked`, where `hash` and `epoch` are in force.
    pub(crate) fn new(shared: Arc<Shared>, walked: u64, active: bool, hash: u64, epoch: u32) -> Committer {
        Committer {
            shared,
            on_durable: Box::new(|_| ()),
            mark_idle: Duration::ZERO,
            walked,
            segment: None,
            active,
            activated: false,
            buffer: Vec::new(),
            hash,
            epoch,
            data_end: walked,
            proven: walked,
        }
    }

    /// The log-wide hash up to where the walk got.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Runs until the log is stopped or poisoned. `marks` writes the log's own stream.
    pub(crate) fn run(mut self, mut marks: Appender) -> Result<(), SyncError> {
        let shared = Arc::clone(&self.shared);
        let mut busy_at = host::now();
        loop {
            let asked = shared.take_asked();
            let progressed = self.commit()?;
            if shared.is_poisoned() || shared.is_abandoned() {
                return Ok(());
            }
            if progressed {
                busy_at = host::now();
                continue;
            }
            if asked {
                (self.on_durable)(Lsn::new(shared.durable.load(Ordering::Relaxed)));
            }
            if shared.is_stopping() {
                // It may have been abandoned since this was asked above; then no stop record is to be written.
                return if shared.is_abandoned() { Ok(()) } else { self.finish(&mut marks) };
            }
            let timeout = self.mark_after(busy_at);
            if timeout == Some(Duration::ZERO) && shared.has_room() && self.is_idle() {
                marks.append(Kind::Mark, &[]);
                continue;
            }
            // Without room the mark has to wait, for space or for the next record.
            let timeout = timeout.map(|left| left.max(Duration::from_millis(1)));
            shared.committer.sleep(timeout, || {
                shared.is_asked()
                    || shared.is_stopping()
                    || shared.is_poisoned()
                    || self.published().is_some()
            });
        }
    }

    /// Whether everything reserved is walked. If not, a writer is at work, and its record will be the proof that a
    /// mark would be; it also keeps the walk where it is, so that mark would follow mark until it is done.
    fn is_idle(&self) -> bool {
        self.shared.tail.get() == self.walked
    }

    /// How long until a mark is due; `None` when there is nothing to prove.
    fn mark_after(&self, busy_at: Instant) -> Option<Duration> {
        (self.data_end > self.proven).then(|| self.mark_idle.saturating_sub(host::now() - busy_at))
    }

    pub(crate) fn finish(&mut self, marks: &mut Appender) -> Result<(), SyncError> {
        // A disk without room is no reason not to stop; recovery then reports that the stop was not clean.
        if self.shared.has_room() {
            marks.append(Kind::Stop, &[]);
        }
        self.commit()?;
        Ok(())
    }

    /// Syncs all that is published and says so. Whether anything was.
    pub(crate) fn commit(&mut self) -> Result<bool, SyncError> {
        let from = self.walked;
        while let Some(first_word) = self.published() {
            self.step(first_word)?;
        }
        if self.walked == from {
            return Ok(false);
        }
        if self.shared.durable.load(Ordering::Relaxed) != self.walked {
            self.sync()?;
        }
        Ok(true)
    }

    /// The first word of the record at `walked`, when it is published.
    fn published(&self) -> Option<u64> {
        let geometry = self.shared.run.geometry;
        let looked_up;
        let segment = match &self.segment {
            Some(segment) => segment,
            None => {
                looked_up = self.shared.segment(geometry.segment(self.walked))?;
                &looked_up
            }
        };
        let word = segment.map.load(geometry.offset(self.walked));
        (len_of(word) != 0).then_some(word)
    }

    /// Takes in the record at `walked`, whose first word has been read with Acquire.
    fn step(&mut self, first_word: u64) -> Result<(), SyncError> {
        let geometry = self.shared.run.geometry;
        let segment = self.enter();
        let offset = geometry.offset(self.walked);
        let epoch_word = segment.map.load(offset + EPOCH_OFFSET);
        let stream_word = segment.map.load(offset + STREAM_OFFSET);
        let size = record_size(u64::from(len_of(first_word)) - HEADER_SIZE);
        assert_eq!(segment.map.load(offset + LSN_OFFSET), self.walked, "a record says where it is");

        self.hash = fold(self.hash, digest(first_word, epoch_word));
        self.epoch = epoch_word as u32;
        self.proven = self.proven.max(segment.map.load(offset + DURABLE_LSN_OFFSET));
        let number = segment.number();
        self.walked = if is_end(stream_word) {
            geometry.first(number + 1)
        } else {
            geometry.settle(self.walked + size)
        };
        if is_data(stream_word) {
            self.data_end = self.walked;
        }
        if geometry.segment(self.walked) != number {
            self.sync()?;
            self.segment = None;
            self.active = false;
            self.shared.retire(number);
            self.shared.preparer.wake();
        }
        Ok(())
    }

    /// The segment of `walked`, its header made active before its first record counts.
    fn enter(&mut self) -> Arc<Segment> {
        let geometry = self.shared.run.geometry;
        let number = geometry.segment(self.walked);
        if self.segment.is_none() {
            self.segment = self.shared.segment(number);
        }
        let segment = Arc::clone(self.segment.as_ref().expect("a published record lies in a segment"));
        if !self.active {
            assert_eq!(geometry.offset(self.walked), SEGMENT_HEADER_SIZE);
            assert_eq!(
                self.shared.durable.load(Ordering::Relaxed),
                self.walked,
                "the segment before is synced"
            );
            let active = Active { first_lsn: self.walked, epoch: self.epoch, hash: self.hash };
            active.store(&segment.map, &segment.prepared);
            (self.active, self.activated) = (true, true);
        }
        segment
    }

    /// Makes everything walked durable. What lies in earlier segments is so already.
    fn sync(&mut self) -> Result<(), SyncError> {
        let segment = self.segment.as_ref().expect("what was walked lies in a segment");
        let geometry = self.shared.run.geometry;
        // What is durable ends in this segment, or where it begins: the one before was synced at the border.
        let from = geometry.offset(self.shared.durable.load(Ordering::Relaxed));
        let to = match geometry.segment(self.walked) == segment.number() {
            true => geometry.offset(self.walked),
            false => geometry.segment_size(),
        };
        let activated = std::mem::take(&mut self.activated);
        if self.shared.run.planted == Some(Planted::AnswerBeforeSync) {
            self.shared.durable.store(self.walked, Ordering::Release);
            (self.on_durable)(Lsn::new(self.walked));
        }
        segment
            .sync(from, to, activated, &mut self.buffer)
            .map_err(|source| SyncError { path: segment.path.display().to_string(), source })?;
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        // Others may have failed meanwhile: a poisoned log says nothing more.
        if !self.shared.is_poisoned() {
            self.shared.proven.store(self.proven, Ordering::Release);
            self.shared.durable.store(self.walked, Ordering::Release);
            (self.on_durable)(Lsn::new(self.walked));
        }
        Ok(())
    }
}
