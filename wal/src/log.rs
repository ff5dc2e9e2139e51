//! The running log, as its owner and its observers see it.

use crate::host::JoinHandle;
use crate::shared::Shared;
use crate::sync::Ordering;
use crate::{Lsn, StopError};
use std::sync::Arc;

/// Whether the log takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogState {
    /// It does.
    Running,
    /// Not now, for want of space; it will again.
    ReadOnly,
    /// Never again: a sync failed, or a thread panicked. Restart the process.
    Poisoned,
    /// It is stopped or stopping.
    Stopped,
}

/// A log that runs. Dropping it without [`Log::stop`] ends its threads at once, as a crash would: what is durable
/// stays so, the rest is whatever recovery finds.
pub struct Log {
    handle: LogHandle,
    threads: Vec<JoinHandle>,
}

/// Looks at a log and wakes it, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct LogHandle {
    shared: Arc<Shared>,
}

impl Log {
    pub(crate) fn new(shared: Arc<Shared>, threads: Vec<JoinHandle>) -> Log {
        Log { handle: LogHandle { shared }, threads }
    }

    /// A handle for others.
    pub fn handle(&self) -> LogHandle {
        self.handle.clone()
    }

    /// See [`LogHandle::durable`].
    pub fn durable(&self) -> Lsn {
        self.handle.durable()
    }

    /// See [`LogHandle::wake`].
    pub fn wake(&self) {
        self.handle.wake();
    }

    /// See [`LogHandle::state`].
    pub fn state(&self) -> LogState {
        self.handle.state()
    }

    /// Syncs all that has been appended, writes a stop record, ends the threads. Returns the end of the log.
    /// Writers are to be done before: what they append later is never durable.
    ///
    /// # Errors
    /// [`StopError::Poisoned`] when the log had failed, or failed now.
    pub fn stop(mut self) -> Result<Lsn, StopError> {
        self.handle.shared.stop(false);
        self.join();
        match self.handle.poisoned() {
            Some(reason) => Err(StopError::Poisoned { reason }),
            None => Ok(self.durable()),
        }
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // Their panics are caught inside and poison the log; there is nothing more to learn here.
            let _ = thread.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.handle.shared.stop(true);
            self.join();
        }
    }
}

impl LogHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> LogHandle {
        LogHandle { shared }
    }

    #[cfg(loom)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Everything before this position is durable. Grows only. A reply whose record ended at `end` is safe to give
    /// when this is at or past `end`.
    pub fn durable(&self) -> Lsn {
        Lsn::new(self.shared.durable.load(Ordering::Acquire))
    }

    /// Everything before this position is known to be durable *to a later recovery*: damage there is told apart
    /// from a torn tail. Follows [`LogHandle::durable`] with the next record, or with a mark when idle.
    pub fn proven(&self) -> Lsn {
        Lsn::new(self.shared.proven.load(Ordering::Acquire))
    }

    /// How often the log was synced since it was started: with the bytes in between, the size of a group commit.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Where the next record would go.
    pub fn tail(&self) -> Lsn {
        Lsn::new(self.shared.tail.get())
    }

    /// Has the hook called soon, even when nothing new becomes durable: for a reply that was queued after its
    /// position had been passed.
    pub fn wake(&self) {
        self.shared.ask();
    }

    /// Whether the log takes records.
    pub fn state(&self) -> LogState {
        self.shared.state()
    }

    /// Why the log is poisoned, if it is.
    pub fn poisoned(&self) -> Option<String> {
        self.shared.reason()
    }

    /// Ends the log because something around it failed, e.g. a shard panicked: nothing more becomes durable.
    pub fn poison(&self, reason: &str) {
        self.shared.poison(reason);
    }

    /// Lets the log take back segments that end before `lsn`, in the background: what a snapshot has made needless. A
    /// few are used again, the others removed. The segment that `lsn` is in stays.
    pub fn release(&self, lsn: Lsn) {
        self.shared.release_before.fetch_max(lsn.get(), Ordering::AcqRel);
        self.shared.preparer.wake();
    }

    /// Changes [`crate::LogConfig::reserve_bytes`] of the running log. Felt within 200 ms.
    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.shared.reserve_bytes.store(bytes, Ordering::Relaxed);
    }
}
