//! A log that moves only when it is told to: the committer's and the preparer's work, without their threads.
//!
//! The same calls in the same order give the same calls of the storage, so that a run that went wrong goes wrong
//! again. Everything but the sleeping and the waking is what the threads run.

use crate::committer::Committer;
use crate::log::LogHandle;
use crate::preparer::{PrepareError, Preparer};
use crate::record::Kind;
use crate::shared::Shared;
use crate::start::Ready;
use crate::writer::Appender;
use crate::{Lsn, StopError};
use std::sync::Arc;

/// A log without threads, see [`crate::Recovery::start_stepped`]. Dropping it is a crash of the process.
pub struct LogSteps {
    shared: Arc<Shared>,
    committer: Committer,
    marks: Appender,
    preparer: Preparer,
}

impl LogSteps {
    pub(crate) fn new(ready: Ready) -> LogSteps {
        let Ready { shared, committer, marks, preparer } = ready;
        LogSteps { shared, committer, marks, preparer }
    }

    /// A handle for others.
    pub fn handle(&self) -> LogHandle {
        LogHandle::new(Arc::clone(&self.shared))
    }

    /// One turn of the committer: syncs all that is published without a gap. Whether anything was. A failure poisons
    /// the log, and then there are no more turns.
    pub fn commit(&mut self) -> bool {
        if self.shared.is_poisoned() {
            return false;
        }
        match self.committer.commit() {
            Ok(progressed) => progressed,
            Err(error) => {
                self.shared.poison(&error.to_string());
                false
            }
        }
    }

    /// Writes the mark that an idle log writes, to be synced by the next turn.
    pub fn mark(&mut self) {
        if self.shared.has_room() && !self.shared.is_poisoned() {
            self.marks.append(Kind::Mark, &[]);
        }
    }

    /// One turn of the preparer: takes back what was released, and prepares a segment if one is wanted. Whether it
    /// did; a disk without room is no failure.
    pub fn prepare(&mut self) -> bool {
        if self.shared.is_poisoned() {
            return false;
        }
        match self.preparer.turn() {
            Ok(prepared) => prepared,
            Err(PrepareError::NoSpace { .. } | PrepareError::Stopped) => false,
            Err(error) => {
                self.shared.poison(&error.reason());
                false
            }
        }
    }

    /// Syncs all that has been appended and writes a stop record. Returns the end of the log.
    ///
    /// # Errors
    /// [`StopError::Poisoned`] when the log had failed, or failed now.
    pub fn stop(mut self) -> Result<Lsn, StopError> {
        self.shared.stop(false);
        self.commit();
        if !self.shared.is_poisoned()
            && let Err(error) = self.committer.finish(&mut self.marks)
        {
            self.shared.poison(&error.to_string());
        }
        match self.shared.reason() {
            Some(reason) => Err(StopError::Poisoned { reason }),
            None => Ok(self.handle().durable()),
        }
    }
}
