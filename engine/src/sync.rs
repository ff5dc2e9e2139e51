//! The atomics, rings and sleep of the queue and the gate, named in one place so that a model checker can take their place.

#[cfg(not(loom))]
pub(crate) use crossbeam_queue::ArrayQueue;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use suanpan_wal::host::{Thread, current, park, point};
#[cfg(loom)]
pub(crate) use suanpan_wal::modelled::{
    AtomicBool, AtomicUsize, Ordering, Ring as ArrayQueue, Thread, current, fence, park, point,
};
