//! Sleep for models. Loom's own `park` keeps no token for a thread that waits for a lock just then, as the system's does;
//! so each thread has a note of its own to wait for. It may also return for nothing, once a run.

use super::loom::{sync::Notify, thread_local};
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static NOTE: Arc<Notify> = Arc::new(Notify::new());
}

/// A thread that may sleep.
#[derive(Clone)]
pub struct Thread(Arc<Notify>);

impl Thread {
    /// Ends its sleep, or its next one.
    pub fn unpark(&self) {
        self.0.notify();
    }

    /// Whether it is the one that asks.
    #[must_use]
    pub fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.0, &current().0)
    }
}

/// The thread that asks.
#[must_use]
pub fn current() -> Thread {
    Thread(NOTE.with(Arc::clone))
}

/// Sleeps until woken.
pub fn park() {
    NOTE.with(|note| note.wait());
}

/// As [`park`]: a timeout never comes, nothing may depend on one to go on.
pub fn park_timeout(_: Duration) {
    park();
}

/// Where a simulation may go on with another thread. Loom does so at every step.
pub fn point(_: &'static str) {}
