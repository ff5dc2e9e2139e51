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

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

/// A bounded queue into one thread.
pub(crate) struct Queue<T> {
    items: ArrayQueue<T>,
    asleep: CachePadded<AtomicBool>,
    closed: AtomicBool,
    consumer: OnceLock<Thread>,
}

impl<T> Queue<T> {
    /// A queue of at most `depth` items.
    ///
    /// # Panics
    /// If `depth` is 0.
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            items: ArrayQueue::new(depth),
            asleep: CachePadded::new(AtomicBool::new(false)),
            closed: AtomicBool::new(false),
            consumer: OnceLock::new(),
        }
    }

    /// Puts an item in and wakes the consumer, or gives the item back when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(item);
        }
        self.items.push(item)?;
        fence(Ordering::SeqCst);
        self.wake();
        Ok(())
    }

    /// Takes the oldest item. For the consumer only.
    pub(crate) fn pop(&self) -> Option<T> {
        self.items.pop()
    }

    /// Sleeps until there may be an item. False when the queue was closed and is empty: the consumer is done.
    pub(crate) fn wait(&self) -> bool {
        self.consumer.get_or_init(thread::current);
        self.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.items.is_empty() {
            if self.closed.load(Ordering::SeqCst) {
                return false;
            }
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
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
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn full_and_closed_are_answers() {
        let queue = Queue::new(1);
        assert_eq!(queue.push(1), Ok(()));
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
        let queue = Arc::new(Queue::new(64));
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
        let consumer = thread::spawn({
            let queue = queue.clone();
            move || {
                let mut sum = 0;
                loop {
                    match queue.pop() {
                        Some(item) => sum += item,
                        None if queue.wait() => {}
                        None => return sum,
                    }
                }
            }
        });
        for producer in producers {
            producer.join().unwrap();
        }
        queue.close();
        assert_eq!(consumer.join().unwrap(), 3 * EACH * (EACH + 1) / 2);
    }
}
