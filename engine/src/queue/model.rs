//! The queue under loom: no wake-up is lost, no item is left behind in a closed queue, calls do not wait.
//!
//! crossbeam's ring is not loom's to look into: a stand-in that may be seen late takes its place, see
//! `suanpan_wal::modelled`. Three threads or four; the preemption bounds stand with each model.

use super::*;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use suanpan_wal::modelled::loom::thread;
use suanpan_wal::modelled::{Mistake, check};

type Wait = fn(&Queue<u32, u32>) -> bool;
type Call = fn(&Queue<u32, u32>, u32) -> Result<Pushed, u32>;

/// What the consumer found before it was told that it is done.
fn consume(queue: &Queue<u32, u32>, wait: Wait, sum: &AtomicU32) {
    loop {
        if let Some(call) = queue.take_call() {
            sum.fetch_add(call, Ordering::Relaxed);
            continue;
        }
        match queue.pop() {
            Some(item) => {
                sum.fetch_add(item, Ordering::Relaxed);
            }
            None if wait(queue) => {}
            None => return,
        }
    }
}

/// What a producer does with what it is told, as the engine does it.
fn offer(queue: &Queue<u32, u32>, item: u32, sum: &AtomicU32) {
    match queue.push(item) {
        Ok(Pushed::InTime) => {}
        Ok(Pushed::Late) => {
            while let Some(item) = queue.pop() {
                sum.fetch_add(item, Ordering::Relaxed);
            }
        }
        Err(item) => {
            sum.fetch_add(item, Ordering::Relaxed);
        }
    }
}

/// A producer and a closer beside a consumer that sleeps: each item is found once, by whoever.
fn closing(wait: Wait) {
    let (queue, sum) = (Arc::new(Queue::new(2)), Arc::new(AtomicU32::new(0)));
    let consumer = thread::spawn({
        let (queue, sum) = (queue.clone(), sum.clone());
        move || consume(&queue, wait, &sum)
    });
    let producer = thread::spawn({
        let (queue, sum) = (queue.clone(), sum.clone());
        move || offer(&queue, 1, &sum)
    });
    queue.close();
    producer.join().unwrap();
    consumer.join().unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 1, "an item is left behind");
    assert!(queue.items.is_empty());
}

/// Producers beside a consumer that takes so many and then goes: if a wake-up is lost, it sleeps for good.
fn waking(wait: Wait) {
    let queue = Arc::new(Queue::<u32, u32>::new(2));
    let producers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || assert_eq!(queue.push(1), Ok(Pushed::InTime)))
        })
        .collect();
    let mut taken = 0;
    while taken < 2 {
        match queue.pop() {
            Some(item) => taken += item,
            None => assert!(wait(&queue)),
        }
    }
    for producer in producers {
        producer.join().unwrap();
    }
}

/// A caller and a producer beside a consumer.
fn calling(call: Call) {
    let queue = Arc::new(Queue::<u32, u32>::new(1));
    let caller = thread::spawn({
        let queue = queue.clone();
        move || assert_eq!(call(&queue, 2), Ok(Pushed::InTime))
    });
    let producer = thread::spawn({
        let queue = queue.clone();
        move || assert_eq!(queue.push(1), Ok(Pushed::InTime))
    });
    let mut taken = 0;
    while taken < 3 {
        match queue.take_call().or_else(|| queue.pop()) {
            Some(item) => taken += item,
            // A queue that says that there is something, and gives nothing, spins here, which loom finds.
            None => assert!(queue.wait()),
        }
    }
    caller.join().unwrap();
    producer.join().unwrap();
}

/// A call that comes when the queue is closed is the caller's again, or the consumer found it.
fn calling_and_closing() {
    let (queue, sum) = (Arc::new(Queue::<u32, u32>::new(1)), Arc::new(AtomicU32::new(0)));
    let consumer = thread::spawn({
        let (queue, sum) = (queue.clone(), sum.clone());
        move || consume(&queue, Queue::wait, &sum)
    });
    let closer = thread::spawn({
        let queue = queue.clone();
        move || queue.close()
    });
    let called = queue.call(1);
    if called != Ok(Pushed::InTime) {
        sum.fetch_add(queue.take_call().or(called.err()).unwrap_or(0), Ordering::Relaxed);
    }
    closer.join().unwrap();
    consumer.join().unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 1, "a call is left behind");
}

/// Looks before it raises the flag.
fn wait_looking_first(queue: &Queue<u32, u32>) -> bool {
    queue.consumer.get_or_init(current);
    let closed = queue.is_closed();
    let empty = queue.items.is_empty() && !queue.called.load(Ordering::Relaxed);
    queue.asleep.swap(true, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if empty {
        if closed {
            return false;
        }
        park();
    }
    queue.asleep.swap(false, Ordering::Relaxed);
    true
}

/// Raises the flag, and looks without a fence in between.
fn wait_without_fence(queue: &Queue<u32, u32>) -> bool {
    queue.consumer.get_or_init(current);
    queue.asleep.swap(true, Ordering::Release);
    if queue.items.is_empty() && !queue.called.load(Ordering::Relaxed) {
        park();
    }
    queue.asleep.swap(false, Ordering::Relaxed);
    true
}

/// Looks whether it is empty first, and whether it is closed then.
fn wait_empty_before_closed(queue: &Queue<u32, u32>) -> bool {
    queue.consumer.get_or_init(current);
    queue.asleep.swap(true, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    let empty = queue.items.is_empty() && !queue.called.load(Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if empty {
        if queue.is_closed() {
            return false;
        }
        park();
    }
    queue.asleep.swap(false, Ordering::Relaxed);
    true
}

/// Raises the flag of the slot with Relaxed, so that what is in the slot need not be seen.
fn call_relaxed(queue: &Queue<u32, u32>, call: u32) -> Result<Pushed, u32> {
    queue.slot.push(call)?;
    queue.called.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    queue.wake();
    Ok(Pushed::InTime)
}

#[test]
fn no_item_is_left_in_a_closed_queue() {
    check("queue: a producer, a closer, a consumer", 3, Mistake::None, || closing(Queue::wait));
}

#[test]
fn no_wake_up_is_lost() {
    check("queue: two producers, a consumer", 3, Mistake::None, || waking(Queue::wait));
}

#[test]
fn no_call_is_lost() {
    check("queue: a caller, a producer, a consumer", 3, Mistake::None, || calling(Queue::call));
}

#[test]
fn no_call_is_left_in_a_closed_queue() {
    check("queue: a caller, a closer, a consumer", 3, Mistake::None, calling_and_closing);
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_a_look_before_the_flag() {
    check("planted", 3, Mistake::None, || waking(wait_looking_first));
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_a_missing_fence() {
    check("planted", 3, Mistake::None, || waking(wait_without_fence));
}

#[test]
#[should_panic(expected = "an item is left behind")]
fn found_empty_before_closed() {
    check("planted", 3, Mistake::None, || closing(wait_empty_before_closed));
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_a_relaxed_call() {
    check("planted", 3, Mistake::None, || calling(call_relaxed));
}
