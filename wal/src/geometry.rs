//! How positions fall on segments, and how large a record may be so that admission can promise room.

use crate::record::{HEADER_SIZE, RECORD_ALIGN, START_SIZE};

/// The part of each segment that its header takes.
pub(crate) const SEGMENT_HEADER_SIZE: u64 = 4096;
pub(crate) const SEGMENT_SIZE_MIN: u64 = 64 << 10;
pub(crate) const SEGMENT_SIZE_MAX: u64 = 1 << 30;
/// Streams beyond this would leave records too small to hold a batch.
pub(crate) const STREAMS_MAX: u16 = 256;
/// A record is at most this large, header and padding included: a batch of 8190 commands needs a tenth of it.
pub(crate) const RECORD_SIZE_MAX: u64 = 4 << 20;
/// A record must at least hold this, or the log is no use.
pub(crate) const RECORD_SIZE_MIN: u64 = 256;
/// Besides the streams: the broadcaster, and the log itself with its marks.
pub(crate) const WRITERS_EXTRA: u64 = 2;
/// Less than this at the end of a segment is left alone: every record that the log itself writes fits in it, so
/// that an end or a start of an epoch never has to go looking for room.
pub(crate) const REST_MIN: u64 = START_SIZE;

const _: () = assert!(SEGMENT_HEADER_SIZE.is_multiple_of(RECORD_ALIGN));
const _: () = assert!(SEGMENT_SIZE_MIN.is_power_of_two() && SEGMENT_SIZE_MAX.is_power_of_two());
const _: () = assert!(SEGMENT_SIZE_MIN >= 16 * SEGMENT_HEADER_SIZE);
const _: () = assert!(RECORD_SIZE_MAX <= u32::MAX as u64, "the length is a u32");
const _: () = assert!(RECORD_SIZE_MIN > REST_MIN && REST_MIN >= HEADER_SIZE);

/// The size of segments and the arithmetic that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    segment_size: u64,
}

impl Geometry {
    pub(crate) fn new(segment_size: u64) -> Geometry {
        assert!(segment_size.is_power_of_two());
        assert!((SEGMENT_SIZE_MIN..=SEGMENT_SIZE_MAX).contains(&segment_size));
        Geometry { segment_size }
    }

    pub(crate) fn segment_size(self) -> u64 {
        self.segment_size
    }

    pub(crate) fn segment(self, lsn: u64) -> u64 {
        lsn / self.segment_size
    }

    /// Where in its segment's file a position is.
    pub(crate) fn offset(self, lsn: u64) -> u64 {
        lsn % self.segment_size
    }

    /// The first byte of a segment, its header's.
    pub(crate) fn start(self, segment: u64) -> u64 {
        segment * self.segment_size
    }

    /// Where a segment's first record goes.
    pub(crate) fn first(self, segment: u64) -> u64 {
        self.start(segment) + SEGMENT_HEADER_SIZE
    }

    /// Where the next record goes when one ended at `end`: there, or at the first place of the next segment when
    /// less than [`REST_MIN`] is left. Every position the log speaks of is settled in this way.
    pub(crate) fn settle(self, end: u64) -> u64 {
        let offset = self.offset(end);
        if offset == 0 {
            end + SEGMENT_HEADER_SIZE
        } else if offset < SEGMENT_HEADER_SIZE {
            self.first(self.segment(end))
        } else if self.segment_size - offset < REST_MIN {
            self.first(self.segment(end) + 1)
        } else {
            end
        }
    }

    /// Where the record that a position names begins: positions that were handed out are settled, but for a segment's
    /// first byte, which says where a log begins.
    pub(crate) fn enter(self, lsn: u64) -> u64 {
        if self.offset(lsn) == 0 { self.settle(lsn) } else { lsn }
    }

    /// The largest record in bytes, header and padding included, such that one record from every writer fits in
    /// a quarter of a segment.
    ///
    /// Why this makes admission safe: a writer is admitted while the segment after the tail's (as it sees the
    /// tail) is ready. A writer that has appended to segment `k` sees the tail in `k` or later from then on, so
    /// it enters `k` at most once on an admission that did not know `k + 1` to be ready. All writers together
    /// put at most a quarter into `k` that way, so `k` is never left before `k + 1` is ready.
    pub(crate) fn record_size_max(self, streams: u16) -> u64 {
        let writers = u64::from(streams) + WRITERS_EXTRA;
        let size = (self.segment_size / 4 / writers).min(RECORD_SIZE_MAX) / RECORD_ALIGN * RECORD_ALIGN;
        assert!(size * (writers + 1) + SEGMENT_HEADER_SIZE + REST_MIN <= self.segment_size);
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_settle_where_a_record_fits() {
        let geometry = Geometry::new(SEGMENT_SIZE_MIN);
        let size = SEGMENT_SIZE_MIN;
        assert_eq!(geometry.settle(0), 4096);
        assert_eq!(geometry.settle(8), 4096);
        assert_eq!(geometry.settle(4096), 4096);
        assert_eq!(geometry.settle(size - REST_MIN), size - REST_MIN);
        assert_eq!(geometry.settle(size - REST_MIN + 8), size + 4096);
        assert_eq!(geometry.settle(size), size + 4096);
        assert_eq!(geometry.first(1), size + 4096);
    }
}
