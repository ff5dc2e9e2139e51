//! The way into a shard: a bounded queue with many producers and one consumer that sleeps when it is empty.
//!
//! The items are in crossbeam's `ArrayQueue`, a bounded ring after Dmitry Vyukov: no lock, and a full queue
//! is an answer. What is added here is the sleep, a Dekker-style handshake over one flag:
//!
//! - the consumer says it is asleep (`SeqCst`), then looks at the queue once more, then parks;
//! - a producer puts its item in, then (behind a `SeqCst` fence) looks at the flag, and wakes whoever it finds.
//!
//! In the total order of those `SeqCst` operations either the consumer's second look comes after the push, and
//! finds the item, or the producer's look comes after the flag was raised, and it unparks. `unpark` leaves a
//! token behind, so a wake that comes before the park is not lost either.
//!
//! Beside the items there is a *slot* for one thing that does not wait behind them: a call to a meeting. A flag says that
//! it is full, so that the consumer, which looks between any two pieces of its work, pays one load when it is not. Before it
//! sleeps it looks at the flag too, and not into the slot: a call that is there already and not yet said to be would keep
//! it from sleeping and give it nothing to do.
//!
//! Closing has the same shape: the consumer ends when it has seen the queue closed *and then* (behind a fence) empty, so
//! a producer whose item came too late for that sees it closed after its push, and is told ([`Pushed::Late`]): what is
//! inside then is its own to take out and answer.
//!
//! The fences are all that this needs; nothing depends on the orderings within the ring. All writes of the flag are swaps,
//! so that each takes its place behind the one before it, as in the log's own waker. `queue/model.rs` checks it.

use std::convert::Infallible;
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::config::Planted;
use crate::sync::{ArrayQueue, AtomicBool, Ordering, Thread, current, fence, park, point};

/// What became of an item that was put in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The consumer will find it.
    InTime,
    /// The queue was closed meanwhile and the consumer may be gone: [`Queue::pop`] what is left.
    Late,
}

/// A bounded queue of `T` into one thread, and a slot for a `C` that goes before them.
pub(crate) struct Queue<T, C = Infallible> {
    items: ArrayQueue<T>,
    slot: ArrayQueue<C>,
    /// Raised after something was put into the slot.
    called: CachePadded<AtomicBool>,
    asleep: CachePadded<AtomicBool>,
    closed: AtomicBool,
    consumer: OnceLock<Thread>,
    /// See [`Planted::WakeUpLost`].
    sleeps_blindly: bool,
}

impl<T, C> Queue<T, C> {
    /// A queue of at most `depth` items.
    ///
    /// # Panics
    /// If `depth` is 0.
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            items: ArrayQueue::new(depth),
            slot: ArrayQueue::new(1),
            called: CachePadded::new(AtomicBool::new(false)),
            asleep: CachePadded::new(AtomicBool::new(false)),
            closed: AtomicBool::new(false),
            consumer: OnceLock::new(),
            sleeps_blindly: false,
        }
    }

    pub(crate) fn planted(self, planted: Option<Planted>) -> Self {
        Self { sleeps_blindly: planted == Some(Planted::WakeUpLost), ..self }
    }

    /// Puts an item in and wakes the consumer, or gives the item back when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<Pushed, T> {
        if self.is_closed() {
            return Err(item);
        }
        self.items.push(item)?;
        fence(Ordering::SeqCst);
        self.wake();
        Ok(if self.is_closed() { Pushed::Late } else { Pushed::InTime })
    }

    /// Puts a call into the slot and wakes the consumer, or gives the call back when the slot is full or the queue closed.
    pub(crate) fn call(&self, call: C) -> Result<Pushed, C> {
        if self.is_closed() {
            return Err(call);
        }
        self.slot.push(call)?;
        // Release: whoever sees the flag finds what is in the slot.
        self.called.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.wake();
        Ok(if self.is_closed() { Pushed::Late } else { Pushed::InTime })
    }

    /// Takes what is in the slot; one load when nothing is.
    #[inline]
    pub(crate) fn take_call(&self) -> Option<C> {
        // A swap, so that what was put in before the flag that it takes down is seen.
        if self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::AcqRel) {
            return self.slot.pop();
        }
        None
    }

    /// Whether it takes nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Takes the oldest item: the consumer, or whoever answers what is left in a closed queue.
    pub(crate) fn pop(&self) -> Option<T> {
        self.items.pop()
    }

    /// Sleeps until there may be an item or a call. False when the queue was closed and is empty: the consumer is done.
    pub(crate) fn wait(&self) -> bool {
        self.consumer.get_or_init(current);
        point("falling asleep");
        self.asleep.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        point("looking once more");
        // Closed first, empty second: see the top of the file.
        let closed = self.is_closed();
        fence(Ordering::SeqCst);
        let nothing = self.items.is_empty() && !self.called.load(Ordering::Relaxed);
        if nothing || self.sleeps_blindly {
            if closed {
                return false;
            }
            park();
        }
        self.asleep.swap(false, Ordering::Relaxed);
        true
    }

    /// Refuses further items and lets the consumer finish what is inside.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Some(consumer) = self.consumer.get()
        {
            consumer.unpark();
        }
    }
}

#[cfg(test)]
#[cfg(loom)]
mod model;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn full_and_closed_are_answers() {
        let queue = Queue::<u8>::new(1);
        assert_eq!(queue.push(1), Ok(Pushed::InTime));
        assert_eq!(queue.push(2), Err(2));
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.pop(), None);
        queue.close();
        assert_eq!(queue.push(3), Err(3));
        assert!(!queue.wait());
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        const EACH: u64 = 20_000;
        let queue = Arc::new(Queue::<u64, u64>::new(64));
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || {
                    for mut item in 1..=EACH {
                        while let Err(back) = queue.push(item) {
                            item = back;
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let caller = thread::spawn({
            let queue = queue.clone();
            move || {
                for mut call in 1..=EACH {
                    while let Err(back) = queue.call(call) {
                        call = back;
                        thread::yield_now();
                    }
                }
            }
        });
        let consumer = thread::spawn({
            let queue = queue.clone();
            move || {
                let (mut sum, mut calls) = (0, 0);
                loop {
                    if let Some(call) = queue.take_call() {
                        calls += call;
                        continue;
                    }
                    match queue.pop() {
                        Some(item) => sum += item,
                        None if queue.wait() => {}
                        None => return (sum, calls),
                    }
                }
            }
        });
        for producer in producers.into_iter().chain([caller]) {
            producer.join().unwrap();
        }
        queue.close();
        let all = EACH * (EACH + 1) / 2;
        assert_eq!(consumer.join().unwrap(), (3 * all, all));
    }
}
