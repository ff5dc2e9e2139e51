//! Segments in memory, mapped from their files or not, and the only unsafe code of Suanpan's own storage.
//!
//! A segment that is written is seen as a slice of `AtomicU64`, never as bytes: records are multiples of eight
//! bytes, writers fill disjoint places, and a word stored with Release publishes what was stored before it. So
//! nothing the rest of the crate does with a map can be a data race, whatever its protocol gets wrong, and every
//! index is checked.
//!
//! The pages of a mapped file are not faulted in beforehand, although that looks like work saved. After each sync the kernel protects
//! clean pages against writing, so a page's first store faults anyway. Measured on ext4, Linux 6.18, appending
//! 400 KB: without prefaulting 100 to 150 us, since one fault maps all pages that were written together;
//! `MADV_POPULATE_READ` 300 to 400 us, since each page, mapped read-only already, then faults for itself;
//! `MADV_POPULATE_WRITE` the same, and it dirties the whole segment, which the next sync has to write again (290 ms
//! at worst). The zeros just written are in the page cache, so these faults do not read from the disk.
//!
//! Memory that belongs to no file asks for no large pages: with them the line was as fast, and one batch in a hundred
//! took 10 ms instead of 6, while two megabytes were found and zeroed.
//!
//! What a map cannot defend against is the file shrinking (SIGBUS) or being changed by others: the data folder is
//! locked by [`crate::FolderLock`], files are never truncated while mapped, and never sparse.
#![allow(
    unsafe_code,
    reason = "mapping files is unsafe by nature; it is all here, behind a checked, safe face"
)]

#[cfg(not(loom))]
use crate::sync::{AtomicU64, Ordering};
use memmap2::Mmap;
#[cfg(not(loom))]
use memmap2::{MmapOptions, MmapRaw};
#[cfg(not(loom))]
use std::{fmt, sync::Arc};
use std::{fs::File, io};

pub(crate) const WORD_SIZE: usize = 8;

#[cfg(loom)]
pub use crate::modelled::WriteMap;

/// A segment's bytes as writers see them: the file itself, mapped, or memory of our own that the committer writes out.
/// A clone is the same memory.
#[cfg(not(loom))]
#[derive(Clone)]
pub struct WriteMap {
    map: Arc<MmapRaw>,
    words: usize,
}

#[cfg(not(loom))]
impl WriteMap {
    /// Maps the first `len` bytes of `file`, which must be that long and have all its blocks.
    pub(crate) fn of_file(file: &File, len: u64) -> io::Result<WriteMap> {
        assert!(len.is_multiple_of(WORD_SIZE as u64) && file.metadata()?.len() == len);
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(len).map_raw(file)?;
        assert!(map.as_ptr().cast::<AtomicU64>().is_aligned() && map.len() == len);
        Ok(WriteMap { map: Arc::new(map), words: len / WORD_SIZE })
    }

    /// Memory of `len` zeros that belongs to no file: a multiple of eight bytes.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn memory(len: u64) -> io::Result<WriteMap> {
        assert!(len.is_multiple_of(WORD_SIZE as u64));
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let map = MmapRaw::from(MmapOptions::new().len(len).map_anon()?);
        assert!(map.as_ptr().cast::<AtomicU64>().is_aligned() && map.len() == len);
        Ok(WriteMap { map: Arc::new(map), words: len / WORD_SIZE })
    }

    /// How many bytes it has.
    pub fn len_bytes(&self) -> u64 {
        (self.words * WORD_SIZE) as u64
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `words * 8` bytes long, page-aligned, readable and writable, and lives as long
        // as `self`; it is only ever accessed through these atomics, and any bits are a valid u64.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }

    /// The word at `offset`, ordered after everything its storer had stored before it. Words are little-endian.
    pub fn load(&self, offset: u64) -> u64 {
        u64::from_le(self.words()[index(offset)].load(Ordering::Acquire))
    }

    /// Publishes: whoever loads this word sees all that this thread stored before.
    pub(crate) fn publish(&self, offset: u64, word: u64) {
        self.words()[index(offset)].store(word.to_le(), Ordering::Release);
    }

    /// Copies out the words from `from` to `to`, which are published, as they are in the file.
    pub fn copy_out(&self, from: u64, to: u64, out: &mut Vec<u8>) {
        out.clear();
        for word in &self.words()[index(from)..index(to)] {
            // Relaxed: whoever calls has seen them published.
            out.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
    }

    /// Stores words from `offset` on, in no particular order.
    pub(crate) fn store(&self, offset: u64, words: &[u64]) {
        let from = index(offset);
        for (slot, word) in self.words()[from..from + words.len()].iter().zip(words) {
            slot.store(word.to_le(), Ordering::Relaxed);
        }
    }

    /// Stores bytes from `offset` on, the last word padded with zeros.
    pub fn store_bytes(&self, offset: u64, bytes: &[u8]) {
        let from = index(offset);
        let slots = &self.words()[from..from + bytes.len().div_ceil(WORD_SIZE)];
        let (whole, rest) = bytes.as_chunks::<WORD_SIZE>();
        for (slot, chunk) in slots.iter().zip(whole) {
            slot.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        if !rest.is_empty() {
            let mut last = [0; WORD_SIZE];
            last[..rest.len()].copy_from_slice(rest);
            slots[whole.len()].store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
    }
}

#[cfg(not(loom))]
fn index(offset: u64) -> usize {
    assert!(offset.is_multiple_of(WORD_SIZE as u64));
    (offset / WORD_SIZE as u64) as usize
}

#[cfg(not(loom))]
impl fmt::Debug for WriteMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteMap").field("words", &self.words).finish_non_exhaustive()
    }
}

/// A whole file's bytes for reading: mapped, or in memory where there are no maps.
#[derive(Debug)]
pub struct ReadMap(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl ReadMap {
    /// Maps `file`, which is verified already and written by nobody as long as the map lives.
    pub(crate) fn of_file(file: &File) -> io::Result<ReadMap> {
        // SAFETY: the caller holds the data folder's lock and writes nothing before replay is over, so the bytes
        // neither change nor go away under the slice.
        let map = unsafe { Mmap::map(file)? };
        Ok(ReadMap(Bytes::Mapped(map)))
    }

    /// Bytes that were read.
    pub fn owned(bytes: Vec<u8>) -> ReadMap {
        ReadMap(Bytes::Owned(bytes))
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_padded_and_bounds_hold() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let map = WriteMap::of_file(&file, 4096).unwrap();
        map.store(0, &[u64::MAX; 3]);
        map.store_bytes(8, b"123456789");
        map.publish(24, 0x0102_0304);
        let read = ReadMap::of_file(&file).unwrap();
        assert_eq!(&read.bytes()[..8], &[0xff; 8]);
        assert_eq!(&read.bytes()[8..24], b"123456789\0\0\0\0\0\0\0");
        assert_eq!(&read.bytes()[24..28], &[4, 3, 2, 1]);
        assert_eq!(map.load(24), 0x0102_0304);
        for bad in [4096, 4] {
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map.load(bad))).is_err());
        }
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map.store_bytes(4088, &[1; 9])))
                .is_err()
        );
    }
}
