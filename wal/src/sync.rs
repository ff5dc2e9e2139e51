//! The atomics of the concurrent files, named in one place so that a model checker can take their place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
pub(crate) use std::thread::{Thread, current, park, park_timeout};
