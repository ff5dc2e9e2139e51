//! The atomics, locks and sleep of the concurrent files, named in one place so that a model checker can take their place.

#[cfg(not(loom))]
pub(crate) use crate::host::{Thread, current, park, park_timeout, point};
#[cfg(loom)]
pub(crate) use crate::modelled::{
    AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Thread, current, fence, park, park_timeout, point,
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};
