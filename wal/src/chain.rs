//! The running hashes: one per stream, carried in its records, and one over the whole log, carried in segment
//! headers and in the start of each epoch. They tie a record to all that was before it, so that a record put
//! back from another time does not pass, even with its checksums right.
//!
//! The fold is the finalizer of SplitMix64 (Steele, Lea, Flood 2014), which is a bijection of the running hash
//! for any word: no step forgets what was before. It guards against accidents, not against forgers.

/// One word further.
pub(crate) fn fold(hash: u64, word: u64) -> u64 {
    let mut mixed = (hash.rotate_left(17) ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The hash of a log in which nothing has been written yet.
pub(crate) fn origin(log_id: u128) -> u64 {
    fold(fold(0, log_id as u64), (log_id >> 64) as u64)
}

/// What a stream's first record in an epoch carries: `start` is the log's hash after the epoch's start record.
pub(crate) fn stream_base(start: u64, stream: u16) -> u64 {
    fold(start, u64::from(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fold_is_part_of_the_format() {
        // These values are on disks: if this test fails, old logs no longer open.
        assert_eq!(fold(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_ne!(fold(1, 2), fold(2, 1));
        assert_ne!(origin(1), origin(1 << 64));
        assert_ne!(stream_base(7, 0), stream_base(7, 1));
    }
}
