//! A bounded ring for models, in the place of crossbeam's `ArrayQueue`.
//!
//! A lock orders more than a ring's slots do, and would hide a fence that is missing. So whether anything is there is
//! said by a counter beside it, looked at with Acquire and without the lock: it may be seen late, as a slot's stamp may.

use super::{AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;
use std::sync::PoisonError;

/// At most so many items, first in, first out.
pub struct Ring<T> {
    items: Mutex<VecDeque<T>>,
    count: AtomicUsize,
    depth: usize,
}

#[allow(missing_docs, reason = "named as the ring's that is no model's")]
impl<T> Ring<T> {
    pub fn new(depth: usize) -> Ring<T> {
        assert!(depth > 0);
        Ring { items: Mutex::new(VecDeque::new()), count: AtomicUsize::new(0), depth }
    }

    #[allow(clippy::missing_errors_doc, reason = "the item, when it is full")]
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() == self.depth {
            return Err(item);
        }
        items.push_back(item);
        self.count.fetch_add(1, Ordering::Release);
        Ok(())
    }

    pub fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let item = items.pop_front()?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(item)
    }

    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}
