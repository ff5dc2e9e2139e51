//! Waking one sleeping thread without a lock: an eventcount for a single sleeper (after Dmitry Vyukov's).
//!
//! The sleeper says that it sleeps, *then* looks once more for work, then parks; a waker makes work, *then* looks
//! whether somebody sleeps. Each does a store followed by a load of what the other stores, which is Dekker's
//! pattern: with nothing but Release and Acquire both loads could miss both stores, and the wake-up would be
//! lost. A sequentially consistent fence between the store and the load on both sides forbids just that, so at
//! least one of the two sees the other. The loads and stores themselves can then be Relaxed: what work there is
//! is read by the sleeper through its own Acquire loads. All writes of the flag are swaps: each takes its place behind
//! the one before it, so a waker's that comes to nothing cannot end up behind the sleeper's next one.
//!
//! `unpark` leaves a token, so a wake-up between the last look and the parking is not lost either. A token left
//! over makes a later park return early, which costs one look and no more.

use crate::sync::{AtomicBool, Ordering, Thread, current, fence, park, park_timeout, point};
use std::{sync::OnceLock, time::Duration};

#[derive(Default)]
pub(crate) struct Waker {
    asleep: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl Waker {
    /// Called by the one thread that will sleep here, before it first does.
    pub(crate) fn register(&self) {
        let known = self.sleeper.get_or_init(current);
        assert!(known.is_current(), "only one thread sleeps here");
    }

    /// Sleeps until woken, or for `timeout`, unless `work` finds something to do.
    pub(crate) fn sleep(&self, timeout: Option<Duration>, work: impl FnOnce() -> bool) {
        assert!(self.sleeper.get().is_some(), "registered before sleeping");
        point("falling asleep");
        self.asleep.swap(true, Ordering::Release);
        fence(Ordering::SeqCst);
        point("looking once more");
        if !work() {
            match timeout {
                Some(timeout) => park_timeout(timeout),
                None => park(),
            }
        }
        self.asleep.swap(false, Ordering::Relaxed);
    }

    /// Wakes the sleeper, if it sleeps, after the caller has made the work it is to find. One fence and one load
    /// of a line that seldom changes when nobody sleeps.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        // The swap lets one of many wakers make the system call.
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Acquire) {
            // The handle was set before anyone slept, and the swap took the sleeper's own store.
            if let Some(sleeper) = self.sleeper.get() {
                sleeper.unpark();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::AtomicU64;
    use std::sync::Arc;

    #[test]
    fn no_wake_up_is_lost() {
        const ROUNDS: u64 = 20_000;
        let (waker, made, seen) =
            (Arc::new(Waker::default()), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let sleeper = std::thread::spawn({
            let (waker, made, seen) = (waker.clone(), made.clone(), seen.clone());
            move || {
                waker.register();
                while seen.load(Ordering::Relaxed) < ROUNDS {
                    let known = seen.load(Ordering::Relaxed);
                    // Work comes at every moment of falling asleep, also just before.
                    (0..known % 300).for_each(|_| std::hint::spin_loop());
                    // No timeout: a lost wake-up hangs here.
                    waker.sleep(None, || made.load(Ordering::Acquire) != known);
                    seen.store(made.load(Ordering::Acquire), Ordering::Release);
                }
            }
        });
        for round in 1..=ROUNDS {
            made.store(round, Ordering::Release);
            waker.wake();
            while seen.load(Ordering::Acquire) < round {
                std::hint::spin_loop();
            }
        }
        sleeper.join().unwrap();
    }
}
