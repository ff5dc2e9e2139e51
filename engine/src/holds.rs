//! How long meetings held shards: nothing else makes a payment wait that is not of its own shard.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of [`HoldTimes`]: the last holds everything from half a second on.
pub const HOLD_BUCKETS: usize = 21;

/// How long shards stood still for meetings, since the start. Each shard of each meeting counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoldTimes {
    /// How often a shard stood still.
    pub count: u64,
    /// The longest time.
    pub longest: Duration,
    /// How often by powers of two: bucket 0 is below 1 µs, bucket `n` is from 2^(n-1) to below 2^n µs.
    pub buckets: [u64; HOLD_BUCKETS],
}

/// The same, counted by the shards.
#[derive(Debug)]
pub(crate) struct Holds {
    longest_ns: AtomicU64,
    buckets: [AtomicU64; HOLD_BUCKETS],
}

impl Holds {
    pub(crate) fn new() -> Self {
        Self { longest_ns: AtomicU64::new(0), buckets: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Counts one. Relaxed throughout: figures by themselves, which order nothing.
    pub(crate) fn record(&self, held: Duration) {
        let ns = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX);
        self.longest_ns.fetch_max(ns, Ordering::Relaxed);
        let us = ns / 1_000;
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        self.buckets[bucket.min(HOLD_BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> HoldTimes {
        let buckets = std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed));
        HoldTimes {
            count: buckets.iter().sum(),
            longest: Duration::from_nanos(self.longest_ns.load(Ordering::Relaxed)),
            buckets,
        }
    }
}

impl HoldTimes {
    /// The time that at most one in `n` was longer than, to the power of two above.
    #[must_use]
    pub fn all_but_one_in(&self, n: u64) -> Duration {
        let mut left = self.count / n.max(1);
        for (bucket, count) in self.buckets.iter().enumerate().rev() {
            if *count > left {
                let last = bucket + 1 == HOLD_BUCKETS;
                return if last {
                    self.longest
                } else {
                    Duration::from_micros(1 << bucket).min(self.longest)
                };
            }
            left -= count;
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_powers_of_two() {
        let holds = Holds::new();
        for us in [0, 1, 2, 3, 4, 1_000, 5_000_000] {
            holds.record(Duration::from_micros(us));
        }
        let times = holds.read();
        assert_eq!((times.count, times.longest), (7, Duration::from_secs(5)));
        assert_eq!(times.buckets[..4], [1, 1, 2, 1]);
        assert_eq!((times.buckets[10], times.buckets[HOLD_BUCKETS - 1]), (1, 1));
        assert_eq!(times.all_but_one_in(2), Duration::from_micros(4));
        assert_eq!(times.all_but_one_in(100), Duration::from_secs(5));
        assert_eq!(HoldTimes::default().all_but_one_in(100), Duration::ZERO);
    }
}
