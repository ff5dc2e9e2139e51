//! Why an engine does not start or could not stop.

use std::path::PathBuf;

use suanpan_wal::{LockError, Lsn, OpenError, StartError};

use crate::cold::ColdError;
use crate::group::GroupError;
use crate::snapshot::file::SnapshotError;

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
    /// The log no longer reaches back to its beginning, and no snapshot can be used.
    #[error(
        "the log begins at {begin}, what came before it is in snapshots only, and none can be used{}. Restore {folder} from the \
         same backup as the log",
        .passed_over.iter().map(|error| format!("; {error}")).collect::<String>()
    )]
    NoSnapshot {
        /// Where the log begins.
        begin: Lsn,
        /// The snapshots' folder.
        folder: PathBuf,
        /// What is wrong with those that are there.
        passed_over: Vec<SnapshotError>,
    },
    /// Segments of the log that a snapshot still needs are gone: somebody removed them.
    #[error(
        "the log begins at {begin}, behind the snapshot {snapshot}: segments were removed. Put them back; or, if a newer \
         snapshot is sound (`suanpan snapshot verify`), remove this one"
    )]
    SegmentsMissing {
        /// Where the log begins.
        begin: Lsn,
        /// The snapshot that needs what was before.
        snapshot: PathBuf,
    },
    /// A snapshot was taken of another history than the log's: folders were mixed.
    #[error(
        "{path} was taken of another log, or of this one before it was replaced: restore snapshots and log from one backup"
    )]
    OtherHistory {
        /// The snapshot.
        path: PathBuf,
    },
    /// A snapshot cannot be used, and the one before it must not be.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The cold store cannot be used.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// A follower would have to begin at a snapshot with orders in the cold store, where it cannot read.
    #[error(
        "the log no longer reaches back to its beginning, and older orders are in the cold store: follow from the beginning on"
    )]
    FollowCold,
    /// The first record of a new log could not be written.
    #[error("the books could not be begun: {0}")]
    Begin(&'static str),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
