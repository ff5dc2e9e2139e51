//! From a number to the place of its record.
//!
//! 1,024 small tables by the top bits of a keyed 64-bit hash. A table is open addressing with linear probing in one
//! array; an entry is eight bytes:
//!
//! ```text
//! 63                    32 31                     0
//! +-----------------------+-----------------------+
//! | tag: the hash's low   | slot: where the       |      all ones: empty, a slot that
//! | 32 bits               | record is             |      no arena gives
//! +-----------------------+-----------------------+
//! ```
//!
//! So one table's growth moves a thousandth of the whole (no long stall), and needs the tags only, never the
//! records; a wrong record is looked at once in some billions; and finding that a number is new and putting it
//! in touch the *same* cache line, which is what a payment waits for most. (hashbrown, which this replaced,
//! keeps its control bytes apart from its entries: two lines, of which the second cannot be fetched ahead. What
//! both took stands in `bench/RESULTS.md`.)

use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};

use crate::arena::NOWHERE;
use crate::{MerchantId, NUMBER_BYTES, Number};

const TABLE_BITS: u32 = 10;
pub(crate) const TABLES: usize = 1 << TABLE_BITS;
// The table is chosen by other bits than the tag keeps, or tags within a table would be alike.
const _: () = assert!(TABLE_BITS <= 32);

/// Hashes with a key of this ledger's own, so that callers cannot choose numbers that collide.
#[derive(Debug)]
pub(crate) struct KeyedHash {
    seed: u64,
    state: FixedState,
}

impl KeyedHash {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, state: FixedState::with_seed(seed) }
    }

    /// The key.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    #[inline]
    pub(crate) fn number(&self, merchant: MerchantId, number: &Number) -> u64 {
        let mut bytes = [0; NUMBER_BYTES + 8];
        bytes[..NUMBER_BYTES].copy_from_slice(number.padded());
        bytes[NUMBER_BYTES..].copy_from_slice(&merchant.0.to_le_bytes());
        let mut hasher = self.state.build_hasher();
        hasher.write(&bytes);
        hasher.finish()
    }

    #[inline]
    pub(crate) fn merchant(&self, merchant: MerchantId) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u64(merchant.0);
        hasher.finish()
    }
}

const EMPTY: u64 = u64::MAX;
// No record's entry looks empty: an arena ends before the slot that is all ones.
const _: () = assert!(NOWHERE == u32::MAX && EMPTY == ((NOWHERE as u64) << 32) | NOWHERE as u64);

/// Entries of a table that has any.
const ENTRIES_MIN: usize = 8;

/// One of the tables. Filled to seven tenths at most, then it grows by half.
#[derive(Debug, Default)]
struct Table {
    entries: Vec<u64>,
    filled: usize,
}

#[inline]
fn tag_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the slot is the low half")]
fn slot_of(entry: u64) -> u32 {
    entry as u32
}

impl Table {
    /// An empty table that so many entries fill to some three fifths.
    fn with_room_for(count: usize) -> Self {
        let len = if count == 0 { 0 } else { (count + count * 2 / 3).next_multiple_of(8).max(ENTRIES_MIN) };
        Self { entries: vec![EMPTY; len], filled: 0 }
    }

    /// Where a tag is looked for first: its share of the table, so that a table of any size will do.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    /// What stands at a tag's home; for the sake of its cache line.
    #[inline]
    fn line(&self, tag: u32) -> u64 {
        self.entries.get(self.home(tag)).copied().unwrap_or(EMPTY)
    }

    #[inline]
    fn find(&self, tag: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        // Ends: a table is never full.
        loop {
            let entry = self.entries[at];
            if entry == EMPTY {
                return None;
            }
            if tag_of(entry) == tag && is(slot_of(entry)) {
                return Some(slot_of(entry));
            }
            at += 1;
            if at == self.entries.len() {
                at = 0;
            }
        }
    }

    #[inline]
    fn insert(&mut self, entry: u64) {
        if (self.filled + 1) * 10 > self.entries.len() * 7 {
            self.grow();
        }
        self.put(entry);
        self.filled += 1;
    }

    #[inline]
    fn put(&mut self, entry: u64) {
        let mut at = self.home(tag_of(entry));
        while self.entries[at] != EMPTY {
            at += 1;
            if at == self.entries.len() {
                at = 0;
            }
        }
        self.entries[at] = entry;
    }

    /// Takes an entry out: those behind it that a search would miss then move up (Knuth's algorithm R, 6.4).
    fn remove(&mut self, entry: u64) {
        let len = self.entries.len();
        let mut hole = self.home(tag_of(entry));
        // Ends: it is there.
        while self.entries[hole] != entry {
            assert!(self.entries[hole] != EMPTY, "a place is taken out once");
            hole = if hole + 1 == len { 0 } else { hole + 1 };
        }
        let mut at = hole;
        loop {
            at = if at + 1 == len { 0 } else { at + 1 };
            let next = self.entries[at];
            if next == EMPTY {
                break;
            }
            // It stays where it is as long as its home lies behind the hole.
            let home = self.home(tag_of(next));
            let behind = if hole <= at { hole < home && home <= at } else { hole < home || home <= at };
            if !behind {
                self.entries[hole] = next;
                hole = at;
            }
        }
        self.entries[hole] = EMPTY;
        self.filled -= 1;
    }

    #[cold]
    fn grow(&mut self) {
        let more = (self.entries.len() + self.entries.len() / 2).next_multiple_of(8).max(ENTRIES_MIN);
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; more]);
        for entry in old.into_iter().filter(|&entry| entry != EMPTY) {
            self.put(entry);
        }
        assert!(self.filled < self.entries.len(), "a table is never full");
    }
}

/// A hash's table and tag.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the tag is the low half, the table the top bits")]
pub(crate) fn split(hash: u64) -> (usize, u32) {
    ((hash >> (64 - TABLE_BITS)) as usize, hash as u32)
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Vec<Table>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { tables: (0..TABLES).map(|_| Table::default()).collect() }
    }

    /// No index: nothing is ever looked for or put in.
    pub(crate) fn none() -> Self {
        Self { tables: Vec::new() }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.tables.is_empty()
    }

    /// The place among those with that hash for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let (table, tag) = split(hash);
        self.tables[table].find(tag, is)
    }

    /// A word of the cache line in which a search for the hash begins.
    #[inline]
    pub(crate) fn line(&self, hash: u64) -> u64 {
        let (table, tag) = split(hash);
        self.tables[table].line(tag)
    }

    /// Keeps a place that was not found before.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        debug_assert!(slot != NOWHERE);
        let (table, tag) = split(hash);
        self.tables[table].insert((u64::from(tag) << 32) | u64::from(slot));
    }

    /// Takes out a place that was put in under that hash.
    ///
    /// # Panics
    /// When it is not there.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let (table, tag) = split(hash);
        self.tables[table].remove((u64::from(tag) << 32) | u64::from(slot));
    }

    /// An index of all that was gathered. Each table is made at its size and filled while it lies in the cache, which takes a
    /// fraction of the time that inserting one by one does.
    ///
    /// # Errors
    /// The places of two records that are the same by `is_same`.
    pub(crate) fn of(gathered: Gathered, is_same: impl Fn(u32, u32) -> bool) -> Result<Self, (u32, u32)> {
        let mut tables = Vec::with_capacity(TABLES);
        for entries in gathered.tables {
            let mut table = Table::with_room_for(entries.len());
            for entry in entries {
                let slot = slot_of(entry);
                if let Some(known) = table.find(tag_of(entry), |known| is_same(known, slot)) {
                    return Err((known, slot));
                }
                table.insert(entry);
            }
            tables.push(table);
        }
        Ok(Self { tables })
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let tables = self.tables.len() * size_of::<Table>();
        let entries: usize =
            self.tables.iter().map(|table| table.entries.capacity() * size_of::<u64>()).sum();
        (tables + entries) as u64
    }
}

/// What is to be an index, by the table it belongs to.
#[derive(Debug)]
pub(crate) struct Gathered {
    tables: Vec<Vec<u64>>,
}

impl Gathered {
    pub(crate) fn new() -> Self {
        Self { tables: vec![Vec::new(); TABLES] }
    }

    #[inline]
    pub(crate) fn push(&mut self, hash: u64, slot: u32) {
        let (table, tag) = split(hash);
        self.tables[table].push((u64::from(tag) << 32) | u64::from(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_under_any_seed() {
        for seed in [0, 1, u64::MAX] {
            let keyed = KeyedHash::new(seed);
            let numbers: Vec<Number> =
                (0..20_000).map(|n| Number::new(format!("N{n}").as_bytes()).unwrap()).collect();
            let mut index = Index::new();
            for (slot, number) in (0..).zip(&numbers) {
                index.insert(keyed.number(MerchantId(7), number), slot);
            }
            for (slot, number) in (0..).zip(&numbers) {
                let hash = keyed.number(MerchantId(7), number);
                assert_eq!(index.find(hash, |at| numbers[at as usize] == *number), Some(slot));
                assert_eq!(index.find(hash, |_| false), None);
                let other = keyed.number(MerchantId(8), number);
                assert_eq!(index.find(other, |at| numbers[at as usize] == *number), None);
            }
        }
    }

    #[test]
    fn what_was_gathered_is_found_and_what_comes_twice_is_named() {
        let keyed = KeyedHash::new(5);
        let number = |n: u32| Number::new(format!("N{n}").as_bytes()).unwrap();
        let hash = |n: u32| keyed.number(MerchantId(7), &number(n));
        for twice in [None, Some(19_999), Some(0)] {
            let mut gathered = Gathered::new();
            (0..20_000).for_each(|n| gathered.push(hash(n), n));
            if let Some(n) = twice {
                gathered.push(hash(n), 20_000);
            }
            let same = |one: u32, other: u32| Some(one.min(other)) == twice && one.max(other) == 20_000;
            match Index::of(gathered, same) {
                Err(places) => assert_eq!(places, (twice.unwrap(), 20_000)),
                Ok(mut index) => {
                    assert_eq!(twice, None);
                    (20_000..40_000).for_each(|n| index.insert(hash(n), n));
                    assert!((0..40_000).all(|n| index.find(hash(n), |at| at == n) == Some(n)));
                }
            }
        }
    }

    /// Tags that all want the same place, and the last place of the table, wrap around and are all found.
    #[test]
    fn crowds_at_the_end_wrap_around() {
        let mut table = Table::default();
        let crowd: Vec<u64> = (0..200u64).map(|slot| (u64::from(u32::MAX) << 32) | slot).collect();
        for &entry in &crowd {
            table.insert(entry);
        }
        for &entry in &crowd {
            assert_eq!(table.find(u32::MAX, |slot| slot == slot_of(entry)), Some(slot_of(entry)));
        }
        assert_eq!(table.find(0, |_| true), None);
        assert!(table.filled * 10 <= table.entries.len() * 7);
    }

    /// Whatever is taken out, in whatever order: the rest is found, and it is not.
    #[test]
    fn what_is_taken_out_leaves_the_rest() {
        let mut rng = fastrand::Rng::with_seed(9);
        for round in 0..200 {
            let mut table = Table::default();
            // Few homes, some of them at the end of the table, so that there are crowds.
            let mut entries: Vec<u64> = (0..100u64)
                .map(|slot| (u64::from(u32::MAX - rng.u32(..1 + round) * 7919) << 32) | slot)
                .collect();
            entries.iter().for_each(|&entry| table.insert(entry));
            rng.shuffle(&mut entries);
            while let Some(gone) = entries.pop() {
                table.remove(gone);
                assert_eq!(table.find(tag_of(gone), |slot| slot == slot_of(gone)), None);
                for &left in &entries {
                    assert_eq!(table.find(tag_of(left), |slot| slot == slot_of(left)), Some(slot_of(left)));
                }
            }
            assert!(table.filled == 0 && table.entries.iter().all(|&entry| entry == EMPTY));
        }
    }
}
