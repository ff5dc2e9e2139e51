//! Why an engine does not start or could not stop.

use suanpan_wal::{LockError, Lsn, OpenError, StartError};

use crate::group::GroupError;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting is outside its bounds.
    #[error("{what} must be {bounds}, not {given}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What it may be.
        bounds: &'static str,
        /// What it was.
        given: String,
    },
    /// The data folder could not be locked; the message says by whom it is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log could not be opened; the message says what to do.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be started; the message says what to do.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A whole record that cannot be read.
    #[error("the log's record at {lsn} cannot be read: {error}")]
    Group {
        /// Where.
        lsn: Lsn,
        /// Why.
        error: GroupError,
    },
    /// A replay does not do what the first run did: the state and the log have parted. Nothing was changed;
    /// start it with the version that wrote the log, and report this.
    #[error("the replay parts from the log at {lsn}: {what}. Start it with the Suanpan that wrote this log")]
    Diverged {
        /// Where.
        lsn: Lsn,
        /// In what.
        what: String,
    },
    /// The first record of a new log could not be written.
    #[error("the books could not be begun: {0}")]
    Begin(&'static str),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
