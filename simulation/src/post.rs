//! Where answers arrive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use suanpan_core::{Rejection, Reply};
use suanpan_engine::{Caller, Completed};
use suanpan_wal::SimDisk;
use suanpan_wal::host::baton;

use crate::books::Books;

/// For one answer in so many a copy of the disk is crashed.
const LOOK_BEHIND_ONE_IN: u64 = 24;

/// Where the answers of one caller arrive.
pub(crate) struct Post {
    books: Arc<Books>,
    disk: SimDisk,
    /// When what is not answered yet was asked, by token.
    waiting: Mutex<BTreeMap<u64, Duration>>,
    next: AtomicU64,
}

impl Post {
    pub(crate) fn new(books: Arc<Books>, disk: SimDisk) -> Arc<Self> {
        Arc::new(Self { books, disk, waiting: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// A token for what is about to be asked.
    pub(crate) fn expect(&self) -> u64 {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(token, baton::elapsed());
        token
    }

    /// Takes a token back; when it was given out.
    pub(crate) fn take(&self, token: u64) -> Option<Duration> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&token)
    }

    pub(crate) fn is_waiting_for(&self, token: u64) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&token)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Caller for Post {
    fn complete(&self, completed: Completed) {
        let Some(asked_at) = self.take(completed.token) else {
            return self.books.fail(format!("answered twice: {completed:?}"));
        };
        self.books.answered(&completed, asked_at);
        let chance = baton::random();
        // An answer that is not known promises nothing.
        let says = |reply: &Reply| !matches!(reply, Reply::Rejected(Rejection::Unknown, _));
        if chance.is_multiple_of(LOOK_BEHIND_ONE_IN) && completed.replies.iter().any(says) {
            self.books.look_behind(&self.disk, completed.as_of, chance);
        }
    }
}
