//! Handing the verified records out again.

use crate::record::{Header, Kind, crc_seed};
use crate::verify::next_after;
use crate::{Lsn, Recovery};

/// A data record, borrowed from the mapped log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordRef<'a> {
    /// Where it begins.
    pub lsn: Lsn,
    /// Where the next one goes: what [`crate::Writer::append`] had returned.
    pub end_lsn: Lsn,
    /// Who wrote it; [`crate::STREAM_ALL`] concerns all.
    pub stream: u16,
    /// How many streams there were.
    pub streams: u16,
    /// Which start of the log wrote it, from 1.
    pub epoch: u32,
    /// What was appended.
    pub payload: &'a [u8],
}

/// Iterates over data records in the order of the log.
pub struct Records<'a> {
    recovery: &'a Recovery,
    seed: u32,
    next: u64,
    from: u64,
}

impl<'a> Records<'a> {
    pub(crate) fn new(recovery: &'a Recovery, from: Lsn) -> Records<'a> {
        // From the segment's first record on: `from` need not be where a record begins.
        let geometry = recovery.geometry;
        let next = geometry.first(geometry.segment(from.get()));
        Records { recovery, seed: crc_seed(recovery.log_id), next, from: from.get() }
    }

    fn header(&self) -> (Header, &'a [u8]) {
        let geometry = self.recovery.geometry;
        let index = (geometry.segment(self.next) - self.recovery.first) as usize;
        let bytes = &self.recovery.maps[index].bytes()[geometry.offset(self.next) as usize..];
        match Header::decode(bytes, self.seed) {
            Ok(header) if header.lsn == self.next => (header, bytes),
            _ => panic!(
                "the record at {} was verified and has changed: the disk or memory is failing",
                self.next
            ),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        while self.next < self.recovery.end {
            let (header, bytes) = self.header();
            let lsn = self.next;
            self.next = next_after(self.recovery.geometry, &header);
            if header.kind == Kind::Data && lsn >= self.from {
                return Some(RecordRef {
                    lsn: Lsn::new(lsn),
                    end_lsn: Lsn::new(self.next),
                    stream: header.stream,
                    streams: header.streams,
                    epoch: header.epoch,
                    payload: header.payload(bytes),
                });
            }
        }
        None
    }
}
