//! A segment's memory for models: the words where records go are loom's atomics.
//!
//! A segment has thousands of words, a model touches few: those right behind the header and those at the end. The
//! header's are the committer's alone and are no atomics, so that they cost no steps. Any other word is a mistake of the
//! model's.

use super::{AtomicU64, Mistake, Ordering};
use crate::geometry::SEGMENT_HEADER_SIZE;
use crate::map::WORD_SIZE;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

/// Words that are there at either end of the records.
const WINDOW_WORDS: usize = 36;
const HEADER_WORDS: usize = SEGMENT_HEADER_SIZE as usize / WORD_SIZE;

/// As the one that is no model's.
#[derive(Clone)]
pub struct WriteMap(Arc<Words>);

struct Words {
    count: usize,
    header: Mutex<Vec<u64>>,
    first: Vec<AtomicU64>,
    last: Vec<AtomicU64>,
    /// Payload words that a mistake keeps back until their record is published.
    kept_back: Mutex<Vec<(usize, u64)>>,
}

impl WriteMap {
    pub(crate) fn of_file(_: &File, _: u64) -> io::Result<WriteMap> {
        Err(io::Error::other("models have no files"))
    }

    pub fn memory(len: u64) -> io::Result<WriteMap> {
        let count = usize::try_from(len).map_err(io::Error::other)? / WORD_SIZE;
        assert!(count >= HEADER_WORDS + 2 * WINDOW_WORDS);
        let zeros = || (0..WINDOW_WORDS).map(|_| AtomicU64::new(0)).collect();
        let header = Mutex::new(vec![0; HEADER_WORDS]);
        Ok(WriteMap(Arc::new(Words {
            count,
            header,
            first: zeros(),
            last: zeros(),
            kept_back: Mutex::default(),
        })))
    }

    pub fn len_bytes(&self) -> u64 {
        (self.0.count * WORD_SIZE) as u64
    }

    pub fn load(&self, offset: u64) -> u64 {
        self.load_word(index(offset), Ordering::Acquire)
    }

    pub(crate) fn publish(&self, offset: u64, word: u64) {
        let relaxed = Mistake::PublishedRelaxed.is_made();
        self.store_word(index(offset), word, if relaxed { Ordering::Relaxed } else { Ordering::Release });
        let kept_back = std::mem::take(&mut *self.0.kept_back.lock().unwrap_or_else(PoisonError::into_inner));
        for (index, word) in kept_back {
            self.store_word(index, word, Ordering::Relaxed);
        }
    }

    pub fn copy_out(&self, from: u64, to: u64, out: &mut Vec<u8>) {
        out.clear();
        for word in index(from)..index(to) {
            // The rest of a segment, behind an end record, is zeros that nobody stored.
            let stored = if self.is_there(word) { self.load_word(word, Ordering::Relaxed) } else { 0 };
            out.extend_from_slice(&stored.to_ne_bytes());
        }
    }

    pub(crate) fn store(&self, offset: u64, words: &[u64]) {
        for (at, word) in words.iter().enumerate() {
            self.store_word(index(offset) + at, *word, Ordering::Relaxed);
        }
    }

    pub fn store_bytes(&self, offset: u64, bytes: &[u8]) {
        for (at, chunk) in bytes.chunks(WORD_SIZE).enumerate() {
            let mut word = [0; WORD_SIZE];
            word[..chunk.len()].copy_from_slice(chunk);
            let (at, word) = (index(offset) + at, u64::from_ne_bytes(word));
            match Mistake::PublishedBeforeCopied.is_made() && at >= HEADER_WORDS {
                true => self.0.kept_back.lock().unwrap_or_else(PoisonError::into_inner).push((at, word)),
                false => self.store_word(at, word, Ordering::Relaxed),
            }
        }
    }

    fn is_there(&self, word: usize) -> bool {
        word < HEADER_WORDS + WINDOW_WORDS || word >= self.0.count - WINDOW_WORDS
    }

    fn record_word(&self, word: usize) -> &AtomicU64 {
        assert!(self.is_there(word) && word < self.0.count, "word {word} is not modelled");
        match word.checked_sub(self.0.count - WINDOW_WORDS) {
            Some(at) => &self.0.last[at],
            None => &self.0.first[word - HEADER_WORDS],
        }
    }

    fn load_word(&self, word: usize, order: Ordering) -> u64 {
        match word < HEADER_WORDS {
            true => self.0.header.lock().unwrap_or_else(PoisonError::into_inner)[word],
            false => self.record_word(word).load(order),
        }
    }

    fn store_word(&self, word: usize, value: u64, order: Ordering) {
        match word < HEADER_WORDS {
            true => self.0.header.lock().unwrap_or_else(PoisonError::into_inner)[word] = value,
            false => self.record_word(word).store(value, order),
        }
    }
}

fn index(offset: u64) -> usize {
    assert!(offset.is_multiple_of(WORD_SIZE as u64));
    (offset / WORD_SIZE as u64) as usize
}

impl fmt::Debug for WriteMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteMap").field("words", &self.0.count).finish_non_exhaustive()
    }
}
