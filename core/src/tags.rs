//! Which numbers may be in the cold store: 32 bits of each one's hash, and no more.
//!
//! As in the index there are 1,024 tables by the hash's top bits, each open addressing with linear probing; an entry is the
//! tag alone. What is not found here is not in the store, so a payment with a new number costs one look at one cache line;
//! what is found is there but for one in some hundred millions, which the store itself then denies. Tags are never taken
//! out: an order that came back is found in memory first.

use std::sync::Arc;

use crate::index::{TABLES, split};

/// No tag: the one tag that is this is kept as the one below it.
const EMPTY: u32 = u32::MAX;

/// Entries of a table that has any: a cache line.
const ENTRIES_MIN: usize = 16;

/// A set of tags.
#[derive(Clone, Debug)]
pub(crate) struct Tags {
    /// Shared with snapshots; one that is changed is copied first.
    tables: Vec<Arc<Table>>,
    len: u64,
}

/// Filled to eight tenths at most, then it grows by half.
#[derive(Clone, Debug, Default)]
struct Table {
    entries: Vec<u32>,
    filled: usize,
}

impl Table {
    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    /// Where the tag is, or the empty place where it would be.
    #[inline]
    fn place(&self, tag: u32) -> usize {
        let mut at = self.home(tag);
        // Ends: a table is never full.
        while self.entries[at] != EMPTY && self.entries[at] != tag {
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
        at
    }

    fn insert(&mut self, tag: u32) -> bool {
        if (self.filled + 1) * 10 > self.entries.len() * 8 {
            self.grow();
        }
        let at = self.place(tag);
        if self.entries[at] == tag {
            return false;
        }
        self.entries[at] = tag;
        self.filled += 1;
        true
    }

    #[cold]
    fn grow(&mut self) {
        let more = (self.entries.len() + self.entries.len() / 2).next_multiple_of(8).max(ENTRIES_MIN);
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; more]);
        for tag in old.into_iter().filter(|&tag| tag != EMPTY) {
            let at = self.place(tag);
            self.entries[at] = tag;
        }
        assert!(self.filled < self.entries.len(), "a table is never full");
    }
}

#[inline]
fn place_of(hash: u64) -> (usize, u32) {
    let (table, tag) = split(hash);
    (table, tag.min(EMPTY - 1))
}

impl Tags {
    pub(crate) fn new() -> Self {
        Self { tables: vec![Arc::default(); TABLES], len: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn contains(&self, hash: u64) -> bool {
        let (table, tag) = place_of(hash);
        let table = &self.tables[table];
        !table.entries.is_empty() && table.entries[table.place(tag)] == tag
    }

    /// A word of the cache line in which a search for the hash begins.
    #[inline]
    pub(crate) fn line(&self, hash: u64) -> u32 {
        let (table, tag) = place_of(hash);
        let table = &self.tables[table];
        table.entries.get(table.home(tag)).copied().unwrap_or(EMPTY)
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let (table, tag) = place_of(hash);
        self.insert_tag(table, tag);
    }

    /// The tags of a table, by its number.
    pub(crate) fn table(&self, table: usize) -> impl Iterator<Item = u32> {
        self.tables[table].entries.iter().copied().filter(|&tag| tag != EMPTY)
    }

    /// Puts a tag in that [`Tags::table`] gave.
    pub(crate) fn insert_tag(&mut self, table: usize, tag: u32) {
        self.len += u64::from(Arc::make_mut(&mut self.tables[table]).insert(tag.min(EMPTY - 1)));
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let entries: usize =
            self.tables.iter().map(|table| table.entries.capacity() * size_of::<u32>()).sum();
        (entries + self.tables.len() * size_of::<Table>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_and_little_else() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut tags = Tags::new();
        assert!(tags.is_empty() && !tags.contains(7));
        let mut hashes: Vec<u64> = (0..200_000).map(|_| rng.u64(..)).collect();
        // The tags that stand for no tag, or nearly.
        hashes.extend([u64::MAX, u64::MAX - 1, u64::from(u32::MAX)]);
        hashes.iter().for_each(|&hash| tags.insert(hash));
        assert!(hashes.iter().all(|&hash| tags.contains(hash)));
        let wrong = (0..200_000).filter(|_| tags.contains(rng.u64(..))).count();
        assert!(wrong < 5, "{wrong} of 200,000");
        let mut again = Tags::new();
        for table in 0..TABLES {
            tags.table(table).for_each(|tag| again.insert_tag(table, tag));
        }
        assert_eq!(again.len, tags.len);
        assert!(hashes.iter().all(|&hash| again.contains(hash)));
        assert!(
            tags.memory_bytes() < 200_000 * 8 + (TABLES * size_of::<Table>()) as u64,
            "{}",
            tags.memory_bytes()
        );
    }
}
