//! A segment file: a header of 4096 bytes, then records, then zeros.
//!
//! ```text
//!    0 | magic 8 | version 4 | crc 4 | log id 16 | segment number 8 | segment size 8 | zeros |   "prepared"
//!  512 | crc 4 | active 4 | first lsn 8 | epoch 4 | zeros 4 | hash 8 | zeros |                   "active"
//! 1024 | zeros |
//! 4096 | records
//! ```
//!
//! The prepared part is written and synced before the file gets its name. The active part is written by the
//! committer when it has *synced the segment before* and found a record here: an active segment is therefore proof
//! that all before it was durable. It carries the epoch in force and the log's hash up to its first byte. The
//! parts are a disk sector each, so that neither tears; each has its own CRC32C, taken with the field zero, the
//! active part's seeded with the prepared part's, so that it cannot come from another file.

use crate::config::Backend;
use crate::geometry::{Geometry, SEGMENT_HEADER_SIZE};
use crate::map::{WORD_SIZE, WriteMap};
use crate::record::{u32_at, u64_at};
use crate::storage::StorageFile;
use std::{
    io,
    path::{Path, PathBuf},
};

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const PREPARED_CRC: usize = VERSION + 4;
const LOG_ID: usize = PREPARED_CRC + 4;
const NUMBER: usize = LOG_ID + 16;
const SIZE: usize = NUMBER + 8;
const PREPARED_ZEROS: usize = SIZE + 8;
const PREPARED_END: usize = 512;

const ACTIVE_CRC: usize = PREPARED_END;
const ACTIVE: usize = ACTIVE_CRC + 4;
const FIRST_LSN: usize = ACTIVE + 4;
const EPOCH: usize = FIRST_LSN + 8;
const EPOCH_ZEROS: usize = EPOCH + 4;
const HASH: usize = EPOCH_ZEROS + 4;
const ACTIVE_ZEROS: usize = HASH + 8;
const ACTIVE_END: usize = 1024;

const HEADER_LEN: usize = SEGMENT_HEADER_SIZE as usize;

const _: () =
    assert!(PREPARED_ZEROS <= PREPARED_END && ACTIVE_ZEROS <= ACTIVE_END && ACTIVE_END <= HEADER_LEN);
const _: () = assert!(PREPARED_END.is_multiple_of(512) && ACTIVE_END - PREPARED_END == 512);
const _: () = assert!(ACTIVE_CRC.is_multiple_of(WORD_SIZE), "the active part is stored word by word");

const MAGIC_BYTES: [u8; 8] = *b"SUANPWAL";
/// The format that this code writes, and the only one so far.
pub(crate) const FORMAT_VERSION: u32 = 1;
const ACTIVE_YES: u32 = 1;

/// The part of a segment's header that says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) log_id: u128,
    pub(crate) number: u64,
    pub(crate) segment_size: u64,
}

/// The part of a segment's header that says what it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) first_lsn: u64,
    pub(crate) epoch: u32,
    pub(crate) hash: u64,
}

/// Why a segment's header is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFlaw {
    Damaged,
    Version(u32),
}

impl Prepared {
    /// The whole header of a segment nothing has been written to.
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[MAGIC..VERSION].copy_from_slice(&MAGIC_BYTES);
        bytes[VERSION..PREPARED_CRC].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[LOG_ID..NUMBER].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[NUMBER..SIZE].copy_from_slice(&self.number.to_le_bytes());
        bytes[SIZE..PREPARED_ZEROS].copy_from_slice(&self.segment_size.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..PREPARED_END]);
        bytes[PREPARED_CRC..LOG_ID].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(header: &[u8]) -> Result<Prepared, HeaderFlaw> {
        assert!(header.len() >= HEADER_LEN);
        if header[MAGIC..VERSION] != MAGIC_BYTES {
            return Err(HeaderFlaw::Damaged);
        }
        let version = u32_at(header, VERSION);
        if version != FORMAT_VERSION {
            return Err(HeaderFlaw::Version(version));
        }
        let mut unsealed = [0; PREPARED_END];
        unsealed.copy_from_slice(&header[..PREPARED_END]);
        unsealed[PREPARED_CRC..LOG_ID].fill(0);
        if crc32c::crc32c(&unsealed) != u32_at(header, PREPARED_CRC)
            || header[ACTIVE_END..HEADER_LEN].iter().any(|byte| *byte != 0)
        {
            return Err(HeaderFlaw::Damaged);
        }
        Ok(Prepared {
            log_id: u128::from(u64_at(header, LOG_ID)) | u128::from(u64_at(header, LOG_ID + 8)) << 64,
            number: u64_at(header, NUMBER),
            segment_size: u64_at(header, SIZE),
        })
    }

    fn crc(&self) -> u32 {
        u32_at(&self.encode(), PREPARED_CRC)
    }
}

impl Active {
    fn encode(&self, prepared: &Prepared) -> [u8; ACTIVE_END - PREPARED_END] {
        let mut header = [0; HEADER_LEN];
        header[ACTIVE..FIRST_LSN].copy_from_slice(&ACTIVE_YES.to_le_bytes());
        header[FIRST_LSN..EPOCH].copy_from_slice(&self.first_lsn.to_le_bytes());
        header[EPOCH..EPOCH_ZEROS].copy_from_slice(&self.epoch.to_le_bytes());
        header[HASH..ACTIVE_ZEROS].copy_from_slice(&self.hash.to_le_bytes());
        let crc = crc32c::crc32c_append(prepared.crc(), &header[PREPARED_END..ACTIVE_END]);
        header[ACTIVE_CRC..ACTIVE].copy_from_slice(&crc.to_le_bytes());
        std::array::from_fn(|index| header[PREPARED_END + index])
    }

    /// The active part, when it is there and whole.
    pub(crate) fn decode(header: &[u8], prepared: &Prepared) -> Option<Active> {
        assert!(header.len() >= HEADER_LEN);
        let active = Active {
            first_lsn: u64_at(header, FIRST_LSN),
            epoch: u32_at(header, EPOCH),
            hash: u64_at(header, HASH),
        };
        // Encoding what was read compares everything at once: mark, checksum and zeros.
        (active.encode(prepared) == header[PREPARED_END..ACTIVE_END]).then_some(active)
    }

    /// Stores the active part into a prepared segment.
    pub(crate) fn store(&self, map: &WriteMap, prepared: &Prepared) {
        assert_eq!(map.load(ACTIVE_CRC as u64), 0, "a segment is activated once");
        map.store_bytes(PREPARED_END as u64, &self.encode(prepared));
    }
}

/// Whether nothing has been stored into the active part.
pub(crate) fn is_untouched(header: &[u8]) -> bool {
    header[PREPARED_END..ACTIVE_END].iter().all(|byte| *byte == 0)
}

/// A segment that is written: its file, and its bytes as writers see them.
pub(crate) struct Segment {
    pub(crate) prepared: Prepared,
    pub(crate) map: WriteMap,
    pub(crate) file: Box<dyn StorageFile>,
    pub(crate) path: PathBuf,
    backend: Backend,
}

/// Bytes written at once by [`Backend::Write`]: enough that the system call costs nothing, and a bound on the buffer.
const WRITE_PIECE: u64 = 1 << 20;

impl Segment {
    /// Takes a segment file that is there in full. Under [`Backend::Write`] the memory starts out as zeros, whatever
    /// the file holds: what is in it already is never read or written again.
    pub(crate) fn new(
        path: PathBuf,
        file: Box<dyn StorageFile>,
        prepared: Prepared,
        backend: Backend,
    ) -> io::Result<Segment> {
        let map = match backend {
            Backend::Map => file.map(prepared.segment_size)?,
            Backend::Write => WriteMap::memory(prepared.segment_size)?,
        };
        Ok(Segment { prepared, map, file, path, backend })
    }

    pub(crate) fn number(&self) -> u64 {
        self.prepared.number
    }

    /// Makes what was stored from `from` to `to` durable, all of it published, and the header's active part too when
    /// that is new. After an error the file must not be synced again: the kernel may have dropped the pages and
    /// forgotten the error.
    pub(crate) fn sync(&self, from: u64, to: u64, activated: bool, buffer: &mut Vec<u8>) -> io::Result<()> {
        assert!(SEGMENT_HEADER_SIZE <= from && from <= to && to <= self.prepared.segment_size);
        if self.backend == Backend::Write {
            if activated {
                self.write_out(PREPARED_END as u64, ACTIVE_END as u64, buffer)?;
            }
            for piece in (from..to).step_by(WRITE_PIECE as usize) {
                self.write_out(piece, to.min(piece + WRITE_PIECE), buffer)?;
            }
        }
        self.file.sync_data()
    }

    fn write_out(&self, from: u64, to: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.map.copy_out(from, to, buffer);
        self.file.write_all_at(buffer, from)
    }
}

/// What a file system puts into its own root, where that is the log's folder.
const NOT_OURS: &str = "lost+found";
/// Digits in a segment file's name, so that names sort like numbers.
const NAME_DIGITS: usize = 18;
const EXTENSION: &str = "log";
const EXTENSION_TEMPORARY: &str = "tmp";

pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0NAME_DIGITS$}.{EXTENSION}"))
}

pub(crate) fn path_temporary(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0NAME_DIGITS$}.{EXTENSION_TEMPORARY}"))
}

/// The segment number in a file's name, if it is a segment's.
pub(crate) fn number_in(path: &Path) -> Option<u64> {
    number_with(path, EXTENSION)
}

/// Whether something lies in a log's folder for a reason, and is no segment: one that was being prepared, or what the
/// file system put there.
pub(crate) fn is_passed_over(path: &Path) -> bool {
    is_temporary(path) || path.file_name().is_some_and(|name| name == NOT_OURS)
}

/// Whether a file is a segment that was being prepared.
pub(crate) fn is_temporary(path: &Path) -> bool {
    number_with(path, EXTENSION_TEMPORARY).is_some()
}

fn number_with(path: &Path, extension: &str) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == NAME_DIGITS && stem.bytes().all(|byte| byte.is_ascii_digit());
    if digits && path.extension()? == extension { stem.parse().ok() } else { None }
}

/// What a segment must not be further than: one more would overflow positions.
pub(crate) fn number_max(geometry: Geometry) -> u64 {
    u64::MAX / geometry.segment_size() - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_no_flipped_bit_passes() {
        let prepared = Prepared { log_id: 5 << 70 | 9, number: 3, segment_size: 65536 };
        let active = Active { first_lsn: 3 * 65536 + 4096, epoch: 2, hash: u64::MAX - 1 };
        let mut header = prepared.encode();
        assert_eq!(Prepared::decode(&header), Ok(prepared));
        assert!(is_untouched(&header) && Active::decode(&header, &prepared).is_none());
        header[PREPARED_END..ACTIVE_END].copy_from_slice(&active.encode(&prepared));
        assert_eq!(Active::decode(&header, &prepared), Some(active));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = header;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let whole =
                Prepared::decode(&flipped) == Ok(prepared) && Active::decode(&flipped, &prepared).is_some();
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn names_are_read_back() {
        let dir = Path::new("/data/log");
        assert_eq!(path(dir, 12), Path::new("/data/log/000000000000000012.log"));
        assert_eq!(number_in(&path(dir, 12)), Some(12));
        assert_eq!(number_in(&path_temporary(dir, 12)), None);
        assert!(is_temporary(&path_temporary(dir, 12)) && !is_temporary(&path(dir, 12)));
        assert!(is_passed_over(&dir.join("lost+found")) && !is_passed_over(&path(dir, 12)));
        assert_eq!(number_in(Path::new("/data/log/12.log")), None);
    }
}
