//! A record: a header of 48 bytes, a payload, and zeros up to a multiple of eight. Everything little-endian.
//!
//! ```text
//!  0        4        8                16               24               32       36       40   42   44   45  48
//!  | len    | crc    | lsn            | chain          | durable_lsn    | epoch  | payload| str | strs| k | 0 |
//!  |        |        |                |                |                |        | crc    | eam | ams | d |   |
//! ```
//!
//! * `len`: bytes of header and payload, without the padding; 0: nothing here. `len` and `crc` are one word, the
//!   one stored last: it publishes the record.
//! * `crc`: CRC32C of the header with this field zero, seeded from the log's id, so that bytes of another log,
//!   and bytes that only look like a record inside somebody's payload, do not pass.
//! * `lsn`: where the record is. `epoch`: which start of the log wrote it.
//! * `chain`: the hash over the records of this stream before it in this epoch (`chain.rs`). In a start record:
//!   the hash over the whole log before it.
//! * `durable_lsn`: what was known to be durable when this was written. A record of a later place that names a
//!   position is proof that everything before that position had been durable.
//! * `stream`, `streams`: who wrote it, and how many streams there were.
//! * `kind`: see [`Kind`].

use crate::chain::fold;
use std::fmt;

const LEN: usize = 0;
const CRC: usize = LEN + 4;
const LSN: usize = CRC + 4;
const CHAIN: usize = LSN + 8;
const DURABLE_LSN: usize = CHAIN + 8;
const EPOCH: usize = DURABLE_LSN + 8;
const PAYLOAD_CRC: usize = EPOCH + 4;
const STREAM: usize = PAYLOAD_CRC + 4;
const STREAMS: usize = STREAM + 2;
const KIND: usize = STREAMS + 2;
const ZEROS: usize = KIND + 1;
const ZEROS_LEN: usize = 3;
const HEADER_LEN: usize = ZEROS + ZEROS_LEN;

pub(crate) const RECORD_ALIGN: u64 = 8;
pub(crate) const HEADER_SIZE: u64 = HEADER_LEN as u64;
pub(crate) const HEADER_WORDS: usize = HEADER_LEN / 8;
/// Where in a record `durable_lsn` is, for the committer, which reads it from the map.
pub(crate) const DURABLE_LSN_OFFSET: u64 = DURABLE_LSN as u64;
/// Where in a record the word with epoch and payload checksum is.
pub(crate) const EPOCH_OFFSET: u64 = EPOCH as u64;
/// Where in a record its own position is.
pub(crate) const LSN_OFFSET: u64 = LSN as u64;
/// Where in a record the word with stream, streams and kind is.
pub(crate) const STREAM_OFFSET: u64 = STREAM as u64;
const KIND_SHIFT: usize = (KIND - STREAM) * 8;

const _: () = assert!(LEN == 0 && CRC == 4, "length and checksum are one word, published at once");
const _: () = assert!(HEADER_LEN == 48 && HEADER_SIZE.is_multiple_of(RECORD_ALIGN));
const _: () = assert!(
    LSN.is_multiple_of(8)
        && DURABLE_LSN.is_multiple_of(8)
        && EPOCH.is_multiple_of(8)
        && STREAM.is_multiple_of(8)
);
const _: () = assert!(PAYLOAD_CRC == EPOCH + 4, "epoch and payload checksum are one word");

/// The stream of records that concern all streams, written by one broadcaster.
pub const STREAM_ALL: u16 = 0xFFFF;
/// The stream of what the log writes for itself.
pub(crate) const STREAM_LOG: u16 = 0xFFFE;

/// The payload of a start record: the epoch before (u64) and the log's hash before (u64).
pub(crate) const START_PAYLOAD_LEN: usize = 16;
pub(crate) const START_SIZE: u64 = HEADER_SIZE + START_PAYLOAD_LEN as u64;

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A caller's payload.
    Data = 1,
    /// The first record of an epoch, with the epoch and the hash before it.
    Start = 2,
    /// Nothing more in this segment: the next record is the next segment's first.
    End = 3,
    /// Written when idle, for its `durable_lsn`.
    Mark = 4,
    /// The log was stopped in order here.
    Stop = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Data, Kind::Start, Kind::End, Kind::Mark, Kind::Stop]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What is wrong with the bytes at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// There is no record: a length of zero.
    Blank,
    /// The segment was never written to, or is not there.
    Unused,
    /// The header does not match its checksum.
    HeaderChecksum,
    /// The length is less than a header or more than the segment.
    Length,
    /// The header is whole but says what no writer says.
    Header,
    /// The record belongs to another epoch.
    Epoch,
    /// The record does not follow on what its stream wrote before.
    Chain,
    /// The payload does not match its checksum.
    PayloadChecksum,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Blank => "there is no record",
            Flaw::Unused => "the segment is unused or missing",
            Flaw::HeaderChecksum => "the header does not match its checksum",
            Flaw::Length => "the length is impossible",
            Flaw::Header => "the header contradicts itself",
            Flaw::Epoch => "the record is of another epoch",
            Flaw::Chain => "the record does not continue its stream",
            Flaw::PayloadChecksum => "the payload does not match its checksum",
        })
    }
}

/// A record's header, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) len: u32,
    pub(crate) lsn: u64,
    pub(crate) chain: u64,
    pub(crate) durable_lsn: u64,
    pub(crate) epoch: u32,
    pub(crate) payload_crc: u32,
    pub(crate) stream: u16,
    pub(crate) streams: u16,
    pub(crate) kind: Kind,
}

/// What a record takes in the log when its payload is `payload_len` long.
pub(crate) fn record_size(payload_len: u64) -> u64 {
    (HEADER_SIZE + payload_len).next_multiple_of(RECORD_ALIGN)
}

/// The word that a running hash takes in for a record: its checksums, which cover everything in it.
pub(crate) fn digest(first_word: u64, epoch_word: u64) -> u64 {
    fold(first_word, epoch_word)
}

/// Length and kind as read from the words of a published record.
pub(crate) fn len_of(first_word: u64) -> u32 {
    first_word as u32
}

pub(crate) fn is_data(stream_word: u64) -> bool {
    (stream_word >> KIND_SHIFT) as u8 == Kind::Data as u8
}

pub(crate) fn is_end(stream_word: u64) -> bool {
    (stream_word >> KIND_SHIFT) as u8 == Kind::End as u8
}

impl Header {
    /// The header as words, checksum included. `seed` is the log's, see [`crc_seed`].
    pub(crate) fn encode(&self, seed: u32) -> [u64; HEADER_WORDS] {
        let mut bytes = [0; HEADER_LEN];
        bytes[LEN..CRC].copy_from_slice(&self.len.to_le_bytes());
        bytes[LSN..CHAIN].copy_from_slice(&self.lsn.to_le_bytes());
        bytes[CHAIN..DURABLE_LSN].copy_from_slice(&self.chain.to_le_bytes());
        bytes[DURABLE_LSN..EPOCH].copy_from_slice(&self.durable_lsn.to_le_bytes());
        bytes[EPOCH..PAYLOAD_CRC].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[PAYLOAD_CRC..STREAM].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[STREAM..STREAMS].copy_from_slice(&self.stream.to_le_bytes());
        bytes[STREAMS..KIND].copy_from_slice(&self.streams.to_le_bytes());
        bytes[KIND] = self.kind as u8;
        let crc = crc32c::crc32c_append(seed, &bytes);
        bytes[CRC..LSN].copy_from_slice(&crc.to_le_bytes());
        words(&bytes)
    }

    /// Reads the header of the record that `bytes` begin with; `bytes` end with the segment.
    pub(crate) fn decode(bytes: &[u8], seed: u32) -> Result<Header, Flaw> {
        Header::decode_within(bytes, bytes.len() as u64, seed)
    }

    /// As [`Header::decode`], where `bytes` end before the segment does, in which there are `room` bytes for the record.
    pub(crate) fn decode_within(bytes: &[u8], room: u64, seed: u32) -> Result<Header, Flaw> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Err(Flaw::Blank) };
        let len = u32_at(header, LEN);
        if len == 0 {
            return Err(Flaw::Blank);
        }
        let mut unsealed = *header;
        unsealed[CRC..LSN].fill(0);
        if crc32c::crc32c_append(seed, &unsealed) != u32_at(header, CRC) {
            return Err(Flaw::HeaderChecksum);
        }
        if (len as usize) < HEADER_LEN || u64::from(len).next_multiple_of(RECORD_ALIGN) > room {
            return Err(Flaw::Length);
        }
        let kind = Kind::from_byte(header[KIND]).ok_or(Flaw::Header)?;
        let header = Header {
            len,
            lsn: u64_at(header, LSN),
            chain: u64_at(header, CHAIN),
            durable_lsn: u64_at(header, DURABLE_LSN),
            epoch: u32_at(header, EPOCH),
            payload_crc: u32_at(header, PAYLOAD_CRC),
            stream: u16_at(header, STREAM),
            streams: u16_at(header, STREAMS),
            kind,
        };
        Ok(header)
    }

    pub(crate) fn payload_len(&self) -> usize {
        self.len as usize - HEADER_LEN
    }

    /// What the record takes in the log.
    pub(crate) fn size(&self) -> u64 {
        record_size(self.payload_len() as u64)
    }

    /// The payload within the bytes that the record begins.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[HEADER_LEN..self.len as usize]
    }

    /// The padding within the bytes that the record begins: zeros, or the record is damaged.
    pub(crate) fn padding<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.len as usize..self.size() as usize]
    }
}

/// Whether the bytes could begin a record that belongs at `lsn`: one comparison, for scanning.
pub(crate) fn may_begin_at(bytes: &[u8], lsn: u64) -> bool {
    bytes.len() >= HEADER_LEN && u64_at(bytes, LSN) == lsn
}

/// The payload of a start record.
pub(crate) fn start_payload(epoch: u32, hash: u64) -> [u8; START_PAYLOAD_LEN] {
    let mut payload = [0; START_PAYLOAD_LEN];
    payload[..8].copy_from_slice(&u64::from(epoch).to_le_bytes());
    payload[8..].copy_from_slice(&hash.to_le_bytes());
    payload
}

/// The seed of header checksums: a log's id makes its records unlike any other's.
pub(crate) fn crc_seed(log_id: u128) -> u32 {
    crc32c::crc32c(&log_id.to_le_bytes())
}

/// The digest of a record read from bytes, the same as the committer takes from the map.
pub(crate) fn digest_of(bytes: &[u8]) -> u64 {
    digest(u64_at(bytes, LEN), u64_at(bytes, EPOCH))
}

/// The digest of a record about to be written.
pub(crate) fn digest_of_words(words: &[u64; HEADER_WORDS]) -> u64 {
    digest(words[LEN / 8], words[EPOCH / 8])
}

fn words(bytes: &[u8; HEADER_LEN]) -> [u64; HEADER_WORDS] {
    let (chunks, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    std::array::from_fn(|at| u64::from_le_bytes(chunks[at]))
}

/// The u64 at `at`, which the caller's layout keeps within bounds.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// The u32 at `at`, which the caller's layout keeps within bounds.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            len: 48 + 5,
            lsn: 4096,
            chain: 1 << 63,
            durable_lsn: 4096,
            epoch: 7,
            payload_crc: u32::MAX,
            stream: STREAM_ALL,
            streams: 2,
            kind: Kind::Data,
        }
    }

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_passes() {
        let words = header().encode(99);
        let mut image = bytes(&words);
        image.resize(56, 0);
        assert_eq!(Header::decode(&image, 99), Ok(header()));
        assert_eq!(digest_of(&image), digest_of_words(&words));
        assert_eq!(len_of(words[0]), 53);
        assert!(is_data(words[STREAM / 8]) && !is_end(words[STREAM / 8]));
        assert_eq!(Header::decode(&image, 98), Err(Flaw::HeaderChecksum), "another log's");
        assert_ne!(crc_seed(1), crc_seed(1 << 64));
        assert_eq!(Header::decode(&image[..48], 99), Err(Flaw::Length));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = image.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped, 99).is_err(), "bit {bit}");
        }
    }
}
