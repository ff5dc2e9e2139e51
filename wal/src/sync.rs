//! The atomics and the sleep of the concurrent files, named in one place so that a model checker can take their place.

pub(crate) use crate::host::{Thread, current, park, park_timeout, point};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
