//! Appending: reserve, copy, publish, wake.

use crate::chain::{fold, stream_base};
use crate::record::{HEADER_SIZE, Header, Kind, digest_of_words, record_size};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::sync::{Ordering, point};
use crate::{AdmitError, Lsn};
use std::sync::Arc;

/// Writes one stream's records. One thread at a time: it is `Send`, and appending takes it by `&mut`.
pub struct Writer {
    appender: Appender,
    /// Counts admissions; only the last one is good, so that one writer never holds room twice.
    admitted: u64,
    used: u64,
}

/// The log's word that it will take one record of up to [`Writer::record_max`] bytes from its writer without
/// waiting or failing. May be dropped unused. A later admission replaces it.
#[derive(Debug)]
#[must_use = "touch state only with a permit in hand, then append with it"]
pub struct Permit {
    stream: u16,
    number: u64,
}

impl Writer {
    pub(crate) fn new(appender: Appender) -> Writer {
        Writer { appender, admitted: 0, used: 0 }
    }

    /// The stream that this writes, [`crate::STREAM_ALL`] for the broadcaster.
    pub fn stream(&self) -> u16 {
        self.appender.stream
    }

    /// The longest payload in bytes. Depends on the segment size and the number of streams, at most 4 MiB.
    pub fn record_max(&self) -> usize {
        let run = &self.appender.shared.run;
        (run.geometry.record_size_max(run.streams) - HEADER_SIZE) as usize
    }

    /// Whether the log will take a record. To be asked **before** any state is touched.
    ///
    /// # Errors
    /// [`AdmitError::ReadOnly`]: retry later. [`AdmitError::Poisoned`]: restart. [`AdmitError::Stopped`].
    pub fn admit(&mut self) -> Result<Permit, AdmitError> {
        self.appender.shared.admit()?;
        self.admitted += 1;
        Ok(Permit { stream: self.appender.stream, number: self.admitted })
    }

    /// Appends a record and returns its end: what was decided with it is durable once
    /// [`crate::LogHandle::durable`] has reached that.
    ///
    /// Never waits and never fails; if the log is poisoned in the meantime, durable simply never gets there.
    ///
    /// # Panics
    /// When the permit is another writer's or not the last one, when the payload is longer than
    /// [`Writer::record_max`], or empty: mistakes of the caller's.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up")]
    pub fn append(&mut self, permit: Permit, payload: &[u8]) -> Lsn {
        let Permit { stream, number } = permit;
        assert_eq!(stream, self.appender.stream, "a permit is for its own writer");
        assert!(number == self.admitted && number > self.used, "only the last permit is good");
        assert!(!payload.is_empty() && payload.len() <= self.record_max());
        self.used = number;
        Lsn::new(self.appender.append(Kind::Data, payload))
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("stream", &self.appender.stream).finish_non_exhaustive()
    }
}

/// What a [`Writer`] and the log's own marks have in common: a stream, its chain, and the segment it is in.
pub(crate) struct Appender {
    shared: Arc<Shared>,
    stream: u16,
    chain: u64,
    segment: Arc<Segment>,
}

impl Appender {
    /// Continues `stream` from `chain`; `segment` is any segment, the current one to begin with.
    pub(crate) fn new(shared: Arc<Shared>, stream: u16, chain: u64, segment: Arc<Segment>) -> Appender {
        Appender { shared, stream, chain, segment }
    }

    /// A stream's appender for an epoch that has just begun.
    pub(crate) fn of_stream(shared: Arc<Shared>, stream: u16, start: u64, segment: Arc<Segment>) -> Appender {
        Appender::new(shared, stream, stream_base(start, stream), segment)
    }

    pub(crate) fn chain(&self) -> u64 {
        self.chain
    }

    /// Reserves, copies, publishes, wakes; returns where the next record goes. The caller has been admitted.
    pub(crate) fn append(&mut self, kind: Kind, payload: &[u8]) -> u64 {
        let place = self.shared.tail.reserve(record_size(payload.len() as u64));
        // Others may publish behind the hole that is here now.
        point("in a reserved place");
        if let Some(end) = place.closes {
            self.publish(end, Kind::End, &[]);
        }
        self.publish(place.lsn, kind, payload);
        self.shared.committer.wake();
        place.end
    }

    fn publish(&mut self, lsn: u64, kind: Kind, payload: &[u8]) {
        let run = self.shared.run;
        self.enter(run.geometry.segment(lsn));
        let header = Header {
            len: (HEADER_SIZE as usize + payload.len()) as u32,
            lsn,
            chain: self.chain,
            // At most `lsn`, since the committer does not get past a record that is not published.
            durable_lsn: self.shared.durable.load(Ordering::Acquire),
            epoch: run.epoch,
            payload_crc: crc32c::crc32c(payload),
            stream: self.stream,
            streams: run.streams,
            kind,
        };
        assert!(header.durable_lsn <= lsn);
        let words = header.encode(run.seed);
        let map = &self.segment.map;
        let offset = run.geometry.offset(lsn);
        map.store(offset + 8, &words[1..]);
        map.store_bytes(offset + HEADER_SIZE, payload);
        map.publish(offset, words[0]);
        self.chain = fold(self.chain, digest_of_words(&words));
    }

    fn enter(&mut self, number: u64) {
        if self.segment.number() != number {
            let found = self.shared.segment(number);
            self.segment = found.expect("admission keeps the tail within ready segments");
        }
    }
}
