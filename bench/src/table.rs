//! Memory alone: read-modify-write of one cache line at random places of a table as large as so many orders.

use std::hint::black_box;
use std::time::Instant;

use crate::traffic::scramble;

/// Eight-byte words of a slot: 96 bytes, an order's fixed part.
const SLOT_WORDS: usize = 12;

/// Whether the next place is known before the last access is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// It is: misses overlap.
    Independent,
    /// It depends on what was read: one miss after the other.
    Dependent,
}

/// A table of slots, in pages as the system gives them.
#[derive(Debug)]
pub struct Table(Vec<[u64; SLOT_WORDS]>);

impl Table {
    /// A table with all its pages there.
    ///
    /// # Panics
    /// When there are no slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        assert!(slots > 0);
        // Ones: zeros would come as pages that are not there yet.
        Self(vec![[1; SLOT_WORDS]; slots])
    }

    /// Accesses a second.
    pub fn access(&mut self, chain: Chain, accesses: u64) -> f64 {
        let slots = self.0.len() as u64;
        let mut read = 0;
        let begun = Instant::now();
        for place in 0..accesses {
            let seed = match chain {
                Chain::Independent => place,
                Chain::Dependent => place ^ read,
            };
            // The high half of a product spreads over the slots without a division.
            let slot = ((u128::from(scramble(seed)) * u128::from(slots)) >> 64) as usize;
            let word = &mut self.0[slot][0];
            *word = word.wrapping_add(place);
            read = *word;
        }
        black_box(read);
        accesses as f64 / begun.elapsed().as_secs_f64()
    }
}
