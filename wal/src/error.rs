//! What can go wrong, by what was being done. Each message ends with what to do next.

use crate::{Flaw, Lsn, Proof};
use std::{io, path::PathBuf};

/// A log was not opened. Nothing on disk has been changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is outside what the log can do.
    #[error("log setting {setting} {rule}")]
    Config {
        /// The field of [`crate::LogConfig`].
        setting: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The disk or the file system failed. Check the disk before starting again.
    #[error("{doing} {path}: {source}; check the disk and the file's rights, then start again")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that had been durable are damaged or gone. They are not skipped.
    #[error(
        "log damaged at LSN {lsn}, {path} offset {offset}: {flaw}, yet {proof}; restore the folder from a replica \
         or a backup, nothing was changed"
    )]
    Damaged {
        /// The segment file, which may be the missing one.
        path: PathBuf,
        /// Where in the file, bytes.
        offset: u64,
        /// Where in the log.
        lsn: Lsn,
        /// What is wrong there.
        flaw: Flaw,
        /// How it is known that the place had been durable.
        proof: Proof,
    },
    /// A segment file's header is damaged, so nothing in the file can be trusted.
    #[error("{path}: the segment header is damaged; restore the file from a replica or a backup")]
    SegmentHeader {
        /// The segment file.
        path: PathBuf,
    },
    /// A segment does not continue the one before it, though both are whole.
    #[error(
        "{path}: does not continue the segment before it; files of different times were mixed, restore the folder from one backup"
    )]
    SegmentOrder {
        /// The segment file.
        path: PathBuf,
    },
    /// A file of another log lies in the folder.
    #[error("{path}: belongs to log {found:032x}, not to {expected:032x}; move it out of the folder")]
    Foreign {
        /// The segment file.
        path: PathBuf,
        /// The log it belongs to.
        found: u128,
        /// The log the folder belongs to.
        expected: u128,
    },
    /// A file is of a format that this version does not read.
    #[error("{path}: log format {found}, this version reads {known}; start the version that wrote it")]
    Version {
        /// The segment file.
        path: PathBuf,
        /// The file's format.
        found: u32,
        /// The format that is read.
        known: u32,
    },
    /// A file is not as long as its kind is.
    #[error("{path}: {found} bytes long instead of {expected}; restore it from a replica or a backup")]
    WrongSize {
        /// The segment file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length that segments have.
        expected: u64,
    },
    /// The log does not reach back to where it is needed from: a segment was removed, or a snapshot.
    #[error(
        "{path}: missing; the log begins at LSN {begin} and is needed from LSN {needed} on: put the snapshot or the \
         segments in between back from a replica or a backup"
    )]
    Beginning {
        /// The segment file that is missing.
        path: PathBuf,
        /// Where the log begins.
        begin: Lsn,
        /// Where it is needed from.
        needed: Lsn,
    },
    /// The folder holds the log of another server.
    #[error(
        "{dir}: holds log {found:032x}, but {expected:032x} is expected here: it is another server's, or restored from \
         its backup; put the right folder in its place"
    )]
    OtherLog {
        /// The log's folder.
        dir: PathBuf,
        /// The log that is there.
        found: u128,
        /// The log that is expected.
        expected: u128,
    },
    /// Something that is no segment lies in the folder, which may not be a log's at all.
    #[error("{path}: is not a segment of a log; move it out of the folder, or choose another folder")]
    Unknown {
        /// What lies there.
        path: PathBuf,
    },
    /// What is read was released while it was being read, or before.
    #[error("the log no longer reaches back to LSN {lsn}; begin again from a newer snapshot")]
    Released {
        /// What was to be read.
        lsn: Lsn,
    },
    /// No record begins at a position that the caller holds to be one.
    #[error("no record begins at LSN {lsn}; the position, or the snapshot that names it, is another log's")]
    Position {
        /// The position.
        lsn: Lsn,
    },
    /// The log was made with segments of another size.
    #[error(
        "{path}: this segment says it has {stored} bytes, the log's first one {configured}: they are not of one log; \
         restore the file from where it belongs"
    )]
    SegmentSize {
        /// A segment file.
        path: PathBuf,
        /// The size in its header, in bytes.
        stored: u64,
        /// The size that the log's lowest segment states.
        configured: u64,
    },
}

/// A log was not started. A torn tail may have been cut; starting again is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The disk or the file system failed. Check the disk before starting again.
    #[error("{doing} {path}: {source}; check the disk and the file's rights, then start again")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room for the segments a log needs to start.
    #[error(
        "{dir}: {needed_bytes} bytes are needed to start and {free_bytes} are free; free some space, then start again"
    )]
    NoSpace {
        /// The log's folder.
        dir: PathBuf,
        /// Bytes needed, the reserve included.
        needed_bytes: u64,
        /// Bytes free now.
        free_bytes: u64,
    },
}

/// An append is not allowed now. Nothing has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// No segment is ready, because the disk is full or slow. Retry later; it passes by itself.
    #[error("the log is read-only until there is disk space again; retry later, nothing changed")]
    ReadOnly,
    /// The log has failed and stays so. Restart the process; recovery finds what was durable.
    #[error("the log has failed; the server must be restarted")]
    Poisoned,
    /// The log is being stopped.
    #[error("the log is stopped")]
    Stopped,
}

/// A log did not stop in order. What was durable stays so; recovery finds the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The log was poisoned before everything was durable.
    #[error("the log had failed: {reason}; start again, recovery finds what was durable")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
}

/// A data folder was not locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error("data folder {dir} is in use by process {holder}; stop it or choose another folder")]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other process's id, or `unknown`.
        holder: String,
    },
    /// The lock file could not be opened or written.
    #[error("locking {path}: {source}; check the folder's rights")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
