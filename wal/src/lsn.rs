//! Where a byte of the log is, for ever.

use std::fmt;

/// A log sequence number: a byte position in the endless file that the segments are windows of. Grows only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// Before every record; replaying from here is replaying everything.
    pub const ZERO: Lsn = Lsn(0);

    /// The position `bytes` from the beginning of the log, e.g. read back from a snapshot.
    pub const fn new(bytes: u64) -> Lsn {
        Lsn(bytes)
    }

    /// Bytes from the beginning of the log.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
