//! From a number to the place of its record.
//!
//! 1,024 small tables by the top bits of a keyed 64-bit hash, each with the low 32 bits as a tag beside the
//! place. So one table's growth moves a thousandth of the whole (no long stall), and needs the tags only,
//! never the records; and a wrong record is looked at once in some billions.

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use crate::{MerchantId, NUMBER_BYTES, Number};

const TABLE_BITS: u32 = 10;
const TABLES: usize = 1 << TABLE_BITS;
// The table is chosen by other bits than the tag keeps, or tags within a table would be alike.
const _: () = assert!(TABLE_BITS <= 32);

/// Hashes with a key of this ledger's own, so that callers cannot choose numbers that collide.
#[derive(Debug)]
pub(crate) struct KeyedHash(FixedState);

impl KeyedHash {
    pub(crate) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub(crate) fn number(&self, merchant: MerchantId, number: &Number) -> u64 {
        let mut bytes = [0; NUMBER_BYTES + 8];
        bytes[..NUMBER_BYTES].copy_from_slice(number.padded());
        bytes[NUMBER_BYTES..].copy_from_slice(&merchant.0.to_le_bytes());
        let mut hasher = self.0.build_hasher();
        hasher.write(&bytes);
        hasher.finish()
    }

    #[inline]
    pub(crate) fn merchant(&self, merchant: MerchantId) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(merchant.0);
        hasher.finish()
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    tag: u32,
    slot: u32,
}

impl Place {
    /// What a table places it by: low bits for the bucket, the top seven for the control byte.
    #[inline]
    fn spread(tag: u32) -> u64 {
        u64::from(tag) << 32 | u64::from(tag)
    }
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Vec<HashTable<Place>>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { tables: (0..TABLES).map(|_| HashTable::new()).collect() }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the tag is the low half, the table the top bits")]
    fn split(hash: u64) -> (usize, u32) {
        ((hash >> (64 - TABLE_BITS)) as usize, hash as u32)
    }

    /// The place among those with that hash for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let (table, tag) = Self::split(hash);
        self.tables[table]
            .find(Place::spread(tag), |place| place.tag == tag && is(place.slot))
            .map(|place| place.slot)
    }

    /// Keeps a place that was not found before.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        let (table, tag) = Self::split(hash);
        self.tables[table]
            .insert_unique(Place::spread(tag), Place { tag, slot }, |place| Place::spread(place.tag));
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let tables = self.tables.len() * size_of::<HashTable<Place>>();
        (tables + self.tables.iter().map(HashTable::allocation_size).sum::<usize>()) as u64
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
}
