//! One batch waited for by the thread that asked.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use suanpan_wal::host;

use crate::batch::{Caller, Completed};

/// The caller of a batch whose thread waits for it.
pub(crate) struct Asker(SyncSender<Completed>);

/// Where that thread waits.
pub(crate) struct Answer(Receiver<Completed>);

impl Asker {
    pub(crate) fn new() -> (Arc<Self>, Answer) {
        let (completed_in, completed_out) = sync_channel(1);
        (Arc::new(Self(completed_in)), Answer(completed_out))
    }
}

impl Caller for Asker {
    fn complete(&self, completed: Completed) {
        // Nobody waits any more only if the whole engine is gone.
        let _ = self.0.try_send(completed);
    }
}

impl Answer {
    /// Waits; `None` when nobody is there any more who could answer.
    pub(crate) fn wait(self) -> Option<Completed> {
        host::receive(&self.0).ok()
    }
}
