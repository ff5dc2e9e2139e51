//! What stands in for atomics, locks, sleep, memory and the disk while the protocols are model-checked, with `--cfg loom`
//! only. Built like this nothing runs but models: `.ci/loom`.
//!
//! What loom checks is what this crate and the engine run: the tail, the writers, the committer's whole loop, the waker,
//! the table of segments, the queue, the gate. Stand-ins are
//!
//! - [`WriteMap`]: the words of records near the beginning and near the end of a segment are loom's atomics;
//! - [`Ring`], for crossbeam's `ArrayQueue`, which knows nothing of loom;
//! - [`Disk`], which keeps what was synced for the checker to read;
//! - [`park`] and [`Thread`], where a timeout never comes.
//!
//! Loom takes `SeqCst` on loads and stores for Acquire and Release, so what holds here holds without that; `SeqCst` fences
//! are fences.

mod disk;
mod log;
mod map;
mod mistake;
mod ring;
mod sleep;
#[cfg(test)]
mod tests;

pub use disk::Disk;
pub use log::{Committing, Start, durable_records, log, stop, wake_by_store};
pub use loom::{
    self,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    },
};
pub use map::WriteMap;
pub use mistake::Mistake;
pub use ring::Ring;
pub use sleep::{Thread, current, park, park_timeout, point};

use std::sync::{Arc, atomic};
use std::time::Instant;

/// Checks all interleavings of `model` with at most so many preemptions, or with `LOOM_MAX_PREEMPTIONS`, and says how
/// many there were and how long it took.
pub fn check(name: &str, preemptions: usize, mistake: Mistake, model: impl Fn() + Sync + Send + 'static) {
    mistake.make();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    // A record is some forty steps.
    builder.max_branches = 10_000;
    let bound = builder.preemption_bound.unwrap_or_default();
    let runs = Arc::new(atomic::AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let begun = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    eprintln!("{name}: {runs} interleavings with at most {bound} preemptions, {:.1?}", begun.elapsed());
}
