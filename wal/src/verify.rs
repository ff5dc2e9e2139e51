//! Reading a log from its first byte on, believing nothing.

use crate::Flaw;
use crate::chain::{fold, stream_base};
use crate::geometry::{Geometry, REST_MIN};
use crate::record::{
    HEADER_SIZE, Header, Kind, RECORD_ALIGN, STREAM_ALL, STREAM_LOG, digest_of, may_begin_at, start_payload,
};
use crate::segment::Active;

/// What is in force at a position: everything that the next record must fit.
pub(crate) struct Walker {
    geometry: Geometry,
    seed: u32,
    pub(crate) next: u64,
    pub(crate) epoch: u32,
    pub(crate) hash: u64,
    /// Each stream's chain. A log whose beginning was removed does not know a stream's chain before its first
    /// record, nor an epoch's base before the next start: such a first record is believed, being covered by the
    /// log's hash at the next border like all others.
    chains: Vec<Option<u64>>,
    base: Option<u64>,
    pub(crate) records: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) clean_stop: bool,
    /// See [`crate::config::Planted::EpochIgnored`].
    pub(crate) epoch_ignored: bool,
}

/// How the walk through a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// At its end; the next record is the next segment's first.
    Through,
    /// At `next`, where no valid record follows.
    Bad(Flaw),
}

impl Walker {
    /// Begins at a segment's first record.
    pub(crate) fn new(geometry: Geometry, seed: u32, begin: Active) -> Walker {
        Walker {
            geometry,
            seed,
            next: begin.first_lsn,
            epoch: begin.epoch,
            hash: begin.hash,
            chains: Vec::new(),
            base: None,
            records: 0,
            payload_bytes: 0,
            clean_stop: false,
            epoch_ignored: false,
        }
    }

    /// Reads on through `segment`, the whole file that `next` lies in.
    pub(crate) fn walk(&mut self, segment: &[u8]) -> Walk {
        assert_eq!(segment.len() as u64, self.geometry.segment_size());
        let number = self.geometry.segment(self.next);
        while self.geometry.segment(self.next) == number {
            let bytes = &segment[self.geometry.offset(self.next) as usize..];
            if let Err(flaw) = self.step(bytes) {
                return Walk::Bad(flaw);
            }
        }
        Walk::Through
    }

    /// Takes in the record at `next`, which `bytes` begin with; they hold all of it, or the segment's rest.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Header, Flaw> {
        let header = self.check(bytes)?;
        self.take(&header, bytes);
        Ok(header)
    }

    fn check(&self, bytes: &[u8]) -> Result<Header, Flaw> {
        let header = Header::decode(bytes, self.seed)?;
        let stream_known = header.stream < header.streams || matches!(header.stream, STREAM_ALL | STREAM_LOG);
        if header.lsn != self.next || header.durable_lsn > header.lsn || !stream_known {
            return Err(Flaw::Header);
        }
        let payload = header.payload(bytes);
        if header.kind == Kind::Start {
            self.check_start(&header, payload)?;
        } else if !self.epoch_ignored {
            if header.epoch != self.epoch {
                return Err(Flaw::Epoch);
            }
            if self.chain(header.stream).is_some_and(|chain| chain != header.chain) {
                return Err(Flaw::Chain);
            }
        }
        if crc32c::crc32c(payload) != header.payload_crc
            || header.padding(bytes).iter().any(|byte| *byte != 0)
        {
            return Err(Flaw::PayloadChecksum);
        }
        Ok(header)
    }

    fn check_start(&self, header: &Header, payload: &[u8]) -> Result<(), Flaw> {
        if header.epoch <= self.epoch {
            return Err(Flaw::Epoch);
        }
        if header.chain != self.hash {
            return Err(Flaw::Chain);
        }
        if header.stream != STREAM_LOG || header.durable_lsn != header.lsn {
            return Err(Flaw::Header);
        }
        if payload != start_payload(self.epoch, self.hash) {
            return Err(Flaw::PayloadChecksum);
        }
        Ok(())
    }

    fn chain(&self, stream: u16) -> Option<u64> {
        let known = self.chains.get(usize::from(stream)).copied().flatten();
        known.or_else(|| self.base.map(|base| stream_base(base, stream)))
    }

    fn take(&mut self, header: &Header, bytes: &[u8]) {
        let digest = digest_of(bytes);
        self.hash = fold(self.hash, digest);
        self.epoch = header.epoch;
        if header.kind == Kind::Start {
            self.chains.clear();
            self.base = Some(self.hash);
        } else {
            let stream = usize::from(header.stream);
            if self.chains.len() <= stream {
                self.chains.resize(stream + 1, None);
            }
            self.chains[stream] = Some(fold(header.chain, digest));
        }
        if header.kind == Kind::Data {
            self.records += 1;
            self.payload_bytes += header.payload_len() as u64;
        }
        self.clean_stop = header.kind == Kind::Stop;
        self.next = next_after(self.geometry, header);
    }
}

/// Where the record after this one is.
pub(crate) fn next_after(geometry: Geometry, header: &Header) -> u64 {
    if header.kind == Kind::End {
        geometry.first(geometry.segment(header.lsn) + 1)
    } else {
        geometry.settle(header.lsn + header.size())
    }
}

/// What lies at and after a bad place in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// The highest `durable_lsn` in any header that is whole, in its place, and not of an earlier epoch.
    pub(crate) witnessed: u64,
    /// Bytes from the bad place up to the last one that is not zero.
    pub(crate) stored_bytes: u64,
}

/// Looks at every place of `segment` from `from` on for what a torn tail cannot hold.
pub(crate) fn search(geometry: Geometry, seed: u32, epoch: u32, segment: &[u8], from: u64) -> Remains {
    assert!(from.is_multiple_of(RECORD_ALIGN));
    let offset = geometry.offset(from) as usize;
    let stored = stored_len(&segment[offset..]);
    let mut witnessed = 0;
    for at in (offset..offset + stored).step_by(RECORD_ALIGN as usize) {
        let lsn = from + (at - offset) as u64;
        let bytes = &segment[at..];
        if !may_begin_at(bytes, lsn) {
            continue;
        }
        if let Ok(header) = Header::decode(bytes, seed)
            && header.epoch >= epoch
            && header.durable_lsn <= lsn
        {
            witnessed = witnessed.max(header.durable_lsn);
        }
    }
    Remains { witnessed, stored_bytes: stored as u64 }
}

/// Bytes up to the last one that is not zero. Most of what is looked at is zeros: they are compared by the page.
fn stored_len(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut rest = bytes;
    while let Some((before, page)) = rest.split_last_chunk::<4096>()
        && *page == ZEROS
    {
        rest = before;
    }
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

const _: () = assert!(REST_MIN >= HEADER_SIZE, "a settled position has room for a header");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::SEGMENT_SIZE_MIN;

    #[test]
    fn only_records_in_their_place_and_of_this_epoch_or_later_are_witnesses() {
        let geometry = Geometry::new(SEGMENT_SIZE_MIN);
        let lsn = geometry.start(2) + 8192;
        let header = Header {
            len: HEADER_SIZE as u32,
            lsn,
            chain: 0,
            durable_lsn: lsn - 800,
            epoch: 3,
            payload_crc: 0,
            stream: STREAM_LOG,
            streams: 1,
            kind: Kind::Mark,
        };
        let mut segment = vec![0; SEGMENT_SIZE_MIN as usize];
        let bytes: Vec<u8> = header.encode(5).iter().flat_map(|word| word.to_le_bytes()).collect();
        segment[8192..8192 + bytes.len()].copy_from_slice(&bytes);
        let witnessed = |seed, epoch, from| search(geometry, seed, epoch, &segment, from).witnessed;
        let from = geometry.first(2);
        assert_eq!((witnessed(5, 3, from), witnessed(5, 2, from)), (lsn - 800, lsn - 800));
        assert_eq!((witnessed(5, 4, from), witnessed(6, 3, from), witnessed(5, 3, lsn + 8)), (0, 0, 0));
        segment.rotate_right(8);
        let moved = search(geometry, 5, 3, &segment, from);
        assert_eq!((moved.witnessed, moved.stored_bytes), (0, 4096 + 8 + 45));
    }
}
