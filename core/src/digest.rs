//! A digest of a ledger's state: the same on any machine, for any hash seed, in any version that can read
//! the state.
//!
//! Each record is absorbed by itself, word by word, into two lanes of multiply-and-fold, and the records'
//! digests are added up: so the order in which a map is walked does not matter, and neither does where a
//! record lies. It finds what went wrong, not who meant harm: it is no seal.
//!
//! What a record absorbs is a format. A new field is absorbed only when it is not at its default.

/// Odd constants without a pattern: the first digits of the fractions of √2, √3, √5 and √7.
const LANE_A: u64 = 0x6a09_e667_f3bc_c909;
const LANE_B: u64 = 0xbb67_ae85_84ca_a73b;
const STEP_A: u64 = 0x3c6e_f372_fe94_f82b;
const STEP_B: u64 = 0xa54f_f53a_5f1d_36f1;

/// The sum over all records so far.
#[derive(Debug, Default)]
pub(crate) struct Digest(u128);

/// One record's lanes.
#[derive(Debug)]
pub(crate) struct Record {
    a: u64,
    b: u64,
}

impl Digest {
    /// Adds one record of a kind.
    pub(crate) fn record(&mut self, kind: &[u8], absorb: impl FnOnce(&mut Record)) {
        let mut record = Record { a: LANE_A, b: LANE_B };
        record.bytes(kind);
        absorb(&mut record);
        self.0 = self.0.wrapping_add(record.finish());
    }

    /// Adds what was summed up elsewhere.
    pub(crate) fn add(&mut self, sum: u128) {
        self.0 = self.0.wrapping_add(sum);
    }

    pub(crate) fn value(&self) -> u128 {
        self.0
    }
}

/// The high and the low half of the product, added without carry: each bit of the result hangs on all.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = (product as u64) ^ ((product >> 64) as u64);
    halves
}

impl Record {
    #[inline]
    pub(crate) fn u64(&mut self, word: u64) -> &mut Self {
        // Adding the step keeps a lane from staying at zero once it is there.
        self.a = fold(self.a ^ word, STEP_A).wrapping_add(STEP_B);
        self.b = fold(self.b.wrapping_add(word), STEP_B).rotate_left(29).wrapping_add(STEP_A);
        self
    }

    pub(crate) fn i64(&mut self, word: i64) -> &mut Self {
        self.u64(word.cast_unsigned())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub(crate) fn i128(&mut self, word: i128) -> &mut Self {
        let word = word.cast_unsigned();
        self.u64(word as u64).u64((word >> 64) as u64)
    }

    /// Whether there is something, and what.
    pub(crate) fn option(&mut self, word: Option<u64>) -> &mut Self {
        self.u64(u64::from(word.is_some())).u64(word.unwrap_or(0))
    }

    /// The length, then eight bytes at a time.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.u64(u64::from_le_bytes(word));
        }
        self
    }

    fn finish(&self) -> u128 {
        let (a, b) = (fold(self.a ^ self.b.rotate_left(32), LANE_A), fold(self.b ^ self.a, LANE_B));
        u128::from(a) << 64 | u128::from(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&[u64]]) -> u128 {
        let mut digest = Digest::default();
        for words in words {
            digest.record(b"kind", |record| {
                for &word in *words {
                    record.u64(word);
                }
            });
        }
        digest.value()
    }

    #[test]
    fn order_of_records_does_not_matter_and_that_of_words_does() {
        assert_eq!(of(&[&[1, 2], &[3]]), of(&[&[3], &[1, 2]]));
        assert_ne!(of(&[&[1, 2]]), of(&[&[2, 1]]));
        assert_ne!(of(&[&[1, 2]]), of(&[&[1], &[2]]));
        assert_ne!(of(&[&[0]]), of(&[&[0, 0]]));
        assert_ne!(of(&[]), of(&[&[]]));
    }

    #[test]
    fn a_format_stays() {
        assert_eq!(of(&[&[1, 2, 3], &[u64::MAX]]), FIXED);
    }

    /// Worked out apart from this code; a change of it breaks every digest that was ever logged.
    const FIXED: u128 = 0x582f_32dc_70a5_0fd1_8e42_0e90_4884_badd;
}
